/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of the old kind: a B-tree of symbol nodes, whose names lie in a local heap. */
#include "io/hdf5/parse_internal.h"

#include <string.h>

/* A group being walked. */
struct table {
    mr_h5_walk *w;
    mr_h5_block names; /* the local heap's data */
};

static bool is_text(const mr_h5_block *heap, uint64_t offset)
{
    return offset < heap->size && memchr(heap->at + offset, 0, heap->size - (size_t)offset);
}

static mr_h5_cursor text_at(const mr_h5_block *heap, uint64_t offset)
{
    return mr_h5_cursor_at(heap->at + offset, strlen((const char *)heap->at + offset));
}

/* Free blocks {next, size} are chained through the heap's data; the library follows them. */
static bool free_list_is_sound(const mr_h5_block *heap, uint64_t first)
{
    size_t steps = heap->size / 16;
    for (uint64_t at = first; at != 1; steps--) { /* 1 ends the list */
        if (steps == 0 || at > heap->size || heap->size - at < 16)
            return false;
        mr_h5_cursor c = mr_h5_cursor_at(heap->at + at, 16);
        uint64_t next = mr_h5_get(&c, 8), size = mr_h5_get(&c, 8);
        if (size < 16 || size > heap->size - at)
            return false;
        at = next;
    }
    return true;
}

static int take_names(struct table *t, uint64_t address)
{
    mr_h5_block p;
    int status = mr_h5_read(t->w, &p, address, 32, "local heap");
    if (status)
        return status;
    mr_h5_cursor c = mr_h5_cursor_at(p.at + 4, p.size - 4);
    bool right = !memcmp(p.at, "HEAP", 4) && mr_h5_get(&c, 1) == 0;
    mr_h5_get(&c, 3);
    uint64_t size = mr_h5_get(&c, 8), first_free = mr_h5_get(&c, 8), data = mr_h5_get(&c, 8);
    mr_h5_release(&p);
    if (!right)
        return mr_h5_damaged(t->w, address, "local heap");
    status = mr_h5_read(t->w, &t->names, data, size, "local heap");
    if (!status && !(first_free == MR_H5_UNDEFINED || free_list_is_sound(&t->names, first_free)))
        status = mr_h5_damaged(t->w, address, "local heap's free list");
    return status;
}

int mr_h5_walk_entry(mr_h5_walk *w, mr_h5_cursor *c, const mr_h5_block *heap, uint64_t address)
{
    uint64_t name = mr_h5_get(c, 8);
    mr_h5_link link = {.entry = address, .object = mr_h5_get(c, 8)};
    uint64_t cached = mr_h5_get(c, 4);
    mr_h5_get(c, 4);
    mr_h5_cursor scratch = mr_h5_cursor_at(c->at, c->left < 16 ? c->left : 16);
    mr_h5_skip(c, 16);
    if (c->ended || (heap && !is_text(heap, name)))
        return mr_h5_damaged(w, address, "symbol table entry");
    if (cached == 2 && heap) { /* a soft link: its target is a text in the heap */
        uint64_t at = mr_h5_get(&scratch, 4);
        if (!is_text(heap, at))
            return mr_h5_damaged(w, address, "soft link");
        mr_h5_cursor target = text_at(heap, at);
        return mr_h5_add_entry(w, text_at(heap, name), MR_H5_UNDEFINED, &target, address);
    }
    if (cached > 1)
        return mr_h5_damaged(w, address, "symbol table entry");
    int status = heap ? mr_h5_add_entry(w, text_at(heap, name), link.object, NULL, address) : 0;
    if (status)
        return status;
    if (!heap)
        w->root = link.object;
    link.repeats = cached == 1; /* where the group's table is */
    link.tree = mr_h5_get(&scratch, 8);
    link.heap = mr_h5_get(&scratch, 8);
    return mr_h5_follow(w, &link);
}

int mr_h5_read_tree_node(mr_h5_walk *w, mr_h5_tree_node *n, uint64_t address, int level,
                         const mr_h5_tree_kind *kind)
{
    uint64_t fan_out = 2 * (uint64_t)kind->half_fan_out;
    *n = (mr_h5_tree_node){0};
    int status = mr_h5_read(w, &n->block, address, 24 + fan_out * (kind->key + 8) + kind->key, kind->name);
    if (status)
        return status;
    mr_h5_cursor c = mr_h5_cursor_at(n->block.at + 4, n->block.size - 4);
    unsigned type = (unsigned)mr_h5_get(&c, 1);
    n->level = (int)mr_h5_get(&c, 1);
    unsigned used = (unsigned)mr_h5_get(&c, 2);
    mr_h5_skip(&c, 2 * 8); /* siblings: not followed when reading */
    if (memcmp(n->block.at, "TREE", 4) || type != kind->type || used > fan_out ||
        n->level > MR_H5_TREE_DEPTH || (level >= 0 && n->level != level))
        return mr_h5_damaged(w, address, kind->name);
    n->used = used;
    n->entries = c;
    return 0;
}

static int walk_node(struct table *t, uint64_t address)
{
    mr_h5_block p;
    int status = mr_h5_read(t->w, &p, address, 8 + 40 * (2 * (uint64_t)t->w->leaf_k), "symbol table node");
    if (status)
        return status;
    mr_h5_cursor c = mr_h5_cursor_at(p.at + 4, p.size - 4);
    unsigned version = (unsigned)mr_h5_get(&c, 1);
    mr_h5_get(&c, 1);
    unsigned count = (unsigned)mr_h5_get(&c, 2);
    if (memcmp(p.at, "SNOD", 4) || version != 1 || count > 2 * t->w->leaf_k)
        status = mr_h5_damaged(t->w, address, "symbol table node");
    for (unsigned i = 0; i < count && !status; i++)
        status = mr_h5_walk_entry(t->w, &c, &t->names, address);
    mr_h5_release(&p);
    return status;
}

/* Keys are offsets of names. */
static int walk_tree(struct table *t, uint64_t address, int level)
{
    static const char name[] = "B-tree of a group";
    mr_h5_tree_node n;
    int status =
        mr_h5_read_tree_node(t->w, &n, address, level, &(mr_h5_tree_kind){0, t->w->group_k, 8, name});
    for (unsigned i = 0; i < n.used && !status; i++) {
        uint64_t key = mr_h5_get(&n.entries, 8), child = mr_h5_get(&n.entries, 8);
        if (!is_text(&t->names, key))
            status = mr_h5_damaged(t->w, address, name);
        else
            status = n.level > 0 ? walk_tree(t, child, n.level - 1) : walk_node(t, child);
    }
    if (!status && n.used && !is_text(&t->names, mr_h5_get(&n.entries, 8)))
        status = mr_h5_damaged(t->w, address, name);
    mr_h5_release(&n.block);
    return status;
}

int mr_h5_walk_symbol_table(mr_h5_walk *w, uint64_t tree, uint64_t heap)
{
    struct table t = {.w = w};
    int status = take_names(&t, heap);
    if (!status)
        status = walk_tree(&t, tree, -1);
    mr_h5_release(&t.names);
    return status;
}
