/* SPDX-License-Identifier: Apache-2.0 */
/* AVX512_BF16, and AMX, which every processor with AMX has beside it. */
#include "nn/kernels/isa.h"
#include "nn/kernels/table.h"

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

/* ---- AVX512_BF16 */

/* PIXELS pixels by one tile of channels, the sums in registers. */
MR_INLINE void dot_pixels(const struct mr_mixed_tile *t, int first, const int pixels, int channel_tile)
{
    const mr_bf16 *w = t->w + channel_tile * MR_TILE_NUMBERS, *a = t->a + first * t->a_step;
    float *stage = t->stage + first * t->stage_step + channel_tile * MR_TILE_ROWS;
    vec sum[8];
    MR_UNROLL
    for (int i = 0; i < pixels; i++)
        sum[i] = t->add ? v_load(stage + i * t->stage_step) : v_zero();
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
        v_store(stage + i * t->stage_step, sum[i]);
}

static void dot_tile(const struct mr_mixed_tile *t)
{
    for (int k = 0; k < t->channel_tiles; k++)
        for (int i = 0; i < t->pixel_tiles * MR_TILE_ROWS; i += 8)
            dot_pixels(t, i, 8, k);
}

/* ---- AMX */

struct tile_configuration {
    uint8_t palette, start_row, reserved[14];
    uint16_t bytes[16]; /* of a row */
    uint8_t rows[16];
};

/* All eight are the same. Static, because the optimiser of gcc 12 does not know that the instruction reads all of
 * it. */
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
#define START(number, from)                                                                                  \
    do {                                                                                                     \
        if (t->add)                                                                                          \
            _tile_loadd(number, from, bytes_out);                                                            \
        else                                                                                                 \
            _tile_zero(number);                                                                              \
    } while (0)

static void amx_2_2(const struct mr_mixed_tile *t)
{
    const mr_bf16 *w = t->w;
    const ptrdiff_t bytes = t->a_step * 2, down = t->a_step * MR_TILE_ROWS, bytes_out = t->stage_step * 4;
    float *below = t->stage + MR_TILE_ROWS * t->stage_step;
    START(0, t->stage);
    START(1, t->stage + MR_TILE_ROWS);
    START(2, below);
    START(3, below + MR_TILE_ROWS);
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
    _tile_stored(0, t->stage, bytes_out);
    _tile_stored(1, t->stage + MR_TILE_ROWS, bytes_out);
    _tile_stored(2, below, bytes_out);
    _tile_stored(3, below + MR_TILE_ROWS, bytes_out);
}

static void amx_2_1(const struct mr_mixed_tile *t)
{
    const mr_bf16 *w = t->w;
    const ptrdiff_t bytes = t->a_step * 2, down = t->a_step * MR_TILE_ROWS, bytes_out = t->stage_step * 4;
    float *below = t->stage + MR_TILE_ROWS * t->stage_step;
    START(0, t->stage);
    START(2, below);
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
    _tile_stored(0, t->stage, bytes_out);
    _tile_stored(2, below, bytes_out);
}

static void amx_1_2(const struct mr_mixed_tile *t)
{
    const mr_bf16 *w = t->w;
    const ptrdiff_t bytes = t->a_step * 2, bytes_out = t->stage_step * 4;
    START(0, t->stage);
    START(1, t->stage + MR_TILE_ROWS);
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
    _tile_stored(0, t->stage, bytes_out);
    _tile_stored(1, t->stage + MR_TILE_ROWS, bytes_out);
}

static void amx_1_1(const struct mr_mixed_tile *t)
{
    const mr_bf16 *w = t->w;
    const ptrdiff_t bytes = t->a_step * 2, bytes_out = t->stage_step * 4;
    START(0, t->stage);
    for (size_t r = 0; r < t->runs; r++) {
        const mr_bf16 *a = t->a + t->run[r];
        for (size_t step = 0; step < t->steps; step++, a += MR_TILE_DEPTH, w += MR_TILE_NUMBERS) {
            _tile_loadd(4, a, bytes);
            _tile_loadd(6, w, 64);
            _tile_dpbf16ps(0, 4, 6);
        }
    }
    _tile_stored(0, t->stage, bytes_out);
}

