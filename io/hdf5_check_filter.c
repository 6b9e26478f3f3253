/* SPDX-License-Identifier: Apache-2.0 */
/* What the filters make of a stored chunk. libhdf5 1.10 does not compare it with the chunk's size: from a
 * deflate stream that ends early, or a mask that leaves deflate out, it copies bytes that are not there. So
 * the size is found here, with an inflate whose output goes nowhere. */
#include "io/hdf5_walk.h"

#include <string.h>
#include <zlib.h>

enum { CHECKSUM = 4, OUTPUT = 1 << 15 };

/* Bytes that the deflate stream at P gives, at most LIMIT + 1; UINT64_MAX where it is damaged. */
static uint64_t inflated_size(const uint8_t *p, uint64_t size, uint64_t limit)
{
    uint8_t output[OUTPUT];
    z_stream z = {.next_in = (Bytef *)p, .avail_in = (uInt)size};
    uint64_t total = 0;
    int status = inflateInit(&z);
    if (status != Z_OK)
        return UINT64_MAX;
    while (status == Z_OK && total <= limit) {
        z.next_out = output;
        z.avail_out = OUTPUT;
        status = inflate(&z, Z_NO_FLUSH);
        total += OUTPUT - z.avail_out;
    }
    inflateEnd(&z);
    return status == Z_STREAM_END || total > limit ? total : UINT64_MAX;
}

/* The filters are undone from the last to the first; bit I of MASK leaves filter I out. */
static bool gives(const mr_h5_filters *f, uint64_t mask, const uint8_t *bytes, uint64_t stored,
                  uint64_t wanted)
{
    uint64_t size = stored;
    bool raw = true; /* BYTES is what the next filter gets */
    for (int i = f->count - 1; i >= 0; i--) {
        if (mask >> i & 1)
            continue;
        if (f->id[i] == MR_H5_FLETCHER32) {
            if (size < CHECKSUM)
                return false;
            size -= CHECKSUM;
        } else if (f->id[i] == MR_H5_DEFLATE) {
            if (!raw)
                return false; /* only what lies in the file as it is can be measured */
            size = inflated_size(bytes, size, wanted + CHECKSUM);
            raw = false;
        } else {
            raw = false;
        }
    }
    return size == wanted;
}

int mr_h5_check_chunk(mr_h5_walk *w, const mr_h5_filters *f, uint64_t mask, uint64_t address, uint64_t stored,
                      uint64_t wanted)
{
    mr_h5_piece p;
    if (f->count == 0) /* nothing to undo, so nothing to read */
        return stored == wanted && mr_h5_inside(w, address, stored) ? 0 : mr_h5_damaged(w, address, "chunk");
    int status = mr_h5_take(w, &p, address, stored, "chunk");
    if (!status && !gives(f, mask, p.at, stored, wanted))
        status = mr_h5_damaged(w, address, "chunk that is not what its filters should have made");
    mr_h5_drop(&p);
    return status;
}
