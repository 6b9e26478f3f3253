/* SPDX-License-Identifier: Apache-2.0 */
/* AVX512_BF16, and AMX, which every processor with AMX has beside it. */
#include "nn/kernels/mixed_table.h"

#if defined __x86_64__
#if defined __clang__
#pragma clang attribute push(                                                                                \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,amx-tile,amx-bf16,fma,prfchw"))),   \
    apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,amx-tile,amx-bf16,fma,prfchw")
#endif

#define MR_SIMD 512
#include "nn/kernels/simd.h"

typedef __m256i half_vec;

MR_INLINE half_vec h_load_part(const mr_bf16 *p, part n)
{
    return _mm256_maskz_loadu_epi16(n, p);
}
MR_INLINE void h_store_part(mr_bf16 *p, half_vec h, part n)
{
    _mm256_mask_storeu_epi16(p, n, h);
}
MR_INLINE vec h_widen(half_vec h)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}
MR_INLINE half_vec h_round(vec v)
{
    return (__m256i)_mm512_cvtneps_pbh(v);
}

#include "nn/kernels/mixed_body.h"

/* ---- AVX512_BF16 ------------------------------------------------------------- */

/* PIXELS pixels by one tile of channels, the sums in registers. */
MR_INLINE void dot_pixels(const struct mr_mixed_tile *t, int first, const int pixels, int channel_tile)
{
    const mr_bf16 *w = t->w + channel_tile * MR_TILE_NUMBERS, *a = t->a + first * t->a_step;
    vec sum[8];
    MR_UNROLL
    for (int i = 0; i < pixels; i++)
        sum[i] = v_zero();
    for (size_t r = 0; r < t->runs; r++)
        for (size_t step = 0; step < t->steps; step++, w += t->channel_tiles * MR_TILE_NUMBERS)
            for (int l = 0; l < MR_TILE_DEPTH; l += 2) {
                const __m512bh row = (__m512bh)_mm512_loadu_si512(w + l * MR_TILE_ROWS);
                const mr_bf16 *from = a + t->run[r] + (ptrdiff_t)step * MR_TILE_DEPTH + l;
                MR_UNROLL
                for (int i = 0; i < pixels; i++) {
                    int pair;
                    memcpy(&pair, from + i * t->a_step, sizeof pair);
                    sum[i] = _mm512_dpbf16_ps(sum[i], (__m512bh)_mm512_set1_epi32(pair), row);
                }
            }
    MR_UNROLL
    for (int i = 0; i < pixels; i++)
        v_store(t->stage + (first + i) * MR_STAGE + channel_tile * MR_TILE_ROWS, sum[i]);
}

static void dot_tile(const struct mr_mixed_tile *t)
{
    for (int k = 0; k < t->channel_tiles; k++)
        for (int i = 0; i < t->pixel_tiles * MR_TILE_ROWS; i += 8)
            dot_pixels(t, i, 8, k);
}

/* ---- AMX --------------------------------------------------------------------- */

struct tile_configuration {
    uint8_t palette, start_row, reserved[14];
    uint16_t bytes[16]; /* of a row */
    uint8_t rows[16];
};

/* All eight alike. In memory for good: gcc 12 does not tell its optimiser that the instruction reads it all. */
static const struct tile_configuration whole_tiles = {
    .palette = 1,
    .bytes = {64, 64, 64, 64, 64, 64, 64, 64},
    .rows = {MR_TILE_ROWS, MR_TILE_ROWS, MR_TILE_ROWS, MR_TILE_ROWS, MR_TILE_ROWS, MR_TILE_ROWS, MR_TILE_ROWS,
             MR_TILE_ROWS},
};

static void begin_amx(void)
{
    _tile_loadconfig(&whole_tiles);
}

static void end_amx(void)
{
    _tile_release();
}

