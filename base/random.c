/* SPDX-License-Identifier: Apache-2.0 */
#include "base/random.h"

#include <math.h>

void mr_philox_block(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        uint32_t n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

void mr_philox_init(mr_philox *g, uint64_t seed, mr_purpose purpose, uint32_t epoch, uint64_t sample)
{
    g->key[0] = (uint32_t)seed;
    g->key[1] = (uint32_t)(seed >> 32);
    g->counter[0] = 0; /* the block's place in the stream */
    g->counter[1] = (uint32_t)sample;
    g->counter[2] = ((uint32_t)(sample >> 32) & 0xff) | epoch << 8;
    g->counter[3] = (uint32_t)purpose;
    g->used = 4;
}

uint32_t mr_philox_u32(mr_philox *g)
{
    if (g->used == 4) {
        mr_philox_block(g->counter, g->key, g->out);
        g->counter[0]++;
        g->used = 0;
    }
    return g->out[g->used++]; /* NOLINT(clang-analyzer-core.*): a block fills all four */
}

double mr_philox_double(mr_philox *g)
{
    uint64_t high = mr_philox_u32(g) >> 5;
    uint64_t low = mr_philox_u32(g) >> 6;
    return (double)(high << 26 | low) * 0x1p-53;
}

double mr_philox_uniform(mr_philox *g, double low, double high)
{
    return low + (high - low) * mr_philox_double(g);
}

uint32_t mr_philox_below(mr_philox *g, uint32_t bound)
{
    uint64_t product = (uint64_t)mr_philox_u32(g) * bound;
    if ((uint32_t)product < bound) {
        uint32_t threshold = -bound % bound;
        while ((uint32_t)product < threshold)
            product = (uint64_t)mr_philox_u32(g) * bound;
    }
    return (uint32_t)(product >> 32);
}

double mr_philox_normal(mr_philox *g)
{
    double u = 1.0 - mr_philox_double(g); /* (0, 1]: the logarithm stays finite */
    double v = mr_philox_double(g);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

void mr_philox_permutation(uint32_t *p, uint32_t n, uint64_t seed, mr_purpose purpose, uint32_t epoch)
{
    mr_philox g;
    mr_philox_init(&g, seed, purpose, epoch, 0);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t j = mr_philox_below(&g, i + 1);
        p[i] = p[j];
        p[j] = i;
    }
}
