/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of depthwise convolutions, for the vector of simd.h. Included once by each table_*.c. */
#ifndef MR_NN_KERNELS_DEPTHWISE_BODY_H
#define MR_NN_KERNELS_DEPTHWISE_BODY_H

#include "nn/kernels/simd.h"
#include "nn/kernels/table.h"

MR_INLINE void depthwise_store(const struct mr_depthwise_row *p, int column, size_t k, part n, vec sum)
{
    const size_t at = (size_t)column * p->c + k;
    if (p->scale)
        sum = v_fma(v_load_part(p->scale + k, n), sum, v_load_part(p->shift + k, n));
    if (p->add)
        sum = v_add(sum, v_load_part(p->add + at, n));
    v_store_part(p->y + at, v_clamp(sum, v_set(p->low), v_set(p->high)), n);
}

/* Any window, one pixel: what lies outside is passed over. */
MR_INLINE void depthwise_pixel(const struct mr_depthwise_row *p, int column, size_t k, part n)
{
    vec sum = p->bias ? v_load_part(p->bias + k, n) : v_zero();
    const int first = column * p->stride + p->first;
    for (int r = 0; r < p->r; r++)
        for (int s = 0; s < p->s && p->line[r]; s++) {
            const int at = first + s * p->dilation;
            if (at >= 0 && at < p->width)
                sum = v_add(sum, v_mul(v_load_part(p->line[r] + (size_t)at * p->c + k, n),
                                       v_load_part(p->w + (size_t)(r * p->s + s) * p->c + k, n)));
        }
    depthwise_store(p, column, k, n, sum);
}

/* M neighbours under 3x3 windows, all inside of the row, one vector of channels: each number is loaded once
 * for the windows that share it. */
MR_INLINE void depthwise_group(const int m, const int stride, const struct mr_depthwise_row *p,
                               const float *const *line, const vec *w, int column, size_t k, part n)
{
    vec sum[4];
    MR_UNROLL
    for (int i = 0; i < m; i++)
        sum[i] = p->bias ? v_load_part(p->bias + k, n) : v_zero();
    MR_UNROLL
    for (int r = 0; r < 3; r++) {
        MR_UNROLL
        for (int j = 0; j < (m - 1) * stride + 3; j++) {
            const vec x = v_load_part(line[r] + (size_t)j * p->c + k, n);
            MR_UNROLL
            for (int i = 0; i < m; i++)
                if (j >= i * stride && j < i * stride + 3)
                    sum[i] = v_add(sum[i], v_mul(x, w[r * 3 + j - i * stride]));
        }
    }
    MR_UNROLL
    for (int i = 0; i < m; i++)
        depthwise_store(p, column + i, k, n, sum[i]);
}

/* All their channels, one vector after the other: so memory is read in its order. A line outside of the image
 * is stood in for by another one of the window and a kernel of zeros. */
MR_INLINE void depthwise_columns(const int m, const int stride, const struct mr_depthwise_row *p, int column)
{
    const ptrdiff_t at = (ptrdiff_t)(column * stride + p->first) * (ptrdiff_t)p->c;
    const float *inside = p->line[1] ? p->line[1] : p->line[0] ? p->line[0] : p->line[2], *line[3];
    for (int r = 0; r < 3; r++)
        line[r] = (p->line[r] ? p->line[r] : inside) + at;
    for (size_t k = 0; k < p->c; k += LANES) {
        const part n = v_part(p->c - k);
        vec w[9];
        MR_UNROLL
        for (int i = 0; i < 9; i++)
            w[i] = p->line[i / 3] ? v_load_part(p->w + (size_t)i * p->c + k, n) : v_zero();
        depthwise_group(m, stride, p, line, w, column, k, n);
    }
}

static void depthwise_edge(const struct mr_depthwise_row *p, int column)
{
    for (size_t k = 0; k < p->c; k += LANES)
        depthwise_pixel(p, column, k, v_part(p->c - k));
}

MR_INLINE void depthwise_common(const int stride, const struct mr_depthwise_row *p)
{
    const int room = p->width - 3 - p->first; /* the last window begins there */
    const int end = room < 0 ? 0 : room / stride + 1 < p->columns ? room / stride + 1 : p->columns;
    int column = 0;
    for (; column < p->columns && column * stride + p->first < 0; column++)
        depthwise_edge(p, column);
    for (; column + 4 <= end; column += 4)
        depthwise_columns(4, stride, p, column);
    for (; column < end; column++)
        depthwise_columns(1, stride, p, column);
    for (; column < p->columns; column++)
        depthwise_edge(p, column);
}

static void depthwise_row(const struct mr_depthwise_row *p)
{
    const bool common =
        p->r == 3 && p->s == 3 && p->dilation == 1 && (p->line[0] || p->line[1] || p->line[2]);
    if (common && p->stride == 1)
        depthwise_common(1, p);
    else if (common && p->stride == 2)
        depthwise_common(2, p);
    else
        for (int column = 0; column < p->columns; column++)
            depthwise_edge(p, column);
}

#endif
