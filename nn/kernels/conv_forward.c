/* SPDX-License-Identifier: Apache-2.0 */
/* Forward convolution: tasks → blocks → tiles of channels → tiles of pixels. In mixed precision tiles go in
 * pairs, and a stage of 32 pixels by 32 channels of float sums, in the L1, stands between them and the
 * epilogue. */
#include "nn/kernels/conv_internal.h"

#include <string.h>

struct forward {
    mr_cut cut;
    const mr_conv_input *in;
    const mr_conv_output *out;
    const void *packed;
    size_t runs, length; /* of the kernel */
    size_t padded;       /* a block's sums by channel */
    size_t segments;     /* most of a block, which are its rows */
    size_t places;       /* most numbers of the table of outputs */
    double *task_sums;   /* [tasks][2][k] */
    char *threads;       /* a struct per_thread's worth of memory each */
    size_t thread_bytes;
};

struct per_thread {
    mr_numbers input; /* patch, with slack */
    ptrdiff_t *at;    /* [places] where each pixel lies in the output, from the block's first on */
    ptrdiff_t *run;   /* [runs] */
    float *sums;      /* [2][padded] of the block */
    /* float32 */
    const float **in; /* [places] where each pixel is read */
    size_t pixels;
    /* mixed precision */
    struct mr_segment *segment; /* [segments] */
    float *stage;               /* [32][32] */
    int segments;
};

static size_t lay_out_thread(const struct forward *f, char *base, struct per_thread *t)
{
    const mr_conv *d = &f->cut.d;
    mr_layout l = {base, 0};
    *t = (struct per_thread){.input.half = d->half};
    size_t slack = d->half ? mr_patch_slack((size_t)d->c * (size_t)d->stride_w) : 0;
    t->input.at = mr_layout_take(&l, mr_numbers_bytes(t->input, mr_input_patch_size(&f->cut) + slack));
    t->at = mr_layout_take(&l, f->places * sizeof *t->at);
    t->run = mr_layout_take(&l, f->runs * sizeof *t->run);
    t->sums = mr_layout_take(&l, 2 * f->padded * sizeof *t->sums);
    if (d->half) {
        t->segment = mr_layout_take(&l, f->segments * sizeof *t->segment);
        t->stage = mr_layout_take(&l, MR_STAGE * MR_STAGE * sizeof *t->stage);
    } else
        t->in = mr_layout_take(&l, f->places * sizeof *t->in);
    return l.used;
}

/* In mixed precision a row's border is in the table too (find_segments). */
static size_t most_places(const mr_cut *cut, size_t segments)
{
    if (!cut->d.half)
        return segments * (size_t)cut->columns + MR_TILE_MOST;
    return (size_t)cut->images * (size_t)mr_input_rows(cut, cut->rows) *
               (size_t)mr_input_columns(cut, cut->columns) +
           segments * MR_STAGE;
}

