/* SPDX-License-Identifier: Apache-2.0 */
/* Backward convolution. A block's gradient (with a border where the kernel reaches over it) and input are
 * loaded once, in mixed precision as bf16; both products are formed from them while they are in the cache: by
 * weights: dw[r,s,c,k] = sum over pixels of in * gradient, partial sums by task, added in the order of the
 * tasks; by data: a convolution of the gradient with the transposed kernel. With strides, pixels of dx fall
 * into stride_h x stride_w classes, each of which meets its own positions of the kernel (mr_class); nothing
 * is inserted between the gradient's numbers. */
#include "nn/kernels/conv_internal.h"

#include <math.h>
#include <string.h>

struct backward {
    mr_cut cut;
    const mr_conv_gradient *gradient;
    const mr_conv_input *in;
    const void *packed;
    float *dw, *dbias;
    const mr_conv_input_gradient *dx;
    mr_mixed_weights weights; /* mixed precision */
    size_t padded_c;          /* a block's sums by channel */
    size_t padded_k;          /* float32: of a partial sum */
    size_t gradient_numbers;  /* of the largest patch */
    size_t places;            /* most of a class in a block */
    size_t weight_floats; /* of one task's partial sums; float32: [tiles of k][r*s*c][width], then the bias's
                             [k] */
    double *task_sums;    /* [tasks][2][c] */
    float *task_weights;  /* [tasks][weight_floats] */
    char *threads;
    size_t thread_bytes;
};

struct per_thread {
    mr_numbers input;    /* patch */
    mr_numbers gradient; /* patch with border; a vector's worth of room behind it (table.h), or slack */
    ptrdiff_t *at;       /* [places + what is prefetched behind them] in dx */
    ptrdiff_t *run;
    float *sums;    /* [2][padded_c] of the block */
    mr_ahead ahead; /* of the block at hand */
    /* float32 */
    const float **in; /* [places] where each pixel is read */
    /* mixed precision */
    mr_mixed_weights_memory weights;
    struct mr_segment *segment; /* [images] of a class */
    float *stage;
    int segments;
};

/* The largest gradient patch and dx class over all blocks. In mixed precision what lies between a class's
 * rows takes places, too. */
static void find_sizes(struct backward *f)
{
    const mr_conv *d = &f->cut.d;
    f->gradient_numbers = f->places = 0;
    for (int y = 0; y < f->cut.across_rows; y++)
        for (int x = 0; x < f->cut.across_columns; x++) {
            if (x > 1 && x < f->cut.across_columns - 2)
                x = f->cut.across_columns - 2; /* all between are alike */
            mr_block b = mr_cut_block(&f->cut, y * f->cut.across_columns + x);
            struct mr_area a = mr_find_area(&f->cut, &b, true);
            size_t images = (size_t)f->cut.images, columns = mr_span_length(a.g_columns);
            size_t g = mr_span_length(a.g_rows) * columns * images * (size_t)d->k;
            if (!d->half)
                columns = mr_span_length(a.columns) / (size_t)d->stride_w + 1;
            size_t places = (mr_span_length(a.rows) / (size_t)d->stride_h + 1) * columns * images;
            f->gradient_numbers = g > f->gradient_numbers ? g : f->gradient_numbers;
            f->places = places > f->places ? places : f->places;
        }
}

static size_t lay_out_thread(const struct backward *f, char *base, struct per_thread *t)
{
    const mr_conv *d = &f->cut.d;
    mr_layout l = {base, 0};
    *t = (struct per_thread){.input.half = d->half, .gradient.half = d->half};
    size_t input = mr_input_patch_size(&f->cut), gradient = f->gradient_numbers;
    input += d->half ? MR_TILE_DEPTH : 0;
    gradient += d->half ? mr_patch_slack((size_t)d->k) : 4 * (size_t)mr_kernels()->lanes;
    t->input.at = mr_layout_take(&l, mr_numbers_bytes(t->input, input));
    t->gradient.at = mr_layout_take(&l, mr_numbers_bytes(t->gradient, gradient));
    t->at = mr_layout_take(&l, (f->places + MR_TILE_MOST) * sizeof *t->at);
    t->run = mr_layout_take(&l, (size_t)d->r * (size_t)d->s * sizeof *t->run);
    t->sums = mr_layout_take(&l, 2 * f->padded_c * sizeof *t->sums);
    if (d->half) {
        mr_mixed_weights_lay_out(&f->weights, &l, &t->weights);
        t->segment = mr_layout_take(&l, (size_t)f->cut.images * sizeof *t->segment);
        t->stage = mr_layout_take(&l, MR_STAGE * MR_STAGE * sizeof *t->stage);
    } else
        t->in = mr_layout_take(&l, f->places * sizeof *t->in);
    return l.used;
}

