/* SPDX-License-Identifier: Apache-2.0 */
/* Forward convolution in mixed precision: tasks → blocks → pairs of channel tiles → pairs of pixel tiles. A
 * stage of 32 pixels by 32 channels of float sums, in the L1, stands between the tiles and the epilogue. */
#include "nn/kernels/mixed_internal.h"

struct forward {
    const struct mr_mixed_table *table;
    mr_cut cut;
    const mr_mixed_input *in;
    const mr_mixed_output *out;
    const mr_bf16 *packed;
    mr_runs runs;
    size_t padded;   /* output channels in whole stages */
    size_t segments; /* most of a block */
    size_t outputs;  /* numbers of the table of outputs */
    double *task_sums; /* [tasks][2][k] */
    char *threads;
    size_t thread_bytes;
};

struct per_thread {
    mr_bf16 *input;             /* [patch + slack] */
    struct mr_segment *segment; /* [segments] */
    ptrdiff_t *at;              /* [outputs] where each pixel lies in the output, from the block's first on */
    ptrdiff_t *run;             /* [runs] */
    float *stage;               /* [32][32] */
    float *sums;                /* [2][padded] of the block */
    int segments;
};

static size_t lay_out_thread(const struct forward *f, char *base, struct per_thread *t)
{
    const mr_conv *d = &f->cut.d;
    mr_layout l = {base, 0};
    size_t slack = mr_mixed_slack((size_t)d->c * (size_t)d->stride_w);
    t->input = mr_layout_take(&l, (mr_input_patch_floats(&f->cut) + slack) * sizeof *t->input);
    t->segment = mr_layout_take(&l, f->segments * sizeof *t->segment);
    t->at = mr_layout_take(&l, f->outputs * sizeof *t->at);
    t->run = mr_layout_take(&l, mr_input_run_count(d) * sizeof *t->run);
    t->stage = mr_layout_take(&l, MR_STAGE * MR_STAGE * sizeof *t->stage);
    t->sums = mr_layout_take(&l, 2 * f->padded * sizeof *t->sums);
    return l.used;
}

static size_t lay_out(struct forward *f, const mr_conv *d, int threads, char *base)
{
    f->table = mr_mixed_kernels();
    mr_mixed_cut(&f->cut, d);
    const mr_cut *cut = &f->cut;
    f->padded = ((size_t)d->k + MR_STAGE - 1) / MR_STAGE * MR_STAGE;
    f->segments = (size_t)cut->images * (size_t)cut->rows;
    f->outputs = (size_t)cut->images * (size_t)mr_input_rows(cut, cut->rows) *
                     (size_t)mr_input_columns(cut, cut->columns) +
                 f->segments * MR_STAGE;
    struct per_thread t;
    f->thread_bytes = lay_out_thread(f, NULL, &t);
    mr_layout l = {base, 0};
    f->task_sums = mr_layout_take(&l, (size_t)cut->tasks * 2 * (size_t)d->k * sizeof(double));
    f->threads = mr_layout_take(&l, (size_t)threads * f->thread_bytes);
    return l.used;
}

size_t mr_mixed_scratch(const mr_conv *d, int threads)
{
    struct forward f;
    return lay_out(&f, d, threads, NULL);
}

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

/* Without strides all rows of an image are one segment, whose few pixels between the rows are computed in
 * vain: tiles of 16 would fill worse row by row. */
