/* SPDX-License-Identifier: Apache-2.0 */
/* Pooling and sums over rows, for the vector of simd.h. Included once by each table_*.c. */
#ifndef MR_NN_KERNELS_POOL_BODY_H
#define MR_NN_KERNELS_POOL_BODY_H

#include "nn/kernels/simd.h"
#include "nn/kernels/table.h"

/* The maximum of a window that may hold NaN, which wins. */
static __attribute__((noinline, cold)) vec max_with_nan(const struct mr_pool_row *p, const float *x, size_t k, part n, vec *at)
{
    vec best = v_load_part(x + k, n);
    float tap = 0;
    *at = v_zero();
    for (int r = 0; r < p->r; r++)
        for (int s = 0; s < p->s; s++, tap += 1) {
            vec v = v_load_part(x + r * p->row + s * p->column + (ptrdiff_t)k, n);
            *at = v_greater(v, best, v_set(tap), *at);
            best = v_greater(v, best, v, best);
        }
    return best;
}

/* PLACES: also where the maximum is, which inference does not need. A comparison that respects NaN would lengthen the
 * dependency chain from tap to tap by half; a sum beside it costs nothing, and is NaN if the window may hold one (or
 * both infinities): then the window is computed again. */
MR_INLINE void max_window(const struct mr_pool_row *p, const float *x, size_t k, part n, float *y,
                          uint8_t *place, const bool places)
{
    vec best = v_load_part(x + k, n), at = v_zero(), sum = v_zero();
    float tap = 0;
    for (int r = 0; r < p->r; r++)
        for (int s = 0; s < p->s; s++, tap += 1) {
            vec v = v_load_part(x + r * p->row + s * p->column + (ptrdiff_t)k, n);
            if (places)
                at = v_above(v, best, v_set(tap), at);
            best = v_above(v, best, v, best);
            sum = v_add(sum, v);
        }
    if (v_any_nan(sum))
        best = max_with_nan(p, x, k, n, &at);
    v_store_part(y + k, best, n);
    if (places)
        v_store_bytes(place + k, at, n);
}

MR_INLINE void max_pixels(const struct mr_pool_row *p, const bool places)
{
    for (int i = 0; i < p->columns; i++) {
        const float *x = p->x + i * p->x_step;
        float *y = p->y + (size_t)i * p->c;
        uint8_t *place = places ? p->places + (size_t)i * p->c : NULL;
        size_t k = 0;
        for (; k + LANES <= p->c; k += LANES)
            max_window(p, x, k, v_part(LANES), y, place, places);
        if (k < p->c)
            max_window(p, x, k, v_part(p->c - k), y, place, places);
    }
}

static void max_row(const struct mr_pool_row *p)
{
    if (p->places)
        max_pixels(p, true);
    else
        max_pixels(p, false);
}

static void mean_row(const struct mr_pool_row *p)
{
    for (int i = 0; i < p->columns; i++) {
        const float *x = p->x + i * p->x_step;
        float *y = p->y + (size_t)i * p->c;
        for (size_t k = 0; k < p->c; k += LANES) {
            const part n = v_part(p->c - k);
            vec sum = v_zero();
            for (int r = 0; r < p->r; r++)
                for (int s = 0; s < p->s; s++)
                    sum = v_add(sum, v_load_part(x + r * p->row + s * p->column + (ptrdiff_t)k, n));
            v_store_part(y + k, v_mul(sum, v_set(p->factor)), n);
        }
    }
}

/* The windows of a row that hold a column, FIRST … LAST: moved on from column to column, since a division for
 * each would cost more than all other work there. */
struct windows {
    int first, last;
};

MR_INLINE void move_on(const struct mr_spread_row *p, int w, struct windows *at)
{
    const int reach = w + p->pad;
    while (at->first * p->stride + p->s <= reach)
        at->first++;
    while (at->last + 1 < p->count && (at->last + 1) * p->stride <= reach)
        at->last++;
}

