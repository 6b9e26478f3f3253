/* SPDX-License-Identifier: Apache-2.0 */
/* Object headers: HDF5 File Format Specification 3.0, IV.A.1; attribute messages: IV.A.2.m. Numbers are
 * little-endian. */
#include "io/hdf5/raw.h"

#include "base/list.h"
#include "io/hdf5/parse_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- bytes --- */

uint64_t mr_raw_number(const unsigned char *p, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

int mr_raw_open(mr_raw *r, hid_t object, mr_error *e)
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
    there = there && block <= size;
    if (there && handle)
        *r = (mr_raw){.memory = memory ? *(unsigned char **)handle : NULL,
                      .fd = memory ? -1 : *(int *)handle,
                      .size = size,
                      .base = block};
    mr_hdf5_release(access);
    mr_hdf5_release(creation);
    mr_hdf5_release(file);
    if (!there || !handle)
        return mr_hdf5_fail(e, MR_EFORMAT, "cannot read attributes");
    if (address_size != 8 || length_size != 8)
        return mr_fail(e, MR_EUNSUPPORTED, "an HDF5 file with addresses of %zu bytes", address_size);
    return 0;
}

/* N bytes from AT on, which the file has. */
static int read_file(const mr_raw *r, uint64_t at, void *out, size_t n, mr_error *e)
{
    for (size_t done = 0; done < n;) {
        ssize_t got = pread(r->fd, (char *)out + done, n - done, (off_t)(at + done));
        if (got < 0 && errno != EINTR)
            return mr_fail_errno(e, errno, "cannot read the file");
        if (got == 0)
            return mr_fail(e, MR_EIO, "the file became shorter while it was read");
        done += got > 0 ? (size_t)got : 0;
    }
    return 0;
}

/* Makes the window begin AT. */
static int move_window(mr_raw *r, uint64_t at, mr_error *e)
{
    r->window_at = at;
    r->window_size = r->size - at < MR_RAW_WINDOW ? (size_t)(r->size - at) : MR_RAW_WINDOW;
    int status = read_file(r, at, r->window, r->window_size, e);
    if (status)
        r->window_size = 0;
    return status;
}

int mr_raw_read(mr_raw *r, uint64_t address, void *out, size_t n, mr_error *e)
{
    uint64_t at = address + r->base;
    int status = 0;
    if (at < address || at > r->size || n > r->size - at)
        return mr_fail(e, MR_EFORMAT, "damaged HDF5 file: it points behind its end");
    if (r->memory) {
        memcpy(out, r->memory + at, n);
        return 0;
    }
    if (n > MR_RAW_WINDOW)
        return read_file(r, at, out, n, e);
    if (at < r->window_at || at + n > r->window_at + r->window_size)
        status = move_window(r, at, e);
    if (!status)
        memcpy(out, r->window + (at - r->window_at), n);
    return status;
}

int mr_raw_copy(unsigned char **out, mr_raw *r, uint64_t address, size_t n, mr_error *e)
{
    *out = malloc(n + 1);
    int status = *out ? mr_raw_read(r, address, *out, n, e) : mr_no_memory(e, "an HDF5 file");
    if (status) {
        free(*out);
        *out = NULL;
    }
    return status;
}

/* --- object headers --- */

enum {
    MESSAGE_ATTRIBUTE = 0x0c,
    MESSAGE_CONTINUATION = 0x10,
    MESSAGE_ATTRIBUTE_INFO = 0x15,
    MESSAGE_SHARED = 2 /* flag: the message stands elsewhere */
};

/* Where messages stand: the header itself, and what its continuations point to. */
struct header {
    mr_raw *raw;
    int version;
    size_t prefix; /* bytes before a message's data: type, size, flags … */
    struct block {
        uint64_t address;
        size_t size;
    } * block;
    size_t count, next;
    uint64_t left; /* bytes that there may be in blocks: a longer chain runs in a circle */
    int (*visit)(void *context, const mr_raw_attribute *a, mr_error *e);
    void *context;
    mr_error *e;
};

static int damaged(mr_error *e, const char *what)
{
    return mr_fail(e, MR_EFORMAT, "damaged HDF5 file: an object header %s", what);
}

static int add_block(struct header *h, uint64_t address, uint64_t size)
{
    if (size > h->left)
        return damaged(h->e, "of impossible size");
    h->left -= size;
    if (!mr_list_grow(&h->block, h->count, sizeof *h->block))
        return mr_no_memory(h->e, "an HDF5 file");
    h->block[h->count++] = (struct block){address, (size_t)size};
    return 0;
}

static int open_old(struct header *h, uint64_t address, const unsigned char *start)
{
    h->version = 1;
    h->prefix = 8;
    return start[0] == 1 ? add_block(h, address + 16, mr_raw_number(start + 8, 4))
                         : damaged(h->e, "of unknown version");
}

/* "OHDR", version, flags, then what the flags announce: times, limits, the size of the first block in 1, 2, 4
 * or 8 bytes. */
static int open_new(struct header *h, uint64_t address, const unsigned char *start)
{
    unsigned flags = start[5];
    size_t at = 6 + (flags & 0x20 ? 16 : 0) + (flags & 0x10 ? 4 : 0);
    int width = 1 << (flags & 3);
    h->version = 2;
    h->prefix = flags & 4 ? 6 : 4;
    return start[4] == 2 ? add_block(h, address + at + (size_t)width, mr_raw_number(start + at, width))
                         : damaged(h->e, "of unknown version");
}

