/* SPDX-License-Identifier: Apache-2.0 */
/* Variable-length strings: the attribute holds references, the global heap the text. HDF5 File Format
 * Specification 3.0, III.E. */
#include "io/hdf5/raw.h"

#include <stdlib.h>
#include <string.h>

enum {
    MAX_HEAP = MR_HDF5_MAX_TEXT + (64 << 10), /* bytes of one collection */
    OBJECTS = 1 << 16,
    AGAIN = 8, /* times the file's size: strings may take turns between heaps */
};

static int damaged(mr_error *e, const char *name, const char *what)
{
    return mr_fail(e, MR_EFORMAT, "attribute '%s': damaged HDF5 file (%s)", name, what);
}

/* --- the heap --- */

/* The collection that was read last: the strings of one list mostly share one. */
struct heap {
    uint64_t address;
    unsigned char *bytes;
    size_t size;
    uint32_t *object; /* [OBJECTS] where each object's head is; 0: there is none */
};

static void drop_heap(struct heap *h)
{
    free(h->bytes);
    free(h->object);
    *h = (struct heap){0};
}

/* Where its objects are. The first of a number counts. */
static void find_objects(struct heap *h)
{
    for (size_t at = 16; at + 16 <= h->size;) {
        unsigned number = (unsigned)mr_raw_number(h->bytes + at, 2);
        uint64_t size = mr_raw_number(h->bytes + at + 8, 8);
        if (number == 0 || size > h->size - at - 16) /* 0: the free space at the end */
            return;
        if (!h->object[number])
            h->object[number] = (uint32_t)at;
        at += 16 + ((size_t)size + 7) / 8 * 8;
    }
}

/* MR_EFORMAT, with or without a message: there is none. */
static int load_heap(struct heap *h, mr_raw *r, uint64_t address, mr_error *e)
{
    unsigned char start[16];
    if (h->bytes && h->address == address)
        return 0;
    drop_heap(h);
    int status = mr_raw_read(r, address, start, sizeof start, e);
    if (status)
        return status;
    uint64_t size = mr_raw_number(start + 8, 8);
    if (memcmp(start, "GCOL", 4) != 0 || start[4] != 1 || size < 16 || size > MAX_HEAP)
        return MR_EFORMAT;
    if ((r->heap += size) > MAX_HEAP + AGAIN * r->size)
        return MR_EFORMAT;
    h->size = (size_t)size;
    h->address = address;
    h->object = calloc(OBJECTS, sizeof *h->object);
    status =
        h->object ? mr_raw_copy(&h->bytes, r, address, (size_t)size, e) : mr_no_memory(e, "an HDF5 file");
    if (!status)
        find_objects(h);
    return status;
}

/* Object NUMBER of the heap: its bytes, at least LENGTH of them, or NULL. */
static const unsigned char *heap_object(const struct heap *h, unsigned number, size_t length)
{
    size_t at = number < OBJECTS ? h->object[number] : 0;
    return at && length <= mr_raw_number(h->bytes + at + 8, 8) ? h->bytes + at + 16 : NULL;
}

/* A reference: the string's length (4 bytes), its heap's address (8), its number in the heap (4). */
static int add_string(mr_names *out, struct heap *h, mr_raw *r, const unsigned char *reference,
                      const char *name, mr_error *e)
{
    size_t length = mr_raw_number(reference, 4);
    if (length == 0)
        return mr_names_add(out, "", e);
    if ((r->text += length) > r->size)
        return damaged(e, name, "more strings than it holds");
    mr_error why = {0};
    int status = load_heap(h, r, mr_raw_number(reference + 4, 8), &why);
    if (status && status != MR_EFORMAT)
        return mr_fail(e, status, "attribute '%s': %s", name, why.message);
    const unsigned char *bytes = NULL;
    if (!status)
        bytes = heap_object(h, (unsigned)mr_raw_number(reference + 12, 4), length);
    if (!bytes)
        return damaged(e, name, "a string is not where it should be");
    char *text = strndup((const char *)bytes, length);
    status = text ? mr_names_add(out, text, e) : mr_no_memory(e, "an HDF5 file");
    free(text);
    return status;
}

int mr_raw_heap_strings(mr_names *out, mr_raw *r, const unsigned char *references, size_t count,
                        const char *name, mr_error *e)
{
    struct heap h = {0};
    int status = 0;
    for (size_t i = 0; i < count && !status; i++)
        status = add_string(out, &h, r, references + i * MR_RAW_REFERENCE, name, e);
    drop_heap(&h);
    return status;
}
