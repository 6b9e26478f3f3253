/* SPDX-License-Identifier: Apache-2.0 */
/* Object headers: both versions, their continuations, and what their messages must be together. */
#include "io/hdf5_walk.h"

#include <stdlib.h>
#include <string.h>

enum {
    NIL,
    SPACE,
    LINK_INFO,
    TYPE,
    OLD_FILL,
    FILL,
    LINK,
    EXTERNAL,
    LAYOUT,
    BOGUS,
    GROUP_INFO,
    FILTERS,
    ATTRIBUTE,
    COMMENT,
    OLD_TIME,
    SHARED_TABLE,
    CONTINUATION,
    SYMBOL_TABLE,
    TIME,
    TREE_K,
    DRIVER,
    ATTRIBUTE_INFO,
    REFERENCES,
    FILE_SPACE,
    MESSAGES
};
enum { SHARED = 2, MAX_PIECES = 4096, MAX_TAKEN = 1 << 20 };

struct object {
    mr_h5_walk *w;
    uint64_t address;
    int depth;
    bool checksummed, tracks_order; /* version 2 */
    bool has[MESSAGES];
    unsigned messages;
    mr_h5_space space;
    mr_h5_type type;
    mr_h5_layout layout;
    uint64_t fill[2]; /* bytes of the old fill value, the new one */
    mr_h5_filters filters;
    uint64_t tree, heap; /* of the symbol table */
    struct {
        uint64_t address, size;
    } piece[MAX_PIECES]; /* the header's continuations */
    int pieces;
};

static int bad(struct object *o, const char *structure)
{
    return mr_h5_damaged(o->w, o->address, structure);
}

/* --- messages
 * ------------------------------------------------------------------------------------------------ */

static int add_piece(struct object *o, mr_h5_cursor *c)
{
    uint64_t address = mr_h5_get(c, 8), size = mr_h5_get(c, 8);
    if (o->pieces == MAX_PIECES || size < 16)
        return bad(o, "continuation of an object header");
    o->piece[o->pieces].address = address;
    o->piece[o->pieces++].size = size;
    return 0;
}

/* Few links and attributes are messages of the header; many lie in a fractal heap, which we do not read. */
static int refuse_dense(struct object *o, mr_h5_cursor *c, unsigned index_bytes)
{
    unsigned version = (unsigned)mr_h5_get(c, 1), flags = (unsigned)mr_h5_get(c, 1);
    if (flags & 1)
        mr_h5_get(c, index_bytes);
    uint64_t heap = mr_h5_get(c, 8), names = mr_h5_get(c, 8),
             order = flags & 2 ? mr_h5_get(c, 8) : MR_H5_UNDEFINED;
    if (version || flags > 3 || c->ended)
        return bad(o, "links or attributes");
    if (heap != MR_H5_UNDEFINED || names != MR_H5_UNDEFINED || order != MR_H5_UNDEFINED)
        return mr_h5_unsupported(o->w, "links or attributes in a fractal heap");
    return 0;
}

static int walk_link(struct object *o, mr_h5_cursor *c)
{
    unsigned version = (unsigned)mr_h5_get(c, 1), flags = (unsigned)mr_h5_get(c, 1),
             kind = flags & 8 ? (unsigned)mr_h5_get(c, 1) : 0;
    if (flags & 4)
        mr_h5_get(c, 8);
    if (flags & 16)
        mr_h5_get(c, 1);
    uint64_t name = mr_h5_get(c, 1u << (flags & 3));
    mr_h5_skip(c, name);
    if (version != 1 || name == 0 || flags > 31)
        return bad(o, "link");
    if (kind == 0) {
        uint64_t target = mr_h5_get(c, 8);
        return c->ended ? bad(o, "link") : mr_h5_walk_object(o->w, target, o->depth + 1, NULL);
    }
    uint64_t length = mr_h5_get(c, 2);
    mr_h5_skip(c, length);
    if (c->ended || length == 0 || (kind != 1 && kind != 64))
        return bad(o, "link");
    return 0;
}

