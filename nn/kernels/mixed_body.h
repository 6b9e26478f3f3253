/* SPDX-License-Identifier: Apache-2.0 */
/* Loading and finishing in mixed precision for the vector of simd.h; the file that includes this one has
 * defined `half_vec`, a vector's worth of bf16, with h_load_part, h_store_part, h_widen and h_round. */
#ifndef MR_NN_KERNELS_MIXED_BODY_H
#define MR_NN_KERNELS_MIXED_BODY_H

#include "nn/kernels/mixed_table.h"

MR_INLINE vec load_numbers(mr_numbers x, size_t at, const bool half, part n)
{
    return half ? h_widen(h_load_part((const mr_bf16 *)x.at + at, n))
                : v_load_part((const float *)x.at + at, n);
}

MR_INLINE void store_numbers(mr_numbers y, size_t at, const bool half, vec v, part n)
{
    if (half)
        h_store_part((mr_bf16 *)y.at + at, h_round(v), n);
    else
        v_store_part((float *)y.at + at, v, n);
}

/* One vector of channels for all pixels: its factors stay in registers. */
MR_INLINE void load_channels(const struct mr_affine *f, mr_numbers x, size_t x_step, size_t pixels, size_t c,
                             mr_numbers y, const bool from_half, const bool to_half, size_t k, part n)
{
    const vec low = v_set(f->low), high = v_set(f->high);
    if (!f->scale) {
        for (size_t i = 0; i < pixels; i++)
            store_numbers(y, i * c + k, to_half,
                          v_clamp(load_numbers(x, i * x_step + k, from_half, n), low, high), n);
        return;
    }
    const vec scale = v_load_part(f->scale + k, n), shift = v_load_part(f->shift + k, n);
    for (size_t i = 0; i < pixels; i++) {
        vec v = v_fma(load_numbers(x, i * x_step + k, from_half, n), scale, shift);
        store_numbers(y, i * c + k, to_half, v_clamp(v, low, high), n);
    }
}

MR_INLINE void load_as(const struct mr_affine *f, mr_numbers x, size_t x_step, size_t pixels, size_t c,
                       mr_numbers y, const bool from_half, const bool to_half)
{
    size_t k = 0;
    for (; k + LANES <= c; k += LANES)
        load_channels(f, x, x_step, pixels, c, y, from_half, to_half, k, v_part(LANES));
    if (k < c)
        load_channels(f, x, x_step, pixels, c, y, from_half, to_half, k, v_part(c - k));
}

static void load_mixed(const struct mr_affine *f, mr_numbers x, size_t x_step, size_t pixels, size_t c,
                       mr_numbers y)
{
    if (x.half && y.half)
        load_as(f, x, x_step, pixels, c, y, true, true);
    else if (x.half)
        load_as(f, x, x_step, pixels, c, y, true, false);
    else if (y.half)
        load_as(f, x, x_step, pixels, c, y, false, true);
    else
        load_as(f, x, x_step, pixels, c, y, false, false);
}

/* One vector of channels of a stage. Sums are taken of what was stored, which is what the normalisation will
 * read. */
MR_INLINE void finish_channels(const struct mr_mixed_finish *f, int k, part n, const bool half,
                               const bool add, const bool sums)
{
    const vec low = v_set(f->low), high = v_set(f->high);
    const vec bias = f->bias ? v_load_part(f->bias + k, n) : v_zero();
    vec sum = sums ? v_load(f->sums + k) : v_zero(), product = sums ? v_load(f->products + k) : v_zero();
    for (int i = 0; i < f->pixels; i++) {
        if (f->at[i] < 0)
            continue;
        size_t at = (size_t)f->at[i] + (size_t)k;
        vec v = v_add(v_load(f->stage + i * MR_STAGE + k), bias);
        if (add)
            v = v_add(v, load_numbers(f->add, at, f->add.half, n));
        v = v_clamp(v, low, high);
        if (half) {
            half_vec h = h_round(v);
            h_store_part((mr_bf16 *)f->y.at + at, h, n);
            v = sums ? h_widen(h) : v;
        } else
            v_store_part((float *)f->y.at + at, v, n);
        if (sums) {
            sum = v_add(sum, v);
            product = v_fma(v, v, product);
        }
    }
    if (sums) {
        v_store(f->sums + k, sum);
        v_store(f->products + k, product);
    }
}

MR_INLINE void finish_as(const struct mr_mixed_finish *f, const bool half, const bool add, const bool sums)
{
    for (int k = 0; k < f->channels; k += LANES)
        finish_channels(f, k, v_part((size_t)(f->channels - k)), half, add, sums);
}

static void finish_mixed(const struct mr_mixed_finish *f)
{
    const bool add = f->add.at, sums = f->sums;
    if (f->y.half && !add && !sums)
        finish_as(f, true, false, false);
    else if (f->y.half && add && !sums)
        finish_as(f, true, true, false);
    else if (f->y.half && !add)
        finish_as(f, true, false, true);
    else if (f->y.half)
        finish_as(f, true, true, true);
    else
        finish_as(f, false, add, sums);
}

#endif
