/* SPDX-License-Identifier: Apache-2.0 */
/* What the filters make of a stored chunk. libhdf5 1.10 does not compare it with the chunk's size: from a
 * deflate stream that ends early, or a mask that leaves deflate out, it copies bytes that are not there. So
 * the size is found here, with an inflate whose output is discarded. */
#include "io/hdf5/parse_internal.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { CHECKSUM = 4, OUTPUT = 1 << 15, LEAST_ROOM = 4096 };

/* A chunk on its way through the filters, from the last to the first. */
struct chunk {
    const uint8_t *bytes; /* NULL where only the size is known */
    uint64_t size;
    uint8_t *owned;
};

static void replace(struct chunk *c, uint8_t *bytes, uint64_t size)
{
    free(c->owned);
    c->bytes = c->owned = bytes;
    c->size = size;
}

/* Room for at least SIZE bytes, at most LIMIT. */
static uint8_t *grow(uint8_t *block, uint64_t *room, uint64_t limit)
{
    uint64_t larger = *room ? 2 * *room : LEAST_ROOM;
    *room = larger < limit ? larger : limit;
    return realloc(block, *room);
}

/* Undoes deflate, of which no more than LIMIT bytes may come. Keeps what comes where KEEP. MR_EFORMAT without
 * a message: the stream is damaged or too long; MR_ENOMEM. */
static int undo_deflate(struct chunk *c, uint64_t limit, bool keep)
{
    uint8_t scratch[OUTPUT], *block = NULL;
    z_stream z = {.next_in = (Bytef *)c->bytes, .avail_in = (uInt)c->size};
    uint64_t total = 0, room = 0;
    int status = inflateInit(&z) == Z_OK ? 0 : MR_ENOMEM, state = Z_OK;
    while (!status && state == Z_OK && total <= limit) {
        if (keep && total == room && !(block = grow(block, &room, limit + 1))) {
            status = MR_ENOMEM;
            break;
        }
        uint64_t left = keep ? room - total : OUTPUT;
        z.avail_out = left > UINT32_MAX ? UINT32_MAX : (uInt)left;
        z.next_out = keep ? block + total : scratch;
        uInt before = z.avail_out;
        state = inflate(&z, Z_NO_FLUSH);
        total += before - z.avail_out;
    }
    inflateEnd(&z);
    if (!status && (state != Z_STREAM_END || total > limit))
        status = MR_EFORMAT;
    if (status)
        free(block);
    else
        replace(c, block, total);
    return status;
}

/* Undoes shuffle: byte I of each element, then byte I + 1 of each … */
static int undo_shuffle(struct chunk *c, uint64_t width)
{
    uint64_t count = width ? c->size / width : 0;
    if (width < 2 || count < 2)
        return 0;
    uint8_t *block = malloc(c->size);
    if (!block)
        return MR_ENOMEM;
    for (uint64_t i = 0; i < width; i++)
        for (uint64_t k = 0; k < count; k++)
            block[k * width + i] = c->bytes[i * count + k];
    memcpy(block + count * width, c->bytes + count * width, c->size - count * width);
    replace(c, block, c->size);
    return 0;
}

/* The first filter to be undone that looks at the bytes, after I; -1 where there is none. */
static bool deflate_follows(const mr_h5_filters *f, uint64_t mask, int i)
{
    while (--i >= 0)
        if (f->id[i] == MR_H5_DEFLATE && !(mask >> i & 1))
            return true;
    return false;
}

static int undo(struct chunk *c, const mr_h5_filters *f, uint64_t mask, int i, uint64_t limit)
{
    bool keep = deflate_follows(f, mask, i); /* its bytes are looked at */
    if (f->id[i] == MR_H5_DEFLATE)
        return undo_deflate(c, limit, keep);
    if (f->id[i] == MR_H5_SHUFFLE)
        return keep ? undo_shuffle(c, f->value[i]) : 0;
    if (c->size < CHECKSUM)
        return MR_EFORMAT;
    c->size -= CHECKSUM; /* the checksum itself is the library's */
    return 0;
}

/* Whether WANTED bytes come of it. Bit I of MASK leaves filter I out. Between two filters there may be more
 * than in the end, but not more than packing makes of it. */
static int undo_all(const mr_h5_filters *f, uint64_t mask, const mr_h5_block *p, uint64_t wanted)
{
    struct chunk c = {.bytes = p->at, .size = p->size};
    uint64_t limit = wanted + wanted / 100 + 64 * MR_H5_FILTERS;
    int status = 0;
    for (int i = f->count - 1; i >= 0 && !status; i--)
        if (!(mask >> i & 1))
            status = undo(&c, f, mask, i, limit);
    if (!status && c.size != wanted)
        status = MR_EFORMAT;
    free(c.owned);
    return status;
}

int mr_h5_check_chunk(mr_h5_walk *w, const mr_h5_filters *f, uint64_t mask, uint64_t address, uint64_t stored,
                      uint64_t wanted)
{
    static const char name[] = "chunk that is not what its filters should have made";
    mr_h5_block p;
    if (f->count == 0 || f->foreign) /* nothing to undo, or never read */
        return (f->foreign || stored == wanted) && mr_h5_in_file(w, address, stored)
                   ? 0
                   : mr_h5_damaged(w, address, "chunk");
    int status =
        stored > UINT32_MAX ? mr_h5_damaged(w, address, name) : mr_h5_read(w, &p, address, stored, "chunk");
    if (status)
        return status;
    status = undo_all(f, mask, &p, wanted);
    mr_h5_release(&p);
    return status == MR_EFORMAT ? mr_h5_damaged(w, address, name)
           : status             ? mr_fail(w->e, status, "out of memory for '%s'", w->what)
                                : 0;
}
