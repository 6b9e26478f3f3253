/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/layers/draw.h"

#include "nn/compute/simd.h"

#include <string.h>

enum { LANES = 16 };

/* LANES blocks of Philox4x32-10 side by side (mr_philox_block is the plain form): counters differ in word 0
 * alone. */
MR_CLONES static void philox_lanes(const mr_philox *g, uint32_t first, uint32_t out[4 * LANES])
{
    uint32_t c0[LANES], c1[LANES], c2[LANES], c3[LANES], k0 = g->key[0], k1 = g->key[1];
    for (uint32_t i = 0; i < LANES; i++) {
        c0[i] = first + i;
        c1[i] = g->counter[1];
        c2[i] = g->counter[2];
        c3[i] = g->counter[3];
    }
    for (int round = 0; round < 10; round++) {
#pragma omp simd
        for (int i = 0; i < LANES; i++) {
            uint64_t p0 = (uint64_t)0xD2511F53u * c0[i], p1 = (uint64_t)0xCD9E8D57u * c2[i];
            uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1[i] ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3[i] ^ k1;
            c1[i] = (uint32_t)p1;
            c3[i] = (uint32_t)p0;
            c0[i] = n0;
            c2[i] = n2;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    for (int i = 0; i < LANES; i++) {
        out[4 * (size_t)i] = c0[i];
        out[4 * (size_t)i + 1] = c1[i];
        out[4 * (size_t)i + 2] = c2[i];
        out[4 * (size_t)i + 3] = c3[i];
    }
}

void mr_draw_words(const mr_call *c, uint64_t first, size_t blocks, uint32_t *out)
{
    mr_philox g;
    uint32_t lanes[4 * LANES];
    mr_philox_init(&g, c->seed, MR_DRAW_DROPOUT, c->node, c->step);
    for (size_t done = 0; done < blocks; done += LANES) {
        size_t count = blocks - done < LANES ? blocks - done : LANES;
        philox_lanes(&g, (uint32_t)(first + done), lanes);
        memcpy(out + 4 * done, lanes, 4 * count * sizeof *out);
    }
}

void mr_draw_normals(const mr_call *c, uint64_t first, size_t blocks, mr_real *out)
{
    uint32_t words[4];
    for (size_t b = 0; b < blocks; b++, out += 4) {
        mr_draw_words(c, first + b, 1, words);
        for (int i = 0; i < 4; i += 2) {
            double radius = sqrt(-2 * log(((double)words[i] + 0.5) * 0x1p-32)),
                   angle = (double)words[i + 1] * (0x1p-32 * 2 * M_PI);
            out[i] = (mr_real)(radius * cos(angle));
            out[i + 1] = (mr_real)(radius * sin(angle));
        }
    }
}

void mr_draw_sample(const mr_call *c, size_t sample, mr_philox *g)
{
    mr_philox_init(g, c->seed, MR_DRAW_DROPOUT, c->node, c->step);
    g->counter[0] = (uint32_t)mr_peers_sample(c->peers, sample) << 12;
}
