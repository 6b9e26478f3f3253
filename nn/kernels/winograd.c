/* SPDX-License-Identifier: Apache-2.0 */
/* A block of windows (2x2 pixels of output each) is transformed into 16 matrices [windows][c], each
 * multiplied by its own transformed kernel [c][k] with the register tiles of a 1x1 convolution, and the 16
 * products are transformed back. A block's matrices stay in the L2 cache. */
#include "nn/kernels/winograd.h"
#include "nn/kernels/conv_internal.h"

#include <math.h>

enum {
    POINTS = 16,
    LEAST_CHANNELS = 64,     /* below, the transforms cost what the products save */
    LEAST_WINDOWS = 56,      /* each pass over the weights serves that many; whole tiles of 14 */
    BLOCK_FLOATS = 256 << 10 /* of both sides of the products, 1 MiB */
};

struct winograd {
    const struct mr_kernel_table *table;
    const mr_conv *d;
    const mr_conv_input *in;
    const float *packed;
    const mr_conv_output *out;
    int across, windows, block; /* windows in a row, in all, in a block */
    size_t matrix;              /* floats of one packed matrix */
    char *threads;
    size_t thread_bytes;
};

struct per_thread {
    float *input, *product; /* [POINTS][block][c], [POINTS][block][k] */
    const float **in;
    ptrdiff_t *at; /* [block + MR_TILE_MOST] */
};

bool mr_winograd_pays(const mr_conv *d)
{
    return d->r == 3 && d->s == 3 && d->stride_h == 1 && d->stride_w == 1 && d->dilation_h == 1 &&
           d->dilation_w == 1 && d->c >= LEAST_CHANNELS && d->k >= LEAST_CHANNELS && d->p >= 2 && d->q >= 2 &&
           d->pad_top <= 2 && d->pad_left <= 2;
}

static mr_conv pointwise(const mr_conv *d)
{
    return (mr_conv){1, 1, 1, d->c, 1, 1, d->k, 1, 1, 1, 1, 1, 1, 0, 0, false};
}

/* One matrix after the other, then room for one that is not yet packed. */
size_t mr_winograd_packed(const mr_conv *d)
{
    mr_conv p = pointwise(d);
    return POINTS * mr_conv_packed(&p) + (size_t)d->c * (size_t)d->k * sizeof(float);
}

/* Row POINT of G = [1 0 0; ½ ½ ½; ½ -½ ½; 0 0 1], times G(0), G(1), G(2). */
static double transformed(int point, double a, double b, double c)
{
    return point == 0 ? a : point == 3 ? c : (a + (point == 1 ? b : -b) + c) / 2;
}

static void transform_weights(const mr_conv *d, const float *w, const float *scale, int row, int column,
                              float *out)
{
    size_t count = (size_t)d->c * (size_t)d->k;
    for (size_t i = 0; i < count; i++) {
        double line[3];
        for (size_t s = 0; s < 3; s++)
            line[s] = transformed(row, (double)w[s * count + i], (double)w[(3 + s) * count + i],
                                  (double)w[(6 + s) * count + i]);
        double value = transformed(column, line[0], line[1], line[2]);
        out[i] = (float)(scale ? value * (double)scale[i % (size_t)d->k] : value);
    }
}

void mr_winograd_pack(const mr_conv *d, mr_team *team, const float *w, const float *scale, void *packed)
{
    mr_conv p = pointwise(d);
    size_t matrix = mr_conv_packed(&p) / sizeof(float);
    float *at = packed, *plain = at + POINTS * matrix;
    for (int i = 0; i < POINTS; i++, at += matrix) {
        transform_weights(d, w, scale, i / 4, i % 4, plain);
        mr_conv_pack(&p, team, plain, NULL, at);
    }
}

static size_t lay_out_thread(const struct winograd *f, char *base, struct per_thread *t)
{
    size_t block = (size_t)f->block;
    mr_layout l = {base, 0};
    t->input = mr_layout_take(&l, POINTS * block * (size_t)f->d->c * sizeof(float));
    t->product = mr_layout_take(&l, POINTS * block * (size_t)f->d->k * sizeof(float));
    t->in = mr_layout_take(&l, block * sizeof *t->in);
    t->at = mr_layout_take(&l, (block + MR_TILE_MOST) * sizeof *t->at);
    return l.used;
}

static size_t lay_out(struct winograd *f, const mr_conv *d, int threads, char *base)
{
    mr_conv p = pointwise(d);
    f->table = mr_kernels();
    f->d = d;
    f->matrix = mr_conv_packed(&p) / sizeof(float);
    f->across = mr_divide_up(d->q, 2);
    f->windows = d->n * mr_divide_up(d->p, 2) * f->across;
    int fit = BLOCK_FLOATS / POINTS / (d->c + d->k) / LEAST_WINDOWS * LEAST_WINDOWS;
    f->block = mr_at_most(mr_at_least(fit, LEAST_WINDOWS), f->windows);
    struct per_thread t;
    f->thread_bytes = lay_out_thread(f, NULL, &t);
    mr_layout l = {base, 0};
    f->threads = mr_layout_take(&l, (size_t)threads * f->thread_bytes);
    return l.used;
}

