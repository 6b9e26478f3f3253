/* SPDX-License-Identifier: Apache-2.0 */
/* Object headers: both versions, their continuations, and what their messages must be together. */
#include "io/hdf5/parse_internal.h"

#include "base/list.h"
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
enum { SHARED = 2, CACHE_IMAGE = 0x18 };

struct object {
    mr_h5_walk *w;
    uint64_t address;
    bool extension;                 /* of the superblock */
    bool checksummed, tracks_order; /* version 2 */
    bool has[MESSAGES];
    unsigned messages;
    mr_h5_space space;
    mr_h5_type type;
    mr_h5_layout layout;
    uint64_t fill[2]; /* bytes of the old fill value, the new one */
    mr_h5_filters filters;
    mr_h5_object *out;
    struct piece {
        uint64_t address, size;
    } * piece; /* the header's continuations */
    size_t pieces;
};

static int bad(struct object *o, const char *structure)
{
    return mr_h5_damaged(o->w, o->address, structure);
}

/* --- messages --- */

static int add_piece(struct object *o, mr_h5_cursor *c)
{
    uint64_t address = mr_h5_get(c, 8), size = mr_h5_get(c, 8);
    if (size < 16)
        return bad(o, "continuation of an object header");
    if (!mr_list_grow(&o->piece, o->pieces, sizeof *o->piece))
        return mr_no_memory(o->w->e, "the objects of '%s'", o->w->what);
    o->piece[o->pieces++] = (struct piece){address, size};
    return 0;
}

static int visit_dense(mr_h5_walk *w, void *context, mr_h5_cursor *c)
{
    const mr_h5_dense *d = context;
    return d->attributes ? mr_h5_parse_attribute(w, c, d->heap) : mr_h5_parse_link(w, c, d->heap);
}

/* Few links and attributes are messages of the header, many lie in a fractal heap. */
static int walk_dense(struct object *o, mr_h5_cursor *c, bool attributes)
{
    mr_h5_dense d;
    int status = mr_h5_parse_dense(o->w, c, o->address, attributes, &d);
    return status ? status : mr_h5_walk_dense(o->w, &d, visit_dense, &d);
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
    o->out->tree = mr_h5_get(c, 8);
    o->out->heap = mr_h5_get(c, 8);
    return c->ended ? bad(o, "symbol table") : 0;
}

/* What a file's free space is managed by: of no use to readers. */
static int read_file_space(struct object *o, mr_h5_cursor *c)
{
    enum { MANAGERS = 12, OLD_MANAGERS = 6 };
    unsigned version = (unsigned)mr_h5_get(c, 1), strategy = (unsigned)mr_h5_get(c, 1);
    bool kept = version ? mr_h5_get(c, 1) : strategy == 1;
    mr_h5_skip(c, version ? 8 + 8 + 2 + 8 : 8);
    mr_h5_skip(c, kept ? 8 * (version ? MANAGERS : OLD_MANAGERS) : 0);
    return version > 1 || c->ended ? bad(o, "file space information") : 0;
}

static int read_fan_out(struct object *o, mr_h5_cursor *c)
{
    unsigned version = (unsigned)mr_h5_get(c, 1);
    o->w->chunk_k = (unsigned)mr_h5_get(c, 2);
    o->w->group_k = (unsigned)mr_h5_get(c, 2);
    o->w->leaf_k = (unsigned)mr_h5_get(c, 2);
    return version || c->ended ? bad(o, "fan-out of B-trees") : 0;
}

/* Of the superblock's extension; the rest is as in other objects. */
static int read_extension(struct object *o, unsigned kind, mr_h5_cursor *c)
{
    if (kind == TREE_K)
        return read_fan_out(o, c);
    if (kind == FILE_SPACE)
        return read_file_space(o, c);
    return mr_h5_unsupported(o->w, kind == DRIVER         ? "parts in several files"
                                   : kind == SHARED_TABLE ? "shared messages"
                                                          : "a superblock's extension of an unusual kind");
}

static bool is_extension(unsigned kind)
{
    return kind == TREE_K || kind == FILE_SPACE || kind == DRIVER || kind == SHARED_TABLE ||
           kind == CACHE_IMAGE;
}

static int read_type(struct object *o, mr_h5_cursor *c, bool shared)
{
    uint64_t header = 0;
    int status = shared ? mr_h5_parse_shared(o->w, c, o->address, &header)
                        : mr_h5_parse_type(o->w, c, o->address, &o->type);
    return status || !shared ? status : mr_h5_named_type(o->w, header, &o->type);
}

