/* SPDX-License-Identifier: Apache-2.0 */
/* Cutting a convolution into blocks, and loading a block's input. */
#include "nn/kernels/conv_internal.h"

#include <limits.h>
#include <math.h>
#include <string.h>

/* Numbers of a block's input beside small weights, of a 1x1 kernel and of larger ones (which load the rows on
 * the borders of a block twice, so they get fewer blocks); and beside large weights, so that each pass over
 * the weights serves many pixels. LEAST pixels fill two tiles. */
struct limits {
    size_t pointwise, small, large;
    size_t large_weights;
    int least;
};

static const struct limits limits_of[] = {
    {4 << 10, 8 << 10, 128 << 10, 96 << 10, 28}, /* float32: 16 KiB of a 48 KiB L1; the L2 */
    {24 << 10, 24 << 10, 192 << 10, 256 << 10, 2 * MR_TILE_ROWS}}; /* bf16: inside of the L2 */

enum { MOST_TASKS = 32 };

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

size_t mr_input_patch_size(const mr_cut *cut)
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
    while (mr_input_patch_size(cut) > numbers && cut->rows > 1 && cut->rows * cut->columns > least)
        cut->rows = mr_divide_up(cut->rows, 2);
    if (cut->rows == cut->d.p)
        while (cut->images < cut->d.n &&
               mr_input_patch_size(cut) / (size_t)cut->images * ((size_t)cut->images + 1) <= numbers)
            cut->images++;
}

/* About NUMBERS numbers of input, and not much fewer than LEAST pixels, a block. */
static void cut_blocks(mr_cut *cut, const mr_conv *d, size_t numbers, int least)
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

static size_t block_numbers(const mr_conv *d)
{
    const struct limits *l = &limits_of[d->half];
    size_t weights = (size_t)d->r * (size_t)d->s * (size_t)d->c * (size_t)d->k;
    return weights > l->large_weights ? l->large : d->r * d->s == 1 ? l->pointwise : l->small;
}

void mr_cut_forward(mr_cut *cut, const mr_conv *d)
{
    cut_blocks(cut, d, block_numbers(d), limits_of[d->half].least);
}

void mr_cut_backward(mr_cut *cut, const mr_conv *d)
{
    size_t numbers = block_numbers(d);
    if (d->half && d->k > d->c)
        numbers = numbers * (size_t)d->c / (size_t)d->k;
    cut_blocks(cut, d, numbers, limits_of[d->half].least);
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
    return mr_whole((size_t)channels, (size_t)t->lanes);
}

