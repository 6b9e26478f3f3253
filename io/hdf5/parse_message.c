/* SPDX-License-Identifier: Apache-2.0 */
/* The other messages of object headers that hold numbers which the library goes by. */
#include "io/hdf5/parse_internal.h"

#include "base/list.h"

#include <stdlib.h>
#include <string.h>

int mr_h5_parse_space(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address, mr_h5_space *out)
{
    unsigned version = (unsigned)mr_h5_get(c, 1), rank = (unsigned)mr_h5_get(c, 1),
             flags = (unsigned)mr_h5_get(c, 1), kind = (unsigned)mr_h5_get(c, 1);
    if (version == 1)
        mr_h5_get(c, 4);
    bool null = version == 2 && kind == 2;
    if (version < 1 || version > 2 || rank > MR_H5_RANK || flags > 1 ||
        (version == 2 && (kind > 2 || (kind != 1 && rank))))
        return mr_h5_damaged(w, address, "dataspace");
    *out = (mr_h5_space){.rank = (int)rank, .count = !null, .null = null};
    for (unsigned i = 0; i < rank; i++) {
        out->dim[i] = mr_h5_get(c, 8);
        if (out->dim[i] && out->count > (UINT64_MAX >> 8) / out->dim[i])
            return mr_h5_damaged(w, address, "dataspace");
        out->count *= out->dim[i];
    }
    for (unsigned i = 0; i < rank; i++) {
        out->most[i] = flags ? mr_h5_get(c, 8) : out->dim[i];
        if (out->most[i] < out->dim[i])
            return mr_h5_damaged(w, address, "dataspace");
    }
    return c->ended ? mr_h5_damaged(w, address, "dataspace") : 0;
}

static int read_chunk_shape(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address, mr_h5_layout *out)
{
    unsigned sizes = (unsigned)mr_h5_get(c, 1);
    out->address = mr_h5_get(c, 8);
    if (sizes < 2 || sizes > MR_H5_RANK + 1)
        return mr_h5_damaged(w, address, "data layout");
    out->rank = (int)sizes - 1;
    for (unsigned i = 0; i < sizes; i++) {
        out->chunk[i] = mr_h5_get(c, 4);
        if (out->chunk[i] == 0)
            return mr_h5_damaged(w, address, "data layout");
    }
    return 0;
}

/* The other parameters of an index, by its kind. */
static void read_index(mr_h5_cursor *c, unsigned flags, mr_h5_layout *out)
{
    switch (out->index) {
    case MR_H5_SINGLE:
        out->stored = flags & 2 ? mr_h5_get(c, 8) : 0;
        out->mask = flags & 2 ? mr_h5_get(c, 4) : 0;
        break;
    case MR_H5_FIXED_ARRAY:
        out->page_bits = (uint8_t)mr_h5_get(c, 1);
        break;
    case MR_H5_EXTENSIBLE_ARRAY:
        out->array_bits = (uint8_t)mr_h5_get(c, 1);
        out->first = (uint8_t)mr_h5_get(c, 1);
        out->pointers = (uint8_t)mr_h5_get(c, 1);
        out->least = (uint8_t)mr_h5_get(c, 1);
        out->page_bits = (uint8_t)mr_h5_get(c, 1);
        break;
    case MR_H5_BTREE2:
        mr_h5_skip(c, 6); /* its own header has them too */
        break;
    default:
        break;
    }
}

/* Version 4 of the layout. */
static int read_chunks(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address, mr_h5_layout *out)
{
    unsigned flags = (unsigned)mr_h5_get(c, 1), sizes = (unsigned)mr_h5_get(c, 1),
             width = (unsigned)mr_h5_get(c, 1);
    if (flags > 3 || sizes < 2 || sizes > MR_H5_RANK + 1 || width < 1 || width > 8)
        return mr_h5_damaged(w, address, "data layout");
    out->rank = (int)sizes - 1;
    out->whole_edges = flags & 1;
    for (unsigned i = 0; i < sizes; i++) {
        out->chunk[i] = mr_h5_get(c, width);
        if (out->chunk[i] == 0 || out->chunk[i] > UINT32_MAX)
            return mr_h5_damaged(w, address, "data layout");
    }
    out->index = (int)mr_h5_get(c, 1);
    if (out->index < MR_H5_SINGLE || out->index > MR_H5_BTREE2)
        return mr_h5_damaged(w, address, "data layout");
    read_index(c, flags, out);
    out->address = mr_h5_get(c, 8);
    return 0;
}

