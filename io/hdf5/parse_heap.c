/* SPDX-License-Identifier: Apache-2.0 */
/* Fractal heaps: objects in direct blocks, whose sizes double from row to row of a table of fixed width;
 * large tables hold indirect blocks, which are such tables again. Objects too large for a block stand alone
 * in the file and are listed by a B-tree. */
#include "io/hdf5/parse_internal.h"

#include "base/list.h"
#include <stdlib.h>
#include <string.h>

enum { HEADER = 146, SUM = 4, ADDRESS = 8, HUGE_KIND = 1, HUGE_RECORD = 24, MOST_BITS = 62 };
enum { MANAGED = 0x00, HUGE = 0x10, ID_VERSION = 0xc0, ID_KIND = 0x30 };

static const char name[] = "fractal heap";

struct block {
    uint64_t offset; /* in the heap's own space */
    mr_h5_block bytes;
};

struct huge {
    uint64_t address, size, id;
    mr_h5_block bytes; /* once it was asked for */
};

struct mr_h5_heap {
    mr_h5_walk *w;
    uint64_t address, huge_tree;
    size_t id_length;
    bool summed; /* direct blocks have checksums */
    unsigned width, start_bits, row_bits, direct_rows,
        rows; /* row_bits: log2 of the bytes of the first row */
    unsigned offset_bytes, length_bytes;
    uint64_t most_managed, start, used; /* used: bytes of the heap's space */
    struct block *block;                /* by offset */
    size_t blocks;
    struct huge *huge; /* by id, once it is known */
    size_t huges;
    bool knows_huge;
    uint64_t unclaimed; /* bytes of blocks less those of the objects asked for */
};

static int bad(const mr_h5_heap *h, uint64_t address)
{
    return mr_h5_damaged(h->w, address, name);
}

/* --- the header --- */

static size_t overhead(const mr_h5_heap *h)
{
    return 5 + ADDRESS + h->offset_bytes + (h->summed ? SUM : 0);
}

/* The table's numbers, as H5HF_dtable_init derives them: all that it shifts and subtracts must stay in range.
 */
static bool set_table(mr_h5_heap *h, uint64_t width, uint64_t start, uint64_t most_direct, uint64_t bits)
{
    if (!mr_h5_is_power(width) || !mr_h5_is_power(start) || !mr_h5_is_power(most_direct) || width > 1 << 15 ||
        start > most_direct || most_direct > (uint64_t)1 << 31 || bits > MOST_BITS ||
        h->most_managed > most_direct)
        return false;
    h->width = (unsigned)width;
    h->start = start;
    h->start_bits = mr_h5_log2(start);
    h->row_bits = h->start_bits + mr_h5_log2(width);
    h->direct_rows = mr_h5_log2(most_direct) - h->start_bits + 2;
    h->offset_bytes = ((unsigned)bits + 7) / 8;
    unsigned by_block = (mr_h5_log2(most_direct) + 7) / 8, by_object = mr_h5_log2(h->most_managed) / 8 + 1;
    h->length_bytes = by_block < by_object ? by_block : by_object;
    if (bits < h->row_bits || start <= overhead(h) || 1 + h->offset_bytes + h->length_bytes > h->id_length)
        return false;
    h->rows = (unsigned)bits - h->row_bits + 1;
    return true;
}

static int read_header(mr_h5_heap *h, uint64_t *table, unsigned *rows)
{
    mr_h5_block p;
    int status = mr_h5_read_checksummed(h->w, &p, h->address, HEADER, "FRHP", name);
    if (status)
        return status;
    mr_h5_cursor c = mr_h5_cursor_at(p.at + 4, HEADER - 4);
    unsigned version = (unsigned)mr_h5_get(&c, 1);
    size_t id_length = mr_h5_get(&c, 2), filters = mr_h5_get(&c, 2);
    h->summed = mr_h5_get(&c, 1) & 2;
    h->most_managed = mr_h5_get(&c, 4);
    mr_h5_get(&c, 8);
    h->huge_tree = mr_h5_get(&c, 8);
    mr_h5_skip(&c, 2 * 8);
    h->used = mr_h5_get(&c, 8);
    mr_h5_skip(&c, 4 * 8);
    uint64_t huge = mr_h5_get(&c, 8);
    mr_h5_skip(&c, 2 * 8);
    uint64_t width = mr_h5_get(&c, 2), start = mr_h5_get(&c, 8), most = mr_h5_get(&c, 8),
             bits = mr_h5_get(&c, 2);
    mr_h5_get(&c, 2);
    *table = mr_h5_get(&c, 8);
    *rows = (unsigned)mr_h5_get(&c, 2);
    mr_h5_release(&p);
    if (filters && version == 0)
        return mr_h5_unsupported(h->w, "a fractal heap with filters");
    bool right = version == 0 && id_length == h->id_length && set_table(h, width, start, most, bits) &&
                 *rows <= h->rows &&
                 /* libhdf5 deletes a tree that lists no object, and fails badly where it cannot */
                 (h->huge_tree == MR_H5_UNDEFINED) == (huge == 0);
    return right ? 0 : bad(h, h->address);
}