/* Partial weight gradients are memory: large weights get fewer tasks. */
static void limit_tasks(struct backward *f)
{
    enum { MOST_FLOATS = 1 << 19, FEWEST = 8 };
    size_t most = MOST_FLOATS / f->weight_floats;
    f->cut.tasks = mr_at_most(f->cut.tasks, most < FEWEST ? FEWEST : most > 64 ? 64 : (int)most);
}

static size_t lay_out(struct backward *f, const mr_conv *d, int threads, char *base)
{
    mr_cut_backward(&f->cut, d);
    f->padded_c = mr_padded_sums(d, d->c);
    f->padded_k = mr_padded(mr_kernels(), d->k);
    f->weight_floats = ((size_t)d->r * (size_t)d->s * (size_t)d->c + 1) * f->padded_k;
    if (d->half) {
        mr_mixed_weights_start(&f->weights, &f->cut);
        f->weight_floats = f->weights.floats;
    }
    limit_tasks(f);
    find_sizes(f);
    struct per_thread t;
    f->thread_bytes = lay_out_thread(f, NULL, &t);
    mr_layout l = {base, 0};
    f->task_sums = mr_layout_take(&l, (size_t)f->cut.tasks * 2 * (size_t)d->c * sizeof(double));
    f->task_weights = mr_layout_take(&l, (size_t)f->cut.tasks * f->weight_floats * sizeof(float));
    f->threads = mr_layout_take(&l, (size_t)threads * f->thread_bytes);
    return l.used;
}

size_t mr_conv_backward_scratch(const mr_conv *d, int threads)
{
    struct backward f;
    return lay_out(&f, d, threads, NULL);
}

/* ---- the gradient by the output */

static void load_gradient_row(const struct backward *f, int image, int row, struct mr_span columns,
                              mr_numbers out)
{
    const mr_conv *d = &f->cut.d;
    int first = mr_at_least(0, columns.first), end = mr_at_most(d->q, columns.end);
    size_t k = (size_t)d->k;
    if (row < 0 || row >= d->p || first >= end) {
        memset(out.at, 0, mr_numbers_bytes(out, mr_span_length(columns) * k));
        return;
    }
    mr_numbers inside = mr_numbers_at(out, (ptrdiff_t)(first - columns.first) * d->k),
               behind = mr_numbers_at(out, (ptrdiff_t)(end - columns.first) * d->k);
    mr_conv_gradient g = mr_gradient_at(f->gradient, (((ptrdiff_t)image * d->p + row) * d->q + first) * d->k);
    memset(out.at, 0, mr_numbers_bytes(out, (size_t)(first - columns.first) * k));
    mr_load_gradient(&g, (size_t)(end - first), k, inside);
    memset(behind.at, 0, mr_numbers_bytes(out, (size_t)(columns.end - end) * k));
}

/* The patch's origin is output pixel (a->g_rows.first, a->g_columns.first) of the block's first image. */
static mr_patch load_gradient(const struct backward *f, const mr_block *b, const struct mr_area *a,
                              mr_numbers buffer)
{
    const mr_conv *d = &f->cut.d;
    ptrdiff_t row = (ptrdiff_t)mr_span_length(a->g_columns) * d->k;
    mr_patch patch = {buffer, (ptrdiff_t)mr_span_length(a->g_rows) * row, row, d->k};
    for (int i = 0; i < b->images; i++)
        for (int y = a->g_rows.first; y < a->g_rows.end; y++)
            load_gradient_row(f, b->image + i, y, a->g_columns,
                              mr_numbers_at(buffer, i * patch.image + (y - a->g_rows.first) * row));
    if (buffer.half) /* what a tile multiplies by zero is finite */
        memset(mr_numbers_at(buffer, b->images * patch.image).at, 0, mr_numbers_bytes(buffer, MR_TILE_DEPTH));
    return patch;
}

/* ---- by weights: float32 */

