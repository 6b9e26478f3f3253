/* SPDX-License-Identifier: Apache-2.0 */
/* Cutting a convolution into blocks and loading a block's input. */
#include "nn/kernels/conv_internal.h"

#include <limits.h>
#include <math.h>
#include <string.h>

enum {
    L1_POINTWISE = 4 << 10, /* of a block's input beside small weights: 16 KiB of a 48 KiB L1 cache */
    L1_FLOATS = 8 << 10,    /* larger kernels load the rows on the borders of a block twice: fewer blocks */
    L2_FLOATS =
        128 << 10, /* beside large weights: 512 KiB, so that each pass over the weights serves many pixels */
    LARGE_WEIGHTS = 96 << 10, /* floats */
    LEAST_PIXELS = 28,        /* two full tiles */
    MOST_TASKS = 32,
};

bool mr_conv_supported(const mr_conv *d)
{
    return (long)d->r * d->s <= MR_CONV_MOST_TAPS;
}

static bool is_plain_pointwise(const mr_conv *d)
{
    return d->r == 1 && d->s == 1 && d->stride_h == 1 && d->stride_w == 1 && d->pad_top == 0 &&
           d->pad_left == 0 && d->p == d->h && d->q == d->w && (long)d->n * d->h * d->w < INT_MAX;
}

/* Every pixel read lies inside of the image. */
static bool is_strided_pointwise(const mr_conv *d)
{
    return d->r == 1 && d->s == 1 && d->pad_top == 0 && d->pad_left == 0 &&
           (long)(d->p - 1) * d->stride_h < d->h && (long)(d->q - 1) * d->stride_w < d->w;
}

int mr_input_rows(const mr_cut *cut, int rows)
{
    return (rows - 1) * (cut->subsample ? 1 : cut->d.stride_h) + (cut->d.r - 1) * cut->d.dilation_h + 1;
}

int mr_input_columns(const mr_cut *cut, int columns)
{
    return (columns - 1) * (cut->subsample ? 1 : cut->d.stride_w) + (cut->d.s - 1) * cut->d.dilation_w + 1;
}

size_t mr_input_patch_floats(const mr_cut *cut)
{
    return (size_t)cut->images * (size_t)mr_input_rows(cut, cut->rows) *
           (size_t)mr_input_columns(cut, cut->columns) * (size_t)cut->d.c;
}

static void choose_columns(mr_cut *cut, size_t numbers, size_t least)
{
    size_t columns = numbers / (size_t)cut->d.c;
    columns = columns < least ? least : columns - columns % least;
    cut->columns = columns < (size_t)cut->d.q ? (int)columns : cut->d.q;
}

static void choose_rows(mr_cut *cut, size_t numbers, int least)
{
    while (mr_input_patch_floats(cut) > numbers && cut->rows > 1 && cut->rows * cut->columns > least)
        cut->rows = mr_divide_up(cut->rows, 2);
    if (cut->rows == cut->d.p)
        while (cut->images < cut->d.n &&
               mr_input_patch_floats(cut) / (size_t)cut->images * ((size_t)cut->images + 1) <= numbers)
            cut->images++;
}

void mr_cut_conv(mr_cut *cut, const mr_conv *d)
{
    size_t weights = (size_t)d->r * (size_t)d->s * (size_t)d->c * (size_t)d->k;
    size_t floats = weights > LARGE_WEIGHTS ? L2_FLOATS : d->r * d->s == 1 ? L1_POINTWISE : L1_FLOATS;
    mr_cut_blocks(cut, d, floats, LEAST_PIXELS);
}

void mr_cut_blocks(mr_cut *cut, const mr_conv *d, size_t numbers, int least)
{
    *cut = (mr_cut){.d = *d, .flat = is_plain_pointwise(d)};
    mr_conv *f = &cut->d;
    if (cut->flat) {
        f->w = f->q = d->n * d->h * d->w;
        f->n = f->h = f->p = 1;
    }
    cut->subsample = !cut->flat && is_strided_pointwise(d);
    cut->images = 1;
    cut->rows = f->p;
    cut->columns = f->q;
    if (cut->flat)
        choose_columns(cut, numbers, (size_t)least);
    else
        choose_rows(cut, numbers, least);
    cut->across_images = mr_divide_up(f->n, cut->images);
    cut->across_rows = mr_divide_up(f->p, cut->rows);
    cut->across_columns = mr_divide_up(f->q, cut->columns);
    cut->blocks = cut->across_images * cut->across_rows * cut->across_columns;
    cut->tasks = mr_at_most(cut->blocks, MOST_TASKS);
}

mr_block mr_cut_block(const mr_cut *cut, int number)
{
    mr_block b;
    int column = number % cut->across_columns, rest = number / cut->across_columns;
    b.column = column * cut->columns;
    b.columns = mr_at_most(cut->columns, cut->d.q - b.column);
    b.row = rest % cut->across_rows * cut->rows;
    b.rows = mr_at_most(cut->rows, cut->d.p - b.row);
    b.image = rest / cut->across_rows * cut->images;
    b.images = mr_at_most(cut->images, cut->d.n - b.image);
    return b;
}

int mr_cut_first(const mr_cut *cut, int task)
{
    return (int)((long)cut->blocks * task / cut->tasks);
}

size_t mr_padded(const struct mr_kernel_table *t, int channels)
{
    size_t lanes = (size_t)t->lanes;
    return ((size_t)channels + lanes - 1) / lanes * lanes;
}

