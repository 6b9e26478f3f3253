/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of instruction sets with 16 vector registers and nothing for bf16: rounding and widening by
 * integer operations on single numbers, products as float multiply-adds of widened numbers. */
#ifndef MR_NN_KERNELS_TABLE_NARROW_H
#define MR_NN_KERNELS_TABLE_NARROW_H

#include "nn/kernels/conv_body.h"
#include "nn/kernels/depthwise_body.h"
#include "nn/kernels/isa.h"
#include "nn/kernels/pool_body.h"
#include "nn/kernels/winograd_body.h"

/* clang-format off */
MR_TILE(3, 1) MR_TILE(3, 2) MR_TILE(3, 3) MR_TILE(3, 4)
MR_TILE(2, 1) MR_TILE(2, 2) MR_TILE(2, 3) MR_TILE(2, 4) MR_TILE(2, 5) MR_TILE(2, 6)
MR_TILE(1, 1) MR_TILE(1, 2) MR_TILE(1, 3) MR_TILE(1, 4) MR_TILE(1, 5) MR_TILE(1, 6) MR_TILE(1, 7) MR_TILE(1, 8)
MR_TILE(1, 9) MR_TILE(1, 10)
/* clang-format on */

#define ROW3(kind)                                                                                           \
    {                                                                                                        \
        NULL, kind##_3_1, kind##_3_2, kind##_3_3, kind##_3_4                                                 \
    }
#define ROW2(kind)                                                                                           \
    {                                                                                                        \
        NULL, kind##_2_1, kind##_2_2, kind##_2_3, kind##_2_4, kind##_2_5, kind##_2_6                         \
    }
#define ROW1(kind)                                                                                           \
    {                                                                                                        \
        NULL, kind##_1_1, kind##_1_2, kind##_1_3, kind##_1_4, kind##_1_5, kind##_1_6, kind##_1_7,            \
            kind##_1_8, kind##_1_9, kind##_1_10                                                              \
    }

/* clang-format off */
#define MR_NARROW_TABLE(title, test)                                                                         \
    {                                                                                                        \
        .isa = {title, test},                                                                                \
        .lanes = LANES,                                                                                      \
        .family = {{3, 4, ROW3(tile), ROW3(weight)},                                                         \
                   {2, 6, ROW2(tile), ROW2(weight)},                                                         \
                   {1, 10, ROW1(tile), ROW1(weight)}},                                                       \
        .load = load, .load_gradient = load_gradient, .add_parts = add_parts,                                \
        .max_row = max_row, .mean_row = mean_row, .spread_row = spread_row, .sum_rows = sum_rows,            \
        .depthwise_row = depthwise_row, .window_input = window_input, .window_output = window_output,        \
    }
/* clang-format on */

/* ---- mixed precision */

typedef struct half_vec {
    mr_bf16 lane[LANES];
} half_vec;

MR_INLINE size_t lanes_of(part n)
{
#if MR_SIMD == 256
    return n.all ? 8 : (size_t)__builtin_popcount((unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(n.mask)));
#else
    return n;
#endif
}

MR_INLINE half_vec h_load_part(const mr_bf16 *p, part n)
{
    half_vec h = {{0}};
    memcpy(h.lane, p, lanes_of(n) * sizeof *p);
    return h;
}
MR_INLINE void h_store_part(mr_bf16 *p, half_vec h, part n)
{
    memcpy(p, h.lane, lanes_of(n) * sizeof *p);
}
MR_INLINE vec h_widen(half_vec h)
{
    float wide[LANES];
    for (int i = 0; i < LANES; i++)
        wide[i] = mr_from_bf16(h.lane[i]);
    return v_load(wide);
}
MR_INLINE half_vec h_round(vec v)
{
    float wide[LANES];
    half_vec h;
    v_store(wide, v);
    for (int i = 0; i < LANES; i++)
        h.lane[i] = mr_to_bf16(wide[i]);
    return h;
}

#include "nn/kernels/mixed_body.h"

static void no_configuration(void)
{
}

/* One pixel by one tile of channels. */
static void narrow_pixel(const struct mr_mixed_tile *t, const mr_bf16 *a, int channel_tile, float *out)
{
    const mr_bf16 *w = t->w + channel_tile * MR_TILE_NUMBERS;
    for (int k = 0; k < MR_TILE_ROWS && !t->add; k++)
        out[k] = 0;
    for (size_t r = 0; r < t->runs; r++)
        for (size_t step = 0; step < t->steps; step++, w += t->channel_tiles * MR_TILE_NUMBERS)
            for (int l = 0; l < MR_TILE_DEPTH; l += 2) {
                const mr_bf16 *from = a + t->run[r] + (ptrdiff_t)step * MR_TILE_DEPTH + l;
                const float x0 = mr_from_bf16(from[0]), x1 = mr_from_bf16(from[1]);
                const mr_bf16 *row = w + l * MR_TILE_ROWS;
#pragma omp simd
                for (int k = 0; k < MR_TILE_ROWS; k++)
                    out[k] += x0 * mr_from_bf16(row[2 * k]) + x1 * mr_from_bf16(row[2 * k + 1]);
            }
}

static void narrow_tile(const struct mr_mixed_tile *t)
{
    for (int i = 0; i < t->pixel_tiles * MR_TILE_ROWS; i++)
        for (int k = 0; k < t->channel_tiles; k++)
            narrow_pixel(t, t->a + i * t->a_step, k, t->stage + i * t->stage_step + k * MR_TILE_ROWS);
}

static void narrow_transpose(const mr_bf16 *x, const ptrdiff_t *at, size_t pixels, int channels, mr_bf16 *out,
                             size_t pitch)
{
    for (int c = 0; c < MR_TILE_ROWS; c++)
        for (size_t i = 0; i < pixels; i++)
            out[(size_t)c * pitch + i] = c < channels ? x[at[i] + c] : 0;
}

static void narrow_interleave(const mr_bf16 *g, const ptrdiff_t *at, size_t pixels, int channels, mr_bf16 *out)
{
    for (size_t i = 0; i < pixels; i += MR_TILE_DEPTH)
        for (int k = 0; k < channels; k += MR_TILE_ROWS, out += MR_TILE_NUMBERS)
            for (size_t l = 0; l < MR_TILE_DEPTH; l++)
                for (int j = 0; j < MR_TILE_ROWS; j++)
                    out[l / 2 * MR_TILE_DEPTH + 2 * (size_t)j + l % 2] =
                        at[i + l] >= 0 && k + j < channels ? g[at[i + l] + k + j] : 0;
}

/* clang-format off */
#define MR_NARROW_MIXED_TABLE(title, test)                                                                   \
    {                                                                                                        \
        .isa = {title, test},                                                                                \
        .begin = no_configuration, .end = no_configuration, .tile = narrow_tile, .finish = finish_mixed,     \
        .load = load_mixed, .load_gradient = load_gradient_mixed, .give = give_mixed,                        \
        .transpose = narrow_transpose, .interleave = narrow_interleave,                                      \
    }
/* clang-format on */

#endif
