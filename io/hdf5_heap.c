/* SPDX-License-Identifier: Apache-2.0 */
/* Variable-length strings: the attribute holds references, the global heap the text. HDF5 File Format
 * Specification 3.0, III.E. */
#include "io/hdf5_raw.h"

#include <stdlib.h>
#include <string.h>

enum {
    MAX_HEAP = MR_HDF5_MAX_TEXT + (64 << 10), /* bytes of one collection */
    REFERENCE = 16 /* bytes: the string's length (4), heap's address (8), number in it (4) */
};

static int damaged(mr_error *e, const char *name, const char *what)
{
    return mr_fail(e, MR_EFORMAT, "attribute '%s': damaged HDF5 file (%s)", name, what);
}

/* --- references ----------------------------------------------------------- */

struct search {
    const char *name;
    size_t wanted;
    unsigned char *references;
};

static int copy_references(void *context, const char *name, const unsigned char *data, size_t size,
                           mr_error *e)
{
    struct search *s = context;
    if (s->references || strcmp(name, s->name) != 0)
        return 0;
    if (size < s->wanted)
        return damaged(e, name, "fewer strings than it says");
    s->references = malloc(s->wanted + 1);
    if (!s->references)
        return mr_fail(e, MR_ENOMEM, "out of memory");
    memcpy(s->references, data, s->wanted);
    return 0;
}

/* --- the heap ------------------------------------------------------------- */

/* The collection that was read last: the strings of one list mostly share one. */
struct heap {
    uint64_t address;
    unsigned char *bytes;
    size_t size;
};

static int load_heap(struct heap *h, const mr_raw *r, uint64_t address)
{
    unsigned char start[16];
    if (h->bytes && h->address == address)
        return 0;
    free(h->bytes);
    h->bytes = NULL;
    if (mr_raw_read(r, address, start, sizeof start) || memcmp(start, "GCOL", 4) != 0 || start[4] != 1)
        return -1;
    uint64_t size = mr_raw_number(start + 8, 8);
    if (size < 16 || size > MAX_HEAP || !(h->bytes = mr_raw_copy(r, address, (size_t)size)))
        return -1;
    h->size = (size_t)size;
    h->address = address;
    return 0;
}

/* Object INDEX of the heap: its bytes, at least LENGTH of them, or NULL. */
static const unsigned char *heap_object(const struct heap *h, unsigned index, size_t length)
{
    for (size_t at = 16; at + 16 <= h->size;) {
        unsigned found = (unsigned)mr_raw_number(h->bytes + at, 2);
        uint64_t size = mr_raw_number(h->bytes + at + 8, 8);
        if (found == 0 || size > h->size - at - 16) /* 0: the free space at the end */
            return NULL;
        if (found == index)
            return length <= size ? h->bytes + at + 16 : NULL;
        at += 16 + ((size_t)size + 7) / 8 * 8;
    }
    return NULL;
}

static int add_string(mr_names *out, struct heap *h, const mr_raw *r, const unsigned char *reference,
                      const char *name, mr_error *e)
{
    size_t length = mr_raw_number(reference, 4);
    if (length == 0)
        return mr_names_add(out, "", e);
    const unsigned char *bytes = NULL;
    if (!load_heap(h, r, mr_raw_number(reference + 4, 8)))
        bytes = heap_object(h, (unsigned)mr_raw_number(reference + 12, 4), length);
    if (!bytes)
        return damaged(e, name, "a string is not where it should be");
    char *text = strndup((const char *)bytes, length);
    int status = text ? mr_names_add(out, text, e) : mr_fail(e, MR_ENOMEM, "out of memory");
    free(text);
    return status;
}

int mr_hdf5_read_heap_strings(mr_names *out, hid_t object, const char *name, size_t count, mr_error *e)
{
    struct search s = {.name = name, .wanted = count * REFERENCE};
    struct heap h = {0};
    mr_raw r;
    int status = mr_raw_open(&r, object, e);
    if (!status)
        status = mr_raw_attributes(&r, object, copy_references, &s, e);
    if (!status && !s.references)
        status = damaged(e, name, "it cannot be found again");
    for (size_t i = 0; i < count && !status; i++)
        status = add_string(out, &h, &r, s.references + i * REFERENCE, name, e);
    free(s.references);
    free(h.bytes);
    return status;
}
