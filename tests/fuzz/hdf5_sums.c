/* SPDX-License-Identifier: Apache-2.0 */
/* HDF5's newer structures end with a checksum of what is before them, but do not say where that is. So it is
 * looked for in the file as it was before the mutations: where the bytes after some length are the sum of
 * that length. */
#include "tests/fuzz/hdf5_sums.h"

#include "io/hdf5/parse_internal.h"

#include <stdlib.h>
#include <string.h>

enum { MARKS = 14, MOST = 2048, LONGEST = 4096, FILES = 128 };

static const char marks[MARKS][5] = {"\x89HDF", "OHDR", "OCHK", "FRHP", "FHDB", "FHIB", "BTHD",
                                     "BTIN",    "BTLF", "FAHD", "FADB", "EAHD", "EAIB", "EASB"};

/* The lengths behind each occurrence of each mark, in the order of the file; 0: none was found. */
struct lengths {
    uint64_t key; /* of the file; 0: a free place */
    uint16_t count, mark[MOST], length[MOST];
};
static struct lengths *known[FILES];

static int mark_at(const uint8_t *p)
{
    for (int m = 0; m < MARKS; m++)
        if (!memcmp(p, marks[m], 4))
            return m;
    return -1;
}

static uint32_t number_at(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static uint16_t length_at(const uint8_t *p, size_t left)
{
    for (size_t n = 8; n <= LONGEST && n + 4 <= left; n++)
        if (number_at(p + n) && mr_h5_checksum(p, n) == number_at(p + n))
            return (uint16_t)n;
    return 0;
}

static void measure(struct lengths *l, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i + 8 <= size && l->count < MOST; i++) {
        int mark = mark_at(data + i);
        if (mark < 0)
            continue;
        l->mark[l->count] = (uint16_t)mark;
        l->length[l->count++] = length_at(data + i, size - i);
    }
}

static struct lengths *current;

void hdf5_sums_prepare(const uint8_t *data, size_t size)
{
    uint64_t key = size + 1;
    for (size_t i = 0; i < size; i++)
        key = key * 0x100000001b3u + data[i];
    struct lengths **place = &known[key % FILES];
    if (!*place)
        *place = calloc(1, sizeof **place);
    current = *place;
    if (!current || current->key == key)
        return;
    *current = (struct lengths){.key = key};
    measure(current, data, size);
}

/* The next of the same mark: what was inserted or cut out in between does not put the rest out of step for
 * long. */
static uint16_t next_length(size_t *next, int mark)
{
    for (size_t i = *next; current && i < current->count; i++)
        if (current->mark[i] == mark) {
            *next = i + 1;
            return current->length[i];
        }
    return 0;
}

void hdf5_sums_repair(uint8_t *data, size_t size)
{
    size_t next = 0;
    for (size_t i = 0; i + 8 <= size; i++) {
        int mark = mark_at(data + i);
        uint16_t length = mark < 0 ? 0 : next_length(&next, mark);
        if (!length || i + length + 4 > size)
            continue;
        uint32_t sum = mr_h5_checksum(data + i, length);
        for (int k = 0; k < 4; k++)
            data[i + length + (size_t)k] = (uint8_t)(sum >> (8 * k));
    }
}
