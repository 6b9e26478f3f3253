/* SPDX-License-Identifier: Apache-2.0 */
/* Backward convolution in mixed precision: as conv_backward.c, a block's gradient (with a border where the
 * kernel reaches over it) and input are loaded once, as bf16, and both products are formed from them. */
#include "nn/kernels/mixed_internal.h"

struct backward {
    const struct mr_mixed_table *table;
    mr_cut cut;
    const mr_mixed_gradient *gradient;
    const mr_mixed_input *in;
    const mr_bf16 *packed;
    float *dw, *dbias;
    const mr_mixed_input_gradient *dx;
    mr_mixed_weights weights;
    size_t padded_c;         /* in whole stages */
    size_t gradient_numbers; /* of the largest patch */
    size_t outputs;          /* most of a class in a block, with what lies between rows */
    double *task_sums;       /* [tasks][2][c] */
    float *task_weights;     /* [tasks][weights.floats] */
    char *threads;
    size_t thread_bytes;
};

struct per_thread {
    mr_bf16 *input;    /* patch */
    mr_bf16 *gradient; /* patch with border */
    mr_mixed_weights_memory weights;
    struct mr_segment *segment; /* [images] of a class */
    ptrdiff_t *at;              /* [outputs + MR_MIXED_AHEAD] in dx */
    ptrdiff_t *run;
    float *stage;
    float *sums; /* [2][padded_c] of the block */
    int segments;
    mr_ahead ahead; /* of the block at hand */
};

/* The largest gradient patch and dx class over all blocks. */
static void find_sizes(struct backward *f)
{
    const mr_conv *d = &f->cut.d;
    f->gradient_numbers = f->outputs = 0;
    for (int y = 0; y < f->cut.across_rows; y++)
        for (int x = 0; x < f->cut.across_columns; x++) {
            if (x > 1 && x < f->cut.across_columns - 2)
                x = f->cut.across_columns - 2; /* all between are alike */
            mr_block b = mr_cut_block(&f->cut, y * f->cut.across_columns + x);
            struct mr_area a = mr_find_area(&f->cut, &b, true);
            size_t g = mr_span_length(a.g_rows) * mr_span_length(a.g_columns) * (size_t)f->cut.images;
            size_t outputs = (mr_span_length(a.rows) / (size_t)d->stride_h + 1) * mr_span_length(a.g_columns) *
                             (size_t)f->cut.images;
            f->gradient_numbers = g * (size_t)d->k > f->gradient_numbers ? g * (size_t)d->k : f->gradient_numbers;
            f->outputs = outputs > f->outputs ? outputs : f->outputs;
        }
}

static size_t lay_out_thread(const struct backward *f, char *base, struct per_thread *t)
{
    const mr_conv *d = &f->cut.d;
    mr_layout l = {base, 0};
    t->input = mr_layout_take(&l, (mr_input_patch_floats(&f->cut) + MR_TILE_DEPTH) * sizeof(mr_bf16));
    t->gradient = mr_layout_take(&l, (f->gradient_numbers + mr_mixed_slack((size_t)d->k)) * sizeof(mr_bf16));
    mr_mixed_weights_lay_out(&f->weights, &l, &t->weights);
    t->segment = mr_layout_take(&l, (size_t)f->cut.images * sizeof *t->segment);
    t->at = mr_layout_take(&l, (f->outputs + MR_MIXED_AHEAD) * sizeof *t->at);
    t->run = mr_layout_take(&l, (size_t)d->r * (size_t)d->s * sizeof *t->run);
    t->stage = mr_layout_take(&l, MR_STAGE * MR_STAGE * sizeof *t->stage);
    t->sums = mr_layout_take(&l, 2 * f->padded_c * sizeof *t->sums);
    return l.used;
}

/* Partial weight gradients are memory: large weights get fewer tasks. */
static void limit_tasks(struct backward *f)
{
    enum { MOST_FLOATS = 1 << 19, FEWEST = 8 };
    size_t most = MOST_FLOATS / f->weights.floats;
    f->cut.tasks = mr_at_most(f->cut.tasks, most < FEWEST ? FEWEST : most > 64 ? 64 : (int)most);
}