static size_t lay_out(struct forward *f, const mr_conv *d, int threads, char *base)
{
    mr_cut_forward(&f->cut, d);
    f->runs = mr_input_run_count(d);
    f->length = mr_input_run_length(d);
    f->padded = mr_padded_sums(d, d->k);
    f->segments = (size_t)f->cut.images * (size_t)f->cut.rows;
    f->places = most_places(&f->cut, f->segments);
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

static mr_ahead look_ahead(const struct forward *f, int number)
{
    mr_ahead a = {0};
    if (number < f->cut.blocks) {
        mr_block b = mr_cut_block(&f->cut, number);
        mr_ahead_input(&a, &f->cut, f->in, &b);
    }
    return a;
}

/* ---- float32 */

/* Where each pixel of the block is read, and written relative to the block's first. */
static void find_pixels(const struct forward *f, const mr_block *b, const mr_patch *patch,
                        struct per_thread *t)
{
    const mr_conv *d = &f->cut.d;
    ptrdiff_t down = (f->cut.subsample ? 1 : d->stride_h) * patch->row;
    ptrdiff_t right = (f->cut.subsample ? 1 : d->stride_w) * patch->column;
    size_t n = 0;
    for (int i = 0; i < b->images; i++)
        for (int y = 0; y < b->rows; y++) {
            const float *in = (const float *)patch->at.at + i * patch->image + y * down;
            ptrdiff_t at = ((ptrdiff_t)i * d->p + y) * d->q * d->k;
            for (int x = 0; x < b->columns; x++, n++) {
                t->in[n] = in + x * right;
                t->at[n] = at + (ptrdiff_t)x * d->k;
            }
        }
    for (int i = 0; i < MR_TILE_MOST; i++)
        t->at[n + (size_t)i] = t->at[n - 1] + (i + 1) * d->k; /* for prefetching: the next block's */
    t->pixels = n;
}

/* AT: of the block's first pixel in the output. */
static void run_tiles(const struct forward *f, const struct per_thread *t, ptrdiff_t at, mr_ahead *ahead)
{
    const mr_conv_output *out = f->out;
    const mr_conv *d = &f->cut.d;
    const struct mr_kernel_table *table = mr_kernels();
    const int pixels = (int)t->pixels;
    struct mr_tile tile = {.run = t->run,
                           .runs = f->runs,
                           .length = f->length,
                           .w = f->packed,
                           .low = out->low,
                           .high = out->high};
    const size_t depth = tile.runs * tile.length;
    int left = (int)(f->padded / (size_t)table->lanes);
    for (int k = 0; left > 0;) {
        const struct mr_tile_family *family = mr_choose_family(table, left, depth);
        int width = family->vectors * table->lanes;
        tile.y = (float *)out->y.at + at + k;
        tile.bias = mr_floats_at(out->bias, k);
        tile.add = mr_floats_at(out->add.at, at + k);
        tile.sums = out->sums ? t->sums + k : NULL;
        tile.products = t->sums + f->padded + k;
        tile.last = (size_t)(mr_at_most(width, d->k - k) - width + table->lanes);
        for (int first = 0, count; first < pixels; first += count) {
            count = mr_next_piece(pixels - first, family->most);
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

/* ---- mixed precision */

/* ROWS rows of output from patch number FIRST on, DOWN apart, as one segment: a row and its border are
 * TOGETHER pixels. Returns the table's new end. */
static size_t add_segment(const struct forward *f, const mr_block *b, struct per_thread *t, ptrdiff_t first,
                          ptrdiff_t step, int rows, int together, ptrdiff_t output, size_t at)
{
    const mr_conv *d = &f->cut.d;
    int count = (rows - 1) * together + b->columns;
    t->segment[t->segments++] = (struct mr_segment){first, step, count, at};
    for (int y = 0; y < rows; y++) {
        for (int x = 0; x < b->columns; x++)
            t->at[at++] = output + ((ptrdiff_t)y * d->q + x) * d->k;
        for (int x = b->columns; x < together && y < rows - 1; x++)
            t->at[at++] = -1;
    }
    return at;
}

/* Without strides all rows of an image are one segment, whose few pixels between the rows are computed and
 * dropped: row by row, tiles of 16 would be filled less well. */
static void find_segments(const struct forward *f, const mr_block *b, const mr_patch *patch,
                          struct per_thread *t)
{
    const mr_conv *d = &f->cut.d;
    bool dense = f->cut.subsample || (d->stride_h == 1 && d->stride_w == 1);
    size_t at = 0;
    t->segments = 0;
    for (int i = 0; i < b->images; i++) {
        ptrdiff_t image = i * patch->image, output = (ptrdiff_t)i * d->p * d->q * d->k;
        if (dense) {
            int together = f->cut.flat ? b->columns : (int)(patch->row / patch->column);
            at = add_segment(f, b, t, image, patch->column, b->rows, together, output, at);
            continue;
        }
        for (int y = 0; y < b->rows; y++)
            at = add_segment(f, b, t, image + y * d->stride_h * patch->row, d->stride_w * patch->column, 1,
                             b->columns, output + (ptrdiff_t)y * d->q * d->k, at);
    }
    for (int i = 0; i < MR_MIXED_AHEAD; i++) /* the next block's, where blocks lie one behind the other */
        t->at[at + (size_t)i] = t->at[at - 1] + (i + 1) * d->k;
}

static void run_segment(const struct mr_mixed_table *table, const struct per_thread *t,
                        const struct mr_segment *s, const mr_bf16 *patch, struct mr_mixed_tile *tile,
                        struct mr_mixed_finish *finish, mr_ahead *ahead)
{
    tile->a_step = s->step;
    for (int i = 0; i < s->count; i += MR_STAGE) {
        finish->pixels = mr_at_most(MR_STAGE, s->count - i);
        finish->at = t->at + s->at + (size_t)i;
        tile->a = patch + s->first + i * s->step;
        tile->pixel_tiles = mr_divide_up(finish->pixels, MR_TILE_ROWS);
        table->tile(tile);
        mr_ahead_stage(ahead);
        table->finish(finish);
    }
}

static void share_ahead(const struct forward *f, const struct per_thread *t, mr_ahead *ahead)
{
    size_t stages = 0;
    for (int s = 0; s < t->segments; s++)
        stages += (size_t)mr_divide_up(t->segment[s].count, MR_STAGE);
    mr_ahead_share(ahead, stages * (size_t)mr_divide_up(f->cut.d.k, MR_STAGE));
}

/* AT: of the block's first pixel in the output. */
static void run_stages(const struct forward *f, const struct per_thread *t, const mr_bf16 *patch,
                       ptrdiff_t at, mr_ahead *ahead)
{
    const mr_conv_output *out = f->out;
    const int k_all = f->cut.d.k;
    struct mr_mixed_tile tile = {.run = t->run,
                                 .runs = f->runs,
                                 .steps = mr_mixed_steps(f->length),
                                 .w = f->packed,
                                 .stage = t->stage,
                                 .stage_step = MR_STAGE};
    share_ahead(f, t, ahead);
    for (int k = 0; k < k_all; k += MR_STAGE) {
        struct mr_mixed_finish finish = {.stage = t->stage,
                                         .channels = mr_at_most(MR_STAGE, k_all - k),
                                         .y = mr_numbers_at(out->y, at + k),
                                         .add = mr_numbers_at(out->add, at + k),
                                         .bias = mr_floats_at(out->bias, k),
                                         .low = out->low,
                                         .high = out->high,
                                         .sums = out->sums ? t->sums + k : NULL,
                                         .products = t->sums + f->padded + k};
        tile.channel_tiles = mr_divide_up(finish.channels, MR_TILE_ROWS);
        for (int s = 0; s < t->segments; s++)
            run_segment(mr_mixed_kernels(), t, &t->segment[s], patch, &tile, &finish, ahead);
        tile.w += tile.runs * tile.steps * (size_t)tile.channel_tiles * MR_TILE_NUMBERS;
    }
}

/* ---- both */

/* SAME: the block before had the same size. */
static void run_block(const struct forward *f, const mr_block *b, bool same, mr_ahead *ahead,
                      struct per_thread *t)
{
    const mr_conv *d = &f->cut.d;
    mr_patch patch = mr_load_input(&f->cut, f->in, b, t->input);
    ptrdiff_t at = (((ptrdiff_t)b->image * d->p + b->row) * d->q + b->column) * d->k;
    if (!same)
        mr_input_runs(&f->cut, &patch, t->run);
    memset(t->sums, 0, 2 * f->padded * sizeof *t->sums);
    if (d->half) {
        if (!same)
            find_segments(f, b, &patch, t);
        run_stages(f, t, patch.at.at, at, ahead);
    } else {
        if (!same || patch.at.at != t->input.at) /* the table holds addresses */
            find_pixels(f, b, &patch, t);
        run_tiles(f, t, at, ahead);
    }
}

static void forward_task(void *argument, int task, int thread)
{
    const struct forward *f = argument;
    const size_t k = (size_t)f->cut.d.k;
    struct per_thread t;
    lay_out_thread(f, f->threads + (size_t)thread * f->thread_bytes, &t);
    double *sums = f->task_sums + (size_t)task * 2 * k;
    mr_block last = {0};
    if (f->out->sums)
        memset(sums, 0, 2 * k * sizeof *sums);
    mr_begin_tiles(&f->cut.d);
    for (int i = mr_cut_first(&f->cut, task); i < mr_cut_first(&f->cut, task + 1); i++) {
        mr_block b = mr_cut_block(&f->cut, i);
        mr_ahead ahead = look_ahead(f, i + 1);
        run_block(f, &b, mr_same_block_size(&b, &last), &ahead, &t);
        last = b;
        if (f->out->sums)
            mr_add_block_sums(t.sums, f->padded, k, sums);
    }
    mr_end_tiles(&f->cut.d);
}

void mr_conv_forward(const mr_conv *d, mr_team *team, const mr_conv_input *in, const void *packed,
                     const mr_conv_output *out, void *scratch)
{
    struct forward f = {.in = in, .out = out, .packed = packed};
    lay_out(&f, d, mr_team_size(team), scratch);
    mr_team_run(team, f.cut.tasks, forward_task, &f);
    if (out->sums)
        mr_sum_tasks(f.task_sums, f.cut.tasks, 2 * (size_t)d->k, out->sums);
}