const struct mr_tile_family *mr_choose_family(const struct mr_kernel_table *t, int left, size_t depth)
{
    /* Weights of a tile that overflow the L1 cache are read again from the L2 for every tile: the less often,
     * the more pixels a tile has, which is what the narrower family offers. */
    enum { L1_WEIGHTS = 10 << 10 };
    for (int i = 0; i < MR_TILE_FAMILIES - 1; i++) {
        const struct mr_tile_family *f = &t->family[i];
        bool narrower_is_better = f->vectors > 2 && depth * (size_t)(f->vectors * t->lanes) > L1_WEIGHTS;
        if (f->vectors <= left && !narrower_is_better)
            return f;
    }
    return &t->family[MR_TILE_FAMILIES - 1];
}

static bool is_identity(const mr_conv_input *in)
{
    return !in->scale && in->low == -INFINITY && in->high == INFINITY;
}

static void fill(float *out, size_t count, float value)
{
    if (value == 0)
        memset(out, 0, count * sizeof *out);
    else
        for (size_t i = 0; i < count; i++)
            out[i] = value;
}

/* One row of a patch: COLUMNS pixels from input column FIRST on, which may lie outside on both sides. */
static void load_row(const mr_cut *cut, const mr_conv_input *in, const float *row, int first, int columns,
                     float *out)
{
    const mr_conv *d = &cut->d;
    const struct mr_affine f = {in->scale, in->shift, in->low, in->high};
    size_t c = (size_t)d->c;
    int step = cut->subsample ? d->stride_w : 1;
    int left = mr_at_least(0, mr_at_most(columns, -first));
    int right = cut->subsample ? 0 : mr_at_least(0, mr_at_most(columns - left, first + columns - d->w));
    int inside = columns - left - right;
    fill(out, (size_t)left * c, cut->outside);
    if (inside > 0)
        mr_kernels()->load(&f, row + (ptrdiff_t)(first + left) * d->c, (size_t)step * c, (size_t)inside, c,
                           out + (size_t)left * c);
    fill(out + (size_t)(left + inside) * c, (size_t)right * c, cut->outside);
}

mr_patch mr_load_input(const mr_cut *cut, const mr_conv_input *in, const mr_block *b, float *buffer)
{
    const mr_conv *d = &cut->d;
    ptrdiff_t image = (ptrdiff_t)d->h * d->w * d->c, row = (ptrdiff_t)d->w * d->c;
    if (is_identity(in) && (cut->flat || cut->subsample)) {
        int sh = cut->subsample ? d->stride_h : 1, sw = cut->subsample ? d->stride_w : 1;
        const float *at = in->x + b->image * image + b->row * sh * row + (ptrdiff_t)b->column * sw * d->c;
        return (mr_patch){at, image, row * sh, (ptrdiff_t)d->c * sw};
    }
    int rows = mr_input_rows(cut, b->rows), columns = mr_input_columns(cut, b->columns);
    mr_patch patch = {buffer, (ptrdiff_t)rows * columns * d->c, (ptrdiff_t)columns * d->c, d->c};
    int first_column = b->column * d->stride_w - d->pad_left;
    for (int i = 0; i < b->images; i++)
        for (int y = 0; y < rows; y++) {
            int h = b->row * d->stride_h - d->pad_top + y * (cut->subsample ? d->stride_h : 1);
            float *out = buffer + i * patch.image + y * patch.row;
            if (h < 0 || h >= d->h)
                fill(out, (size_t)patch.row, cut->outside);
            else
                load_row(cut, in, in->x + (b->image + i) * image + h * row, first_column, columns, out);
        }
    return patch;
}

void mr_add_block_sums(const float *sums, size_t padded, size_t channels, double *to)
{
    for (size_t i = 0; i < channels; i++) {
        to[i] += (double)sums[i];
        to[channels + i] += (double)sums[padded + i];
    }
}

size_t mr_input_range(const mr_cut *cut, const mr_block *b, size_t *count)
{
    const mr_conv *d = &cut->d;
    int first = b->row * d->stride_h - d->pad_top,
        rows = (b->rows - 1) * d->stride_h + (d->r - 1) * d->dilation_h + 1;
    int end = mr_at_most(d->h, first + rows);
    first = mr_at_least(0, first);
    size_t row = (size_t)d->w * (size_t)d->c;
    size_t at = ((size_t)b->image * (size_t)d->h + (size_t)first) * row;
    if (cut->flat) {
        *count = (size_t)b->columns * (size_t)d->c;
        return at + (size_t)b->column * (size_t)d->c;
    }
    *count = end > first ? ((size_t)(b->images - 1) * (size_t)d->h + (size_t)(end - first)) * row : 0;
    return at;
}

void mr_ahead_input(mr_ahead *a, const mr_cut *cut, const mr_conv_input *in, const mr_block *b)
{
    size_t count, first = mr_input_range(cut, b, &count);
    mr_ahead_add(a, in->x + first, count);
}

size_t mr_input_run_count(const mr_conv *d)
{
    return d->dilation_w == 1 ? (size_t)d->r : (size_t)d->r * (size_t)d->s;
}

size_t mr_input_run_length(const mr_conv *d)
{
    return d->dilation_w == 1 ? (size_t)d->s * (size_t)d->c : (size_t)d->c;
}

void mr_input_runs(const mr_cut *cut, const mr_patch *patch, mr_runs *runs)
{
    const mr_conv *d = &cut->d;
    runs->count = mr_input_run_count(d);
    runs->length = mr_input_run_length(d);
    size_t per_row = runs->count / (size_t)d->r;
    for (size_t i = 0; i < runs->count; i++)
        runs->offset[i] = (ptrdiff_t)(i / per_row) * d->dilation_h * patch->row +
                          (ptrdiff_t)(i % per_row) * d->dilation_w * patch->column;
}