static void weight_run(mr_ahead *ahead, struct mr_weight_tile *t, const struct mr_tile_family *family,
                       const float *x, size_t rows, float *out)
{
    for (int first = 0, count; first < (int)rows; first += count) {
        count = mr_next_piece((int)rows - first, family->most);
        t->x = x + first;
        t->out = out + (size_t)first * t->out_step;
        t->ahead = mr_ahead_take(ahead, t->rows * t->columns, t->dy, &t->ahead_step);
        family->weight[count](t);
    }
}

static void add_weights(const struct backward *f, const mr_block *b, const mr_patch *x, const mr_patch *dy,
                        float *out, bool add, struct per_thread *thread)
{
    const mr_conv *d = &f->cut.d;
    const float *x_at = x->at.at, *dy_at = dy->at.at;
    const size_t runs = mr_input_run_count(d), length = mr_input_run_length(d);
    struct mr_weight_tile t = {.x_row = (f->cut.subsample ? 1 : d->stride_h) * x->row,
                               .x_step = (f->cut.subsample ? 1 : d->stride_w) * x->column,
                               .dy_row = dy->row,
                               .dy_step = dy->column,
                               .rows = (size_t)b->rows,
                               .columns = (size_t)b->columns};
    mr_input_runs(&f->cut, x, thread->run);
    int left = (int)(f->padded_k / (size_t)mr_kernels()->lanes);
    for (int k = 0; left > 0;) {
        const struct mr_tile_family *family = mr_choose_family(mr_kernels(), left, 1);
        t.out_step = (size_t)(family->vectors * mr_kernels()->lanes);
        for (size_t r = 0; r < runs; r++)
            for (int i = 0; i < b->images; i++) {
                t.dy = dy_at + i * dy->image + k;
                t.add = add || i > 0;
                weight_run(&thread->ahead, &t, family, x_at + i * x->image + thread->run[r], length,
                           out + r * length * t.out_step);
            }
        out += runs * length * t.out_step;
        k += (int)t.out_step;
        left -= family->vectors;
    }
}

/* Sums of the gradient itself: the weight tile of an input that is 1 everywhere. */
static void add_bias(const struct backward *f, const mr_block *b, const mr_patch *dy, float *out, bool add)
{
    static const float one = 1;
    struct mr_weight_tile t = {.x = &one,
                               .dy_row = dy->row,
                               .dy_step = dy->column,
                               .rows = (size_t)b->rows,
                               .columns = (size_t)b->columns,
                               .ahead = (const char *)&one};
    int left = (int)(f->padded_k / (size_t)mr_kernels()->lanes);
    for (size_t k = 0; left > 0;) {
        const struct mr_tile_family *family = mr_choose_family(mr_kernels(), left, 1);
        t.out = out + k;
        for (int i = 0; i < b->images; i++) {
            t.dy = (const float *)dy->at.at + i * dy->image + k;
            t.add = add || i > 0;
            family->weight[1](&t);
        }
        k += (size_t)(family->vectors * mr_kernels()->lanes);
        left -= family->vectors;
    }
}

/* dw[row][k] += sum over tasks, for some rows. */
static void reduce_rows(void *argument, size_t first, size_t end, int thread)
{
    (void)thread;
    const struct backward *f = argument;
    const mr_conv *d = &f->cut.d;
    const size_t k_all = (size_t)d->k, rows = (size_t)d->r * (size_t)d->s * (size_t)d->c;
    const struct mr_kernel_table *table = mr_kernels();
    const float *part = f->task_weights;
    int left = (int)(f->padded_k / (size_t)table->lanes);
    for (size_t k = 0; left > 0;) {
        const struct mr_tile_family *family = mr_choose_family(table, left, 1);
        size_t width = (size_t)(family->vectors * table->lanes),
               inside = k_all - k < width ? k_all - k : width;
        for (size_t row = first; row < end; row++)
            table->add_parts(part + row * width, f->weight_floats, f->cut.tasks, inside,
                             f->dw + row * k_all + k);
        part += rows * width;
        k += width;
        left -= family->vectors;
    }
}

static void reduce(const struct backward *f, mr_team *team)
{
    const mr_conv *d = &f->cut.d;
    if (f->dw)
        mr_team_ranges(team, (size_t)d->r * (size_t)d->s * (size_t)d->c, 16, reduce_rows, (void *)f);
    if (f->dbias)
        mr_kernels()->add_parts(f->task_weights + f->weight_floats - f->padded_k, f->weight_floats,
                                f->cut.tasks, (size_t)d->k, f->dbias);
}