static void amx_tile(const struct mr_mixed_tile *t)
{
    if (t->pixel_tiles == 2)
        (t->channel_tiles == 2 ? amx_2_2 : amx_2_1)(t);
    else
        (t->channel_tiles == 2 ? amx_1_2 : amx_1_1)(t);
}

/* ---- layouts for the weights' gradient */

/* Two pixels of 16 channels, channel by channel. */
MR_INLINE __m512i pair_up(half_vec even, half_vec odd)
{
    return _mm512_or_si512(_mm512_cvtepu16_epi32(even), _mm512_slli_epi32(_mm512_cvtepu16_epi32(odd), 16));
}

/* 16 x 16 numbers of 32 bits: by 2 and by 4 within quarters of a register, then the quarters. */
MR_INLINE void transpose_16(__m512i r[16])
{
    __m512i t[16];
    MR_UNROLL
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    MR_UNROLL
    for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    MR_UNROLL
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
        t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
    }
    MR_UNROLL
    for (int i = 0; i < 4; i++) {
        r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
        r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
        r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
    }
}

static void wide_transpose(const mr_bf16 *x, const ptrdiff_t *at, size_t pixels, int channels, mr_bf16 *out,
                           size_t pitch)
{
    const part n = v_part((size_t)channels);
    for (size_t i = 0; i < pixels; i += MR_TILE_DEPTH) {
        __m512i r[16];
        MR_UNROLL
        for (size_t j = 0; j < 16; j++)
            r[j] = pair_up(h_load_part(x + at[i + 2 * j], n), h_load_part(x + at[i + 2 * j + 1], n));
        transpose_16(r);
        MR_UNROLL
        for (size_t j = 0; j < 16; j++)
            _mm512_storeu_si512(out + j * pitch + i, r[j]);
    }
}

MR_INLINE half_vec pixel_or_zero(const mr_bf16 *g, ptrdiff_t at, part n)
{
    return at < 0 ? _mm256_setzero_si256() : h_load_part(g + at, n);
}

static void wide_interleave(const mr_bf16 *g, const ptrdiff_t *at, size_t pixels, int channels, mr_bf16 *out)
{
    const size_t step = channels > MR_TILE_ROWS ? 2 * MR_TILE_NUMBERS : MR_TILE_NUMBERS;
    for (int k = 0; k < channels; k += MR_TILE_ROWS, out += MR_TILE_NUMBERS) {
        const part n = v_part((size_t)(channels - k));
        for (size_t i = 0; i < pixels; i += 2) {
            mr_bf16 *row = out + i / MR_TILE_DEPTH * step + i % MR_TILE_DEPTH / 2 * MR_TILE_DEPTH;
            _mm512_storeu_si512(row, pair_up(pixel_or_zero(g + k, at[i], n), pixel_or_zero(g + k, at[i + 1], n)));
        }
    }
}

static void no_configuration(void)
{
}

#define LOADS                                                                                                \
    .finish = finish_mixed, .load = load_mixed, .load_gradient = load_gradient_mixed, .give = give_mixed,    \
    .transpose = wide_transpose, .interleave = wide_interleave

const struct mr_mixed_table mr_mixed_avx512 = {
    .isa = {"avx512", mr_isa_has_avx512_bf16},
    .begin = no_configuration,
    .end = no_configuration,
    .tile = dot_tile,
    LOADS,
};
const struct mr_mixed_table mr_mixed_amx = {
    .isa = {"amx", mr_isa_has_amx_bf16},
    .begin = begin_amx,
    .end = end_amx,
    .tile = amx_tile,
    LOADS,
};

#if defined __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
