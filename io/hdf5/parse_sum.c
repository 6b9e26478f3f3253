/* SPDX-License-Identifier: Apache-2.0 */
/* The checksum of HDF5's structures: Bob Jenkins's lookup3 (hashlittle, public domain) with an initial value
 * of 0. */
#include "io/hdf5/parse_internal.h"

static uint32_t rotate(uint32_t v, unsigned by)
{
    return v << by | v >> (32 - by);
}

static void mix(uint32_t v[3])
{
    static const uint8_t by[6] = {4, 6, 8, 16, 19, 4};
    for (int i = 0; i < 6; i++) {
        uint32_t *a = &v[i % 3], *b = &v[(i + 1) % 3], *c = &v[(i + 2) % 3];
        *a -= *c;
        *a ^= rotate(*c, by[i]);
        *c += *b;
    }
}

static void finish(uint32_t v[3])
{
    static const uint8_t by[7] = {14, 11, 25, 16, 4, 14, 24};
    for (int i = 0; i < 7; i++) {
        uint32_t *to = &v[(i + 2) % 3], from = v[(i + 1) % 3];
        *to ^= from;
        *to -= rotate(from, by[i]);
    }
}

uint32_t mr_h5_sum(const uint8_t *bytes, size_t size)
{
    uint32_t v[3];
    v[0] = v[1] = v[2] = 0xdeadbeef + (uint32_t)size;
    for (size_t left = size; left;) {
        size_t n = left < 12 ? left : 12;
        for (size_t i = 0; i < n; i++)
            v[i / 4] += (uint32_t)bytes[i] << (8 * (i % 4));
        bytes += n;
        left -= n;
        if (left)
            mix(v);
        else
            finish(v);
    }
    return v[2];
}