/* ---- by data: float32 */

/* The first row (column) from FIRST on whose number plus PAD has REMAINDER by STRIDE. */
static int first_of_class(int first, int pad, int stride, int remainder)
{
    return first + ((remainder - (first + pad)) % stride + stride) % stride;
}

/* The class's runs in the patch DY. Returns their number. */
static size_t find_runs(const mr_class *class, const mr_patch *dy, ptrdiff_t *run)
{
    size_t runs = 0;
    for (int tap = 0; tap < class->taps; tap += class->per_run)
        run[runs++] = class->row[tap] * dy->row + class->column[tap] * dy->column;
    return runs;
}

/* Pixels of dx in the block that belong to CLASS. Returns their number. */
static size_t find_pixels(const struct backward *f, const mr_block *b, const struct mr_area *area,
                          const mr_patch *dy, const mr_class *class, struct per_thread *t)
{
    const mr_conv *d = &f->cut.d;
    size_t n = 0;
    int h0 = first_of_class(area->rows.first, d->pad_top, d->stride_h, class->a);
    int w0 = first_of_class(area->columns.first, d->pad_left, d->stride_w, class->b);
    for (int i = 0; i < b->images; i++)
        for (int h = h0; h < area->rows.end; h += d->stride_h) {
            int p = (h + d->pad_top) / d->stride_h - area->g_rows.first;
            const float *row = (const float *)dy->at.at + i * dy->image + p * dy->row;
            ptrdiff_t at = ((ptrdiff_t)(b->image + i) * d->h + h) * d->w;
            for (int w = w0; w < area->columns.end; w += d->stride_w, n++) {
                int q = (w + d->pad_left) / d->stride_w - area->g_columns.first;
                t->in[n] = row + q * dy->column;
                t->at[n] = (at + w) * d->c;
            }
        }
    for (int i = 0; n > 0 && i < MR_TILE_MOST; i++)
        t->at[n + (size_t)i] = t->at[n - 1];
    return n;
}

/* Returns the next class's weights. */
static const void *run_tiles(const struct backward *f, struct mr_tile *tile, struct per_thread *t,
                             size_t pixels, size_t depth)
{
    const mr_conv_input_gradient *dx = f->dx;
    const struct mr_kernel_table *table = mr_kernels();
    const int lanes = table->lanes, c_all = f->cut.d.c;
    const size_t all = (size_t)f->cut.d.r * (size_t)f->cut.d.s * (size_t)f->cut.d.k;
    int left = (int)(f->padded_c / (size_t)lanes);
    for (int c = 0; left > 0;) {
        const struct mr_tile_family *family = mr_choose_family(table, left, all);
        int width = family->vectors * lanes;
        tile->y = (float *)dx->dx.at + c;
        tile->add = mr_floats_at(dx->add.at, c);
        tile->x = dx->scale ? mr_floats_at(dx->x.at, c) : NULL;
        tile->scale = mr_floats_at(dx->scale, c);
        tile->shift = mr_floats_at(dx->shift, c);
        tile->mean = mr_floats_at(dx->mean, c);
        tile->sums = dx->sums ? t->sums + c : NULL;
        tile->products = t->sums + f->padded_c + c;
        tile->last = (size_t)(mr_at_most(width, c_all - c) - width + lanes);
        for (int first = 0, count; first < (int)pixels; first += count) {
            count = mr_next_piece((int)pixels - first, family->most);
            tile->in = t->in + first;
            tile->out = t->at + first;
            tile->ahead = mr_ahead_take(&t->ahead, depth, t->in, &tile->ahead_step);
            family->tile[count](tile);
        }
        tile->w += depth * (size_t)width;
        c += width;
        left -= family->vectors;
    }
    return tile->w;
}

static const void *run_float_class(const struct backward *f, const mr_block *b, const struct mr_area *area,
                                   const mr_patch *dy, const mr_class *class, const void *packed,
                                   struct per_thread *t)
{
    const size_t k = (size_t)f->cut.d.k;
    struct mr_tile tile = {.run = t->run,
                           .runs = find_runs(class, dy, t->run),
                           .length = (size_t) class->per_run * k,
                           .w = packed,
                           .low = f->dx->scale ? f->dx->low : -INFINITY,
                           .high = f->dx->scale ? f->dx->high : INFINITY};
    size_t pixels = find_pixels(f, b, area, dy, class, t);
    return run_tiles(f, &tile, t, pixels, (size_t) class->taps * k);
}

