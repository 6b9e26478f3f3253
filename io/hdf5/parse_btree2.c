/* SPDX-License-Identifier: Apache-2.0 */
/* B-trees of version 2: records of one size in nodes of one size. What a node may hold, and how wide the
 * counts in it are, follows from these sizes level by level, as in H5B2__hdr_init; the counts are checked
 * against what is there. */
#include "io/hdf5/parse_internal.h"

#include <string.h>

enum {
    HEADER = 38,
    PREFIX = 6, /* mark, version, kind */
    SUM = 4,
    ADDRESS = 8,
    LEVELS = 16,
    MOST_RECORDS = 65535, /* of one node: counts have 16 bits */
    MOST_TOTAL_BITS = 56
};

static const char name[] = "B-tree of version 2";

struct tree {
    mr_h5_walk *w;
    unsigned kind;
    size_t record, node;
    unsigned depth;
    struct {
        uint64_t most, total; /* records that fit into one node, and with all below it */
        unsigned width;       /* bytes of such a total */
    } level[LEVELS + 1];
    unsigned width; /* bytes of a node's number of records */
    mr_h5_visitor visit;
    void *context;
};

struct node {
    uint64_t address, records, total;
};

/* False where the sizes are impossible. */
static bool measure(struct tree *t)
{
    if (t->record == 0 || t->node < PREFIX + SUM + t->record)
        return false;
    t->level[0].most = t->level[0].total = (t->node - PREFIX - SUM) / t->record;
    t->width = mr_h5_bytes_for(t->level[0].most);
    if (t->level[0].most > MOST_RECORDS)
        return false;
    for (unsigned i = 1; i <= t->depth; i++) {
        size_t pointer = ADDRESS + t->width + t->level[i - 1].width;
        if (t->node < PREFIX + SUM + pointer + t->record + pointer)
            return false;
        uint64_t most = (t->node - PREFIX - SUM - pointer) / (t->record + pointer),
                 below = t->level[i - 1].total;
        if (below >> MOST_TOTAL_BITS || most + 1 > ((uint64_t)1 << MOST_TOTAL_BITS) / below)
            return false;
        t->level[i].most = most;
        t->level[i].total = (most + 1) * below + most;
        t->level[i].width = mr_h5_bytes_for(t->level[i].total);
    }
    return true;
}

/* The root's place and counts. */
static int read_header(struct tree *t, uint64_t address, struct node *root)
{
    mr_h5_block p;
    int status = mr_h5_read_checksummed(t->w, &p, address, HEADER, "BTHD", name);
    if (status)
        return status;
    mr_h5_cursor c = mr_h5_cursor_at(p.at + 4, HEADER - 4);
    unsigned version = (unsigned)mr_h5_get(&c, 1), kind = (unsigned)mr_h5_get(&c, 1);
    t->node = mr_h5_get(&c, 4);
    size_t record = mr_h5_get(&c, 2);
    t->depth = (unsigned)mr_h5_get(&c, 2);
    uint64_t split = mr_h5_get(&c, 1), merge = mr_h5_get(&c, 1);
    *root =
        (struct node){.address = mr_h5_get(&c, 8), .records = mr_h5_get(&c, 2), .total = mr_h5_get(&c, 8)};
    mr_h5_release(&p);
    bool right = version == 0 && kind == t->kind && record == t->record && t->depth <= LEVELS && split > 0 &&
                 split <= 100 && merge > 0 && merge < split && t->node <= t->w->size + 4096 && measure(t) &&
                 (root->records || (root->total == 0 && t->depth == 0));
    return right ? 0 : mr_h5_damaged(t->w, address, name);
}

static int visit_record(struct tree *t, const uint8_t *at)
{
    mr_h5_cursor c = mr_h5_cursor_at(at, t->record);
    return t->visit(t->w, t->context, &c);
}

/* Reads the whole node, whose first USED bytes are followed by their checksum. */
static int take_node(struct tree *t, mr_h5_block *p, const struct node *n, unsigned level, size_t used)
{
    int status = n->records == 0 || n->records > t->level[level].most
                     ? mr_h5_damaged(t->w, n->address, name)
                     : mr_h5_read(t->w, p, n->address, t->node, name);
    if (status)
        return status;
    mr_h5_cursor c = mr_h5_cursor_at(p->at + used, SUM);
    if (memcmp(p->at, level ? "BTIN" : "BTLF", 4) || p->at[4] || p->at[5] != t->kind ||
        mr_h5_get(&c, SUM) != mr_h5_checksum(p->at, used)) {
        mr_h5_release(p);
        return mr_h5_damaged(t->w, n->address, name);
    }
    return 0;
}

static int walk_leaf(struct tree *t, const struct node *n)
{
    mr_h5_block p;
    int status = take_node(t, &p, n, 0, PREFIX + n->records * t->record);
    if (status)
        return status;
    if (n->total != n->records)
        status = mr_h5_damaged(t->w, n->address, name);
    for (uint64_t i = 0; i < n->records && !status; i++)
        status = visit_record(t, p.at + PREFIX + i * t->record);
    mr_h5_release(&p);
    return status;
}

static int walk_node(struct tree *t, const struct node *n, unsigned level)
{
    mr_h5_block p;
    if (level == 0)
        return walk_leaf(t, n);
    size_t pointer = ADDRESS + t->width + t->level[level - 1].width,
           pointers = PREFIX + n->records * t->record, used = pointers + (n->records + 1) * pointer;
    int status = take_node(t, &p, n, level, used);
    if (status)
        return status;
    uint64_t total = n->records;
    mr_h5_cursor c = mr_h5_cursor_at(p.at + pointers, used - pointers);
    for (uint64_t i = 0; i <= n->records && !status; i++) {
        struct node child = {.address = mr_h5_get(&c, ADDRESS), .records = mr_h5_get(&c, t->width)};
        child.total = level > 1 ? mr_h5_get(&c, t->level[level - 1].width) : child.records;
        total += child.total;
        status = walk_node(t, &child, level - 1);
        if (!status && i < n->records)
            status = visit_record(t, p.at + PREFIX + i * t->record);
    }
    if (!status && total != n->total)
        status = mr_h5_damaged(t->w, n->address, name);
    mr_h5_release(&p);
    return status;
}

int mr_h5_walk_btree2(mr_h5_walk *w, uint64_t address, unsigned kind, size_t record, mr_h5_visitor visit,
                      void *context)
{
    struct tree t = {.w = w, .kind = kind, .record = record, .visit = visit, .context = context};
    struct node root;
    int status = read_header(&t, address, &root);
    return status || root.records == 0 ? status : walk_node(&t, &root, t.depth);
}
