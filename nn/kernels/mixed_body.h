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

/* ---- backward ---------------------------------------------------------------- */

MR_INLINE void load_gradient_channels(const mr_mixed_gradient *g, size_t pixels, size_t c, mr_numbers out,
                                      const bool from_half, const bool to_half, size_t k, part n)
{
    const vec a = g->a ? v_load_part(g->a + k, n) : v_zero(), b = g->a ? v_load_part(g->b + k, n) : v_zero(),
              shift = g->a ? v_load_part(g->c + k, n) : v_zero();
    for (size_t i = 0; i < pixels; i++) {
        size_t at = i * c + k;
        vec v = load_numbers(g->dy, at, from_half, n);
        if (g->a)
            v = v_fma(a, v, v_fma(b, load_numbers(g->x, at, from_half, n), shift));
        if (g->add.at)
            v = v_add(v, load_numbers(g->add, at, from_half, n));
        if (g->store.at)
            store_numbers(g->store, at, from_half, v, n);
        store_numbers(out, at, to_half, v, n);
    }
}

MR_INLINE void load_gradient_as(const mr_mixed_gradient *g, size_t pixels, size_t c, mr_numbers out,
                                const bool from_half, const bool to_half)
{
    size_t k = 0;
    for (; k + LANES <= c; k += LANES)
        load_gradient_channels(g, pixels, c, out, from_half, to_half, k, v_part(LANES));
    if (k < c)
        load_gradient_channels(g, pixels, c, out, from_half, to_half, k, v_part(c - k));
}

static void load_gradient_mixed(const mr_mixed_gradient *g, size_t pixels, size_t c, mr_numbers out)
{
    if (g->dy.half && out.half)
        load_gradient_as(g, pixels, c, out, true, true);
    else if (g->dy.half)
        load_gradient_as(g, pixels, c, out, true, false);
    else
        load_gradient_as(g, pixels, c, out, false, out.half);
}

MR_INLINE void give_channels(const struct mr_mixed_give *g, int k, part n, const bool half, const bool mask)
{
    const vec low = v_set(g->low), high = v_set(g->high);
    const vec scale = mask ? v_load_part(g->scale + k, n) : low, shift = mask ? v_load_part(g->shift + k, n) : low;
    const vec mean = g->sums ? v_load_part(g->mean + k, n) : low;
    vec sum = g->sums ? v_load(g->sums + k) : low, product = g->sums ? v_load(g->products + k) : low;
    for (int i = 0; i < g->pixels; i++) {
        if (g->at[i] < 0)
            continue;
        size_t at = (size_t)g->at[i] + (size_t)k;
        vec v = v_load(g->stage + i * MR_STAGE + k);
        if (g->add.at)
            v = v_add(v, load_numbers(g->add, at, half, n));
        if (mask) {
            vec x = load_numbers(g->x, at, half, n);
            v = v_inside(v_fma(scale, x, shift), low, high, v);
            sum = v_add(sum, v);
            product = v_fma(v, v_sub(x, mean), product);
        }
        store_numbers(g->dx, at, half, v, n);
    }
    if (g->sums) {
        v_store(g->sums + k, sum);
        v_store(g->products + k, product);
    }
}

MR_INLINE void give_as(const struct mr_mixed_give *g, const bool half, const bool mask)
{
    for (int k = 0; k < g->channels; k += LANES)
        give_channels(g, k, v_part((size_t)(g->channels - k)), half, mask);
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

/* ---- forward's choice ---------------------------------------------------------- */

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
