/* SPDX-License-Identifier: Apache-2.0 */
/* Pooling and sums over rows, for the vector of simd.h. Included once by each table_*.c. */
#ifndef MR_NN_KERNELS_POOL_BODY_H
#define MR_NN_KERNELS_POOL_BODY_H

#include "nn/kernels/simd.h"
#include "nn/kernels/table.h"

MR_INLINE void max_window(const struct mr_pool_row *p, const float *x, size_t k, part n, float *y,
                          uint8_t *place)
{
    vec best = v_load_part(x + k, n), at = v_zero();
    float tap = 0;
    for (int r = 0; r < p->r; r++)
        for (int s = 0; s < p->s; s++, tap += 1) {
            vec v = v_load_part(x + r * p->row + s * p->column + (ptrdiff_t)k, n);
            at = v_greater(v, best, v_set(tap), at);
            best = v_greater(v, best, v, best);
        }
    v_store_part(y + k, best, n);
    if (place)
        v_store_bytes(place + k, at, n);
}

static void max_row(const struct mr_pool_row *p)
{
    for (int i = 0; i < p->columns; i++) {
        const float *x = p->x + i * p->x_step;
        float *y = p->y + (size_t)i * p->c;
        uint8_t *place = p->places ? p->places + (size_t)i * p->c : NULL;
        size_t k = 0;
        for (; k + LANES <= p->c; k += LANES)
            max_window(p, x, k, v_part(LANES), y, place);
        if (k < p->c)
            max_window(p, x, k, v_part(p->c - k), y, place);
    }
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

/* The windows of a row that hold column W: FIRST … LAST. */
MR_INLINE void windows_of(const struct mr_spread_row *p, int w, int *first, int *last)
{
    int reach = w + p->pad;
    *first = reach < p->s ? 0 : (reach - p->s) / p->stride + 1;
    *last = reach / p->stride < p->count - 1 ? reach / p->stride : p->count - 1;
}

MR_INLINE void spread_pixel(const struct mr_spread_row *p, int w, size_t k, part n)
{
    int first, last;
    windows_of(p, w, &first, &last);
    vec d = v_zero();
    for (int i = 0; i < p->lines; i++)
        for (int j = first; j <= last; j++) {
            size_t at = (size_t)j * p->c + k;
            vec g = v_load_part(p->dy[i] + at, n);
            if (p->places[i])
                g = v_where_byte(p->places[i] + at, p->first_tap[i] + w + p->pad - j * p->stride, n, g);
            d = v_add(d, g);
        }
    size_t at = (size_t)w * p->c + k;
    d = v_mul(d, v_set(p->factor));
    if (p->add)
        d = v_add(d, v_load_part(p->add + at, n));
    if (p->scale) {
        vec x = v_load_part(p->x + at, n);
        vec normal = v_fma(v_load_part(p->scale + k, n), x, v_load_part(p->shift + k, n));
        d = v_inside(normal, v_set(p->low), v_set(p->high), d);
        if (p->sums) {
            v_store_part(p->sums + k, v_add(v_load_part(p->sums + k, n), d), n);
            vec centred = v_sub(x, v_load_part(p->mean + k, n));
            v_store_part(p->products + k, v_fma(d, centred, v_load_part(p->products + k, n)), n);
        }
    }
    v_store_part(p->dx + at, d, n);
}

static void spread_row(const struct mr_spread_row *p)
{
    for (int w = 0; w < p->columns; w++) {
        size_t k = 0;
        for (; k + LANES <= p->c; k += LANES)
            spread_pixel(p, w, k, v_part(LANES));
        if (k < p->c)
            spread_pixel(p, w, k, v_part(p->c - k));
    }
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