int mr_h5_parse_layout(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address, mr_h5_layout *out)
{
    unsigned version = (unsigned)mr_h5_get(c, 1);
    int status = 0;
    *out = (mr_h5_layout){.class = (int)mr_h5_get(c, 1)};
    if ((version != 3 && version != 4) || out->class > MR_H5_CHUNKED)
        return mr_h5_unsupported(w, "a dataset whose data layout is virtual or of another version");
    if (out->class == MR_H5_COMPACT) {
        out->size = mr_h5_get(c, 2);
        mr_h5_skip(c, out->size);
    } else if (out->class == MR_H5_CONTIGUOUS) {
        out->address = mr_h5_get(c, 8);
        out->size = mr_h5_get(c, 8);
    } else {
        status = version == 3 ? read_chunk_shape(w, c, address, out) : read_chunks(w, c, address, out);
    }
    return !status && c->ended ? mr_h5_damaged(w, address, "data layout") : status;
}

int mr_h5_parse_fill(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address, bool old, uint64_t *size)
{
    bool stored = true;
    *size = 0;
    if (!old) {
        unsigned version = (unsigned)mr_h5_get(c, 1), flags = (unsigned)mr_h5_get(c, 1);
        if (version < 1 || version > 3)
            return mr_h5_damaged(w, address, "fill value");
        if (version == 3) {
            stored = flags >> 5 & 1;
        } else {
            mr_h5_get(c, 1);
            stored = mr_h5_get(c, 1) || version == 1;
        }
    }
    uint64_t bytes = stored ? mr_h5_get(c, 4) : 0;
    if (bytes != UINT32_MAX) { /* -1: undefined */
        *size = bytes;
        mr_h5_skip(c, bytes);
    }
    return c->ended ? mr_h5_damaged(w, address, "fill value") : 0;
}

/* Deflate, shuffle, fletcher32 are what the library undoes without asking for more, and in bounds. A dataset
 * with another filter may be there, but is not read (io/hdf5/dataset.c). */
static int read_filter(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address, unsigned version, mr_h5_filters *out,
                       int i)
{
    unsigned id = (unsigned)mr_h5_get(c, 2), name = version == 1 || id >= 256 ? (unsigned)mr_h5_get(c, 2) : 0;
    mr_h5_get(c, 2);
    unsigned values = (unsigned)mr_h5_get(c, 2);
    bool foreign = mr_h5_is_foreign(id);
    if ((version == 1 && name % 8) || (!foreign && values > 1) ||
        (name && (name > c->left || !memchr(c->at, 0, name))))
        return mr_h5_damaged(w, address, "filter");
    out->id[i] = id;
    out->foreign |= foreign;
    mr_h5_skip(c, name);
    mr_h5_cursor parameters = *c;
    out->value[i] = values ? mr_h5_get(&parameters, 4) : 0;
    mr_h5_skip(c, 4 * values + (version == 1 && values % 2 ? 4 : 0));
    return 0;
}

int mr_h5_parse_filters(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address, mr_h5_filters *out)
{
    unsigned version = (unsigned)mr_h5_get(c, 1);
    int status = 0;
    *out = (mr_h5_filters){.count = (int)mr_h5_get(c, 1)};
    if (version == 1)
        mr_h5_get(c, 6);
    if (version < 1 || version > 2 || out->count < 1 || out->count > MR_H5_FILTERS)
        return mr_h5_damaged(w, address, "filters");
    for (int i = 0; i < out->count && !status; i++)
        status = read_filter(w, c, address, version, out, i);
    return !status && c->ended ? mr_h5_damaged(w, address, "filters") : status;
}

/* --- links --- */

static char *keep_text(mr_h5_walk *w, const mr_h5_cursor *text)
{
    w->names -= text->left + 1;
    return strndup((const char *)text->at, text->left);
}

int mr_h5_add_entry(mr_h5_walk *w, mr_h5_cursor name, uint64_t object, const mr_h5_cursor *target,
                    uint64_t address)
{
    mr_h5_object *o = w->object;
    /* Old groups could use one long name many times; sound files have each name once. */
    if (name.left + (target ? target->left : 0) + 2 > w->names)
        return mr_h5_damaged(w, address, "group with more names than the file holds");
    if (!mr_list_grow(&o->entry, o->entries, sizeof *o->entry))
        return mr_no_memory(w->e, "the links of '%s'", w->what);
    mr_h5_entry *entry = &o->entry[o->entries++];
    *entry = (mr_h5_entry){keep_text(w, &name), object, target ? keep_text(w, target) : NULL};
    return entry->name && (!target || entry->target) ? 0 : mr_no_memory(w->e, "the links of '%s'", w->what);
}

/* The next SIZE bytes of C. */
static mr_h5_cursor part(mr_h5_cursor *c, uint64_t size)
{
    mr_h5_cursor inner = mr_h5_cursor_at(c->at, size < c->left ? (size_t)size : c->left);
    mr_h5_skip(c, size);
    return inner;
}

enum { HARD, SOFT, EXTERNAL = 64 };