size_t mr_padded_sums(const mr_conv *d, int channels)
{
    return d->half ? mr_whole((size_t)channels, MR_STAGE) : mr_padded(mr_kernels(), channels);
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

/* ---- loading */

void mr_load(const struct mr_channel_affine *f, mr_numbers x, size_t x_step, size_t pixels, size_t c, mr_numbers y)
{
    if (!f->scale && f->low == -INFINITY && f->high == INFINITY && x.half == y.half && x_step == c)
        memcpy(y.at, x.at, mr_numbers_bytes(x, pixels * c));
    else
        (x.half || y.half ? mr_mixed_kernels()->load : mr_kernels()->load)(f, x, x_step, pixels, c, y);
}

void mr_load_gradient(const mr_conv_gradient *g, size_t pixels, size_t c, mr_numbers out)
{
    if (!g->a && !g->add.at && !g->store.at && g->dy.half == out.half && g->dy.at != out.at)
        memcpy(out.at, g->dy.at, mr_numbers_bytes(out, pixels * c));
    else
        (g->dy.half || out.half ? mr_mixed_kernels()->load_gradient : mr_kernels()->load_gradient)(g, pixels,
                                                                                                   c, out);
}

mr_conv_gradient mr_gradient_at(const mr_conv_gradient *g, ptrdiff_t at)
{
    mr_conv_gradient from = *g;
    from.dy = mr_numbers_at(g->dy, at);
    from.x = mr_numbers_at(g->x, at);
    from.add = mr_numbers_at(g->add, at);
    from.store = mr_numbers_at(g->store, at);
    return from;
}

static void fill(mr_numbers out, size_t count, float value)
{
    if (value == 0)
        memset(out.at, 0, mr_numbers_bytes(out, count));
    else
        for (size_t i = 0; i < count; i++)
            if (out.half)
                ((mr_bf16 *)out.at)[i] = mr_to_bf16(value);
            else
                ((float *)out.at)[i] = value;
}

/* One row of a patch: COLUMNS pixels from input column FIRST on, which may lie outside on both sides. */
static void load_row(const mr_cut *cut, const mr_conv_input *in, mr_numbers row, int first, int columns,
                     mr_numbers out)
{
    const mr_conv *d = &cut->d;
    const struct mr_channel_affine f = {in->scale, in->shift, in->low, in->high};
    size_t c = (size_t)d->c;
    int step = cut->subsample ? d->stride_w : 1;
    int left = mr_at_least(0, mr_at_most(columns, -first));
    int right = cut->subsample ? 0 : mr_at_least(0, mr_at_most(columns - left, first + columns - d->w));
    int inside = columns - left - right;
    fill(out, (size_t)left * c, cut->outside);
    if (inside > 0)
        mr_load(&f, mr_numbers_at(row, (ptrdiff_t)(first + left) * d->c), (size_t)step * c, (size_t)inside, c,
                mr_numbers_at(out, (ptrdiff_t)left * d->c));
    fill(mr_numbers_at(out, (ptrdiff_t)(left + inside) * d->c), (size_t)right * c, cut->outside);
}

/* Tiles of bf16 read the input where it lies if they then read nothing that is not there. */
static bool is_in_place(const mr_cut *cut, const mr_conv_input *in, const mr_block *b, bool half)
{
    if (in->scale || in->low > -INFINITY || in->high < INFINITY || in->x.half != half)
        return false;
    return half ? cut->flat && cut->d.c % MR_TILE_DEPTH == 0 && b->columns % MR_TILE_ROWS == 0
                : cut->flat || cut->subsample;
}

size_t mr_patch_slack(size_t step)
{
    return 2 * MR_TILE_ROWS * step + MR_TILE_DEPTH;
}

mr_patch mr_load_input(const mr_cut *cut, const mr_conv_input *in, const mr_block *b, mr_numbers buffer)
{
    const mr_conv *d = &cut->d;
    ptrdiff_t image = (ptrdiff_t)d->h * d->w * d->c, row = (ptrdiff_t)d->w * d->c;
    if (is_in_place(cut, in, b, buffer.half)) {
        int sh = cut->subsample ? d->stride_h : 1, sw = cut->subsample ? d->stride_w : 1;
        ptrdiff_t at = b->image * image + b->row * sh * row + (ptrdiff_t)b->column * sw * d->c;
        return (mr_patch){mr_numbers_at(in->x, at), image, row * sh, (ptrdiff_t)d->c * sw};
    }
    int rows = mr_input_rows(cut, b->rows), columns = mr_input_columns(cut, b->columns);
    mr_patch patch = {buffer, (ptrdiff_t)rows * columns * d->c, (ptrdiff_t)columns * d->c, d->c};
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

size_t mr_input_run_count(const mr_conv *d)
{
    return d->dilation_w == 1 ? (size_t)d->r : (size_t)d->r * (size_t)d->s;
}

size_t mr_input_run_length(const mr_conv *d)
{
    return d->dilation_w == 1 ? (size_t)d->s * (size_t)d->c : (size_t)d->c;
}

void mr_input_runs(const mr_cut *cut, const mr_patch *patch, ptrdiff_t *offset)
{
    const mr_conv *d = &cut->d;
    size_t count = mr_input_run_count(d), per_row = count / (size_t)d->r;
    for (size_t i = 0; i < count; i++)
        offset[i] = (ptrdiff_t)(i / per_row) * d->dilation_h * patch->row +
                    (ptrdiff_t)(i % per_row) * d->dilation_w * patch->column;
}

/* ---- ahead */

void mr_ahead_add(mr_ahead *a, mr_numbers n, size_t first, size_t count)
{
    if (!n.at)
        return;
    a->at[a->streams] = mr_numbers_at(n, (ptrdiff_t)first).at;
    a->bytes[a->streams++] = mr_numbers_bytes(n, count);
}

void mr_ahead_input(mr_ahead *a, const mr_cut *cut, const mr_conv_input *in, const mr_block *b)
{
    const mr_conv *d = &cut->d;
    int first = b->row * d->stride_h - d->pad_top,
        rows = (b->rows - 1) * d->stride_h + (d->r - 1) * d->dilation_h + 1;
    int end = mr_at_most(d->h, first + rows);
    first = mr_at_least(0, first);
    size_t row = (size_t)d->w * (size_t)d->c;
    size_t at = ((size_t)b->image * (size_t)d->h + (size_t)first) * row;
    if (cut->flat)
        mr_ahead_add(a, in->x, at + (size_t)b->column * (size_t)d->c, (size_t)b->columns * (size_t)d->c);
    else if (end > first)
        mr_ahead_add(a, in->x, at, ((size_t)(b->images - 1) * (size_t)d->h + (size_t)(end - first)) * row);
}

enum { LINE = 64 };

void mr_ahead_share(mr_ahead *a, size_t stages)
{
    size_t bytes = 0;
    for (int i = 0; i < a->streams; i++)
        bytes += a->bytes[i];
    a->share = (bytes / (stages ? stages : 1) + LINE) / LINE * LINE;
}

void mr_ahead_stage(mr_ahead *a)
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

/* ---- sums */

void mr_add_block_sums(const float *sums, size_t padded, size_t channels, double *to)
{
    for (size_t i = 0; i < channels; i++) {
        to[i] += (double)sums[i];
        to[channels + i] += (double)sums[padded + i];
    }
}

void mr_sum_tasks(const double *task_sums, int tasks, size_t count, double *out)
{
    for (size_t i = 0; i < count; i++) {
        double sum = 0;
        for (int t = 0; t < tasks; t++)
            sum += task_sums[(size_t)t * count + i];
        out[i] = sum;
    }
}

/* ---- what a block of output means to the backward pass */

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
    struct mr_area a = {.g_rows = {b->row, b->row + b->rows},
                        .g_columns = {b->column, b->column + b->columns}};
    a.rows = owned(b->row, b->rows, d->p, d->stride_h, d->h);
    a.columns = owned(b->column, b->columns, d->q, d->stride_w, d->w);
    if (data) {
        int high = (d->r - 1) * d->dilation_h + 1, wide = (d->s - 1) * d->dilation_w + 1;
        a.g_rows = join(a.g_rows, met(a.rows.first, a.rows.end, d->pad_top, high, d->stride_h));
        a.g_columns = join(a.g_columns, met(a.columns.first, a.columns.end, d->pad_left, wide, d->stride_w));
    }
    return a;
}
