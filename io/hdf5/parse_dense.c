/* SPDX-License-Identifier: Apache-2.0 */
/* Links and attributes in fractal heaps ("dense" storage): more than 8 of one object in new files. Only the
 * B-tree by name is followed: the one by creation order is not what we read by. */
#include "io/hdf5/parse_internal.h"

#include <string.h>

enum {
    LINK_KIND = 5,
    LINK_ID = 7,
    LINK_RECORD = 4 + LINK_ID,
    ATTRIBUTE_KIND = 8,
    ATTRIBUTE_ID = 8,
    ATTRIBUTE_RECORD = 17
};
enum { SHARED = 2 };

struct dense {
    const mr_h5_dense *d;
    mr_h5_heap *heap;
    mr_h5_visitor visit;
    void *context;
};

int mr_h5_parse_dense(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address, bool attributes, mr_h5_dense *out)
{
    unsigned version = (unsigned)mr_h5_get(c, 1), flags = (unsigned)mr_h5_get(c, 1);
    if (flags & 1)
        mr_h5_get(c, attributes ? 2 : 8);
    *out = (mr_h5_dense){.attributes = attributes, .heap = mr_h5_get(c, 8), .tree = mr_h5_get(c, 8)};
    if (flags & 2)
        mr_h5_get(c, 8);
    bool right = version == 0 && flags <= 3 && !c->ended &&
                 (out->heap == MR_H5_UNDEFINED) == (out->tree == MR_H5_UNDEFINED);
    return right ? 0 : mr_h5_damaged(w, address, "links or attributes");
}

/* Lookups go by the checksum of the name: one that is wrong would hide what is there. */
static bool has_name_sum(const struct dense *s, mr_h5_cursor object, uint64_t sum)
{
    mr_h5_cursor c = object;
    uint64_t length;
    if (s->d->attributes) {
        unsigned version = (unsigned)mr_h5_get(&c, 1);
        mr_h5_get(&c, 1);
        length = mr_h5_get(&c, 2) - 1; /* without its NUL */
        mr_h5_skip(&c, 4 + (version == 3));
    } else {
        mr_h5_get(&c, 1);
        unsigned flags = (unsigned)mr_h5_get(&c, 1);
        mr_h5_skip(&c, (flags & 8 ? 1 : 0) + (flags & 4 ? 8 : 0) + (flags & 16 ? 1 : 0));
        length = mr_h5_get(&c, 1u << (flags & 3));
    }
    return length <= c.left && !c.ended && mr_h5_checksum(c.at, (size_t)length) == sum;
}

static int visit_record(mr_h5_walk *w, void *context, mr_h5_cursor *record)
{
    struct dense *s = context;
    uint64_t sum = s->d->attributes ? 0 : mr_h5_get(record, 4);
    const uint8_t *id = record->at;
    mr_h5_cursor object;
    if (s->d->attributes) {
        mr_h5_skip(record, ATTRIBUTE_ID);
        if (mr_h5_get(record, 1) & SHARED)
            return mr_h5_unsupported(w, "attributes in a heap of shared messages");
        mr_h5_get(record, 4);
        sum = mr_h5_get(record, 4);
    }
    int status = mr_h5_heap_object(s->heap, id, &object);
    if (!status && !has_name_sum(s, object, sum))
        status = mr_h5_damaged(w, s->d->heap, s->d->attributes ? "attribute in a heap" : "link in a heap");
    return status ? status : s->visit(w, s->context, &object);
}

int mr_h5_walk_dense(mr_h5_walk *w, const mr_h5_dense *d, mr_h5_visitor visit, void *context)
{
    struct dense s = {.d = d, .visit = visit, .context = context};
    if (d->heap == MR_H5_UNDEFINED)
        return 0;
    int status = mr_h5_open_heap(&s.heap, w, d->heap, d->attributes ? ATTRIBUTE_ID : LINK_ID);
    if (!status)
        status = mr_h5_walk_btree2(w, d->tree, d->attributes ? ATTRIBUTE_KIND : LINK_KIND,
                                   d->attributes ? ATTRIBUTE_RECORD : LINK_RECORD, visit_record, &s);
    mr_h5_close_heap(s.heap);
    return status;
}