int mr_h5_parse_link(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address)
{
    unsigned version = (unsigned)mr_h5_get(c, 1), flags = (unsigned)mr_h5_get(c, 1),
             kind = flags & 8 ? (unsigned)mr_h5_get(c, 1) : HARD;
    mr_h5_skip(c, (flags & 4 ? 8 : 0) + (flags & 16 ? 1 : 0));
    uint64_t length = mr_h5_get(c, 1u << (flags & 3));
    mr_h5_cursor name = part(c, length);
    if (version != 1 || length == 0 || flags > 31)
        return mr_h5_damaged(w, address, "link");
    mr_h5_link link = {.entry = address, .object = kind == HARD ? mr_h5_get(c, 8) : MR_H5_UNDEFINED};
    mr_h5_cursor target = part(c, kind == HARD ? 0 : mr_h5_get(c, 2));
    if (c->ended || (kind != HARD && kind != SOFT && kind != EXTERNAL) || (kind != HARD && target.left == 0))
        return mr_h5_damaged(w, address, "link");
    int status = mr_h5_add_entry(w, name, link.object, kind == SOFT ? &target : NULL, address);
    return status || kind != HARD ? status : mr_h5_follow(w, &link);
}

/* --- attributes --- */

int mr_h5_parse_shared(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address, uint64_t *header)
{
    unsigned version = (unsigned)mr_h5_get(c, 1), kind = (unsigned)mr_h5_get(c, 1);
    if (version == 1)
        mr_h5_skip(c, 6 + 8);
    if (version == 3 && kind == 1)
        return mr_h5_unsupported(w, "shared messages");
    *header = mr_h5_get(c, 8);
    return version < 1 || version > 3 || c->ended ? mr_h5_damaged(w, address, "shared message") : 0;
}

static int read_attribute_type(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address, bool shared, mr_h5_type *out)
{
    uint64_t header = 0;
    int status = shared ? mr_h5_parse_shared(w, c, address, &header) : mr_h5_parse_type(w, c, address, out);
    return status || !shared ? status : mr_h5_named_type(w, header, out);
}

/* The next SIZE bytes of C, padded to a multiple of 8 in version 1. */
static mr_h5_cursor padded_part(mr_h5_cursor *c, uint64_t size, unsigned version)
{
    mr_h5_cursor inner = part(c, size);
    mr_h5_skip(c, version == 1 ? (8 - size % 8) % 8 : 0);
    return inner;
}

/* The name and the value at C, in one block. */
static int add_attribute(mr_h5_walk *w, mr_h5_cursor name, const mr_h5_type *type, uint64_t count,
                         const mr_h5_cursor *c)
{
    mr_h5_object *o = w->object;
    size_t bytes = (size_t)(count * type->size), length = strlen((const char *)name.at) + 1;
    char *block =
        mr_list_grow(&o->attribute, o->attributes, sizeof *o->attribute) ? malloc(length + bytes) : NULL;
    if (!block)
        return mr_no_memory(w->e, "the attributes of '%s'", w->what);
    memcpy(block, name.at, length);
    memcpy(block + length, c->at, bytes);
    o->attribute[o->attributes++] = (mr_h5_attribute){block, *type, count, (const uint8_t *)block + length};
    return 0;
}

/* Strings of variable length lie in global heaps. */
static int check_strings(mr_h5_walk *w, mr_h5_cursor *c, uint64_t count)
{
    int status = 0;
    for (uint64_t i = 0; i < count && !status; i++) {
        uint64_t length = mr_h5_get(c, 4), address = mr_h5_get(c, 8), index = mr_h5_get(c, 4);
        const uint8_t *text;
        if (length)
            status = mr_h5_global_heap_object(w, address, (uint32_t)index, length, &text);
    }
    return status;
}

int mr_h5_parse_attribute(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address)
{
    unsigned version = (unsigned)mr_h5_get(c, 1), flags = (unsigned)mr_h5_get(c, 1);
    uint64_t name_size = mr_h5_get(c, 2), type_size = mr_h5_get(c, 2), space_size = mr_h5_get(c, 2);
    mr_h5_type type = {.size = 1};
    mr_h5_space space;
    if (version == 3)
        mr_h5_get(c, 1);
    if (version < 1 || version > 3 || name_size == 0 || name_size > c->left || !memchr(c->at, 0, name_size))
        return mr_h5_damaged(w, address, "attribute");
    if (version > 1 && flags > 1)
        return mr_h5_unsupported(w, "an attribute of a shared shape");
    mr_h5_cursor name = padded_part(c, name_size, version);
    mr_h5_cursor inner = padded_part(c, type_size, version);
    int status = read_attribute_type(w, &inner, address, version > 1 && flags, &type);
    inner = padded_part(c, space_size, version);
    if (!status)
        status = mr_h5_parse_space(w, &inner, address, &space);
    /* NOLINTBEGIN(clang-analyzer-core.*): type and space were read where status is 0 */
    if (!status && (c->ended || space.count > c->left / type.size))
        status = mr_h5_damaged(w, address, "attribute");
    if (!status)
        status = add_attribute(w, name, &type, space.count, c);
    return status || !type.variable_string ? status : check_strings(w, c, space.count);
    /* NOLINTEND(clang-analyzer-core.*) */
}