static int open_header(struct header *h, uint64_t address)
{
    unsigned char start[40] = {0};
    /* A header may be the last thing in the file, and shorter than that. */
    uint64_t end = h->raw->size - h->raw->base, rest = address < end ? end - address : 0;
    if (rest < 16)
        return damaged(h->e, "outside of the file");
    int status = mr_raw_read(h->raw, address, start, rest < sizeof start ? (size_t)rest : sizeof start, h->e);
    if (status)
        return status;
    return memcmp(start, "OHDR", 4) ? open_old(h, address, start) : open_new(h, address, start);
}

static size_t padded(size_t n)
{
    return (n + 7) / 8 * 8;
}

/* Hands on an attribute message: version, flags, sizes of name, datatype and dataspace, (version 3) the
 * name's encoding; then these three, padded in version 1, and the value. */
static int visit_attribute(struct header *h, const unsigned char *m, size_t size)
{
    if (size < 9 || m[0] < 1 || m[0] > 3)
        return damaged(h->e, "with an attribute of unknown version");
    size_t start = m[0] == 3 ? 9 : 8;
    size_t name = mr_raw_number(m + 2, 2), type = mr_raw_number(m + 4, 2), space = mr_raw_number(m + 6, 2);
    size_t type_at = start + (m[0] == 1 ? padded(name) : name);
    size_t space_at = type_at + (m[0] == 1 ? padded(type) : type),
           data_at = space_at + (m[0] == 1 ? padded(space) : space);
    if (name == 0 || data_at > size || strnlen((const char *)m + start, name) == name)
        return damaged(h->e, "with an impossible attribute");
    if (m[0] > 1 && (m[1] & 3)) /* type or shape stand elsewhere: the name is all that there is to read */
        type = space = 0;
    mr_raw_attribute a = {(const char *)m + start, m + type_at, m + space_at, m + data_at, type, space,
                          size - data_at};
    return h->visit(h->context, &a, h->e);
}

static int visit_dense(mr_h5_walk *w, void *context, mr_h5_cursor *c)
{
    (void)w;
    return visit_attribute(context, c->at, c->left);
}

/* Many attributes lie in a fractal heap. */
static int visit_info(struct header *h, const unsigned char *m, size_t size)
{
    mr_raw *r = h->raw;
    mr_h5_walk w = {
        .what = "the file", .e = h->e, .fd = r->memory ? -1 : r->fd, .bytes = r->memory, .base = r->base};
    mr_h5_cursor c = mr_h5_cursor_at(m, size);
    mr_h5_dense d;
    w.budget = w.size = r->size - r->base;
    int status = mr_h5_parse_dense(&w, &c, 0, true, &d);
    return status ? status : mr_h5_walk_dense(&w, &d, visit_dense, h);
}

/* Blocks of the new kind have a signature before, and a checksum after their messages. */
static int visit_continuation(struct header *h, const unsigned char *m, size_t size)
{
    uint64_t extra = h->version == 2 ? 8 : 0;
    if (size < 16 || mr_raw_number(m + 8, 8) < extra)
        return damaged(h->e, "with an impossible continuation");
    return add_block(h, mr_raw_number(m, 8) + extra / 2, mr_raw_number(m + 8, 8) - extra);
}

static int visit_message(struct header *h, unsigned type, unsigned flags, const unsigned char *m, size_t size)
{
    if (type == MESSAGE_CONTINUATION)
        return visit_continuation(h, m, size);
    if (type == MESSAGE_ATTRIBUTE_INFO)
        return visit_info(h, m, size);
    return type == MESSAGE_ATTRIBUTE && !(flags & MESSAGE_SHARED) ? visit_attribute(h, m, size) : 0;
}

static int visit_block(struct header *h, const unsigned char *block, size_t size)
{
    int status = 0;
    for (size_t at = 0; at + h->prefix <= size && !status;) {
        const unsigned char *m = block + at;
        unsigned type = h->version == 1 ? (unsigned)mr_raw_number(m, 2) : m[0];
        size_t length = mr_raw_number(h->version == 1 ? m + 2 : m + 1, 2);
        unsigned flags = h->version == 1 ? m[4] : m[3];
        if (length > size - at - h->prefix)
            return damaged(h->e, "that is cut off");
        status = visit_message(h, type, flags, m + h->prefix, length);
        at += h->prefix + length;
    }
    return status;
}

/* The header's blocks in turn; each may bring more of them. */
static int visit_blocks(struct header *h)
{
    int status = 0;
    while (!status && h->next < h->count) {
        struct block next = h->block[h->next++];
        unsigned char *block = NULL;
        status = mr_raw_copy(&block, h->raw, next.address, next.size, h->e);
        if (!status)
            status = visit_block(h, block, next.size);
        free(block);
    }
    return status;
}

int mr_raw_attributes(mr_raw *r, hid_t object,
                      int (*visit)(void *context, const mr_raw_attribute *a, mr_error *e), void *context,
                      mr_error *e)
{
    H5O_info_t info;
    struct header h = {.raw = r, .visit = visit, .context = context, .e = e, .left = r->size};
    if (H5Oget_info2(object, &info, H5O_INFO_BASIC) < 0)
        return mr_hdf5_fail(e, MR_EFORMAT, "cannot read attributes");
    int status = open_header(&h, info.addr);
    if (!status)
        status = visit_blocks(&h);
    free(h.block);
    return status;
}
