/* SPDX-License-Identifier: Apache-2.0 */
/* Winograd's transforms, for the vector of simd.h. Included once by each table_*.c. */
#ifndef MR_NN_KERNELS_WINOGRAD_BODY_H
#define MR_NN_KERNELS_WINOGRAD_BODY_H

#include "nn/kernels/simd.h"
#include "nn/kernels/table.h"

/* [1 0 -1 0; 0 1 1 0; 0 -1 1 0; 0 1 0 -1] times four numbers STEP apart. */
MR_INLINE void window_forward(vec *d, const int step)
{
    const vec a = d[0], b = d[step], c = d[2 * step], e = d[3 * step];
    d[0] = v_sub(a, c);
    d[step] = v_add(b, c);
    d[2 * step] = v_sub(c, b);
    d[3 * step] = v_sub(b, e);
}

MR_INLINE void window_input_group(const bool whole, const struct mr_window_input *p, size_t k, part n)
{
    vec d[16];
    MR_UNROLL
    for (int i = 0; i < 16; i++) {
        const int r = i / 4, s = i % 4;
        const bool inside =
            whole || (r >= p->first_row && r < p->end_row && s >= p->first_column && s < p->end_column);
        d[i] = inside ? v_load_part(p->x + r * p->row + (ptrdiff_t)((size_t)s * p->c + k), n) : v_zero();
    }
    MR_UNROLL
    for (int i = 0; i < 4; i++)
        window_forward(d + i, 4);
    MR_UNROLL
    for (int i = 0; i < 4; i++)
        window_forward(d + 4 * i, 1);
    MR_UNROLL
    for (int i = 0; i < 16; i++)
        v_store_part(p->v + (size_t)i * p->step + k, d[i], n);
}

static void window_input(const struct mr_window_input *p)
{
    const bool whole = p->first_row == 0 && p->end_row == 4 && p->first_column == 0 && p->end_column == 4;
    for (size_t k = 0; k < p->c; k += LANES)
        if (whole)
            window_input_group(true, p, k, v_part(p->c - k));
        else
            window_input_group(false, p, k, v_part(p->c - k));
}

/* [1 1 1 0; 0 1 -1 -1] times the 4x4 products, and that times its transpose: 2x2 pixels. */
MR_INLINE void window_output_group(const struct mr_window_output *p, size_t k, part n)
{
    vec line[8], y[4];
    MR_UNROLL
    for (int s = 0; s < 4; s++) {
        vec m[4];
        MR_UNROLL
        for (int r = 0; r < 4; r++)
            m[r] = v_load_part(p->m + (size_t)(4 * r + s) * p->step + k, n);
        line[s] = v_add(v_add(m[0], m[1]), m[2]);
        line[4 + s] = v_sub(v_sub(m[1], m[2]), m[3]);
    }
    const vec bias = p->bias ? v_load_part(p->bias + k, n) : v_zero();
    MR_UNROLL
    for (int r = 0; r < 2; r++) {
        const vec *l = line + 4 * r;
        y[2 * r] = v_add(v_add(v_add(l[0], l[1]), l[2]), bias);
        y[2 * r + 1] = v_add(v_sub(v_sub(l[1], l[2]), l[3]), bias);
    }
    MR_UNROLL
    for (int i = 0; i < 4; i++) {
        if (i / 2 >= p->rows || i % 2 >= p->columns)
            continue;
        const ptrdiff_t at = i / 2 * p->row + (ptrdiff_t)((size_t)(i % 2) * p->k + k);
        const vec sum = p->add ? v_add(y[i], v_load_part(p->add + at, n)) : y[i];
        v_store_part(p->y + at, v_clamp(sum, v_set(p->low), v_set(p->high)), n);
    }
}

static void window_output(const struct mr_window_output *p)
{
    for (size_t k = 0; k < p->k; k += LANES)
        window_output_group(p, k, v_part(p->k - k));
}

#endif
