/* SPDX-License-Identifier: Apache-2.0 */
/* Where data are: chunks of datasets, and global heaps with strings of variable length. */
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
    static const char name[] = "B-tree of chunks";
    mr_h5_tree_node n;
    unsigned key = 8 + 8 * ((unsigned)k->layout->rank + 1);
    int status =
        mr_h5_read_tree_node(k->w, &n, address, level, &(mr_h5_tree_kind){1, k->w->chunk_k, key, name});
    for (unsigned i = 0; i < n.used && !status; i++) {
        uint64_t stored = mr_h5_get(&n.entries, 4);
        uint64_t mask = mr_h5_get(&n.entries, 4); /* filters left out of this chunk */
        bool right = on_grid(k->layout, &n.entries);
        uint64_t child = mr_h5_get(&n.entries, 8);
        if (!right)
            status = mr_h5_damaged(k->w, address, name);
        else
            status = n.level > 0 ? walk_chunk_tree(k, child, n.level - 1)
                                 : mr_h5_check_chunk(k->w, k->filters, mask, child, stored, k->layout->size);
    }
    if (!status && !on_grid(k->layout, (mr_h5_skip(&n.entries, 8), &n.entries)))
        status = mr_h5_damaged(k->w, address, name);
    mr_h5_release(&n.block);
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

enum { OBJECTS = 1 << 16, COLLECTION_HEAD = 16, OBJECT_HEAD = 16, MIN_COLLECTION = 4096 };

/* Where the objects of the collection are. Index 0 is the free space after the last one. */
static int find_objects(mr_h5_walk *w)
{
    mr_h5_cursor c = mr_h5_cursor_at(w->heap.at, w->heap.size);
    while (c.left >= OBJECT_HEAD) {
        size_t at = w->heap.size - c.left;
        unsigned index = (unsigned)mr_h5_get(&c, 2);
        mr_h5_get(&c, 6);
        uint64_t size = mr_h5_get(&c, 8), padded = index ? (size + 7) / 8 * 8 : size - OBJECT_HEAD;
        if (size >= UINT32_MAX || padded > c.left || w->heap_object[index] ||
            (index == 0 && size < OBJECT_HEAD))
            return MR_EFORMAT;
        if (index)
            w->heap_object[index] = (uint32_t)at + 1;
        mr_h5_skip(&c, padded);
    }
    return 0;
}

/* Size of the collection at ADDRESS, from its head. */
static int measure_collection(mr_h5_walk *w, uint64_t address, uint64_t *size)
{
    mr_h5_block p;
    int status = mr_h5_read(w, &p, address, COLLECTION_HEAD, "global heap");
    if (status)
        return status;
    mr_h5_cursor c = mr_h5_cursor_at(p.at + 4, p.size - 4);
    unsigned version = (unsigned)mr_h5_get(&c, 1);
    mr_h5_get(&c, 3);
    *size = mr_h5_get(&c, 8);
    bool right = !memcmp(p.at, "GCOL", 4) && version == 1 && *size >= MIN_COLLECTION && *size < UINT32_MAX;
    mr_h5_release(&p);
    return right ? 0 : mr_h5_damaged(w, address, "global heap");
}

/* Only the first reading takes the collection off the budget; later ones have one of their own. */
static int read_collection(mr_h5_walk *w, uint64_t address)
{
    mr_h5_visited *slot;
    bool before = false;
    uint64_t size = 0, first = w->budget;
    int status = mr_h5_mark_visited(w, address, &slot, &before);
    if (before && !status)
        w->budget = w->reread;
    if (!status)
        status = measure_collection(w, address, &size);
    if (!status)
        status = mr_h5_read(w, &w->heap, address + COLLECTION_HEAD, size - COLLECTION_HEAD, "global heap");
    if (before) {
        w->reread = w->budget;
        w->budget = first;
    }
    if (!status && find_objects(w))
        status = mr_h5_damaged(w, address, "global heap");
    return status;
}

void mr_h5_forget_global_heap(mr_h5_walk *w)
{
    mr_h5_release(&w->heap);
    free(w->heap_object);
    w->heap_object = NULL;
    w->heap_address = 0;
}

static int load_collection(mr_h5_walk *w, uint64_t address)
{
    if (w->heap_object && w->heap_address == address)
        return 0;
    mr_h5_forget_global_heap(w);
    w->heap_object = calloc(OBJECTS, sizeof *w->heap_object);
    int status = w->heap_object ? read_collection(w, address) : mr_no_memory(w->e, "'%s'", w->what);
    if (status)
        mr_h5_forget_global_heap(w);
    else
        w->heap_address = address;
    return status;
}

int mr_h5_global_heap_object(mr_h5_walk *w, uint64_t address, uint32_t index, uint64_t length,
                             const uint8_t **out)
{
    int status = load_collection(w, address);
    if (status)
        return status;
    size_t at = index < OBJECTS ? w->heap_object[index] : 0;
    mr_h5_cursor c = mr_h5_cursor_at(w->heap.at + (at ? at + 7 : 0), 8);
    if (at == 0 || mr_h5_get(&c, 8) < length)
        return mr_h5_damaged(w, address, "global heap without a string that an attribute refers to");
    *out = w->heap.at + at - 1 + OBJECT_HEAD;
    return 0;
}