size_t mr_winograd_scratch(const mr_conv *d, int threads)
{
    struct winograd f;
    return lay_out(&f, d, threads, NULL);
}

/* Window NUMBER: its image and first pixel of output. */
struct place {
    int image, row, column;
};

static struct place find(const struct winograd *f, int number)
{
    int down = mr_divide_up(f->d->p, 2), row = number / f->across;
    return (struct place){row / down, row % down * 2, number % f->across * 2};
}

static struct mr_window_input window_input(const struct winograd *f, int number)
{
    const mr_conv *d = f->d;
    struct place at = find(f, number);
    int h = at.row - d->pad_top, w = at.column - d->pad_left;
    ptrdiff_t pixel = ((ptrdiff_t)at.image * d->h + h) * d->w + w;
    return (struct mr_window_input){.x = (const float *)f->in->x.at + pixel * d->c,
                                    .row = (ptrdiff_t)d->w * d->c,
                                    .first_row = mr_at_least(0, -h),
                                    .end_row = mr_at_most(4, d->h - h),
                                    .first_column = mr_at_least(0, -w),
                                    .end_column = mr_at_most(4, d->w - w),
                                    .c = (size_t)d->c,
                                    .step = (size_t)f->block * (size_t)d->c};
}

static struct mr_window_output window_output(const struct winograd *f, int number)
{
    const mr_conv *d = f->d;
    const mr_conv_output *out = f->out;
    struct place at = find(f, number);
    ptrdiff_t first = (((ptrdiff_t)at.image * d->p + at.row) * d->q + at.column) * d->k;
    return (struct mr_window_output){.step = (size_t)f->block * (size_t)d->k,
                                     .bias = out->bias,
                                     .add = mr_floats_at(out->add.at, first),
                                     .y = (float *)out->y.at + first,
                                     .row = (ptrdiff_t)d->q * d->k,
                                     .rows = mr_at_most(2, d->p - at.row),
                                     .columns = mr_at_most(2, d->q - at.column),
                                     .k = (size_t)d->k,
                                     .low = out->low,
                                     .high = out->high};
}

/* One of the 16 products: COUNT windows. */
static void multiply(const struct winograd *f, const struct per_thread *t, int point, int count)
{
    const mr_conv *d = f->d;
    const ptrdiff_t run = 0;
    const int lanes = f->table->lanes;
    const size_t depth = (size_t)d->c;
    const float *input = t->input + (size_t)point * (size_t)f->block * depth;
    for (int i = 0; i < count; i++)
        t->in[i] = input + (size_t)i * depth;
    struct mr_tile tile = {.run = &run,
                           .runs = 1,
                           .length = depth,
                           .w = f->packed + (size_t)point * f->matrix,
                           .low = -INFINITY,
                           .high = INFINITY,
                           .ahead = (const char *)t->in};
    int left = (int)(mr_padded(f->table, d->k) / (size_t)lanes);
    for (int k = 0; left > 0;) {
        const struct mr_tile_family *family = mr_choose_family(f->table, left, depth);
        int width = family->vectors * lanes;
        tile.y = t->product + (size_t)point * (size_t)f->block * (size_t)d->k + k;
        tile.last = (size_t)(mr_at_most(width, d->k - k) - width + lanes);
        for (int first = 0, pixels; first < count; first += pixels) {
            pixels = mr_next_piece(count - first, family->most);
            tile.in = t->in + first;
            tile.out = t->at + first;
            family->tile[pixels](&tile);
        }
        tile.w += depth * (size_t)width;
        k += width;
        left -= family->vectors;
    }
}

static void run_block(void *argument, int task, int thread)
{
    const struct winograd *f = argument;
    struct per_thread t;
    lay_out_thread(f, f->threads + (size_t)thread * f->thread_bytes, &t);
    int first = task * f->block, count = mr_at_most(f->block, f->windows - first);
    for (int i = 0; i < count + MR_TILE_MOST; i++)
        t.at[i] = (ptrdiff_t)mr_at_most(i, count - 1) * f->d->k;
    for (int i = 0; i < count; i++) {
        struct mr_window_input in = window_input(f, first + i);
        in.v = t.input + (size_t)i * (size_t)f->d->c;
        f->table->window_input(&in);
    }
    for (int i = 0; i < POINTS; i++)
        multiply(f, &t, i, count);
    for (int i = 0; i < count; i++) {
        struct mr_window_output out = window_output(f, first + i);
        out.m = t.product + (size_t)i * (size_t)f->d->k;
        f->table->window_output(&out);
    }
}

void mr_winograd_run(const mr_conv *d, mr_team *team, const mr_conv_input *in, const void *packed,
                     const mr_conv_output *out, void *scratch)
{
    struct winograd f = {.in = in, .packed = packed, .out = out};
    lay_out(&f, d, mr_team_size(team), scratch);
    mr_team_run(team, mr_divide_up(f.windows, f.block), run_block, &f);
}
