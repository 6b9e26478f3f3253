/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/kernels/pool.h"
#include "nn/kernels/conv_internal.h"

#include <math.h>
#include <string.h>

enum { MOST_WINDOW = 255, MOST_LINES = 16 };

bool mr_pool_supported(const mr_pool *p)
{
    const mr_conv *d = &p->window;
    bool inside = d->pad_top == 0 && d->pad_left == 0 && (d->p - 1) * d->stride_h + d->r <= d->h &&
                  (d->q - 1) * d->stride_w + d->s <= d->w;
    bool lines = mr_divide_up(d->r, d->stride_h) <= MOST_LINES;
    return lines && (p->mean ? inside || p->zeros : (long)d->r * d->s <= MOST_WINDOW);
}

struct pool {
    const mr_pool *p;
    const struct mr_kernel_table *table;
    mr_cut cut;
    const mr_conv_input *in;
    const mr_conv_gradient *gradient;
    const mr_conv_input_gradient *dx;
    mr_numbers y;
    uint8_t *places;
    bool sums;
    double *task_sums; /* [n][2][c] */
    char *threads;
    size_t thread_bytes;
};

struct per_thread {
    float *patch;    /* forward: the input's */
    float *gradient; /* backward: of a whole image */
    float *sums;     /* [2][c] */
    /* mixed precision: rows as floats, [q][c] of y and [w][c] each */
    float *y, *dx, *x, *add;
};

static size_t lay_out_thread(const struct pool *f, char *base, struct per_thread *t)
{
    const mr_conv *d = &f->cut.d;
    mr_layout l = {base, 0};
    size_t row = (size_t)d->w * (size_t)d->c * sizeof(float);
    *t = (struct per_thread){NULL};
    t->patch = mr_layout_take(&l, mr_input_patch_size(&f->cut) * sizeof(float));
    t->gradient = mr_layout_take(&l, (size_t)d->p * (size_t)d->q * (size_t)d->c * sizeof(float));
    t->sums = mr_layout_take(&l, 2 * (size_t)d->c * sizeof(float));
    if (d->half) {
        t->y = mr_layout_take(&l, (size_t)d->q * (size_t)d->c * sizeof(float));
        t->dx = mr_layout_take(&l, row);
        t->x = mr_layout_take(&l, row);
        t->add = mr_layout_take(&l, row);
    }
    return l.used;
}

static size_t lay_out(struct pool *f, const mr_pool *p, int threads, char *base)
{
    f->p = p;
    f->table = mr_kernels();
    f->cut = (mr_cut){.d = p->window, .images = 1, .columns = p->window.q};
    /* a task is an image; it is loaded in blocks of a few rows */
    f->cut.rows = p->window.half ? 1 : mr_at_most(p->window.p, 4);
    f->cut.outside = p->zeros ? 0 : -INFINITY;
    struct per_thread t;
    f->thread_bytes = lay_out_thread(f, NULL, &t);
    mr_layout l = {base, 0};
    f->task_sums = mr_layout_take(&l, (size_t)p->window.n * 2 * (size_t)p->window.c * sizeof(double));
    f->threads = mr_layout_take(&l, (size_t)threads * f->thread_bytes);
    return l.used;
}

size_t mr_pool_scratch(const mr_pool *p, int threads)
{
    struct pool f;
    return lay_out(&f, p, threads, NULL);
}

static void add_sums(const struct pool *f, const struct per_thread *t, int image)
{
    size_t c = (size_t)f->cut.d.c;
    double *to = f->task_sums + (size_t)image * 2 * c;
    for (size_t i = 0; i < 2 * c; i++)
        to[i] += (double)t->sums[i];
    memset(t->sums, 0, 2 * c * sizeof *t->sums);
}

static struct per_thread start_task(const struct pool *f, int image, int thread)
{
    struct per_thread t;
    size_t c = (size_t)f->cut.d.c;
    lay_out_thread(f, f->threads + (size_t)thread * f->thread_bytes, &t);
    memset(t.sums, 0, 2 * c * sizeof *t.sums);
    memset(f->task_sums + (size_t)image * 2 * c, 0, 2 * c * sizeof *f->task_sums);
    return t;
}

/* COUNT numbers of N from AT on as floats: where they lie, or widened into BUFFER. */
static const float *widened(mr_numbers n, ptrdiff_t at, size_t count, float *buffer)
{
    const struct mr_channel_affine same = {NULL, NULL, -INFINITY, INFINITY};
    n = mr_numbers_at(n, at);
    if (!n.at || !n.half)
        return n.at;
    mr_load(&same, n, count, 1, count, mr_floats(buffer));
    return buffer;
}

static void store(const float *from, size_t count, mr_numbers to)
{
    const struct mr_channel_affine same = {NULL, NULL, -INFINITY, INFINITY};
    mr_load(&same, mr_floats(from), count, 1, count, to);
}