static size_t lay_out(struct backward *f, const mr_conv *d, int threads, char *base)
{
    f->table = mr_mixed_kernels();
    mr_mixed_cut_backward(&f->cut, d);
    mr_mixed_weights_start(&f->weights, &f->cut);
    limit_tasks(f);
    f->padded_c = ((size_t)d->c + MR_STAGE - 1) / MR_STAGE * MR_STAGE;
    find_sizes(f);
    struct per_thread t;
    f->thread_bytes = lay_out_thread(f, NULL, &t);
    mr_layout l = {base, 0};
    f->task_sums = mr_layout_take(&l, (size_t)f->cut.tasks * 2 * (size_t)d->c * sizeof(double));
    f->task_weights = mr_layout_take(&l, (size_t)f->cut.tasks * f->weights.floats * sizeof(float));
    f->threads = mr_layout_take(&l, (size_t)threads * f->thread_bytes);
    return l.used;
}

size_t mr_mixed_backward_scratch(const mr_conv *d, int threads)
{
    struct backward f;
    return lay_out(&f, d, threads, NULL);
}

/* ---- the gradient by the output -------------------------------------------------- */

static void load_gradient_row(const struct backward *f, int image, int row, struct mr_span columns, mr_bf16 *out)
{
    const mr_conv *d = &f->cut.d;
    const mr_mixed_gradient *g = f->gradient;
    int first = mr_at_least(0, columns.first), end = mr_at_most(d->q, columns.end);
    size_t k = (size_t)d->k;
    if (row < 0 || row >= d->p || first >= end) {
        memset(out, 0, mr_span_length(columns) * k * sizeof *out);
        return;
    }
    memset(out, 0, (size_t)(first - columns.first) * k * sizeof *out);
    ptrdiff_t at = (((ptrdiff_t)image * d->p + row) * d->q + first) * d->k;
    mr_mixed_gradient rows = {.dy = mr_numbers_at(g->dy, at),
                              .x = mr_numbers_at(g->x, at),
                              .add = mr_numbers_at(g->add, at),
                              .store = mr_numbers_at(g->store, at),
                              .a = g->a,
                              .b = g->b,
                              .c = g->c};
    mr_bf16 *inside = out + (size_t)(first - columns.first) * k;
    if (!g->a && !g->add.at && !g->store.at && g->dy.half)
        memcpy(inside, rows.dy.at, (size_t)(end - first) * k * sizeof *out);
    else
        f->table->load_gradient(&rows, (size_t)(end - first), k, (mr_numbers){inside, true});
    memset(out + (size_t)(end - columns.first) * k, 0, (size_t)(columns.end - end) * k * sizeof *out);
}

/* The patch's origin is output pixel (a->g_rows.first, a->g_columns.first) of the block's first image. */
static mr_mixed_patch load_gradient(const struct backward *f, const mr_block *b, const struct mr_area *a,
                                    mr_bf16 *buffer)
{
    const mr_conv *d = &f->cut.d;
    ptrdiff_t row = (ptrdiff_t)mr_span_length(a->g_columns) * d->k;
    mr_mixed_patch patch = {{buffer, true}, (ptrdiff_t)mr_span_length(a->g_rows) * row, row, d->k};
    for (int i = 0; i < b->images; i++)
        for (int y = a->g_rows.first; y < a->g_rows.end; y++)
            load_gradient_row(f, b->image + i, y, a->g_columns,
                              buffer + i * patch.image + (y - a->g_rows.first) * row);
    memset(buffer + b->images * patch.image, 0, MR_TILE_DEPTH * sizeof *buffer);
    return patch;
}

/* ---- by data ------------------------------------------------------------------------ */

/* Pixels of dx in the block that belong to class (A, B): those of an image as one segment of the gradient's
 * patch, whose rows are longer than the class's. */
