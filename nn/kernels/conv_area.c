/* SPDX-License-Identifier: Apache-2.0 */
/* What a block of output means to a convolution's backward pass. */
#include "nn/kernels/conv_internal.h"

static int floor_divide(int a, int b)
{
    return a >= 0 ? a / b : -((-a + b - 1) / b);
}

/* Output positions that input positions FIRST … END-1 meet. */
static struct mr_span met(int first, int end, int pad, int extent, int stride)
{
    return (struct mr_span){-floor_divide(-(first + pad - (extent - 1)), stride),
                         floor_divide(end - 1 + pad, stride) + 1};
}

static struct mr_span join(struct mr_span a, struct mr_span b)
{
    return (struct mr_span){mr_at_most(a.first, b.first), mr_at_least(a.end, b.end)};
}

/* The rows (columns) of dx that belong to output rows FIRST … FIRST+COUNT-1 of TOTAL; the last block takes
 * what is left. */
static struct mr_span owned(int first, int count, int total, int stride, int all)
{
    int end = first + count == total ? all : mr_at_most(all, (first + count) * stride);
    return (struct mr_span){mr_at_most(all, first * stride), end};
}

struct mr_area mr_find_area(const mr_cut *cut, const mr_block *b, bool data)
{
    const mr_conv *d = &cut->d;
    struct mr_area a = {.g_rows = {b->row, b->row + b->rows}, .g_columns = {b->column, b->column + b->columns}};
    a.rows = owned(b->row, b->rows, d->p, d->stride_h, d->h);
    a.columns = owned(b->column, b->columns, d->q, d->stride_w, d->w);
    if (data) {
        int high = (d->r - 1) * d->dilation_h + 1, wide = (d->s - 1) * d->dilation_w + 1;
        a.g_rows = join(a.g_rows, met(a.rows.first, a.rows.end, d->pad_top, high, d->stride_h));
        a.g_columns = join(a.g_columns, met(a.columns.first, a.columns.end, d->pad_left, wide, d->stride_w));
    }
    return a;
}
