/* SPDX-License-Identifier: Apache-2.0 */
/* Weights in the order in which the tiles of mixed_table.h read them. */
#include "nn/kernels/mixed_internal.h"

size_t mr_mixed_packed(const mr_conv *d)
{
    return mr_input_run_count(d) * mr_mixed_steps(mr_input_run_length(d)) * MR_TILE_DEPTH *
           mr_mixed_padded(d->k);
}

/* Pairs FIRST, FIRST+1 of LENGTH rows of W [length][k], 16 channels from K0 on. */
static void pack_tile(const float *w, const float *scale, size_t length, size_t first, int k, int k0,
                      mr_bf16 *out)
{
    int inside = mr_at_most(MR_TILE_ROWS, k - k0);
    memset(out, 0, MR_TILE_NUMBERS * sizeof *out);
    for (size_t l = 0; l < MR_TILE_DEPTH && first + l < length; l++) {
        const float *row = w + (first + l) * (size_t)k + k0;
        mr_bf16 *to = out + l / 2 * MR_TILE_DEPTH + l % 2;
        for (int i = 0; i < inside; i++)
            to[2 * i] = mr_to_bf16(scale ? row[i] * scale[k0 + i] : row[i]);
    }
}

void mr_mixed_pack(const mr_conv *d, const float *w, const float *scale, mr_bf16 *packed)
{
    size_t runs = mr_input_run_count(d), length = mr_input_run_length(d);
    int tiles = (int)(mr_mixed_padded(d->k) / MR_TILE_ROWS);
    for (int tile = 0; tile < tiles; tile += 2)
        for (size_t r = 0; r < runs; r++)
            for (size_t l = 0; l < length; l += MR_TILE_DEPTH)
                for (int t = tile; t < tile + 2 && t < tiles; t++, packed += MR_TILE_NUMBERS)
                    pack_tile(w + r * length * (size_t)d->k, scale, length, l, d->k, t * MR_TILE_ROWS,
                              packed);
}
