/* SPDX-License-Identifier: Apache-2.0 */
/* How newer files find the chunks of a dataset: one chunk, chunks side by side, an array of addresses (fixed,
 * or growing in one dimension), a B-tree of version 2. The library computes a chunk's number from the
 * dataset's shape and takes that element of the array without looking at the array's own size: so the two are
 * compared here. */
#include "io/hdf5/parse_internal.h"

#include <string.h>

enum { ADDRESS = 8, SUM = 4, MASK = 4, MOST_BITS = 48 };
enum { FIXED_HEADER = 28, EXTENSIBLE_HEADER = 72, CHUNK_KIND = 10, FILTERED_KIND = 11 };

static const char fixed_name[] = "fixed array of chunks", extensible_name[] = "extensible array of chunks";

struct index {
    mr_h5_walk *w;
    const mr_h5_layout *layout;
    const mr_h5_filters *filters;
    uint64_t header;      /* of the array */
    uint64_t chunks;      /* that the dataset may have */
    unsigned size_bytes;  /* of a filtered chunk's size */
    size_t element;       /* bytes of an array's element */
    unsigned offset_size; /* extensible: bytes of an offset in the array */
};

static bool filtered(const struct index *x)
{
    return x->filters->count > 0;
}

/* {address}, or with filters {address, stored size, filters left out}. */
static int visit_chunk(struct index *x, mr_h5_cursor *c)
{
    uint64_t address = mr_h5_get(c, ADDRESS), stored = x->layout->size, mask = 0;
    if (filtered(x)) {
        stored = mr_h5_get(c, x->size_bytes);
        mask = mr_h5_get(c, MASK);
    }
    if (address == MR_H5_UNDEFINED) /* never written */
        return 0;
    return mr_h5_check_chunk(x->w, x->filters, mask, address, stored, x->layout->size);
}

static int visit_elements(struct index *x, mr_h5_cursor *c, uint64_t count)
{
    int status = 0;
    for (uint64_t i = 0; i < count && !status; i++)
        status = visit_chunk(x, c);
    return status;
}

/* How many chunks the dataset has when it is as large as it may become; false where it may grow for ever or
 * there are too many to count. */
static bool count_chunks(const mr_h5_layout *l, const mr_h5_space *s, uint64_t *count)
{
    *count = 1;
    for (int i = 0; i < s->rank; i++) {
        uint64_t n = s->most[i] / l->chunk[i] + (s->most[i] % l->chunk[i] != 0);
        if (s->most[i] == MR_H5_UNDEFINED || n > ((uint64_t)1 << MOST_BITS) / *count)
            return false;
        *count *= n ? n : 1;
    }
    return true;
}

/* --- pages --- */

/* Elements in pages of 2^layout->page_bits, each with its checksum. USED has a bit for each page, from number
 * FIRST on, the highest of a byte first: the other pages hold nothing. */
static int walk_pages(struct index *x, uint64_t address, uint64_t elements, const uint8_t *used,
                      uint64_t first, const char *name)
{
    uint64_t each = (uint64_t)1 << x->layout->page_bits, pages = (elements + each - 1) / each;
    int status = 0;
    for (uint64_t i = 0; i < pages && !status; i++) {
        uint64_t count = elements - i * each < each ? elements - i * each : each;
        mr_h5_block p;
        if (!(used[(first + i) / 8] >> (7 - (first + i) % 8) & 1))
            continue;
        status = mr_h5_read_checksummed(x->w, &p, address + i * (each * x->element + SUM),
                                        count * x->element + SUM, "", name);
        if (status)
            return status;
        mr_h5_cursor c = mr_h5_cursor_at(p.at, p.size - SUM);
        status = visit_elements(x, &c, count);
        mr_h5_release(&p);
    }
    return status;
}

/* Of ELEMENTS in pages; 0 where they fit into one and stand in the block itself. */
static uint64_t page_count(const struct index *x, uint64_t elements)
{
    uint64_t each = (uint64_t)1 << x->layout->page_bits;
    return elements > each ? (elements + each - 1) / each : 0;
}

