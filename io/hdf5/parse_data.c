/* SPDX-License-Identifier: Apache-2.0 */
/* Where data lie: chunks of datasets, and global heaps with strings of variable length. */
#include "io/hdf5/parse_internal.h"

#include <stdlib.h>
#include <string.h>

/* --- chunks --- */

struct chunks {
    mr_h5_walk *w;
    const mr_h5_layout *layout; /* size: bytes of a whole chunk */
    const mr_h5_filters *filters;
};

/* A chunk's place in the dataset is a multiple of the chunk's shape. */
static bool on_grid(const mr_h5_layout *l, mr_h5_cursor *c)
{
    bool right = true;
    for (int i = 0; i <= l->rank; i++)
        right = right && mr_h5_get(c, 8) % l->chunk[i] == 0;
    return right;
}

static int walk_chunk_tree(struct chunks *k, uint64_t address, int level)
{
    mr_h5_block p;
    uint64_t fan_out = 2 * (uint64_t)k->w->chunk_k, key = 8 + 8 * ((uint64_t)k->layout->rank + 1);
    int status = mr_h5_read(k->w, &p, address, 24 + fan_out * (key + 8) + key, "B-tree of chunks");
    if (status)
        return status;
    mr_h5_cursor c = mr_h5_cursor_at(p.at + 4, p.size - 4);
    unsigned kind = (unsigned)mr_h5_get(&c, 1);
    int own = (int)mr_h5_get(&c, 1);
    unsigned used = (unsigned)mr_h5_get(&c, 2);
    mr_h5_get(&c, 8);
    mr_h5_get(&c, 8);
    if (memcmp(p.at, "TREE", 4) || kind != 1 || used > fan_out || own > MR_H5_TREE_DEPTH ||
        (level >= 0 && own != level))
        status = mr_h5_damaged(k->w, address, "B-tree of chunks");
    for (unsigned i = 0; i < used && !status; i++) {
        uint64_t stored = mr_h5_get(&c, 4);
        uint64_t mask = mr_h5_get(&c, 4); /* filters left out of this chunk */
        bool right = on_grid(k->layout, &c);
        uint64_t child = mr_h5_get(&c, 8);
        if (!right)
            status = mr_h5_damaged(k->w, address, "B-tree of chunks");
        else
            status = own > 0 ? walk_chunk_tree(k, child, own - 1)
                             : mr_h5_check_chunk(k->w, k->filters, mask, child, stored, k->layout->size);
    }
    if (!status && !on_grid(k->layout, (mr_h5_skip(&c, 8), &c)))
        status = mr_h5_damaged(k->w, address, "B-tree of chunks");
    mr_h5_release(&p);
    return status;
}

int mr_h5_walk_chunks(mr_h5_walk *w, const mr_h5_layout *layout, const mr_h5_space *space,
                      const mr_h5_filters *filters)
{
    struct chunks k = {w, layout, filters};
    return layout->index == MR_H5_BTREE ? walk_chunk_tree(&k, layout->address, -1)
                                        : mr_h5_walk_index(w, layout, space, filters);
}

/* --- global heaps --- */

enum { OBJECTS = 1 << 16, OBJECT_HEAD = 16, LEAST_COLLECTION = 4096 };

/* The objects of one collection into w->heap_object. Index 0 is what is free behind the last one. */
static int read_objects(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address)
{
    while (c->left >= OBJECT_HEAD) {
        unsigned index = (unsigned)mr_h5_get(c, 2);
        mr_h5_get(c, 6);
        uint64_t size = mr_h5_get(c, 8);
        if (index == 0) {
            if (size < OBJECT_HEAD || size - OBJECT_HEAD > c->left)
                return mr_h5_damaged(w, address, "global heap");
            mr_h5_skip(c, size - OBJECT_HEAD);
            continue;
        }
        if (size >= UINT32_MAX || (size + 7) / 8 * 8 > c->left)
            return mr_h5_damaged(w, address, "global heap");
        mr_h5_skip(c, (size + 7) / 8 * 8);
        w->heap_object[index] = (uint32_t)size + 1;
    }
    return 0;
}

/* Size of the collection at ADDRESS, from its head. */
static int measure_collection(mr_h5_walk *w, uint64_t address, uint64_t *size)
{
    mr_h5_block p;
    int status = mr_h5_read(w, &p, address, 16, "global heap");
    if (status)
        return status;
    mr_h5_cursor c = mr_h5_cursor_at(p.at + 4, p.size - 4);
    unsigned version = (unsigned)mr_h5_get(&c, 1);
    mr_h5_get(&c, 3);
    *size = mr_h5_get(&c, 8);
    bool right = !memcmp(p.at, "GCOL", 4) && version == 1 && *size >= LEAST_COLLECTION &&
                 mr_h5_in_file(w, address, *size);
    mr_h5_release(&p);
    return right ? 0 : mr_h5_damaged(w, address, "global heap");
}

/* Only the first walk takes the collection off the budget; later ones have one of their own. */
static int read_collection(mr_h5_walk *w, uint64_t address)
{
    mr_h5_block p;
    mr_h5_visited *seen;
    bool before = false;
    uint64_t size = 0, first = w->budget;
    int status = mr_h5_mark_visited(w, address, &seen, &before);
    if (before && !status)
        w->budget = w->reread;
    if (!status)
        status = measure_collection(w, address, &size);
    if (!status)
        status = mr_h5_read(w, &p, address + 16, size - 16, "global heap");
    if (before) {
        w->reread = w->budget;
        w->budget = first;
    }
    if (status)
        return status;
    mr_h5_cursor c = mr_h5_cursor_at(p.at, p.size);
    status = read_objects(w, &c, address);
    mr_h5_release(&p);
    return status;
}

static int know_collection(mr_h5_walk *w, uint64_t address)
{
    if (w->heap_object && w->heap_address == address)
        return 0;
    free(w->heap_object);
    w->heap_address = 0;
    w->heap_object = calloc(OBJECTS, sizeof *w->heap_object);
    if (!w->heap_object)
        return mr_no_memory(w->e, "'%s'", w->what);
    int status = read_collection(w, address);
    if (!status)
        w->heap_address = address;
    return status;
}

int mr_h5_check_heap_object(mr_h5_walk *w, uint64_t address, uint32_t index, uint64_t length)
{
    int status = know_collection(w, address);
    if (!status &&
        (index == 0 || index >= OBJECTS || w->heap_object[index] == 0 || w->heap_object[index] - 1 < length))
        status = mr_h5_damaged(w, address, "global heap without the string that is looked for");
    return status;
}
