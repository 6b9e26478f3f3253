/* SPDX-License-Identifier: Apache-2.0 */
/* The other messages of object headers that hold numbers which the library goes by. */
#include "io/hdf5_walk.h"

#include <string.h>

int mr_h5_read_space(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address, mr_h5_space *out)
{
    unsigned version = (unsigned)mr_h5_get(c, 1), rank = (unsigned)mr_h5_get(c, 1),
             flags = (unsigned)mr_h5_get(c, 1), kind = (unsigned)mr_h5_get(c, 1);
    if (version == 1)
        mr_h5_get(c, 4);
    bool null = version == 2 && kind == 2;
    if (version < 1 || version > 2 || rank > MR_H5_RANK || flags > 1 ||
        (version == 2 && (kind > 2 || (kind != 1 && rank))))
        return mr_h5_damaged(w, address, "dataspace");
    *out = (mr_h5_space){.rank = (int)rank, .count = !null};
    for (unsigned i = 0; i < rank; i++) {
        out->dim[i] = mr_h5_get(c, 8);
        if (out->dim[i] && out->count > (UINT64_MAX >> 8) / out->dim[i])
            return mr_h5_damaged(w, address, "dataspace");
        out->count *= out->dim[i];
    }
    for (unsigned i = 0; flags && i < rank; i++)
        if (mr_h5_get(c, 8) < out->dim[i])
            return mr_h5_damaged(w, address, "dataspace");
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

int mr_h5_read_layout(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address, mr_h5_layout *out)
{
    unsigned version = (unsigned)mr_h5_get(c, 1);
    int status = 0;
    *out = (mr_h5_layout){.class = (int)mr_h5_get(c, 1)};
    if ((version != 3 && version != 4) || out->class > MR_H5_CHUNKED ||
        (version == 4 && out->class == MR_H5_CHUNKED))
        return mr_h5_unsupported(w, "a dataset whose data layout is virtual or of another version");
    if (out->class == MR_H5_COMPACT) {
        out->size = mr_h5_get(c, 2);
        mr_h5_skip(c, out->size);
    } else if (out->class == MR_H5_CONTIGUOUS) {
        out->address = mr_h5_get(c, 8);
        out->size = mr_h5_get(c, 8);
    } else {
        status = read_chunk_shape(w, c, address, out);
    }
    return !status && c->ended ? mr_h5_damaged(w, address, "data layout") : status;
}

int mr_h5_read_fill(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address, bool old, uint64_t *size)
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

/* Deflate, shuffle, fletcher32: what Keras and h5py use, and what the library takes without asking for more.
 */
static int read_filter(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address, unsigned version, unsigned *out)
{
    unsigned id = (unsigned)mr_h5_get(c, 2), name = version == 1 || id >= 256 ? (unsigned)mr_h5_get(c, 2) : 0;
    mr_h5_get(c, 2);
    unsigned values = (unsigned)mr_h5_get(c, 2);
    if (id < MR_H5_DEFLATE || id > MR_H5_FLETCHER32)
        return mr_h5_unsupported(w, "a dataset with a filter other than deflate, shuffle or fletcher32");
    if (values > 1 || name > 64 || name % 8 || (name && (name > c->left || c->at[name - 1])))
        return mr_h5_damaged(w, address, "filter");
    *out = id;
    mr_h5_skip(c, name + 4 * values + (version == 1 && values % 2 ? 4 : 0));
    return 0;
}

int mr_h5_read_filters(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address, mr_h5_filters *out)
{
    unsigned version = (unsigned)mr_h5_get(c, 1);
    int status = 0;
    out->count = (int)mr_h5_get(c, 1);
    if (version == 1)
        mr_h5_get(c, 6);
    if (version < 1 || version > 2 || out->count < 1 || out->count > MR_H5_FILTERS)
        return mr_h5_damaged(w, address, "filters");
    for (int i = 0; i < out->count && !status; i++)
        status = read_filter(w, c, address, version, &out->id[i]);
    return !status && c->ended ? mr_h5_damaged(w, address, "filters") : status;
}

/* --- attributes --------------------------------------------------------------------------------------------
 */

/* The next SIZE bytes of C, padded to a multiple of 8 in version 1. */
static mr_h5_cursor part(mr_h5_cursor *c, uint64_t size, unsigned version)
{
    mr_h5_cursor inner = mr_h5_over(c->at, size < c->left ? (size_t)size : c->left);
    mr_h5_skip(c, version == 1 ? (size + 7) / 8 * 8 : size);
    return inner;
}

/* Strings of variable length lie in global heaps. */
static int check_strings(mr_h5_walk *w, mr_h5_cursor *c, uint64_t count)
{
    int status = 0;
    for (uint64_t i = 0; i < count && !status; i++) {
        uint64_t length = mr_h5_get(c, 4), address = mr_h5_get(c, 8), index = mr_h5_get(c, 4);
        if (length)
            status = mr_h5_check_heap_object(w, address, (uint32_t)index, length);
    }
    return status;
}

int mr_h5_read_attribute(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address)
{
    unsigned version = (unsigned)mr_h5_get(c, 1), flags = (unsigned)mr_h5_get(c, 1);
    uint64_t name = mr_h5_get(c, 2), type_size = mr_h5_get(c, 2), space_size = mr_h5_get(c, 2);
    mr_h5_type type;
    mr_h5_space space;
    if (version == 3)
        mr_h5_get(c, 1);
    if (version < 1 || version > 3 || name == 0 || name > c->left || !memchr(c->at, 0, name))
        return mr_h5_damaged(w, address, "attribute");
    if (version > 1 && flags)
        return mr_h5_unsupported(w, "an attribute of a shared type");
    part(c, name, version);
    mr_h5_cursor inner = part(c, type_size, version);
    int status = mr_h5_read_type(w, &inner, address, &type);
    inner = part(c, space_size, version);
    if (!status)
        status = mr_h5_read_space(w, &inner, address, &space);
    /* NOLINTBEGIN(clang-analyzer-core.*): type and space were read where status is 0 */
    if (!status && (c->ended || space.count > c->left / type.size))
        status = mr_h5_damaged(w, address, "attribute");
    return status || !type.variable_string ? status : check_strings(w, c, space.count);
    /* NOLINTEND(clang-analyzer-core.*) */
}