/* Tile registers are named by literals: 0 to 3 sums (pixels by channels), 4, 5 pixels, 6, 7 weights. */
static void amx_2_2(const struct mr_mixed_tile *t)
{
    const mr_bf16 *w = t->w;
    const ptrdiff_t bytes = t->a_step * 2, down = t->a_step * MR_TILE_ROWS;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (size_t r = 0; r < t->runs; r++) {
        const mr_bf16 *a = t->a + t->run[r];
        for (size_t step = 0; step < t->steps; step++, a += MR_TILE_DEPTH, w += 2 * MR_TILE_NUMBERS) {
            _tile_loadd(6, w, 64);
            _tile_loadd(4, a, bytes);
            _tile_dpbf16ps(0, 4, 6);
            _tile_loadd(7, w + MR_TILE_NUMBERS, 64);
            _tile_dpbf16ps(1, 4, 7);
            _tile_loadd(5, a + down, bytes);
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(3, 5, 7);
        }
    }
    _tile_stored(0, t->stage, MR_STAGE * 4);
    _tile_stored(1, t->stage + MR_TILE_ROWS, MR_STAGE * 4);
    _tile_stored(2, t->stage + MR_TILE_ROWS * MR_STAGE, MR_STAGE * 4);
    _tile_stored(3, t->stage + MR_TILE_ROWS * MR_STAGE + MR_TILE_ROWS, MR_STAGE * 4);
}

static void amx_2_1(const struct mr_mixed_tile *t)
{
    const mr_bf16 *w = t->w;
    const ptrdiff_t bytes = t->a_step * 2, down = t->a_step * MR_TILE_ROWS;
    _tile_zero(0);
    _tile_zero(2);
    for (size_t r = 0; r < t->runs; r++) {
        const mr_bf16 *a = t->a + t->run[r];
        for (size_t step = 0; step < t->steps; step++, a += MR_TILE_DEPTH, w += MR_TILE_NUMBERS) {
            _tile_loadd(6, w, 64);
            _tile_loadd(4, a, bytes);
            _tile_dpbf16ps(0, 4, 6);
            _tile_loadd(5, a + down, bytes);
            _tile_dpbf16ps(2, 5, 6);
        }
    }
    _tile_stored(0, t->stage, MR_STAGE * 4);
    _tile_stored(2, t->stage + MR_TILE_ROWS * MR_STAGE, MR_STAGE * 4);
}

static void amx_1_2(const struct mr_mixed_tile *t)
{
    const mr_bf16 *w = t->w;
    const ptrdiff_t bytes = t->a_step * 2;
    _tile_zero(0);
    _tile_zero(1);
    for (size_t r = 0; r < t->runs; r++) {
        const mr_bf16 *a = t->a + t->run[r];
        for (size_t step = 0; step < t->steps; step++, a += MR_TILE_DEPTH, w += 2 * MR_TILE_NUMBERS) {
            _tile_loadd(4, a, bytes);
            _tile_loadd(6, w, 64);
            _tile_dpbf16ps(0, 4, 6);
            _tile_loadd(7, w + MR_TILE_NUMBERS, 64);
            _tile_dpbf16ps(1, 4, 7);
        }
    }
    _tile_stored(0, t->stage, MR_STAGE * 4);
    _tile_stored(1, t->stage + MR_TILE_ROWS, MR_STAGE * 4);
}

static void amx_1_1(const struct mr_mixed_tile *t)
{
    const mr_bf16 *w = t->w;
    const ptrdiff_t bytes = t->a_step * 2;
    _tile_zero(0);
    for (size_t r = 0; r < t->runs; r++) {
        const mr_bf16 *a = t->a + t->run[r];
        for (size_t step = 0; step < t->steps; step++, a += MR_TILE_DEPTH, w += MR_TILE_NUMBERS) {
            _tile_loadd(4, a, bytes);
            _tile_loadd(6, w, 64);
            _tile_dpbf16ps(0, 4, 6);
        }
    }
    _tile_stored(0, t->stage, MR_STAGE * 4);
}

static void amx_tile(const struct mr_mixed_tile *t)
{
    if (t->pixel_tiles == 2)
        (t->channel_tiles == 2 ? amx_2_2 : amx_2_1)(t);
    else
        (t->channel_tiles == 2 ? amx_1_2 : amx_1_1)(t);
}

static void no_configuration(void)
{
}

const struct mr_mixed_table mr_mixed_avx512 = {.name = "avx512",
                                               .begin = no_configuration,
                                               .end = no_configuration,
                                               .tile = dot_tile,
                                               .finish = finish_mixed,
                                               .load = load_mixed};
const struct mr_mixed_table mr_mixed_amx = {.name = "amx",
                                            .begin = begin_amx,
                                            .end = end_amx,
                                            .tile = amx_tile,
                                            .finish = finish_mixed,
                                            .load = load_mixed};

#if defined __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