static void pool_row(const struct pool *f, const mr_block *b, const mr_patch *patch, int y,
                     struct per_thread *t)
{
    const mr_conv *d = &f->cut.d;
    const size_t count = (size_t)d->q * (size_t)d->c;
    const ptrdiff_t at = ((ptrdiff_t)b->image * d->p + b->row + y) * (ptrdiff_t)count;
    mr_numbers to = mr_numbers_at(f->y, at);
    struct mr_pool_row r = {.x = (const float *)patch->at.at + y * d->stride_h * patch->row,
                            .x_step = d->stride_w * patch->column,
                            .row = patch->row,
                            .column = patch->column,
                            .r = d->r,
                            .s = d->s,
                            .columns = d->q,
                            .c = (size_t)d->c,
                            .factor = 1 / (float)(d->r * d->s),
                            .y = to.half ? t->y : to.at,
                            .places = f->places ? f->places + at : NULL};
    (f->p->mean ? f->table->mean_row : f->table->max_row)(&r);
    if (to.half)
        store(r.y, count, to);
    if (!f->sums)
        return;
    const float *stored = widened(to, 0, count, t->y);
    f->table->sum_rows(stored, stored, NULL, (size_t)d->q, (size_t)d->c, t->sums, t->sums + d->c);
}

static void forward_image(void *argument, int image, int thread)
{
    const struct pool *f = argument;
    struct per_thread t = start_task(f, image, thread);
    for (int row = 0; row < f->cut.d.p; row += f->cut.rows) {
        mr_block b = {image, 1, row, mr_at_most(f->cut.rows, f->cut.d.p - row), 0, f->cut.d.q};
        mr_patch patch = mr_load_input(&f->cut, f->in, &b, mr_floats(t.patch));
        for (int y = 0; y < b.rows; y++)
            pool_row(f, &b, &patch, y, &t);
        if (f->sums)
            add_sums(f, &t, image);
    }
}

void mr_pool_forward(const mr_pool *p, mr_team *team, const mr_conv_input *in, mr_numbers y, uint8_t *places,
                     double *sums, void *scratch)
{
    struct pool f = {.in = in, .y = y, .places = places, .sums = sums != NULL};
    lay_out(&f, p, mr_team_size(team), scratch);
    mr_team_run(team, p->window.n, forward_image, &f);
    if (sums)
        mr_sum_tasks(f.task_sums, p->window.n, 2 * (size_t)p->window.c, sums);
}

/* ---- backward */

/* The windows' lines that hold row H. */
static void find_lines(const struct pool *f, int image, int h, const float *gradient, struct mr_spread_row *r)
{
    const mr_conv *d = &f->cut.d;
    size_t row = (size_t)d->q * (size_t)d->c;
    int reach = h + d->pad_top;
    int first = reach < d->r ? 0 : (reach - d->r) / d->stride_h + 1,
        last = mr_at_most(reach / d->stride_h, d->p - 1);
    r->lines = 0;
    for (int i = first; i <= last; i++, r->lines++) {
        r->dy[r->lines] = gradient + (size_t)i * row;
        r->places[r->lines] = f->places ? f->places + ((size_t)image * (size_t)d->p + (size_t)i) * row : NULL;
        r->first_tap[r->lines] = (reach - i * d->stride_h) * d->s;
    }
}

static void backward_row(const struct pool *f, int image, int h, struct per_thread *t)
{
    const mr_conv *d = &f->cut.d;
    const mr_conv_input_gradient *dx = f->dx;
    const size_t count = (size_t)d->w * (size_t)d->c;
    const ptrdiff_t at = ((ptrdiff_t)image * d->h + h) * (ptrdiff_t)count;
    mr_numbers to = mr_numbers_at(dx->dx, at);
    struct mr_spread_row r = {.s = d->s,
                              .stride = d->stride_w,
                              .pad = d->pad_left,
                              .count = d->q,
                              .columns = d->w,
                              .c = (size_t)d->c,
                              .factor = f->p->mean ? 1 / (float)(d->r * d->s) : 1,
                              .dx = to.half ? t->dx : to.at,
                              .add = widened(dx->add, at, count, t->add),
                              .scale = dx->scale,
                              .shift = dx->shift,
                              .x = dx->scale ? widened(dx->x, at, count, t->x) : NULL,
                              .mean = dx->mean,
                              .low = dx->low,
                              .high = dx->high};
    if (dx->sums) {
        r.sums = t->sums;
        r.products = t->sums + d->c;
    }
    find_lines(f, image, h, t->gradient, &r);
    f->table->spread_row(&r);
    if (to.half)
        store(r.dx, count, to);
}

static void backward_image(void *argument, int image, int thread)
{
    const struct pool *f = argument;
    const mr_conv *d = &f->cut.d;
    const size_t pixels = (size_t)d->p * (size_t)d->q, c = (size_t)d->c;
    const int rows = d->half ? 1 : 8; /* whose sums are floats */
    struct per_thread t = start_task(f, image, thread);
    mr_conv_gradient g = mr_gradient_at(f->gradient, image * (ptrdiff_t)(pixels * c));
    mr_load_gradient(&g, pixels, c, mr_floats(t.gradient));
    for (int h = 0; h < d->h; h++) {
        backward_row(f, image, h, &t);
        if (f->dx->sums && (h % rows == rows - 1 || h == d->h - 1))
            add_sums(f, &t, image);
    }
}

void mr_pool_backward(const mr_pool *p, mr_team *team, const mr_conv_gradient *gradient,
                      const uint8_t *places, const mr_conv_input_gradient *dx, void *scratch)
{
    struct pool f = {.gradient = gradient, .dx = dx, .places = (uint8_t *)places};
    lay_out(&f, p, mr_team_size(team), scratch);
    mr_team_run(team, p->window.n, backward_image, &f);
    if (dx->sums)
        mr_sum_tasks(f.task_sums, p->window.n, 2 * (size_t)p->window.c, dx->sums);
}