static void find_segments(const struct backward *f, const mr_block *b, const struct mr_area *area,
                          const mr_mixed_patch *dy, int a, int class_b, struct per_thread *t)
{
    const mr_conv *d = &f->cut.d;
    int h0 = area->rows.first, w0 = area->columns.first, together = (int)mr_span_length(area->g_columns);
    h0 += ((a - (h0 + d->pad_top)) % d->stride_h + d->stride_h) % d->stride_h;
    w0 += ((class_b - (w0 + d->pad_left)) % d->stride_w + d->stride_w) % d->stride_w;
    int rows = h0 < area->rows.end ? mr_divide_up(area->rows.end - h0, d->stride_h) : 0;
    int columns = w0 < area->columns.end ? mr_divide_up(area->columns.end - w0, d->stride_w) : 0;
    size_t n = 0;
    t->segments = 0;
    for (int i = 0; i < b->images && rows > 0 && columns > 0; i++) {
        ptrdiff_t first = i * dy->image + ((h0 + d->pad_top) / d->stride_h - area->g_rows.first) * dy->row +
                          ((w0 + d->pad_left) / d->stride_w - area->g_columns.first) * dy->column;
        t->segment[t->segments++] = (struct mr_segment){first, d->k, (rows - 1) * together + columns, n};
        for (int y = 0; y < rows; y++) {
            ptrdiff_t at = (((ptrdiff_t)(b->image + i) * d->h + h0 + y * d->stride_h) * d->w + w0) * d->c;
            for (int x = 0; x < columns; x++)
                t->at[n++] = at + (ptrdiff_t)x * d->stride_w * d->c;
            for (int x = columns; x < together && y + 1 < rows; x++)
                t->at[n++] = -1;
        }
    }
    for (int i = 0; n > 0 && i < MR_MIXED_AHEAD; i++)
        t->at[n + (size_t)i] = t->at[n - 1] + (i + 1) * d->stride_w * d->c;
}

static void run_segment(const struct backward *f, struct per_thread *t, const struct mr_segment *s,
                        struct mr_mixed_tile *tile, struct mr_mixed_give *give)
{
    tile->a_step = s->step;
    for (int i = 0; i < s->count; i += MR_STAGE) {
        give->pixels = mr_at_most(MR_STAGE, s->count - i);
        give->at = t->at + s->at + (size_t)i;
        tile->a = t->gradient + s->first + i * s->step;
        tile->pixel_tiles = mr_divide_up(give->pixels, MR_TILE_ROWS);
        f->table->tile(tile);
        mr_mixed_ahead_stage(&t->ahead);
        f->table->give(give);
    }
}

static const float *from(const float *p, int at)
{
    return p ? p + at : NULL;
}

static void run_class(const struct backward *f, struct per_thread *t, struct mr_mixed_tile *tile)
{
    const mr_mixed_input_gradient *dx = f->dx;
    const int c_all = f->cut.d.c;
    for (int c = 0; c < c_all; c += MR_STAGE) {
        struct mr_mixed_give give = {.stage = t->stage,
                                     .channels = mr_at_most(MR_STAGE, c_all - c),
                                     .dx = mr_numbers_at(dx->dx, c),
                                     .add = mr_numbers_at(dx->add, c),
                                     .x = mr_numbers_at(dx->x, c),
                                     .scale = from(dx->scale, c),
                                     .shift = from(dx->shift, c),
                                     .mean = from(dx->mean, c),
                                     .low = dx->low,
                                     .high = dx->high,
                                     .sums = dx->sums ? t->sums + c : NULL,
                                     .products = t->sums + f->padded_c + c};
        tile->channel_tiles = mr_divide_up(give.channels, MR_TILE_ROWS);
        for (int s = 0; s < t->segments; s++)
            run_segment(f, t, &t->segment[s], tile, &give);
        tile->w += tile->runs * tile->steps * (size_t)tile->channel_tiles * MR_TILE_NUMBERS;
    }
}

static void add_data(const struct backward *f, const mr_block *b, const struct mr_area *area,
                     const mr_mixed_patch *dy, struct per_thread *t)
{
    const mr_conv *d = &f->cut.d;
    mr_class class;
    const mr_bf16 *packed = f->packed;
    for (int i = 0; i < d->stride_h; i++)
        for (int j = 0; j < d->stride_w; j++) {
            mr_find_class(d, i, j, &class);
            struct mr_mixed_tile tile = {.run = t->run, .w = packed, .stage = t->stage, .stage_step = MR_STAGE};
            tile.steps = mr_mixed_steps((size_t) class.per_run * (size_t)d->k);
            for (int tap = 0; tap < class.taps; tap += class.per_run)
                t->run[tile.runs++] = class.row[tap] * dy->row + class.column[tap] * dy->column;
            find_segments(f, b, area, dy, i, j, t);
            run_class(f, t, &tile);
            packed += mr_mixed_packed_class(d, &class);
        }
}

/* ---- both ---------------------------------------------------------------------------- */