/* ---- by data: mixed precision */

/* Pixels of dx in the block that belong to CLASS: those of an image as one segment of the gradient's patch,
 * whose rows are longer than the class's. */
static void find_segments(const struct backward *f, const mr_block *b, const struct mr_area *area,
                          const mr_patch *dy, const mr_class *class, struct per_thread *t)
{
    const mr_conv *d = &f->cut.d;
    int h0 = first_of_class(area->rows.first, d->pad_top, d->stride_h, class->a);
    int w0 = first_of_class(area->columns.first, d->pad_left, d->stride_w, class->b);
    int together = (int)mr_span_length(area->g_columns);
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

static void run_segment(struct per_thread *t, const struct mr_segment *s, struct mr_mixed_tile *tile,
                        struct mr_mixed_give *give)
{
    tile->a_step = s->step;
    for (int i = 0; i < s->count; i += MR_STAGE) {
        give->pixels = mr_at_most(MR_STAGE, s->count - i);
        give->at = t->at + s->at + (size_t)i;
        tile->a = (const mr_bf16 *)t->gradient.at + s->first + i * s->step;
        tile->pixel_tiles = mr_divide_up(give->pixels, MR_TILE_ROWS);
        mr_mixed_kernels()->tile(tile);
        mr_ahead_stage(&t->ahead);
        mr_mixed_kernels()->give(give);
    }
}

static void run_stages(const struct backward *f, struct per_thread *t, struct mr_mixed_tile *tile)
{
    const mr_conv_input_gradient *dx = f->dx;
    const int c_all = f->cut.d.c;
    for (int c = 0; c < c_all; c += MR_STAGE) {
        struct mr_mixed_give give = {.stage = t->stage,
                                     .channels = mr_at_most(MR_STAGE, c_all - c),
                                     .dx = mr_numbers_at(dx->dx, c),
                                     .add = mr_numbers_at(dx->add, c),
                                     .x = mr_numbers_at(dx->x, c),
                                     .scale = mr_floats_at(dx->scale, c),
                                     .shift = mr_floats_at(dx->shift, c),
                                     .mean = mr_floats_at(dx->mean, c),
                                     .low = dx->low,
                                     .high = dx->high,
                                     .sums = dx->sums ? t->sums + c : NULL,
                                     .products = t->sums + f->padded_c + c};
        tile->channel_tiles = mr_divide_up(give.channels, MR_TILE_ROWS);
        for (int s = 0; s < t->segments; s++)
            run_segment(t, &t->segment[s], tile, &give);
        tile->w += tile->runs * tile->steps * (size_t)tile->channel_tiles * MR_TILE_NUMBERS;
    }
}

static const void *run_half_class(const struct backward *f, const mr_block *b, const struct mr_area *area,
                                  const mr_patch *dy, const mr_class *class, const void *packed,
                                  struct per_thread *t)
{
    const mr_conv *d = &f->cut.d;
    struct mr_mixed_tile tile = {.run = t->run,
                                 .runs = find_runs(class, dy, t->run),
                                 .steps = mr_mixed_steps((size_t) class->per_run * (size_t)d->k),
                                 .w = packed,
                                 .stage = t->stage,
                                 .stage_step = MR_STAGE};
    find_segments(f, b, area, dy, class, t);
    run_stages(f, t, &tile);
    return (const mr_bf16 *)packed + mr_mixed_packed_class(d, class);
}

/* ---- both */

static void add_data(const struct backward *f, const mr_block *b, const struct mr_area *area,
                     const mr_patch *dy, struct per_thread *t)
{
    const mr_conv *d = &f->cut.d;
    mr_class class;
    const void *packed = f->packed;
    for (int i = 0; i < d->stride_h; i++)
        for (int j = 0; j < d->stride_w; j++) {
            mr_find_class(d, i, j, &class);
            packed = (d->half ? run_half_class : run_float_class)(f, b, area, dy, &class, packed, t);
        }
}

/* In mixed precision each stage of dx takes its part, about one for every 32 by 32 numbers. */
static void look_ahead(const struct backward *f, int number, mr_ahead *a)
{
    *a = (mr_ahead){0};
    if (number >= f->cut.blocks)
        return;
    mr_block b = mr_cut_block(&f->cut, number);
    const mr_conv *d = &f->cut.d;
    const mr_conv_gradient *g = f->gradient;
    size_t k = (size_t)d->k, pixels = (size_t)b.images * (size_t)b.rows * (size_t)b.columns;
    size_t at = (((size_t)b.image * (size_t)d->p + (size_t)b.row) * (size_t)d->q + (size_t)b.column) * k;
    mr_ahead_add(a, g->dy, at, pixels * k);
    mr_ahead_add(a, g->x, at, pixels * k);
    mr_ahead_add(a, g->add, at, pixels * k);
    if (f->dw)
        mr_ahead_input(a, &f->cut, f->in, &b);
    if (d->half)
        mr_ahead_share(a, pixels * (size_t)(d->stride_h * d->stride_w) / MR_STAGE *
                              (size_t)mr_divide_up(d->c, MR_STAGE));
}

/* DY: of the block's own pixels. */
static void add_sums(const struct backward *f, int task, const mr_block *b, const mr_patch *dy, bool first,
                     struct per_thread *t)
{
    float *sums = f->task_weights + (size_t)task * f->weight_floats;
    mr_patch x = {.at.half = f->cut.d.half};
    if (f->dbias && !f->cut.d.half)
        add_bias(f, b, dy, sums + f->weight_floats - f->padded_k, !first);
    if (f->dw)
        x = mr_load_input(&f->cut, f->in, b, t->input);
    if (f->cut.d.half)
        mr_mixed_weights_add(&f->weights, &t->weights, b, &x, dy, sums, !first, f->dw, f->dbias);
    else if (f->dw)
        add_weights(f, b, &x, dy, sums, !first, t);
}

static void backward_block(const struct backward *f, int task, int number, bool first, struct per_thread *t)
{
    mr_block b = mr_cut_block(&f->cut, number);
    struct mr_area area = mr_find_area(&f->cut, &b, f->dx != NULL);
    mr_patch dy = load_gradient(f, &b, &area, t->gradient), own = dy;
    own.at = mr_numbers_at(dy.at, (b.row - area.g_rows.first) * dy.row +
                                      (b.column - area.g_columns.first) * dy.column);
    look_ahead(f, number + 1, &t->ahead);
    if (f->dw || f->dbias)
        add_sums(f, task, &b, &own, first, t);
    if (f->dx)
        add_data(f, &b, &area, &dy, t);
}

static void backward_task(void *argument, int task, int thread)
{
    const struct backward *f = argument;
    const size_t c = (size_t)f->cut.d.c;
    struct per_thread t;
    lay_out_thread(f, f->threads + (size_t)thread * f->thread_bytes, &t);
    bool wants_sums = f->dx && f->dx->sums;
    double *sums = f->task_sums + (size_t)task * 2 * c;
    if (wants_sums)
        memset(sums, 0, 2 * c * sizeof *sums);
    int begin = mr_cut_first(&f->cut, task), end = mr_cut_first(&f->cut, task + 1);
    mr_begin_tiles(&f->cut.d);
    for (int i = begin; i < end; i++) {
        memset(t.sums, 0, 2 * f->padded_c * sizeof *t.sums);
        backward_block(f, task, i, i == begin, &t);
        if (wants_sums)
            mr_add_block_sums(t.sums, f->padded_c, c, sums);
    }
    mr_end_tiles(&f->cut.d);
}

static void forget_tables(const struct backward *f, int threads)
{
    struct per_thread t;
    for (int i = 0; i < threads && f->cut.d.half; i++) {
        lay_out_thread(f, f->threads + (size_t)i * f->thread_bytes, &t);
        mr_mixed_weights_forget(&t.weights);
    }
}

void mr_conv_backward(const mr_conv *d, mr_team *team, const mr_conv_gradient *gradient,
                      const mr_conv_input *in, const void *packed, float *dw, float *dbias,
                      const mr_conv_input_gradient *dx, void *scratch)
{
    struct backward f = {
        .gradient = gradient, .in = in, .packed = packed, .dw = dw, .dbias = dbias, .dx = dx};
    lay_out(&f, d, mr_team_size(team), scratch);
    forget_tables(&f, mr_team_size(team));
    mr_team_run(team, f.cut.tasks, backward_task, &f);
    if (d->half)
        mr_mixed_weights_reduce(&f.weights, team, f.task_weights, dw, dbias);
    else
        reduce(&f, team);
    if (dx && dx->sums)
        mr_sum_tasks(f.task_sums, f.cut.tasks, 2 * (size_t)d->c, dx->sums);
}