/* Of both kinds of arrays: mark, version, whether chunks are filtered. */
static bool right_kind(const struct index *x, mr_h5_cursor *c)
{
    unsigned version = (unsigned)mr_h5_get(c, 1), kind = (unsigned)mr_h5_get(c, 1);
    return version == 0 && kind == filtered(x);
}

/* --- fixed arrays --- */

static int walk_fixed_block(struct index *x, uint64_t address)
{
    uint64_t pages = page_count(x, x->chunks), bits = (pages + 7) / 8, head = 6 + ADDRESS + bits;
    mr_h5_block p;
    if (x->chunks > x->w->size / x->element)
        return mr_h5_damaged(x->w, address, fixed_name);
    int status = mr_h5_read_checksummed(x->w, &p, address, head + (pages ? 0 : x->chunks * x->element) + SUM,
                                        "FADB", fixed_name);
    if (status)
        return status;
    mr_h5_cursor c = mr_h5_cursor_at(p.at + 4, p.size - 4 - SUM);
    bool right = right_kind(x, &c) && mr_h5_get(&c, ADDRESS) == x->header;
    if (!right)
        status = mr_h5_damaged(x->w, address, fixed_name);
    else if (pages)
        status = walk_pages(x, address + head + SUM, x->chunks, p.at + 6 + ADDRESS, 0, fixed_name);
    else
        status = visit_elements(x, &c, x->chunks);
    mr_h5_release(&p);
    return status;
}

static int walk_fixed(struct index *x)
{
    mr_h5_block p;
    int status = mr_h5_read_checksummed(x->w, &p, x->header, FIXED_HEADER, "FAHD", fixed_name);
    if (status)
        return status;
    mr_h5_cursor c = mr_h5_cursor_at(p.at + 4, p.size - 4);
    bool right = right_kind(x, &c);
    size_t element = mr_h5_get(&c, 1);
    unsigned page_bits = (unsigned)mr_h5_get(&c, 1);
    uint64_t count = mr_h5_get(&c, 8), block = mr_h5_get(&c, ADDRESS);
    mr_h5_release(&p);
    if (!right || element != x->element || page_bits != x->layout->page_bits || page_bits >= MOST_BITS ||
        count != x->chunks)
        return mr_h5_damaged(x->w, x->header, fixed_name);
    return block == MR_H5_UNDEFINED ? 0 : walk_fixed_block(x, block);
}

/* --- extensible arrays --- */

/* Super block I has 2^(I/2) data blocks of 2^((I+1)/2) times the least number of elements. */
static uint64_t blocks_of(unsigned i)
{
    return (uint64_t)1 << (i / 2);
}

static uint64_t elements_of(const struct index *x, unsigned i)
{
    return (uint64_t)x->layout->least << ((i + 1) / 2);
}

/* The head of its blocks: kind, the array's address. What follows in most, the block's offset in the array,
 * is unreliable in files of HDF5 1.10, and is not read. */
static bool right_block(const struct index *x, mr_h5_cursor *c)
{
    return right_kind(x, c) && mr_h5_get(c, ADDRESS) == x->header;
}

/* USED, FIRST: of its pages; NULL where it may have none. */
static int walk_data_block(struct index *x, uint64_t address, uint64_t elements, const uint8_t *used,
                           uint64_t first)
{
    uint64_t pages = page_count(x, elements), head = 6 + ADDRESS + x->offset_size;
    mr_h5_block p;
    if (elements > x->w->size / x->element + 1 && !pages)
        return mr_h5_damaged(x->w, address, extensible_name);
    int status = mr_h5_read_checksummed(x->w, &p, address, head + (pages ? 0 : elements * x->element) + SUM,
                                        "EADB", extensible_name);
    if (status)
        return status;
    mr_h5_cursor c = mr_h5_cursor_at(p.at + 4, p.size - 4 - SUM);
    bool right = right_block(x, &c) && (!pages || used);
    mr_h5_skip(&c, x->offset_size);
    if (!right)
        status = mr_h5_damaged(x->w, address, extensible_name);
    else if (pages)
        status = walk_pages(x, address + head + SUM, elements, used, first, extensible_name);
    else
        status = visit_elements(x, &c, elements);
    mr_h5_release(&p);
    return status;
}