static int read_message(struct object *o, unsigned kind, bool shared, mr_h5_cursor *c)
{
    if (o->extension && is_extension(kind))
        return read_extension(o, kind, c);
    switch (kind) {
    case NIL:
    case COMMENT:
        return kind == COMMENT && !memchr(c->at, 0, c->left) ? bad(o, "comment") : 0;
    case SPACE:
        return mr_h5_parse_space(o->w, c, o->address, &o->space);
    case LINK_INFO:
        return walk_dense(o, c, false);
    case TYPE:
        return read_type(o, c, shared);
    case OLD_FILL:
    case FILL:
        return mr_h5_parse_fill(o->w, c, o->address, kind == OLD_FILL, &o->fill[kind == FILL]);
    case LINK:
        return mr_h5_parse_link(o->w, c, o->address);
    case LAYOUT:
        return mr_h5_parse_layout(o->w, c, o->address, &o->layout);
    case GROUP_INFO:
        return read_group_info(o, c);
    case FILTERS:
        return mr_h5_parse_filters(o->w, c, o->address, &o->filters);
    case ATTRIBUTE:
        return mr_h5_parse_attribute(o->w, c, o->address);
    case OLD_TIME:
        return read_simple(o, c, 16);
    case CONTINUATION:
        return add_piece(o, c);
    case SYMBOL_TABLE:
        return read_symbol_table(o, c);
    case TIME:
        return read_simple(o, c, 8);
    case ATTRIBUTE_INFO:
        return walk_dense(o, c, true);
    case REFERENCES:
        return read_simple(o, c, 5);
    case EXTERNAL:
        return mr_h5_unsupported(o->w, "a dataset whose data lie in other files");
    default: /* from a later version: libhdf5 skips messages that it does not know */
        return is_extension(kind)
                   ? mr_h5_unsupported(o->w, "an object header with messages of an unusual kind")
                   : 0;
    }
}

/* What there can be many of in one header. */
static bool repeats(unsigned kind)
{
    return kind == NIL || kind == LINK || kind == ATTRIBUTE || kind == CONTINUATION;
}