/* Its part of each stage of dx, about one for every 32 by 32 numbers. */
static void look_ahead(const struct backward *f, int number, mr_ahead *a)
{
    *a = (mr_ahead){0};
    if (number >= f->cut.blocks || !f->dx)
        return;
    mr_block b = mr_cut_block(&f->cut, number);
    const mr_conv *d = &f->cut.d;
    const mr_mixed_gradient *g = f->gradient;
    size_t at =
        (((size_t)b.image * (size_t)d->p + (size_t)b.row) * (size_t)d->q + (size_t)b.column) * (size_t)d->k;
    size_t pixels = (size_t)b.images * (size_t)b.rows * (size_t)b.columns;
    mr_mixed_ahead_add(a, g->dy, at, pixels * (size_t)d->k);
    mr_mixed_ahead_add(a, g->x, at, pixels * (size_t)d->k);
    mr_mixed_ahead_add(a, g->add, at, pixels * (size_t)d->k);
    if (f->dw)
        mr_mixed_ahead_input(a, &f->cut, f->in, &b);
    mr_mixed_ahead_start(a, pixels * (size_t)(d->stride_h * d->stride_w) / MR_STAGE *
                                (size_t)mr_divide_up(d->c, MR_STAGE));
}

static void backward_block(const struct backward *f, int task, int number, bool first, struct per_thread *t)
{
    mr_block b = mr_cut_block(&f->cut, number);
    struct mr_area area = mr_find_area(&f->cut, &b, f->dx != NULL);
    mr_mixed_patch dy = load_gradient(f, &b, &area, t->gradient);
    look_ahead(f, number + 1, &t->ahead);
    if (f->dw || f->dbias) {
        mr_mixed_patch own = dy, x = {{NULL, true}, 0, 0, 0};
        own.at = mr_numbers_at(dy.at, (b.row - area.g_rows.first) * dy.row +
                                          (b.column - area.g_columns.first) * dy.column);
        if (f->dw)
            x = mr_mixed_load(&f->cut, f->in, &b, (mr_numbers){t->input, true});
        mr_mixed_weights_add(&f->weights, &t->weights, &b, &x, &own,
                             f->task_weights + (size_t)task * f->weights.floats, !first, f->dw != NULL,
                             f->dbias != NULL);
    }
    if (f->dx)
        add_data(f, &b, &area, &dy, t);
}

static void backward_task(void *argument, int task, int thread)
{
    const struct backward *f = argument;
    struct per_thread t;
    lay_out_thread(f, f->threads + (size_t)thread * f->thread_bytes, &t);
    bool wants_sums = f->dx && f->dx->sums;
    double *sums = f->task_sums + (size_t)task * 2 * (size_t)f->cut.d.c;
    if (wants_sums)
        memset(sums, 0, 2 * (size_t)f->cut.d.c * sizeof *sums);
    int begin = mr_cut_first(&f->cut, task), end = mr_cut_first(&f->cut, task + 1);
    f->table->begin();
    for (int i = begin; i < end; i++) {
        memset(t.sums, 0, 2 * f->padded_c * sizeof *t.sums);
        backward_block(f, task, i, i == begin, &t);
        if (wants_sums)
            mr_add_block_sums(t.sums, f->padded_c, (size_t)f->cut.d.c, sums);
    }
    f->table->end();
}

static void forget_tables(const struct backward *f, int threads)
{
    struct per_thread t;
    for (int i = 0; i < threads; i++) {
        lay_out_thread(f, f->threads + (size_t)i * f->thread_bytes, &t);
        mr_mixed_weights_forget(&t.weights);
    }
}

void mr_mixed_backward(const mr_conv *d, mr_team *team, const mr_mixed_gradient *gradient,
                       const mr_mixed_input *in, const mr_bf16 *packed, float *dw, float *dbias,
                       const mr_mixed_input_gradient *dx, void *scratch)
{
    struct backward f = {
        .gradient = gradient, .in = in, .packed = packed, .dw = dw, .dbias = dbias, .dx = dx};
    lay_out(&f, d, mr_team_size(team), scratch);
    forget_tables(&f, mr_team_size(team));
    mr_team_run(team, f.cut.tasks, backward_task, &f);
    mr_mixed_weights_reduce(&f.weights, team, f.task_weights, dw, dbias);
    if (dx && dx->sums)
        mr_sum_tasks(f.task_sums, f.cut.tasks, 2 * (size_t)d->c, dx->sums);
}