static int read_group_info(struct object *o, mr_h5_cursor *c)
{
    unsigned version = (unsigned)mr_h5_get(c, 1), flags = (unsigned)mr_h5_get(c, 1);
    mr_h5_skip(c, (flags & 1 ? 4 : 0) + (flags & 2 ? 4 : 0));
    return version || flags > 3 || c->ended ? bad(o, "group information") : 0;
}

static int read_simple(struct object *o, mr_h5_cursor *c, unsigned bytes)
{
    mr_h5_skip(c, bytes);
    return c->ended ? bad(o, "message of an object header") : 0;
}

static int read_symbol_table(struct object *o, mr_h5_cursor *c)
{
    o->tree = mr_h5_get(c, 8);
    o->heap = mr_h5_get(c, 8);
    return c->ended ? bad(o, "symbol table") : 0;
}

static int read_message(struct object *o, unsigned kind, mr_h5_cursor *c)
{
    switch (kind) {
    case NIL:
    case COMMENT:
        return kind == COMMENT && !memchr(c->at, 0, c->left) ? bad(o, "comment") : 0;
    case SPACE:
        return mr_h5_read_space(o->w, c, o->address, &o->space);
    case LINK_INFO:
        return refuse_dense(o, c, 8);
    case TYPE:
        return mr_h5_read_type(o->w, c, o->address, &o->type);
    case OLD_FILL:
    case FILL:
        return mr_h5_read_fill(o->w, c, o->address, kind == OLD_FILL, &o->fill[kind == FILL]);
    case LINK:
        return walk_link(o, c);
    case LAYOUT:
        return mr_h5_read_layout(o->w, c, o->address, &o->layout);
    case GROUP_INFO:
        return read_group_info(o, c);
    case FILTERS:
        return mr_h5_read_filters(o->w, c, o->address, &o->filters);
    case ATTRIBUTE:
        return mr_h5_read_attribute(o->w, c, o->address);
    case OLD_TIME:
        return read_simple(o, c, 16);
    case CONTINUATION:
        return add_piece(o, c);
    case SYMBOL_TABLE:
        return read_symbol_table(o, c);
    case TIME:
        return read_simple(o, c, 8);
    case ATTRIBUTE_INFO:
        return refuse_dense(o, c, 2);
    case REFERENCES:
        return read_simple(o, c, 5);
    case EXTERNAL:
        return mr_h5_unsupported(o->w, "a dataset whose data lie in other files");
    default:
        return mr_h5_unsupported(o->w, "an object header with messages of an unusual kind");
    }
}

/* What there can be many of in one header. */
static bool repeats(unsigned kind)
{
    return kind == NIL || kind == LINK || kind == ATTRIBUTE || kind == CONTINUATION;
}

static int take_message(struct object *o, unsigned kind, unsigned flags, const uint8_t *at, size_t size)
{
    mr_h5_cursor c = mr_h5_over(at, size);
    o->messages++;
    if (flags & SHARED)
        return mr_h5_unsupported(o->w, "shared messages (committed datatypes)");
    if (kind < MESSAGES) {
        if (o->has[kind] && !repeats(kind))
            return bad(o, "object header with a message twice");
        o->has[kind] = true;
    }
    return read_message(o, kind, &c);
}

/* The messages in one piece of the header. */
static int read_messages(struct object *o, mr_h5_cursor c)
{
    unsigned head = o->checksummed ? o->tracks_order ? 6 : 4 : 8;
    int status = 0;
    while (!status && c.left >= head) {
        unsigned kind = (unsigned)mr_h5_get(&c, o->checksummed ? 1 : 2);
        uint64_t size = mr_h5_get(&c, 2);
        unsigned flags = (unsigned)mr_h5_get(&c, 1);
        mr_h5_get(&c, head - (o->checksummed ? 4 : 5));
        if (size > c.left || (!o->checksummed && size % 8))
            return bad(o, "object header");
        status = take_message(o, kind, flags, c.at, (size_t)size);
        mr_h5_skip(&c, size);
    }
    return status;
}