static int walk_super_block(struct index *x, uint64_t address, unsigned number)
{
    uint64_t blocks = blocks_of(number), elements = elements_of(x, number), pages = page_count(x, elements),
             bits = (pages + 7) / 8, head = 6 + ADDRESS + x->offset_size;
    mr_h5_block p;
    if (blocks > x->w->size / ADDRESS || bits > x->w->size / blocks)
        return mr_h5_damaged(x->w, address, extensible_name);
    int status = mr_h5_read_checksummed(x->w, &p, address, head + blocks * (bits + ADDRESS) + SUM, "EASB",
                                        extensible_name);
    if (status)
        return status;
    mr_h5_cursor c = mr_h5_cursor_at(p.at + 4, p.size - 4);
    if (!right_block(x, &c))
        status = mr_h5_damaged(x->w, address, extensible_name);
    mr_h5_skip(&c, x->offset_size + blocks * bits);
    for (uint64_t i = 0; i < blocks && !status; i++) {
        uint64_t block = mr_h5_get(&c, ADDRESS);
        if (block != MR_H5_UNDEFINED)
            status = walk_data_block(x, block, elements, pages ? p.at + head : NULL, i * pages);
    }
    mr_h5_release(&p);
    return status;
}

/* The first elements, then the addresses of the first data blocks, then those of super blocks. */
static int walk_index_block(struct index *x, uint64_t address, unsigned supers)
{
    const mr_h5_layout *l = x->layout;
    unsigned inner = 2 * mr_h5_log2(l->pointers); /* super blocks whose data blocks stand here themselves */
    uint64_t pointers = 2 * ((uint64_t)l->pointers - 1) + (supers - inner);
    mr_h5_block p;
    int status = mr_h5_read_checksummed(x->w, &p, address,
                                        6 + ADDRESS + l->first * x->element + pointers * ADDRESS + SUM,
                                        "EAIB", extensible_name);
    if (status)
        return status;
    mr_h5_cursor c = mr_h5_cursor_at(p.at + 4, p.size - 4 - SUM);
    status =
        right_block(x, &c) ? visit_elements(x, &c, l->first) : mr_h5_damaged(x->w, address, extensible_name);
    for (unsigned i = 0; i < supers && !status; i++) {
        uint64_t blocks = i < inner ? blocks_of(i) : 1;
        for (uint64_t k = 0; k < blocks && !status; k++) {
            uint64_t block = mr_h5_get(&c, ADDRESS);
            if (block != MR_H5_UNDEFINED && i < inner)
                status = walk_data_block(x, block, elements_of(x, i), NULL, 0);
            else if (block != MR_H5_UNDEFINED)
                status = walk_super_block(x, block, i);
        }
    }
    if (!status && c.ended)
        status = mr_h5_damaged(x->w, address, extensible_name);
    mr_h5_release(&p);
    return status;
}

/* The header repeats the parameters of the layout message. SUPERS: super blocks that there can be. */
static bool right_parameters(struct index *x, mr_h5_cursor *c, unsigned *supers)
{
    const mr_h5_layout *l = x->layout;
    if (mr_h5_get(c, 1) != x->element || mr_h5_get(c, 1) != l->array_bits || mr_h5_get(c, 1) != l->first ||
        mr_h5_get(c, 1) != l->least || mr_h5_get(c, 1) != l->pointers || mr_h5_get(c, 1) != l->page_bits)
        return false;
    if (!mr_h5_is_power(l->least) || !mr_h5_is_power(l->pointers) || l->array_bits > MOST_BITS ||
        l->page_bits >= MOST_BITS || mr_h5_log2(l->least) > l->array_bits)
        return false;
    *supers = 1 + l->array_bits - mr_h5_log2(l->least);
    x->offset_size = ((unsigned)l->array_bits + 7) / 8;
    return 2 * mr_h5_log2(l->pointers) <= *supers;
}