static int take_message(struct object *o, unsigned kind, unsigned flags, const uint8_t *at, size_t size)
{
    mr_h5_cursor c = mr_h5_cursor_at(at, size);
    o->messages++;
    if (flags & SHARED && kind != TYPE)
        return mr_h5_unsupported(o->w, "shared messages");
    if (kind < MESSAGES) {
        if (o->has[kind] && !repeats(kind))
            return bad(o, "object header with a message twice");
        o->has[kind] = true;
    }
    return read_message(o, kind, flags & SHARED, &c);
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

/* --- pieces of a header --- */

static int read_first_old(struct object *o, unsigned *expected)
{
    mr_h5_block p;
    int status = mr_h5_read(o->w, &p, o->address, 16, "object header");
    if (status)
        return status;
    mr_h5_cursor c = mr_h5_cursor_at(p.at, p.size);
    unsigned version = (unsigned)mr_h5_get(&c, 1);
    mr_h5_get(&c, 1);
    *expected = (unsigned)mr_h5_get(&c, 2);
    mr_h5_get(&c, 4);
    uint64_t size = mr_h5_get(&c, 4);
    mr_h5_release(&p);
    if (version != 1)
        return bad(o, "object header");
    status = mr_h5_read(o->w, &p, o->address + 16, size, "object header");
    if (!status)
        status = read_messages(o, mr_h5_cursor_at(p.at, p.size));
    mr_h5_release(&p);
    return status;
}

/* Length of "OHDR", version, flags, times, phase changes, size of the first piece; that size. They are taken
 * again with the rest. */
static int measure_new(struct object *o, size_t *prefix, uint64_t *size)
{
    mr_h5_block p;
    if (!mr_h5_in_file(o->w, o->address, 40))
        return bad(o, "object header");
    int status = mr_h5_read(o->w, &p, o->address, 6, "object header");
    if (status)
        return status;
    unsigned version = p.at[4], flags = p.at[5], width = 1u << (flags & 3);
    mr_h5_release(&p);
    o->tracks_order = flags & 4;
    *prefix = 6 + (flags & 32 ? 16 : 0) + (flags & 16 ? 4 : 0);
    if (version != 2 || flags > 63)
        return bad(o, "object header");
    status = mr_h5_read(o->w, &p, o->address + *prefix, width, "object header");
    if (status)
        return status;
    mr_h5_cursor c = mr_h5_cursor_at(p.at, p.size);
    *size = mr_h5_get(&c, width);
    *prefix += width;
    mr_h5_release(&p);
    o->w->budget += 6 + width;
    return 0;
}

static int read_first_new(struct object *o)
{
    mr_h5_block p;
    size_t prefix = 0;
    uint64_t size = 0;
    int status = measure_new(o, &prefix, &size);
    if (!status && size > o->w->size)
        status = bad(o, "object header");
    if (!status)
        status = mr_h5_read_checksummed(o->w, &p, o->address, prefix + size + 4, "OHDR", "object header");
    if (status)
        return status;
    status = read_messages(o, mr_h5_cursor_at(p.at + prefix, p.size - prefix - 4));
    mr_h5_release(&p);
    return status;
}

static int read_piece(struct object *o, uint64_t address, uint64_t size)
{
    static const char name[] = "continuation of an object header";
    mr_h5_block p;
    int status = o->checksummed ? mr_h5_read_checksummed(o->w, &p, address, size, "OCHK", name)
                                : mr_h5_read(o->w, &p, address, size, name);
    if (status)
        return status;
    status = read_messages(o, o->checksummed ? mr_h5_cursor_at(p.at + 4, p.size - 8)
                                             : mr_h5_cursor_at(p.at, p.size));
    mr_h5_release(&p);
    return status;
}

static int read_header(struct object *o)
{
    mr_h5_block start;
    unsigned expected = 0;
    int status = mr_h5_read(o->w, &start, o->address, 4, "object header");
    if (status)
        return status;
    o->w->budget += 4; /* taken again with the rest */
    o->checksummed = !memcmp(start.at, "OHDR", 4);
    mr_h5_release(&start);
    status = o->checksummed ? read_first_new(o) : read_first_old(o, &expected);
    for (size_t i = 0; i < o->pieces && !status; i++)
        status = read_piece(o, o->piece[i].address, o->piece[i].size);
    if (!status && !o->checksummed && o->messages != expected)
        status = bad(o, "object header with another number of messages");
    return status;
}

/* --- what the messages are together --- */

static int check_chunked(struct object *o)
{
    mr_h5_layout *l = &o->layout;
    uint64_t bytes = 1;
    if (l->rank != o->space.rank || l->chunk[l->rank] != o->type.size)
        return bad(o, "dataset whose chunks do not fit its shape");
    for (int i = 0; i <= l->rank; i++)
        if ((bytes *= l->chunk[i]) > UINT32_MAX) /* each is below 2^32, so this cannot overflow */
            return bad(o, "dataset with chunks of 4 GiB or more");
    l->size = bytes;
    return l->address == MR_H5_UNDEFINED ? 0 : mr_h5_walk_chunks(o->w, l, &o->space, &o->filters);
}

static int check_dataset(struct object *o)
{
    if (!o->has[SPACE] || !o->has[TYPE] || !o->has[LAYOUT] || o->has[LINK] || o->has[LINK_INFO])
        return bad(o, "dataset with missing or strange parts");
    for (int i = 0; i < 2; i++)
        if (o->fill[i] && o->fill[i] != o->type.size)
            return bad(o, "dataset's fill value");
    /* What was never written may be of any size: that is checked before a dataset is read
     * (io/hdf5/dataset.c). */
    if (o->space.count > (UINT64_MAX >> 1) / o->type.size)
        return bad(o, "dataset of impossible size");
    uint64_t bytes = o->space.count * o->type.size;
    const mr_h5_layout *l = &o->layout;
    if (l->class == MR_H5_CHUNKED)
        return check_chunked(o);
    if (o->filters.count)
        return bad(o, "dataset with filters, but without chunks");
    if (l->class == MR_H5_COMPACT)
        return l->size != bytes ? bad(o, "compact dataset") : 0;
    if (l->address != MR_H5_UNDEFINED && (l->size < bytes || !mr_h5_in_file(o->w, l->address, l->size)))
        return bad(o, "dataset whose data lie outside of the file");
    return 0;
}

static int foreign_filter(const mr_h5_filters *f)
{
    for (int i = 0; i < f->count; i++)
        if (mr_h5_is_foreign(f->id[i]))
            return (int)f->id[i];
    return -1;
}

/* Keeps what reading goes by. */
static int keep_dataset(struct object *o)
{
    size_t rank = (size_t)o->space.rank, size = rank * sizeof *o->space.dim;
    bool chunked = o->layout.class == MR_H5_CHUNKED;
    mr_h5_dataset *d = o->out->dataset = malloc(sizeof *d + 2 * size);
    if (!d)
        return mr_no_memory(o->w->e, "the objects of '%s'", o->w->what);
    *d = (mr_h5_dataset){.type = o->type,
                         .null = o->space.null,
                         .chunked = chunked,
                         .foreign_filter = foreign_filter(&o->filters),
                         .rank = o->space.rank};
    memcpy(d->extent, o->space.dim, size);
    memcpy(d->extent + rank, o->layout.chunk, chunked ? size : 0);
    o->out->kind = MR_H5_DATASET;
    return 0;
}

static int check_whole(struct object *o)
{
    if (o->has[SYMBOL_TABLE]) {
        if (o->has[LAYOUT] || o->has[TYPE] || o->has[SPACE] || o->has[LINK] || o->has[LINK_INFO])
            return bad(o, "group with parts of a dataset");
        o->out->kind = MR_H5_GROUP;
        return mr_h5_walk_symbol_table(o->w, o->out->tree, o->out->heap);
    }
    if (o->has[LAYOUT] || o->has[SPACE]) {
        int status = check_dataset(o);
        return status ? status : keep_dataset(o);
    }
    o->out->kind = o->has[LINK_INFO] ? MR_H5_GROUP : o->has[TYPE] ? MR_H5_NAMED_TYPE : MR_H5_NO_OBJECT;
    return 0;
}

/* --- objects --- */

static int walk_object(mr_h5_walk *w, mr_h5_object *out, bool extension)
{
    mr_h5_object *outer = w->object;
    struct object *o = calloc(1, sizeof *o);
    if (!o)
        return mr_no_memory(w->e, "the objects of '%s'", w->what);
    *o = (struct object){.w = w, .address = out->address, .extension = extension, .out = out};
    w->object = out;
    int status = read_header(o);
    if (!status && o->has[TYPE] && !o->has[SPACE])
        out->type = o->type;
    if (!status)
        status = check_whole(o);
    w->object = outer;
    free(o->piece);
    free(o);
    return status;
}

/* Once. *OUT is what was found then: NULL for a global heap. */
static int walk_once(mr_h5_walk *w, uint64_t address, bool extension, mr_h5_object **out)
{
    mr_h5_visited *slot;
    bool before;
    int status = mr_h5_mark_visited(w, address, &slot, &before);
    if (status || before) {
        *out = status ? NULL : slot->object;
        return status;
    }
    mr_h5_object *o = slot->object = *out = malloc(sizeof *o);
    if (!o)
        return mr_no_memory(w->e, "the objects of '%s'", w->what);
    *o = (mr_h5_object){.address = address, .tree = MR_H5_UNDEFINED, .heap = MR_H5_UNDEFINED};
    return walk_object(w, o, extension);
}

int mr_h5_named_type(mr_h5_walk *w, uint64_t address, mr_h5_type *out)
{
    mr_h5_object *o;
    if (w->shared_depth == MR_H5_SHARED_DEPTH)
        return mr_h5_damaged(w, address, "named datatypes in a circle");
    w->shared_depth++;
    int status = walk_once(w, address, false, &o);
    w->shared_depth--;
    *out = !status && o ? o->type : (mr_h5_type){0};
    return status || out->size ? status : mr_h5_damaged(w, address, "named datatype");
}

int mr_h5_walk_extension(mr_h5_walk *w, uint64_t address)
{
    mr_h5_object *o;
    return walk_once(w, address, true, &o);
}

/* --- links --- */

int mr_h5_follow(mr_h5_walk *w, const mr_h5_link *link)
{
    if (!mr_list_grow(&w->link, w->links, sizeof *w->link))
        return mr_no_memory(w->e, "the objects of '%s'", w->what);
    w->link[w->links++] = *link;
    return 0;
}

static int follow(mr_h5_walk *w, const mr_h5_link *link)
{
    mr_h5_object *o;
    int status = walk_once(w, link->object, false, &o);
    if (status || !link->repeats)
        return status;
    /* A group that was converted to links keeps the old entry. */
    bool converted = !o || o->tree == MR_H5_UNDEFINED, right = !converted && link->tree == o->tree &&
                                                               link->heap == o->heap &&
                                                               link->tree != MR_H5_UNDEFINED;
    return converted || right ? 0 : mr_h5_damaged(w, link->entry, "symbol table entry");
}

int mr_h5_walk_links(mr_h5_walk *w)
{
    int status = 0;
    while (w->links && !status) {
        mr_h5_link link = w->link[--w->links];
        status = follow(w, &link);
    }
    return status;
}
