/* SPDX-License-Identifier: Apache-2.0 */
/* Loading and finishing in mixed precision for the vector of simd.h; the file that includes this one has
 * defined `half_vec`, a vector's worth of bf16, with h_load_part, h_store_part, h_widen and h_round. */
#ifndef MR_NN_KERNELS_MIXED_BODY_H
#define MR_NN_KERNELS_MIXED_BODY_H

#include "nn/kernels/table.h"

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

/* Channels are gone through in strips of some vectors whose factors stay in registers: four, so that a cache
 * line once touched is used up, then two, then single ones, the last of them in part. */
enum { STRIP = 4 };

/* FROM NULL: zeros, which are not used. */
MR_INLINE void load_factors(vec *to, const float *from, size_t k, const int vectors, part n)
{
    MR_UNROLL
    for (int j = 0; j < vectors; j++)
        to[j] = from ? v_load_part(from + k + (size_t)(j * LANES), n) : v_zero();
}

/* VECTORS of channels from K on for all pixels; N: lanes of each. */
MR_INLINE void load_channels(const struct mr_channel_affine *f, mr_numbers x, size_t x_step, size_t pixels, size_t c,
                             mr_numbers y, const bool from_half, const bool to_half, size_t k,
                             const int vectors, part n)
{
    const vec low = v_set(f->low), high = v_set(f->high);
    vec scale[STRIP], shift[STRIP];
    if (!f->scale) {
        for (size_t i = 0; i < pixels; i++)
            MR_UNROLL
            for (int j = 0; j < vectors; j++) {
                size_t at = k + (size_t)(j * LANES);
                vec v = load_numbers(x, i * x_step + at, from_half, n);
                store_numbers(y, i * c + at, to_half, v_clamp(v, low, high), n);
            }
        return;
    }
    load_factors(scale, f->scale, k, vectors, n);
    load_factors(shift, f->shift, k, vectors, n);
    for (size_t i = 0; i < pixels; i++)
        MR_UNROLL
        for (int j = 0; j < vectors; j++) {
            size_t at = k + (size_t)(j * LANES);
            vec v = v_fma(load_numbers(x, i * x_step + at, from_half, n), scale[j], shift[j]);
            store_numbers(y, i * c + at, to_half, v_clamp(v, low, high), n);
        }
}

MR_INLINE void load_as(const struct mr_channel_affine *f, mr_numbers x, size_t x_step, size_t pixels, size_t c,
                       mr_numbers y, const bool from_half, const bool to_half)
{
    size_t k = 0;
    if (!f->scale && x_step == c) { /* one long row */
        c *= pixels;
        pixels = 1;
    }
    for (; k + STRIP * LANES <= c; k += STRIP * LANES)
        load_channels(f, x, x_step, pixels, c, y, from_half, to_half, k, STRIP, v_part(LANES));
    for (; k + 2 * LANES <= c; k += 2 * LANES)
        load_channels(f, x, x_step, pixels, c, y, from_half, to_half, k, 2, v_part(LANES));
    for (; k + LANES <= c; k += LANES)
        load_channels(f, x, x_step, pixels, c, y, from_half, to_half, k, 1, v_part(LANES));
    if (k < c)
        load_channels(f, x, x_step, pixels, c, y, from_half, to_half, k, 1, v_part(c - k));
}

static void load_mixed(const struct mr_channel_affine *f, mr_numbers x, size_t x_step, size_t pixels, size_t c,
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

/* For prefetching: AT may be -1. */
MR_INLINE const void *numbers_near(mr_numbers n, ptrdiff_t at, const bool half)
{
    return (const char *)n.at + at * (ptrdiff_t)(half ? sizeof(mr_bf16) : sizeof(float));
}

/* VECTORS of channels of a stage. Sums are taken of what was stored, which is what the normalisation will
 * read. */
MR_INLINE void finish_channels(const struct mr_mixed_finish *f, int k, const int vectors, part n, const bool half,
                               const bool add, const bool sums)
{
    const vec low = v_set(f->low), high = v_set(f->high);
    vec bias[STRIP], sum[STRIP], product[STRIP];
    MR_UNROLL
    for (int j = 0; j < vectors; j++) {
        bias[j] = f->bias ? v_load_part(f->bias + k + j * LANES, n) : v_zero();
        sum[j] = sums ? v_load(f->sums + k + j * LANES) : v_zero();
        product[j] = sums ? v_load(f->products + k + j * LANES) : v_zero();
    }
    for (int i = 0; i < f->pixels; i++) {
        prefetch_write(numbers_near(f->y, f->at[i + MR_MIXED_AHEAD] + k, half));
        if (add)
            prefetch_read(numbers_near(f->add, f->at[i + MR_MIXED_AHEAD] + k, f->add.half));
        if (f->at[i] < 0)
            continue;
        MR_UNROLL
        for (int j = 0; j < vectors; j++) {
            size_t at = (size_t)(f->at[i] + k + j * LANES);
            vec v = v_add(v_load(f->stage + i * MR_STAGE + k + j * LANES), bias[j]);
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
                sum[j] = v_add(sum[j], v);
                product[j] = v_fma(v, v, product[j]);
            }
        }
    }
    MR_UNROLL
    for (int j = 0; sums && j < vectors; j++) {
        v_store(f->sums + k + j * LANES, sum[j]);
        v_store(f->products + k + j * LANES, product[j]);
    }
}