/* --- blocks --- */

/* Both kinds begin with: mark, version, the heap's address, the block's offset in the heap. */
static bool is_block(const mr_h5_heap *h, const mr_h5_block *p, const char *mark, uint64_t offset)
{
    mr_h5_cursor c = mr_h5_cursor_at(p->at + 4, p->size - 4);
    return !memcmp(p->at, mark, 4) && mr_h5_get(&c, 1) == 0 && mr_h5_get(&c, 8) == h->address &&
           mr_h5_get(&c, h->offset_bytes) == offset;
}

/* The checksum is of the block with zeros in its place. */
static int check_sum(const mr_h5_heap *h, const mr_h5_block *p, uint64_t address)
{
    size_t at = overhead(h) - SUM;
    uint8_t *copy = malloc(p->size);
    if (!copy)
        return mr_no_memory(h->w->e, "'%s'", h->w->what);
    memcpy(copy, p->at, p->size);
    memset(copy + at, 0, SUM);
    mr_h5_cursor c = mr_h5_cursor_at(p->at + at, SUM);
    bool right = mr_h5_get(&c, SUM) == mr_h5_checksum(copy, p->size);
    free(copy);
    return right ? 0 : bad(h, address);
}

static int walk_direct(mr_h5_heap *h, uint64_t address, uint64_t size, uint64_t offset)
{
    struct block b = {.offset = offset};
    if (!mr_list_grow(&h->block, h->blocks, sizeof *h->block))
        return mr_no_memory(h->w->e, "'%s'", h->w->what);
    int status = mr_h5_read(h->w, &b.bytes, address, size, name);
    if (status)
        return status;
    status = !is_block(h, &b.bytes, "FHDB", offset) ? bad(h, address)
             : h->summed                            ? check_sum(h, &b.bytes, address)
                                                    : 0;
    h->unclaimed += size;
    h->block[h->blocks++] = b;
    return status;
}

/* Bytes of a block in ROW. */
static uint64_t block_size(const mr_h5_heap *h, unsigned row)
{
    return row ? h->start << (row - 1) : h->start;
}

static int walk_indirect(mr_h5_heap *h, uint64_t address, unsigned rows, uint64_t offset);

static int walk_child(mr_h5_heap *h, uint64_t address, unsigned row, unsigned parent_rows, uint64_t offset)
{
    uint64_t size = block_size(h, row);
    if (row < h->direct_rows)
        return walk_direct(h, address, size, offset);
    unsigned bits = mr_h5_log2(size), rows = bits < h->row_bits ? 0 : bits - h->row_bits + 1;
    /* libhdf5 does not check this: a table that is not smaller than the one it is in makes it read out of
     * bounds. */
    return rows == 0 || rows >= parent_rows ? bad(h, address) : walk_indirect(h, address, rows, offset);
}

static int walk_indirect(mr_h5_heap *h, uint64_t address, unsigned rows, uint64_t offset)
{
    mr_h5_block p;
    size_t head = 5 + ADDRESS + h->offset_bytes;
    int status = mr_h5_read_checksummed(h->w, &p, address, head + (uint64_t)rows * h->width * ADDRESS + SUM,
                                        "FHIB", name);
    if (status)
        return status;
    if (!is_block(h, &p, "FHIB", offset))
        status = bad(h, address);
    mr_h5_cursor c = mr_h5_cursor_at(p.at + head, p.size - head - SUM);
    for (unsigned i = 0; i < rows * h->width && !status; i++) {
        uint64_t child = mr_h5_get(&c, 8);
        if (child != MR_H5_UNDEFINED)
            status = walk_child(h, child, i / h->width, rows, offset);
        offset += block_size(h, i / h->width);
    }
    mr_h5_release(&p);
    return status;
}