/* VECTORS of channels of one pixel: the sum over its windows. */
MR_INLINE void gather_windows(const struct mr_spread_row *p, int w, const struct windows *at, size_t k,
                              const int vectors, part n, vec *d)
{
    MR_UNROLL
    for (int v = 0; v < vectors; v++)
        d[v] = v_zero();
    for (int i = 0; i < p->lines; i++)
        for (int j = at->first; j <= at->last; j++) {
            const size_t from = (size_t)j * p->c + k;
            const int tap = p->first_tap[i] + w + p->pad - j * p->stride;
            MR_UNROLL
            for (int v = 0; v < vectors; v++) {
                vec g = v_load_part(p->dy[i] + from + (size_t)(v * LANES), n);
                if (p->places[i])
                    g = v_where_byte(p->places[i] + from + v * LANES, tap, n, g);
                d[v] = v_add(d[v], g);
            }
        }
}

/* VECTORS of channels from K on of all pixels: their factors and sums stay in registers. */
MR_INLINE void spread_channels(const struct mr_spread_row *p, size_t k, const int vectors, part n)
{
    enum { AHEAD = 256 }; /* floats: 1 KiB ahead of the stores, as MR_MIXED_AHEAD */
    const vec factor = v_set(p->factor), low = v_set(p->low), high = v_set(p->high);
    const bool mask = p->scale, sums = mask && p->sums;
    vec d[2], scale[2], shift[2], mean[2], sum[2], product[2];
    MR_UNROLL
    for (int v = 0; v < vectors; v++) {
        const size_t at = k + (size_t)(v * LANES);
        scale[v] = mask ? v_load_part(p->scale + at, n) : v_zero();
        shift[v] = mask ? v_load_part(p->shift + at, n) : v_zero();
        mean[v] = sums ? v_load_part(p->mean + at, n) : v_zero();
        sum[v] = sums ? v_load_part(p->sums + at, n) : v_zero();
        product[v] = sums ? v_load_part(p->products + at, n) : v_zero();
    }
    struct windows windows = {0, -1};
    for (int w = 0; w < p->columns; w++) {
        move_on(p, w, &windows);
        gather_windows(p, w, &windows, k, vectors, n, d);
        MR_UNROLL
        for (int v = 0; v < vectors; v++) {
            const size_t at = (size_t)w * p->c + k + (size_t)(v * LANES);
            prefetch_write(p->dx + at + AHEAD);
            d[v] = v_mul(d[v], factor);
            if (p->add)
                d[v] = v_add(d[v], v_load_part(p->add + at, n));
            if (mask) {
                const vec x = v_load_part(p->x + at, n);
                d[v] = v_inside(v_fma(scale[v], x, shift[v]), low, high, d[v]);
                sum[v] = v_add(sum[v], d[v]);
                product[v] = v_fma(d[v], v_sub(x, mean[v]), product[v]);
            }
            v_store_part(p->dx + at, d[v], n);
        }
    }
    MR_UNROLL
    for (int v = 0; sums && v < vectors; v++) {
        v_store_part(p->sums + k + v * LANES, sum[v], n);
        v_store_part(p->products + k + v * LANES, product[v], n);
    }
}

static void spread_row(const struct mr_spread_row *p)
{
    size_t k = 0;
    for (; k + 2 * LANES <= p->c; k += 2 * LANES)
        spread_channels(p, k, 2, v_part(LANES));
    for (; k + LANES <= p->c; k += LANES)
        spread_channels(p, k, 1, v_part(LANES));
    if (k < p->c)
        spread_channels(p, k, 1, v_part(p->c - k));
}

static void sum_rows(const float *a, const float *b, const float *mean, size_t pixels, size_t c, float *sums,
                     float *products)
{
    for (size_t k = 0; k < c; k += LANES) {
        const part n = v_part(c - k);
        const vec m = mean ? v_load_part(mean + k, n) : v_zero();
        vec sum = v_load_part(sums + k, n), product = v_load_part(products + k, n);
        for (size_t i = 0; i < pixels; i++) {
            vec v = v_load_part(a + i * c + k, n);
            sum = v_add(sum, v);
            product = v_fma(v, v_sub(v_load_part(b + i * c + k, n), m), product);
        }
        v_store_part(sums + k, sum, n);
        v_store_part(products + k, product, n);
    }
}

#endif