MR_INLINE void finish_as(const struct mr_mixed_finish *f, const bool half, const bool add, const bool sums)
{
    int k = 0;
    for (; k + 2 * LANES <= f->channels; k += 2 * LANES)
        finish_channels(f, k, 2, v_part(LANES), half, add, sums);
    for (; k + LANES <= f->channels; k += LANES)
        finish_channels(f, k, 1, v_part(LANES), half, add, sums);
    if (k < f->channels)
        finish_channels(f, k, 1, v_part((size_t)(f->channels - k)), half, add, sums);
}

/* ---- backward */

MR_INLINE void load_gradient_channels(const mr_conv_gradient *g, size_t pixels, size_t c, mr_numbers out,
                                      const bool from_half, const bool to_half, size_t k, const int vectors,
                                      part n)
{
    vec a[STRIP], b[STRIP], shift[STRIP];
    load_factors(a, g->a, k, vectors, n);
    load_factors(b, g->b, k, vectors, n);
    load_factors(shift, g->c, k, vectors, n);
    for (size_t i = 0; i < pixels; i++)
        MR_UNROLL
        for (int j = 0; j < vectors; j++) {
            size_t at = i * c + k + (size_t)(j * LANES);
            vec v = load_numbers(g->dy, at, from_half, n);
            if (g->a)
                v = v_fma(a[j], v, v_fma(b[j], load_numbers(g->x, at, from_half, n), shift[j]));
            if (g->add.at)
                v = v_add(v, load_numbers(g->add, at, from_half, n));
            if (g->store.at)
                store_numbers(g->store, at, from_half, v, n);
            store_numbers(out, at, to_half, v, n);
        }
}

MR_INLINE void load_gradient_as(const mr_conv_gradient *g, size_t pixels, size_t c, mr_numbers out,
                                const bool from_half, const bool to_half)
{
    size_t k = 0;
    for (; k + STRIP * LANES <= c; k += STRIP * LANES)
        load_gradient_channels(g, pixels, c, out, from_half, to_half, k, STRIP, v_part(LANES));
    for (; k + 2 * LANES <= c; k += 2 * LANES)
        load_gradient_channels(g, pixels, c, out, from_half, to_half, k, 2, v_part(LANES));
    for (; k + LANES <= c; k += LANES)
        load_gradient_channels(g, pixels, c, out, from_half, to_half, k, 1, v_part(LANES));
    if (k < c)
        load_gradient_channels(g, pixels, c, out, from_half, to_half, k, 1, v_part(c - k));
}

static void load_gradient_mixed(const mr_conv_gradient *g, size_t pixels, size_t c, mr_numbers out)
{
    if (g->dy.half && out.half)
        load_gradient_as(g, pixels, c, out, true, true);
    else if (g->dy.half)
        load_gradient_as(g, pixels, c, out, true, false);
    else
        load_gradient_as(g, pixels, c, out, false, out.half);
}

MR_INLINE void give_channels(const struct mr_mixed_give *g, int k, const int vectors, part n, const bool half,
                             const bool mask)
{
    const vec low = v_set(g->low), high = v_set(g->high);
    const bool sums = mask && g->sums;
    vec scale[STRIP], shift[STRIP], mean[STRIP], sum[STRIP], product[STRIP];
    MR_UNROLL
    for (int j = 0; j < vectors; j++) {
        int at = k + j * LANES;
        scale[j] = mask ? v_load_part(g->scale + at, n) : v_zero();
        shift[j] = mask ? v_load_part(g->shift + at, n) : v_zero();
        mean[j] = sums ? v_load_part(g->mean + at, n) : v_zero();
        sum[j] = sums ? v_load(g->sums + at) : v_zero();
        product[j] = sums ? v_load(g->products + at) : v_zero();
    }
    for (int i = 0; i < g->pixels; i++) {
        prefetch_write(numbers_near(g->dx, g->at[i + MR_MIXED_AHEAD] + k, half));
        if (g->at[i] < 0)
            continue;
        MR_UNROLL
        for (int j = 0; j < vectors; j++) {
            size_t at = (size_t)(g->at[i] + k + j * LANES);
            vec v = v_load(g->stage + i * MR_STAGE + k + j * LANES);
            if (g->add.at)
                v = v_add(v, load_numbers(g->add, at, half, n));
            if (mask) {
                vec x = load_numbers(g->x, at, half, n);
                v = v_inside(v_fma(scale[j], x, shift[j]), low, high, v);
                sum[j] = v_add(sum[j], v);
                product[j] = v_fma(v, v_sub(x, mean[j]), product[j]);
            }
            store_numbers(g->dx, at, half, v, n);
        }
    }
    MR_UNROLL
    for (int j = 0; sums && j < vectors; j++) {
        v_store(g->sums + k + j * LANES, sum[j]);
        v_store(g->products + k + j * LANES, product[j]);
    }
}

MR_INLINE void give_as(const struct mr_mixed_give *g, const bool half, const bool mask)
{
    int k = 0;
    for (; k + 2 * LANES <= g->channels; k += 2 * LANES)
        give_channels(g, k, 2, v_part(LANES), half, mask);
    for (; k + LANES <= g->channels; k += LANES)
        give_channels(g, k, 1, v_part(LANES), half, mask);
    if (k < g->channels)
        give_channels(g, k, 1, v_part((size_t)(g->channels - k)), half, mask);
}

static void give_mixed(const struct mr_mixed_give *g)
{
    if (g->dx.half && g->scale)
        give_as(g, true, true);
    else if (g->dx.half)
        give_as(g, true, false);
    else
        give_as(g, false, g->scale != NULL);
}

/* ---- forward's choice */

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
