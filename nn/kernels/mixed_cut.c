/* SPDX-License-Identifier: Apache-2.0 */
/* Cutting a convolution in mixed precision, and loading a block's input. */
#include "nn/kernels/mixed_internal.h"

#include <math.h>

enum {
    NUMBERS = 24 << 10,       /* of a block's input: 48 KiB, with its weights well inside of the L2 */
    LARGE_NUMBERS = 192 << 10, /* beside weights that come from farther away: few passes over them */
    LARGE_WEIGHTS = 256 << 10,
    LEAST_PIXELS = 2 * MR_TILE_ROWS,
};

void mr_mixed_cut(mr_cut *cut, const mr_conv *d)
{
    size_t weights = (size_t)d->r * (size_t)d->s * (size_t)d->c * (size_t)d->k;
    mr_cut_blocks(cut, d, weights > LARGE_WEIGHTS ? LARGE_NUMBERS : NUMBERS, LEAST_PIXELS);
}

void mr_mixed_cut_backward(mr_cut *cut, const mr_conv *d)
{
    size_t weights = (size_t)d->r * (size_t)d->s * (size_t)d->c * (size_t)d->k;
    size_t numbers = weights > LARGE_WEIGHTS ? LARGE_NUMBERS : NUMBERS;
    if (d->k > d->c)
        numbers = numbers * (size_t)d->c / (size_t)d->k;
    mr_cut_blocks(cut, d, numbers, LEAST_PIXELS);
}

static bool is_identity(const mr_mixed_input *in)
{
    return !in->scale && in->low == -INFINITY && in->high == INFINITY;
}

static void fill(mr_numbers out, size_t count, float value)
{
    if (out.half) {
        mr_bf16 h = mr_to_bf16(value), *p = out.at;
        for (size_t i = 0; i < count; i++)
            p[i] = h;
    } else {
        float *p = out.at;
        for (size_t i = 0; i < count; i++)
            p[i] = value;
    }
}

static void load_pixels(const mr_mixed_input *in, mr_numbers x, size_t step, size_t pixels, size_t c,
                        mr_numbers out)
{
    const struct mr_affine f = {in->scale, in->shift, in->low, in->high};
    if (is_identity(in) && x.half == out.half && step == c)
        memcpy(out.at, x.at, pixels * c * (x.half ? sizeof(mr_bf16) : sizeof(float)));
    else
        mr_mixed_kernels()->load(&f, x, step, pixels, c, out);
}

/* COLUMNS pixels from input column FIRST on, which may lie outside on both sides. */
static void load_row(const mr_cut *cut, const mr_mixed_input *in, mr_numbers row, int first, int columns,
                     mr_numbers out)
{
    const mr_conv *d = &cut->d;
    int step = cut->subsample ? d->stride_w : 1;
    int left = mr_at_least(0, mr_at_most(columns, -first));
    int right = cut->subsample ? 0 : mr_at_least(0, mr_at_most(columns - left, first + columns - d->w));
    int inside = columns - left - right;
    fill(out, (size_t)left * (size_t)d->c, cut->outside);
    if (inside > 0)
        load_pixels(in, mr_numbers_at(row, (ptrdiff_t)(first + left) * d->c), (size_t)step * (size_t)d->c,
                    (size_t)inside, (size_t)d->c, mr_numbers_at(out, (ptrdiff_t)left * d->c));
    fill(mr_numbers_at(out, (ptrdiff_t)(left + inside) * d->c), (size_t)right * (size_t)d->c, cut->outside);
}

mr_mixed_patch mr_mixed_load(const mr_cut *cut, const mr_mixed_input *in, const mr_block *b,
                             mr_numbers buffer)
{
    const mr_conv *d = &cut->d;
    ptrdiff_t image = (ptrdiff_t)d->h * d->w * d->c, row = (ptrdiff_t)d->w * d->c;
    int rows = mr_input_rows(cut, b->rows), columns = mr_input_columns(cut, b->columns);
    mr_mixed_patch patch = {buffer, (ptrdiff_t)rows * columns * d->c, (ptrdiff_t)columns * d->c, d->c};
    int first_column = b->column * d->stride_w - d->pad_left;
    for (int i = 0; i < b->images; i++)
        for (int y = 0; y < rows; y++) {
            int h = b->row * d->stride_h - d->pad_top + y * (cut->subsample ? d->stride_h : 1);
            mr_numbers out = mr_numbers_at(buffer, i * patch.image + y * patch.row);
            if (h < 0 || h >= d->h)
                fill(out, (size_t)patch.row, cut->outside);
            else
                load_row(cut, in, mr_numbers_at(in->x, (b->image + i) * image + h * row), first_column,
                         columns, out);
        }
    if (buffer.half)
        fill(mr_numbers_at(buffer, b->images * patch.image), MR_TILE_DEPTH, 0);
    return patch;
}

/* Tiles may read a plain 1x1 convolution's input where it lies if they read nothing that is not there. */
mr_mixed_patch mr_mixed_load_or_point(const mr_cut *cut, const mr_mixed_input *in, const mr_block *b,
                                      mr_numbers buffer)
{
    const mr_conv *d = &cut->d;
    if (!is_identity(in) || !cut->flat || !in->x.half || d->c % MR_TILE_DEPTH || b->columns % MR_TILE_ROWS)
        return mr_mixed_load(cut, in, b, buffer);
    ptrdiff_t image = (ptrdiff_t)d->w * d->c;
    return (mr_mixed_patch){mr_numbers_at(in->x, (ptrdiff_t)b->column * d->c), image, image, d->c};
}

void mr_mixed_ahead_add(mr_ahead *a, mr_numbers n, size_t first, size_t count)
{
    if (!n.at)
        return;
    a->at[a->streams] = mr_numbers_at(n, (ptrdiff_t)first).at;
    a->bytes[a->streams++] = count * (n.half ? sizeof(mr_bf16) : sizeof(float));
}

void mr_mixed_ahead_input(mr_ahead *a, const mr_cut *cut, const mr_mixed_input *in, const mr_block *b)
{
    size_t count, first = mr_input_range(cut, b, &count);
    mr_mixed_ahead_add(a, in->x, first, count);
}

enum { LINE = 64 };

void mr_mixed_ahead_start(mr_ahead *a, size_t stages)
{
    size_t bytes = 0;
    for (int i = 0; i < a->streams; i++)
        bytes += a->bytes[i];
    a->share = (bytes / (stages ? stages : 1) + LINE) / LINE * LINE;
}

void mr_mixed_ahead_stage(mr_ahead *a)
{
    for (size_t left = a->share; left > 0 && a->stream < a->streams; left -= LINE) {
        __builtin_prefetch(a->at[a->stream] + a->done, 0, 2);
        a->done += LINE;
        if (a->done >= a->bytes[a->stream]) {
            a->stream++;
            a->done = 0;
        }
    }
}

void mr_mixed_runs(const mr_cut *cut, const mr_mixed_patch *patch, mr_runs *runs)
{
    mr_patch same = {NULL, patch->image, patch->row, patch->column};
    mr_input_runs(cut, &same, runs);
}