int mr_h5_open_heap(mr_h5_heap **out, mr_h5_walk *w, uint64_t address, size_t id_length)
{
    uint64_t table = MR_H5_UNDEFINED;
    unsigned rows = 0;
    mr_h5_heap *h = *out = calloc(1, sizeof *h);
    if (!h)
        return mr_no_memory(w->e, "'%s'", w->what);
    *h = (mr_h5_heap){.w = w, .address = address, .id_length = id_length};
    int status = read_header(h, &table, &rows);
    if (!status && table != MR_H5_UNDEFINED)
        status = rows ? walk_indirect(h, table, rows, 0) : walk_direct(h, table, h->start, 0);
    if (!status)
        return 0;
    mr_h5_close_heap(h);
    *out = NULL;
    return status;
}

void mr_h5_close_heap(mr_h5_heap *h)
{
    if (!h)
        return;
    for (size_t i = 0; i < h->blocks; i++)
        mr_h5_release(&h->block[i].bytes);
    for (size_t i = 0; i < h->huges; i++)
        mr_h5_release(&h->huge[i].bytes);
    free(h->block);
    free(h->huge);
    free(h);
}

/* --- objects --- */

static int compare_offset(const void *key, const void *block)
{
    uint64_t offset = *(const uint64_t *)key;
    const struct block *b = block;
    return offset < b->offset ? -1 : offset - b->offset >= b->bytes.size;
}

static int managed_object(mr_h5_heap *h, mr_h5_cursor *id, mr_h5_cursor *out)
{
    uint64_t offset = mr_h5_get(id, h->offset_bytes), length = mr_h5_get(id, h->length_bytes);
    const struct block *b =
        h->blocks ? bsearch(&offset, h->block, h->blocks, sizeof *b, compare_offset) : NULL;
    uint64_t at = b ? offset - b->offset : 0;
    if (!b || at < overhead(h) || length == 0 || length > b->bytes.size - at || length > h->most_managed ||
        offset > h->used || length > h->unclaimed)
        return bad(h, h->address);
    h->unclaimed -= length;
    *out = mr_h5_cursor_at(b->bytes.at + at, (size_t)length);
    return 0;
}

static int add_huge(mr_h5_walk *w, void *context, mr_h5_cursor *record)
{
    mr_h5_heap *h = context;
    struct huge one = {
        .address = mr_h5_get(record, 8), .size = mr_h5_get(record, 8), .id = mr_h5_get(record, 8)};
    if (!mr_list_grow(&h->huge, h->huges, sizeof *h->huge))
        return mr_no_memory(w->e, "'%s'", w->what);
    if (!mr_h5_in_file(w, one.address, one.size) || one.size == 0 ||
        (h->huges && one.id <= h->huge[h->huges - 1].id))
        return bad(h, one.address);
    h->huge[h->huges++] = one;
    return 0;
}

static int compare_id(const void *key, const void *huge)
{
    uint64_t id = *(const uint64_t *)key, other = ((const struct huge *)huge)->id;
    return (id > other) - (id < other);
}

static int huge_object(mr_h5_heap *h, mr_h5_cursor *id, mr_h5_cursor *out)
{
    uint64_t number = mr_h5_get(id, (unsigned)h->id_length - 1);
    int status = h->knows_huge ? 0
                 : h->huge_tree == MR_H5_UNDEFINED
                     ? bad(h, h->address)
                     : mr_h5_walk_btree2(h->w, h->huge_tree, HUGE_KIND, HUGE_RECORD, add_huge, h);
    h->knows_huge = true;
    if (status)
        return status;
    struct huge *one = h->huges ? bsearch(&number, h->huge, h->huges, sizeof *one, compare_id) : NULL;
    if (!one || one->bytes.at)
        return bad(h, h->address);
    status = mr_h5_read(h->w, &one->bytes, one->address, one->size, name);
    if (!status)
        *out = mr_h5_cursor_at(one->bytes.at, one->bytes.size);
    return status;
}

/* Tiny objects would stand in the id itself: no link or attribute is that small. */
int mr_h5_heap_object(mr_h5_heap *h, const uint8_t *id, mr_h5_cursor *out)
{
    mr_h5_cursor c = mr_h5_cursor_at(id, h->id_length);
    unsigned flags = (unsigned)mr_h5_get(&c, 1);
    *out = mr_h5_cursor_at(id, 0);
    if (flags & ID_VERSION || ((flags & ID_KIND) != MANAGED && (flags & ID_KIND) != HUGE))
        return bad(h, h->address);
    return (flags & ID_KIND) == MANAGED ? managed_object(h, &c, out) : huge_object(h, &c, out);
}
