/* SPDX-License-Identifier: Apache-2.0 */
/* Backward convolution. A block's gradient (with a border where the kernel reaches over it) and input are
 * loaded once; both products are formed from them while they are in the cache: by weights: dw[r,s,c,k] = sum
 * over pixels of in * gradient, partial sums by task, added in the order of the tasks; by data: a convolution
 * of the gradient with the transposed kernel. With strides, pixels of dx fall into stride_h x stride_w
 * classes, each of which meets its own positions of the kernel (mr_class); nothing is inserted between the
 * gradient's numbers. */
#include "nn/kernels/conv_internal.h"

#include <math.h>
#include <string.h>

struct backward {
    const struct mr_kernel_table *table;
    mr_cut cut;
    const mr_conv_gradient *gradient;
    const mr_conv_input *in;
    const float *packed;
    float *dw, *dbias;
    const mr_conv_input_gradient *dx;
    size_t padded_c, padded_k;
    size_t dx_pixels; /* most of a class in a block */
    size_t gradient_floats;
    size_t weight_floats; /* of one task's partial sums: [tiles of k][r*s*c][width], then the bias's [k] */
    double *task_sums;    /* [tasks][2][c] */
    float *task_weights;  /* [tasks][weight_floats] */
    char *threads;
    size_t thread_bytes;
};

struct per_thread {
    float *input;    /* patch */
    float *gradient; /* patch with border; a vector's worth of room behind it (table.h) */
    const float **in;
    ptrdiff_t *at; /* [dx_pixels + MR_TILE_MOST] */
    ptrdiff_t *run;
    mr_ahead ahead; /* of the block at hand */
    float *sums;    /* [2][padded_c] of the block */
};

/* The largest gradient patch and dx class over all blocks. */
static void find_sizes(struct backward *f)
{
    const mr_conv *d = &f->cut.d;
    f->gradient_floats = f->dx_pixels = 0;
    for (int y = 0; y < f->cut.across_rows; y++)
        for (int x = 0; x<f->cut.across_columns; x += f->cut.across_columns> 2 && x > 0
                            ? f->cut.across_columns - 2
                            : 1) {
            mr_block b = mr_cut_block(&f->cut, y * f->cut.across_columns + x);
            struct mr_area a = mr_find_area(&f->cut, &b, true);
            size_t g = mr_span_length(a.g_rows) * mr_span_length(a.g_columns) * (size_t)f->cut.images * (size_t)d->k;
            size_t pixels =
                (mr_span_length(a.rows) / (size_t)d->stride_h + 1) * (mr_span_length(a.columns) / (size_t)d->stride_w + 1);
            f->gradient_floats = g > f->gradient_floats ? g : f->gradient_floats;
            pixels *= (size_t)f->cut.images;
            f->dx_pixels = pixels > f->dx_pixels ? pixels : f->dx_pixels;
        }
}

static size_t lay_out_thread(const struct backward *f, char *base, struct per_thread *t)
{
    const mr_conv *d = &f->cut.d;
    mr_layout l = {base, 0};
    t->input = mr_layout_take(&l, mr_input_patch_floats(&f->cut) * sizeof(float));
    t->gradient = mr_layout_take(&l, (f->gradient_floats + 4 * (size_t)f->table->lanes) * sizeof(float));
    t->in = mr_layout_take(&l, f->dx_pixels * sizeof *t->in);
    t->at = mr_layout_take(&l, (f->dx_pixels + MR_TILE_MOST) * sizeof *t->at);
    t->run = mr_layout_take(&l, (size_t)d->r * (size_t)d->s * sizeof *t->run);
    t->sums = mr_layout_take(&l, 2 * f->padded_c * sizeof(float));
    return l.used;
}