static void find_segments(const struct forward *f, const mr_block *b, const mr_mixed_patch *patch,
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

static void run_segment(const struct forward *f, const struct per_thread *t, const struct mr_segment *s,
                        const mr_bf16 *patch, struct mr_mixed_tile *tile, struct mr_mixed_finish *finish,
                        mr_ahead *ahead)
{
    tile->a_step = s->step;
    for (int i = 0; i < s->count; i += MR_STAGE) {
        finish->pixels = mr_at_most(MR_STAGE, s->count - i);
        finish->at = t->at + s->at + (size_t)i;
        tile->a = patch + s->first + i * s->step;
        tile->pixel_tiles = mr_divide_up(finish->pixels, MR_TILE_ROWS);
        f->table->tile(tile);
        mr_mixed_ahead_stage(ahead);
        f->table->finish(finish);
    }
}

/* AT: of the block's first pixel in the output. */
static void run_block(const struct forward *f, const struct per_thread *t, const mr_bf16 *patch, ptrdiff_t at,
                      mr_ahead *ahead)
{
    const mr_mixed_output *out = f->out;
    const int k_all = f->cut.d.k;
    struct mr_mixed_tile tile = {.run = t->run,
                                 .runs = f->runs.count,
                                 .steps = mr_mixed_steps(f->runs.length),
                                 .w = f->packed,
                                 .stage = t->stage,
                                 .stage_step = MR_STAGE};
    for (int k = 0; k < k_all; k += MR_STAGE) {
        struct mr_mixed_finish finish = {.stage = t->stage,
                                         .channels = mr_at_most(MR_STAGE, k_all - k),
                                         .y = mr_numbers_at(out->y, at + k),
                                         .add = mr_numbers_at(out->add, at + k),
                                         .bias = out->bias ? out->bias + k : NULL,
                                         .low = out->low,
                                         .high = out->high,
                                         .sums = out->sums ? t->sums + k : NULL,
                                         .products = t->sums + f->padded + k};
        tile.channel_tiles = mr_divide_up(finish.channels, MR_TILE_ROWS);
        for (int s = 0; s < t->segments; s++)
            run_segment(f, t, &t->segment[s], patch, &tile, &finish, ahead);
        tile.w += tile.runs * tile.steps * (size_t)tile.channel_tiles * MR_TILE_NUMBERS;
    }
}

static mr_ahead look_ahead(const struct forward *f, const struct per_thread *t, int number)
{
    mr_ahead a = {0};
    if (number >= f->cut.blocks)
        return a;
    mr_block b = mr_cut_block(&f->cut, number);
    size_t stages = 0;
    for (int s = 0; s < t->segments; s++)
        stages += (size_t)mr_divide_up(t->segment[s].count, MR_STAGE);
    mr_mixed_ahead_input(&a, &f->cut, f->in, &b);
    mr_mixed_ahead_start(&a, stages * (size_t)mr_divide_up(f->cut.d.k, MR_STAGE));
    return a;
}

static void forward_task(void *argument, int task, int thread)
{
    const struct forward *f = argument;
    const mr_conv *d = &f->cut.d;
    struct per_thread t;
    lay_out_thread(f, f->threads + (size_t)thread * f->thread_bytes, &t);
    double *sums = f->task_sums + (size_t)task * 2 * (size_t)d->k;
    mr_block last = {0};
    if (f->out->sums)
        memset(sums, 0, 2 * (size_t)d->k * sizeof *sums);
    f->table->begin();
    for (int i = mr_cut_first(&f->cut, task); i < mr_cut_first(&f->cut, task + 1); i++) {
        mr_block b = mr_cut_block(&f->cut, i);
        mr_mixed_patch patch = mr_mixed_load_or_point(&f->cut, f->in, &b, (mr_numbers){t.input, true});
        if (!mr_same_block_size(&b, &last)) {
            mr_runs runs = {.offset = t.run};
            mr_mixed_runs(&f->cut, &patch, &runs);
            find_segments(f, &b, &patch, &t);
        }
        last = b;
        memset(t.sums, 0, 2 * f->padded * sizeof *t.sums);
        mr_ahead ahead = look_ahead(f, &t, i + 1);
        run_block(f, &t, patch.at.at, (((ptrdiff_t)b.image * d->p + b.row) * d->q + b.column) * d->k, &ahead);
        if (f->out->sums)
            mr_add_block_sums(t.sums, f->padded, (size_t)f->cut.d.k, sums);
    }
    f->table->end();
}

void mr_mixed_forward(const mr_conv *d, mr_team *team, const mr_mixed_input *in, const mr_bf16 *packed,
                      const mr_mixed_output *out, void *scratch)
{
    struct forward f = {.in = in, .out = out, .packed = packed};
    lay_out(&f, d, mr_team_size(team), scratch);
    f.runs.count = mr_input_run_count(d);
    f.runs.length = mr_input_run_length(d);
    mr_team_run(team, f.cut.tasks, forward_task, &f);
    if (out->sums)
        mr_sum_tasks(f.task_sums, f.cut.tasks, 2 * (size_t)d->k, out->sums);
}
