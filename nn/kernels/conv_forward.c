/* SPDX-License-Identifier: Apache-2.0 */
/* Forward convolution: tasks → blocks → tiles of channels → tiles of pixels. */
#include "nn/kernels/conv_internal.h"

#include <string.h>

struct forward {
    const struct mr_kernel_table *table;
    mr_cut cut;
    const mr_conv_input *in;
    const mr_conv_output *out;
    const float *packed;
    mr_runs runs;
    size_t padded;     /* output channels in whole vectors */
    size_t pixels;     /* most of a block */
    double *task_sums; /* [tasks][2][k] */
    char *threads;     /* a struct per_thread's worth of memory each */
    size_t thread_bytes;
};

struct per_thread {
    float *input;     /* [patch] */
    const float **in; /* [pixels] */
    ptrdiff_t *at;    /* [pixels + MR_TILE_MOST] */
    ptrdiff_t *run;   /* [runs] */
    float *sums;      /* [2][padded] of the block */
};

static size_t lay_out_thread(const struct forward *f, char *base, struct per_thread *t)
{
    mr_layout l = {base, 0};
    t->input = mr_layout_take(&l, mr_input_patch_floats(&f->cut) * sizeof(float));
    t->in = mr_layout_take(&l, f->pixels * sizeof *t->in);
    t->at = mr_layout_take(&l, (f->pixels + MR_TILE_MOST) * sizeof *t->at);
    t->run = mr_layout_take(&l, mr_input_run_count(&f->cut.d) * sizeof *t->run);
    t->sums = mr_layout_take(&l, 2 * f->padded * sizeof(float));
    return l.used;
}

static size_t lay_out(struct forward *f, const mr_conv *d, int threads, char *base)
{
    f->table = mr_kernels();
    mr_cut_conv(&f->cut, d);
    f->padded = mr_padded(f->table, d->k);
    f->pixels = (size_t)f->cut.images * (size_t)f->cut.rows * (size_t)f->cut.columns;
    struct per_thread t;
    f->thread_bytes = lay_out_thread(f, NULL, &t);
    mr_layout l = {base, 0};
    f->task_sums = mr_layout_take(&l, (size_t)f->cut.tasks * 2 * (size_t)d->k * sizeof(double));
    f->threads = mr_layout_take(&l, (size_t)threads * f->thread_bytes);
    return l.used;
}

size_t mr_conv_scratch(const mr_conv *d, int threads)
{
    struct forward f;
    return lay_out(&f, d, threads, NULL);
}

/* Where each pixel of the block is read, and written relative to the block's first. Returns their number. */
static size_t find_pixels(const struct forward *f, const mr_block *b, const mr_patch *patch,
                          struct per_thread *t)
{
    const mr_conv *d = &f->cut.d;
    ptrdiff_t down = (f->cut.subsample ? 1 : d->stride_h) * patch->row;
    ptrdiff_t right = (f->cut.subsample ? 1 : d->stride_w) * patch->column;
    size_t n = 0;
    for (int i = 0; i < b->images; i++)
        for (int y = 0; y < b->rows; y++) {
            const float *in = patch->at + i * patch->image + y * down;
            ptrdiff_t at = ((ptrdiff_t)i * d->p + y) * d->q * d->k;
            for (int x = 0; x < b->columns; x++, n++) {
                t->in[n] = in + x * right;
                t->at[n] = at + (ptrdiff_t)x * d->k;
            }
        }
    for (int i = 0; i < MR_TILE_MOST; i++)
        t->at[n + (size_t)i] = t->at[n - 1] + (i + 1) * d->k; /* for prefetching: the next block's */
    return n;
}

static const float *shifted(const float *p, ptrdiff_t by)
{
    return p ? p + by : NULL;
}

/* AT: of the block's first pixel in the output. */
static void run_tiles(const struct forward *f, const struct per_thread *t, ptrdiff_t at, size_t pixels,
                      mr_ahead *ahead)
{
    const mr_conv_output *out = f->out;
    const mr_conv *d = &f->cut.d;
    const int lanes = f->table->lanes;
    struct mr_tile tile = {.run = t->run,
                           .runs = f->runs.count,
                           .length = f->runs.length,
                           .w = f->packed,
                           .low = out->low,
                           .high = out->high};
    const size_t depth = tile.runs * tile.length;
    int left = (int)(f->padded / (size_t)lanes);
    for (int k = 0; left > 0;) {
        const struct mr_tile_family *family = mr_choose_family(f->table, left, depth);
        int width = family->vectors * lanes;
        tile.y = out->y + at + k;
        tile.bias = shifted(out->bias, k);
        tile.add = shifted(out->add, at + k);
        tile.sums = out->sums ? t->sums + k : NULL;
        tile.products = t->sums + f->padded + k;
        tile.last = (size_t)(mr_at_most(width, d->k - k) - width + lanes);
        for (int first = 0, count; first < (int)pixels; first += count) {
            count = mr_next_piece((int)pixels - first, family->most);
            tile.in = t->in + first;
            tile.out = t->at + first;
            tile.ahead = mr_ahead_take(ahead, depth, t->in, &tile.ahead_step);
            family->tile[count](&tile);
        }
        tile.w += depth * (size_t)width;
        k += width;
        left -= family->vectors;
    }
}

static void forward_task(void *argument, int task, int thread)
{
    const struct forward *f = argument;
    struct per_thread t;
    lay_out_thread(f, f->threads + (size_t)thread * f->thread_bytes, &t);
    double *sums = f->task_sums + (size_t)task * 2 * (size_t)f->cut.d.k;
    mr_block last = {0};
    size_t pixels = 0;
    if (f->out->sums)
        memset(sums, 0, 2 * (size_t)f->cut.d.k * sizeof *sums);
    for (int i = mr_cut_first(&f->cut, task); i < mr_cut_first(&f->cut, task + 1); i++) {
        mr_block b = mr_cut_block(&f->cut, i);
        mr_patch patch = mr_load_input(&f->cut, f->in, &b, t.input);
        if (patch.at != t.input || !mr_same_block_size(&b, &last)) {
            mr_runs runs = {.offset = t.run};
            mr_input_runs(&f->cut, &patch, &runs);
            pixels = find_pixels(f, &b, &patch, &t);
        }
        last = b;
        mr_ahead ahead = {0};
        if (i + 1 < f->cut.blocks) {
            mr_block next = mr_cut_block(&f->cut, i + 1);
            mr_ahead_input(&ahead, &f->cut, f->in, &next);
        }
        memset(t.sums, 0, 2 * f->padded * sizeof *t.sums);
        const mr_conv *d = &f->cut.d;
        run_tiles(f, &t, (((ptrdiff_t)b.image * d->p + b.row) * d->q + b.column) * d->k, pixels, &ahead);
        if (f->out->sums)
            mr_add_block_sums(t.sums, f->padded, (size_t)f->cut.d.k, sums);
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

void mr_conv_forward(const mr_conv *d, mr_team *team, const mr_conv_input *in, const float *packed,
                     const mr_conv_output *out, void *scratch)
{
    struct forward f = {.in = in, .out = out, .packed = packed};
    lay_out(&f, d, mr_team_size(team), scratch);
    f.runs.count = mr_input_run_count(d);
    f.runs.length = mr_input_run_length(d);
    mr_team_run(team, f.cut.tasks, forward_task, &f);
    if (out->sums)
        mr_sum_tasks(f.task_sums, f.cut.tasks, 2 * (size_t)d->k, out->sums);
}