static int walk_extensible(struct index *x)
{
    unsigned supers = 0;
    mr_h5_block p;
    int status = mr_h5_read_checksummed(x->w, &p, x->header, EXTENSIBLE_HEADER, "EAHD", extensible_name);
    if (status)
        return status;
    mr_h5_cursor c = mr_h5_cursor_at(p.at + 4, p.size - 4);
    bool right = right_kind(x, &c) && right_parameters(x, &c, &supers);
    mr_h5_skip(&c, 4 * 8); /* how many blocks there are */
    uint64_t used = mr_h5_get(&c, 8), room = x->layout->first;
    mr_h5_get(&c, 8);
    uint64_t block = mr_h5_get(&c, ADDRESS);
    mr_h5_release(&p);
    for (unsigned i = 0; i < supers && right; i++)
        room += blocks_of(i) * elements_of(x, i);
    if (!right || used > room)
        return mr_h5_damaged(x->w, x->header, extensible_name);
    return block == MR_H5_UNDEFINED ? 0 : walk_index_block(x, block, supers);
}

/* Such an array grows in one dimension. */
static bool grows_once(const mr_h5_space *s)
{
    int growing = 0;
    for (int i = 0; i < s->rank; i++)
        growing += s->most[i] == MR_H5_UNDEFINED;
    return growing == 1;
}

/* --- the others --- */

static int visit_record(mr_h5_walk *w, void *context, mr_h5_cursor *record)
{
    (void)w;
    return visit_chunk(context, record); /* followed by the place of the chunk in the dataset */
}

static int walk_single(struct index *x)
{
    const mr_h5_layout *l = x->layout;
    if (x->chunks != 1 || (filtered(x) && !l->stored))
        return mr_h5_damaged(x->w, l->address, "dataset of one chunk");
    return mr_h5_check_chunk(x->w, x->filters, l->mask, l->address, filtered(x) ? l->stored : l->size,
                             l->size);
}

static int walk_implicit(struct index *x)
{
    const mr_h5_layout *l = x->layout;
    if (filtered(x) || x->chunks > x->w->size / l->size ||
        !mr_h5_in_file(x->w, l->address, x->chunks * l->size))
        return mr_h5_damaged(x->w, l->address, "chunks side by side");
    return 0;
}

int mr_h5_walk_index(mr_h5_walk *w, const mr_h5_layout *l, const mr_h5_space *space,
                     const mr_h5_filters *filters)
{
    unsigned size_bytes = 1 + (mr_h5_log2(l->size) + 8) / 8;
    struct index x = {.w = w,
                      .layout = l,
                      .filters = filters,
                      .header = l->address,
                      .size_bytes = size_bytes > 8 ? 8 : size_bytes};
    x.element = ADDRESS + (filtered(&x) ? x.size_bytes + MASK : 0);
    bool limited = count_chunks(l, space, &x.chunks);
    if (l->whole_edges && filters->count)
        return mr_h5_unsupported(w, "a dataset whose chunks at the edges are not filtered");
    if (!limited && l->index < MR_H5_EXTENSIBLE_ARRAY)
        return mr_h5_damaged(w, l->address, "index of chunks");
    switch (l->index) {
    case MR_H5_SINGLE:
        return walk_single(&x);
    case MR_H5_IMPLICIT:
        return walk_implicit(&x);
    case MR_H5_FIXED_ARRAY:
        return walk_fixed(&x);
    case MR_H5_EXTENSIBLE_ARRAY:
        return grows_once(space) ? walk_extensible(&x) : mr_h5_damaged(w, l->address, extensible_name);
    default:
        return mr_h5_walk_btree2(w, l->address, filtered(&x) ? FILTERED_KIND : CHUNK_KIND,
                                 x.element + 8 * (size_t)l->rank, visit_record, &x);
    }
}