/* --- pieces of a header
 * ----------------------------------------------------------------------------------------- */

static int read_first_old(struct object *o, unsigned *expected)
{
    mr_h5_piece p;
    int status = mr_h5_take(o->w, &p, o->address, 16, "object header");
    if (status)
        return status;
    mr_h5_cursor c = mr_h5_over(p.at, p.size);
    unsigned version = (unsigned)mr_h5_get(&c, 1);
    mr_h5_get(&c, 1);
    *expected = (unsigned)mr_h5_get(&c, 2);
    mr_h5_get(&c, 4);
    uint64_t size = mr_h5_get(&c, 4);
    mr_h5_drop(&p);
    if (version != 1)
        return bad(o, "object header");
    status = mr_h5_take(o->w, &p, o->address + 16, size, "object header");
    if (!status)
        status = read_messages(o, mr_h5_over(p.at, p.size));
    mr_h5_drop(&p);
    return status;
}

/* Length of "OHDR", version, flags, times, phase changes, size of the first piece; that size. */
static int measure_new(struct object *o, size_t *prefix, uint64_t *size)
{
    mr_h5_piece p;
    if (!mr_h5_inside(o->w, o->address, 40))
        return bad(o, "object header");
    int status = mr_h5_take(o->w, &p, o->address, 6, "object header");
    if (status)
        return status;
    unsigned version = p.at[4], flags = p.at[5], width = 1u << (flags & 3);
    mr_h5_drop(&p);
    o->tracks_order = flags & 4;
    *prefix = 6 + (flags & 32 ? 16 : 0) + (flags & 16 ? 4 : 0);
    if (version != 2 || flags > 63)
        return bad(o, "object header");
    status = mr_h5_take(o->w, &p, o->address + *prefix, width, "object header");
    if (status)
        return status;
    mr_h5_cursor c = mr_h5_over(p.at, p.size);
    *size = mr_h5_get(&c, width);
    *prefix += width;
    mr_h5_drop(&p);
    return 0;
}

static int read_first_new(struct object *o)
{
    mr_h5_piece p;
    size_t prefix = 0;
    uint64_t size = 0;
    int status = measure_new(o, &prefix, &size);
    if (!status && size > MAX_TAKEN)
        status = bad(o, "object header");
    if (!status)
        status = mr_h5_take(o->w, &p, o->address + prefix, size + 4, "object header");
    if (status)
        return status;
    status = read_messages(o, mr_h5_over(p.at, p.size - 4)); /* the checksum is the library's */
    mr_h5_drop(&p);
    return status;
}

static int read_piece(struct object *o, uint64_t address, uint64_t size)
{
    mr_h5_piece p;
    int status = mr_h5_take(o->w, &p, address, size, "continuation of an object header");
    if (status)
        return status;
    if (!o->checksummed)
        status = read_messages(o, mr_h5_over(p.at, p.size));
    else if (memcmp(p.at, "OCHK", 4))
        status = bad(o, "continuation of an object header");
    else
        status = read_messages(o, mr_h5_over(p.at + 4, p.size - 8));
    mr_h5_drop(&p);
    return status;
}

static int read_header(struct object *o)
{
    mr_h5_piece start;
    unsigned expected = 0;
    int status = mr_h5_take(o->w, &start, o->address, 4, "object header");
    if (status)
        return status;
    o->w->budget += 4; /* taken again with the rest */
    o->checksummed = !memcmp(start.at, "OHDR", 4);
    mr_h5_drop(&start);
    status = o->checksummed ? read_first_new(o) : read_first_old(o, &expected);
    for (int i = 0; i < o->pieces && !status; i++)
        status = read_piece(o, o->piece[i].address, o->piece[i].size);
    if (!status && !o->checksummed && o->messages != expected)
        status = bad(o, "object header with another number of messages");
    return status;
}

