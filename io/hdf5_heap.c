/* SPDX-License-Identifier: Apache-2.0 */
/* Layouts: HDF5 File Format Specification 3.0, IV.A.1 (object headers), IV.A.2.m (attribute message), III.E
 * (global heap). All numbers are little-endian. */
#include "io/hdf5_heap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MESSAGE_ATTRIBUTE = 0x0c,
    MESSAGE_CONTINUATION = 0x10,
    MESSAGE_SHARED = 2,  /* flag: the message stands elsewhere */
    MAX_BLOCKS = 4096,   /* continuations of one header: a chain that is longer runs in a circle */
    MAX_BLOCK = 1 << 20, /* bytes of one of them; a message has at most 64 KiB */
    MAX_HEAP = MR_HDF5_MAX_TEXT + (64 << 10), /* bytes of one collection */
    REFERENCE = 16 /* a string in the attribute: length, heap's address, number in the heap */
};

/* The file's bytes: in memory, or behind a descriptor that libhdf5 holds. */
struct raw {
    const unsigned char *memory;
    int fd;
    uint64_t size;
    uint64_t base; /* where address 0 is */
};

static uint64_t number(const unsigned char *p, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

static size_t padded(size_t n)
{
    return (n + 7) / 8 * 8;
}

static int damaged(mr_error *e, const char *name, const char *what)
{
    return mr_fail(e, MR_EFORMAT, "attribute '%s': damaged file (%s)", name, what);
}

/* --- bytes ---------------------------------------------------------------------------------------- */

static int raw_open(struct raw *r, hid_t object, const char *name, mr_error *e)
{
    size_t address_size = 0, length_size = 0;
    hsize_t size = 0, block = 0;
    void *handle = NULL;
    hid_t file = H5Iget_file_id(object);
    hid_t access = file < 0 ? -1 : H5Fget_access_plist(file),
          creation = file < 0 ? -1 : H5Fget_create_plist(file);
    bool there = access >= 0 && creation >= 0 && H5Fget_filesize(file, &size) >= 0 &&
                 H5Pget_userblock(creation, &block) >= 0 &&
                 H5Pget_sizes(creation, &address_size, &length_size) >= 0 &&
                 H5Fget_vfd_handle(file, H5P_DEFAULT, &handle) >= 0;
    bool memory = access >= 0 && H5Pget_driver(access) == H5FD_CORE;
    if (there && handle)
        *r = (struct raw){memory ? *(unsigned char **)handle : NULL, memory ? -1 : *(int *)handle, size,
                          block};
    mr_hdf5_release(access);
    mr_hdf5_release(creation);
    mr_hdf5_release(file);
    if (!there || !handle)
        return mr_hdf5_fail(e, MR_EFORMAT, "cannot read attribute '%s'", name);
    if (address_size != 8 || length_size != 8)
        return mr_fail(e, MR_EUNSUPPORTED, "attribute '%s': an HDF5 file with addresses of %zu bytes", name,
                       address_size);
    return 0;
}

/* N bytes at ADDRESS into OUT: -1 where they are not there. */
static int raw_read(const struct raw *r, uint64_t address, void *out, size_t n)
{
    uint64_t at = address + r->base;
    if (at < address || at > r->size || n > r->size - at)
        return -1;
    if (r->memory) {
        memcpy(out, r->memory + at, n);
        return 0;
    }
    for (size_t done = 0; done < n;) {
        ssize_t got = pread(r->fd, (char *)out + done, n - done, (off_t)(at + done));
        if (got <= 0 && !(got < 0 && errno == EINTR))
            return -1;
        done += got > 0 ? (size_t)got : 0;
    }
    return 0;
}

static unsigned char *raw_copy(const struct raw *r, uint64_t address, size_t n)
{
    unsigned char *block = malloc(n + 1);
    if (block && raw_read(r, address, block, n)) {
        free(block);
        return NULL;
    }
    return block;
}

/* --- the attribute in the object's header -------------------------------------------------------------- */

/* Where messages stand: the header itself, and what its continuations point to. */
struct blocks {
    uint64_t address[MAX_BLOCKS], size[MAX_BLOCKS];
    int count, next;
};

static void add_block(struct blocks *b, uint64_t address, uint64_t size)
{
    if (b->count < MAX_BLOCKS && size <= MAX_BLOCK) {
        b->address[b->count] = address;
        b->size[b->count++] = size;
    }
}

/* The data of an attribute message that is NAME's: offset within the message, or 0. */
static size_t attribute_data(const unsigned char *m, size_t size, const char *name)
{
    if (size < 8 || m[0] < 1 || m[0] > 3 || (m[0] > 1 && (m[1] & 3)))
        return 0; /* shared datatypes and dataspaces are not how strings are written */
    size_t start = m[0] == 3 ? 9 : 8, name_size = number(m + 2, 2), type = number(m + 4, 2),
           space = number(m + 6, 2);
    if (start + name_size > size || name_size == 0 ||
        strnlen((const char *)m + start, name_size) == name_size ||
        strcmp((const char *)m + start, name) != 0)
        return 0;
    size_t at = m[0] == 1 ? start + padded(name_size) + padded(type) + padded(space)
                          : start + name_size + type + space;
    return at <= size ? at : 0;
}

/* Looks for the attribute among the messages of a block; its references are copied out. */
static int search_block(unsigned char **references, const unsigned char *block, size_t size, struct blocks *b,
                        const char *name, size_t wanted)
{
    for (size_t at = 0; at + 8 <= size;) {
        unsigned type = (unsigned)number(block + at, 2), flags = block[at + 4];
        size_t length = number(block + at + 2, 2);
        const unsigned char *m = block + at + 8;
        at += 8 + length;
        if (at > size)
            return -1;
        if (type == MESSAGE_CONTINUATION && length >= 16)
            add_block(b, number(m, 8), number(m + 8, 8));
        size_t data =
            type == MESSAGE_ATTRIBUTE && !(flags & MESSAGE_SHARED) ? attribute_data(m, length, name) : 0;
        if (data && length - data >= wanted) {
            *references = malloc(wanted + 1);
            if (*references)
                memcpy(*references, m + data, wanted);
            return 0;
        }
    }
    return 0;
}

/* The header's first block, of version 1: what writers of the old format make. */
static int open_header(struct blocks *b, const struct raw *r, uint64_t address, const char *name, mr_error *e)
{
    unsigned char start[16];
    if (raw_read(r, address, start, sizeof start))
        return damaged(e, name, "an object header outside of the file");
    if (!memcmp(start, "OHDR", 4))
        return mr_fail(e, MR_EUNSUPPORTED, "attribute '%s': a file in HDF5's new format", name);
    if (start[0] != 1)
        return damaged(e, name, "an object header of unknown version");
    add_block(b, address + 16, number(start + 8, 4));
    return 0;
}

/* Copies out the references of attribute NAME: COUNT of 16 bytes each. */
static int find_references(unsigned char **references, const struct raw *r, hid_t object, const char *name,
                           size_t count, mr_error *e)
{
    H5O_info_t info;
    struct blocks *b = calloc(1, sizeof *b);
    *references = NULL;
    int status = b ? 0 : mr_fail(e, MR_ENOMEM, "out of memory");
    if (!status && H5Oget_info2(object, &info, H5O_INFO_BASIC) < 0)
        status = mr_hdf5_fail(e, MR_EFORMAT, "cannot read attribute '%s'", name);
    if (!status)
        status = open_header(b, r, info.addr, name, e);
    while (!status && !*references && b->next < b->count) {
        size_t size = (size_t)b->size[b->next];
        unsigned char *block = raw_copy(r, b->address[b->next++], size);
        if (!block || search_block(references, block, size, b, name, count * REFERENCE))
            status = damaged(e, name, "an object header that is cut off");
        free(block);
    }
    if (!status && !*references)
        status = damaged(e, name, "an attribute that cannot be found again");
    free(b);
    return status;
}

/* --- the heap ----------------------------------------------------------------------------------------------
 */

/* The collection that was read last: the strings of one list mostly share one. */
struct heap {
    uint64_t address;
    unsigned char *bytes;
    size_t size;
};

static int load_heap(struct heap *h, const struct raw *r, uint64_t address)
{
    unsigned char start[16];
    if (h->bytes && h->address == address)
        return 0;
    free(h->bytes);
    h->bytes = NULL;
    if (raw_read(r, address, start, sizeof start) || memcmp(start, "GCOL", 4) != 0 || start[4] != 1)
        return -1;
    uint64_t size = number(start + 8, 8);
    if (size < 16 || size > MAX_HEAP || !(h->bytes = raw_copy(r, address, (size_t)size)))
        return -1;
    h->size = (size_t)size;
    h->address = address;
    return 0;
}

/* Object INDEX of the heap: its bytes, at least LENGTH of them, or NULL. */
static const unsigned char *heap_object(const struct heap *h, unsigned index, size_t length)
{
    for (size_t at = 16; at + 16 <= h->size;) {
        unsigned found = (unsigned)number(h->bytes + at, 2);
        uint64_t size = number(h->bytes + at + 8, 8);
        if (found == 0 || size > h->size - at - 16) /* 0: the free space at the end */
            return NULL;
        if (found == index)
            return length <= size ? h->bytes + at + 16 : NULL;
        at += 16 + padded((size_t)size);
    }
    return NULL;
}

static int add_string(mr_names *out, struct heap *h, const struct raw *r, const unsigned char *reference,
                      const char *name, mr_error *e)
{
    size_t length = number(reference, 4);
    uint64_t address = number(reference + 4, 8);
    if (length == 0)
        return mr_names_add(out, "", e);
    const unsigned char *bytes =
        load_heap(h, r, address) ? NULL : heap_object(h, (unsigned)number(reference + 12, 4), length);
    if (!bytes)
        return damaged(e, name, "a string that is not where it should be");
    char *text = strndup((const char *)bytes, length);
    int status = text ? mr_names_add(out, text, e) : mr_fail(e, MR_ENOMEM, "out of memory");
    free(text);
    return status;
}

int mr_hdf5_read_heap_strings(mr_names *out, hid_t object, const char *name, size_t count, mr_error *e)
{
    struct raw r = {0};
    struct heap h = {0};
    unsigned char *references = NULL;
    int status = raw_open(&r, object, name, e);
    if (!status)
        status = find_references(&references, &r, object, name, count, e);
    for (size_t i = 0; i < count && !status; i++)
        status = add_string(out, &h, &r, references + i * REFERENCE, name, e);
    free(references);
    free(h.bytes);
    return status;
}