/* Partial weight gradients are memory: large weights get fewer tasks. */
static void limit_tasks(struct backward *f)
{
    enum { MOST_FLOATS = 1 << 19, FEWEST = 8 };
    size_t most = MOST_FLOATS / f->weight_floats;
    int tasks = most < FEWEST ? FEWEST : (int)mr_at_most(64, (int)(most < 64 ? most : 64));
    f->cut.tasks = mr_at_most(f->cut.tasks, tasks);
}

static size_t lay_out(struct backward *f, const mr_conv *d, int threads, char *base)
{
    f->table = mr_kernels();
    mr_cut_conv(&f->cut, d);
    f->padded_c = mr_padded(f->table, d->c);
    f->padded_k = mr_padded(f->table, d->k);
    f->weight_floats = ((size_t)d->r * (size_t)d->s * (size_t)d->c + 1) * f->padded_k;
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

static const float *moved(const float *p, ptrdiff_t by)
{
    return p ? p + by : NULL;
}

static void load_gradient_row(const struct backward *f, int image, int row, struct mr_span columns, float *out)
{
    const mr_conv *d = &f->cut.d;
    const mr_conv_gradient *g = f->gradient;
    int first = mr_at_least(0, columns.first), end = mr_at_most(d->q, columns.end);
    size_t k = (size_t)d->k;
    if (row < 0 || row >= d->p || first >= end) {
        memset(out, 0, mr_span_length(columns) * k * sizeof *out);
        return;
    }
    memset(out, 0, (size_t)(first - columns.first) * k * sizeof *out);
    ptrdiff_t at = (((ptrdiff_t)image * d->p + row) * d->q + first) * d->k;
    struct mr_gradient_rows rows = {g->dy + at, moved(g->x, at), g->a, g->b, g->c, moved(g->add, at), NULL};
    if (g->store)
        rows.store = g->store + at;
    f->table->load_gradient(&rows, (size_t)(end - first), k, out + (size_t)(first - columns.first) * k);
    memset(out + (size_t)(end - columns.first) * k, 0, (size_t)(columns.end - end) * k * sizeof *out);
}

/* The patch's origin is output pixel (a->g_rows.first, a->g_columns.first) of the block's first image. */
static mr_patch load_gradient(const struct backward *f, const mr_block *b, const struct mr_area *a,
                              float *buffer)
{
    const mr_conv *d = &f->cut.d;
    ptrdiff_t row = (ptrdiff_t)mr_span_length(a->g_columns) * d->k;
    mr_patch patch = {buffer, (ptrdiff_t)mr_span_length(a->g_rows) * row, row, d->k};
    for (int i = 0; i < b->images; i++)
        for (int y = a->g_rows.first; y < a->g_rows.end; y++)
            load_gradient_row(f, b->image + i, y, a->g_columns,
                              buffer + i * patch.image + (y - a->g_rows.first) * row);
    return patch;
}

/* ---- by weights --------------------------------------------------------- */

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
                        const mr_runs *runs, float *out, bool add, mr_ahead *ahead)
{
    const mr_conv *d = &f->cut.d;
    struct mr_weight_tile t = {.x_row = (f->cut.subsample ? 1 : d->stride_h) * x->row,
                               .x_step = (f->cut.subsample ? 1 : d->stride_w) * x->column,
                               .dy_row = dy->row,
                               .dy_step = dy->column,
                               .rows = (size_t)b->rows,
                               .columns = (size_t)b->columns};
    size_t depth = runs->count * runs->length;
    int left = (int)(f->padded_k / (size_t)f->table->lanes);
    for (int k = 0; left > 0;) {
        const struct mr_tile_family *family = mr_choose_family(f->table, left, 1);
        t.out_step = (size_t)(family->vectors * f->table->lanes);
        for (size_t r = 0; r < runs->count; r++)
            for (int i = 0; i < b->images; i++) {
                t.dy = dy->at + i * dy->image + k;
                t.add = add || i > 0;
                weight_run(ahead, &t, family, x->at + i * x->image + runs->offset[r], runs->length,
                           out + r * runs->length * t.out_step);
            }
        out += depth * t.out_step;
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
    int left = (int)(f->padded_k / (size_t)f->table->lanes);
    for (size_t k = 0; left > 0;) {
        const struct mr_tile_family *family = mr_choose_family(f->table, left, 1);
        t.out = out + k;
        for (int i = 0; i < b->images; i++) {
            t.dy = dy->at + i * dy->image + k;
            t.add = add || i > 0;
            family->weight[1](&t);
        }
        k += (size_t)(family->vectors * f->table->lanes);
        left -= family->vectors;
    }
}

struct reduce {
    const struct backward *f;
    size_t rows;
};

/* dw[row][k] += sum over tasks, for some rows. */
static void reduce_rows(void *argument, size_t first, size_t end, int thread)
{
    (void)thread;
    const struct reduce *r = argument;
    const struct backward *f = r->f;
    const size_t k_all = (size_t)f->cut.d.k;
    const float *part = f->task_weights;
    int left = (int)(f->padded_k / (size_t)f->table->lanes);
    for (size_t k = 0; left > 0;) {
        const struct mr_tile_family *family = mr_choose_family(f->table, left, 1);
        size_t width = (size_t)(family->vectors * f->table->lanes),
               inside = k_all - k < width ? k_all - k : width;
        for (size_t row = first; row < end; row++)
            f->table->add_parts(part + row * width, f->weight_floats, f->cut.tasks, inside,
                                f->dw + row * k_all + k);
        part += r->rows * width;
        k += width;
        left -= family->vectors;
    }
}

/* ---- by data ------------------------------------------------------------ */

/* Pixels of dx in the block that belong to class (A, B). Returns their number. */
static size_t find_pixels(const struct backward *f, const mr_block *b, const struct mr_area *area,
                          const mr_patch *dy, int a, int class_b, struct per_thread *t)
{
    const mr_conv *d = &f->cut.d;
    size_t n = 0;
    int h0 = area->rows.first, w0 = area->columns.first;
    h0 += ((a - (h0 + d->pad_top)) % d->stride_h + d->stride_h) % d->stride_h;
    w0 += ((class_b - (w0 + d->pad_left)) % d->stride_w + d->stride_w) % d->stride_w;
    for (int i = 0; i < b->images; i++)
        for (int h = h0; h < area->rows.end; h += d->stride_h) {
            int p = (h + d->pad_top) / d->stride_h - area->g_rows.first;
            const float *row = dy->at + i * dy->image + p * dy->row;
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

static const float *run_class(const struct backward *f, struct mr_tile *tile, struct per_thread *t,
                              size_t pixels, size_t depth)
{
    const mr_conv_input_gradient *dx = f->dx;
    const int lanes = f->table->lanes, c_all = f->cut.d.c;
    const size_t all = (size_t)f->cut.d.r * (size_t)f->cut.d.s * (size_t)f->cut.d.k;
    int left = (int)(f->padded_c / (size_t)lanes);
    for (int c = 0; left > 0;) {
        const struct mr_tile_family *family = mr_choose_family(f->table, left, all);
        int width = family->vectors * lanes;
        tile->y = dx->dx + c;
        tile->add = moved(dx->add, c);
        tile->x = dx->scale ? dx->x + c : NULL;
        tile->scale = moved(dx->scale, c);
        tile->shift = moved(dx->shift, c);
        tile->mean = moved(dx->mean, c);
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

static void add_data(const struct backward *f, const mr_block *b, const struct mr_area *area, const mr_patch *dy,
                     struct per_thread *t)
{
    const mr_conv *d = &f->cut.d;
    mr_class class;
    const float *packed = f->packed;
    for (int i = 0; i < d->stride_h; i++)
        for (int j = 0; j < d->stride_w; j++) {
            mr_find_class(d, i, j, &class);
            struct mr_tile tile = {.run = t->run, .w = packed, .low = -INFINITY, .high = INFINITY};
            if (f->dx->scale) {
                tile.low = f->dx->low;
                tile.high = f->dx->high;
            }
            tile.length = (size_t) class.per_run * (size_t)d->k;
            for (int tap = 0; tap < class.taps; tap += class.per_run)
                t->run[tile.runs++] = class.row[tap] * dy->row + class.column[tap] * dy->column;
            size_t pixels = find_pixels(f, b, area, dy, i, j, t);
            packed = run_class(f, &tile, t, pixels, (size_t) class.taps * (size_t)d->k);
        }
}

/* ---- both --------------------------------------------------------------- */

static void look_ahead(const struct backward *f, int number, mr_ahead *a)
{
    *a = (mr_ahead){0};
    if (number >= f->cut.blocks)
        return;
    mr_block b = mr_cut_block(&f->cut, number);
    const mr_conv *d = &f->cut.d;
    const mr_conv_gradient *g = f->gradient;
    size_t at =
        (((size_t)b.image * (size_t)d->p + (size_t)b.row) * (size_t)d->q + (size_t)b.column) * (size_t)d->k;
    size_t floats = (size_t)b.images * (size_t)b.rows * (size_t)b.columns * (size_t)d->k;
    mr_ahead_add(a, g->dy + at, floats);
    mr_ahead_add(a, moved(g->x, (ptrdiff_t)at), floats);
    mr_ahead_add(a, moved(g->add, (ptrdiff_t)at), floats);
    mr_ahead_input(a, &f->cut, f->in, &b);
}

static void backward_block(const struct backward *f, int task, int number, bool first, struct per_thread *t)
{
    mr_block b = mr_cut_block(&f->cut, number);
    struct mr_area area = mr_find_area(&f->cut, &b, f->dx != NULL);
    mr_patch dy = load_gradient(f, &b, &area, t->gradient);
    look_ahead(f, number + 1, &t->ahead);
    mr_patch own = dy;
    own.at += (b.row - area.g_rows.first) * dy.row + (b.column - area.g_columns.first) * dy.column;
    float *sums = f->task_weights + (size_t)task * f->weight_floats;
    if (f->dbias)
        add_bias(f, &b, &own, sums + f->weight_floats - f->padded_k, !first);
    if (f->dw) {
        mr_patch x = mr_load_input(&f->cut, f->in, &b, t->input);
        mr_runs runs = {.offset = t->run};
        mr_input_runs(&f->cut, &x, &runs);
        add_weights(f, &b, &x, &own, &runs, sums, !first, &t->ahead);
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
    for (int i = begin; i < end; i++) {
        memset(t.sums, 0, 2 * f->padded_c * sizeof *t.sums);
        backward_block(f, task, i, i == begin, &t);
        if (wants_sums)
            mr_add_block_sums(t.sums, f->padded_c, (size_t)f->cut.d.c, sums);
    }
}

void mr_conv_backward(const mr_conv *d, mr_team *team, const mr_conv_gradient *gradient,
                      const mr_conv_input *in, const float *packed, float *dw, float *dbias,
                      const mr_conv_input_gradient *dx, void *scratch)
{
    struct backward f = {
        .gradient = gradient, .in = in, .packed = packed, .dw = dw, .dbias = dbias, .dx = dx};
    lay_out(&f, d, mr_team_size(team), scratch);
    mr_team_run(team, f.cut.tasks, backward_task, &f);
    if (dw) {
        struct reduce r = {&f, (size_t)d->r * (size_t)d->s * (size_t)d->c};
        mr_team_ranges(team, r.rows, 16, reduce_rows, &r);
    }
    if (dbias)
        f.table->add_parts(f.task_weights + f.weight_floats - f.padded_k, f.weight_floats, f.cut.tasks,
                           (size_t)d->k, dbias);
    if (dx && dx->sums)
        mr_sum_tasks(f.task_sums, f.cut.tasks, 2 * (size_t)d->c, dx->sums);
}