/* --- what the messages are together
 * --------------------------------------------------------------------------------- */

/* Deflate packs 1032 : 1 at best; something is added for small files. */
static bool fits_file(const struct object *o, uint64_t bytes)
{
    return bytes / 1100 <= o->w->size + 1024;
}

static int check_chunked(struct object *o)
{
    mr_h5_layout *l = &o->layout;
    uint64_t bytes = 1;
    if (l->rank != o->space.rank || l->chunk[l->rank] != o->type.size)
        return bad(o, "dataset whose chunks do not fit its shape");
    for (int i = 0; i <= l->rank; i++)
        if ((bytes *= l->chunk[i]) > UINT32_MAX) /* each is below 2^32, so this cannot overflow */
            return bad(o, "dataset with chunks of 4 GiB or more");
    if (!fits_file(o, bytes))
        return bad(o, "dataset with larger chunks than the file can hold");
    l->size = bytes;
    return l->address == MR_H5_UNDEFINED ? 0 : mr_h5_walk_chunks(o->w, l, &o->filters);
}

static int check_dataset(struct object *o)
{
    if (!o->has[SPACE] || !o->has[TYPE] || !o->has[LAYOUT] || o->has[LINK] || o->has[LINK_INFO])
        return bad(o, "dataset with missing or strange parts");
    for (int i = 0; i < 2; i++)
        if (o->fill[i] && o->fill[i] != o->type.size)
            return bad(o, "dataset's fill value");
    if (o->space.count > (UINT64_MAX >> 1) / o->type.size || !fits_file(o, o->space.count * o->type.size))
        return bad(o, "dataset larger than the file can hold");
    uint64_t bytes = o->space.count * o->type.size;
    const mr_h5_layout *l = &o->layout;
    if (l->class == MR_H5_CHUNKED)
        return check_chunked(o);
    if (o->filters.count)
        return bad(o, "dataset with filters, but without chunks");
    if (l->class == MR_H5_COMPACT)
        return l->size != bytes ? bad(o, "compact dataset") : 0;
    if (l->address != MR_H5_UNDEFINED && (l->size < bytes || !mr_h5_inside(o->w, l->address, l->size)))
        return bad(o, "dataset whose data lie outside of the file");
    return 0;
}

static int check_whole(struct object *o)
{
    if (o->has[SYMBOL_TABLE]) {
        if (o->has[LAYOUT] || o->has[TYPE] || o->has[SPACE] || o->has[LINK] || o->has[LINK_INFO])
            return bad(o, "group with parts of a dataset");
        return mr_h5_walk_symbol_table(o->w, o->tree, o->heap, o->depth);
    }
    if (o->has[LAYOUT] || o->has[SPACE])
        return check_dataset(o);
    return 0; /* a group of links, or a committed type that nothing refers to */
}

int mr_h5_walk_object(mr_h5_walk *w, uint64_t address, int depth, mr_h5_seen *result)
{
    mr_h5_seen *seen;
    bool before;
    if (depth > MR_H5_GROUP_DEPTH)
        return mr_h5_damaged(w, address, "groups in groups without end");
    int status = mr_h5_see(w, address, &seen, &before);
    if (status || before) {
        if (!status && result)
            *result = *seen;
        return status;
    }
    struct object *o = calloc(1, sizeof *o);
    if (!o)
        return mr_fail(w->e, MR_ENOMEM, "out of memory for the objects of '%s'", w->what);
    *o = (struct object){
        .w = w, .address = address, .depth = depth, .tree = MR_H5_UNDEFINED, .heap = MR_H5_UNDEFINED};
    status = read_header(o);
    if (!status)
        status = mr_h5_see(w, address, &seen, &before); /* the table may have moved */
    if (!status) {
        seen->tree = o->tree;
        seen->heap = o->heap;
        if (result)
            *result = *seen;
        status = check_whole(o);
    }
    free(o);
    return status;
}
