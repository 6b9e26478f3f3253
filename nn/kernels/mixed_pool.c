/* SPDX-License-Identifier: Apache-2.0 */
/* Pooling of bf16 tensors: a few rows at a time are widened into the cache, pooled there as float32, and
 * rounded. */
#include "nn/kernels/mixed_internal.h"

#include <math.h>

struct pool {
    const mr_pool *p;
    mr_cut cut;
    const mr_mixed_input *in;
    const mr_mixed_gradient *gradient;
    const mr_mixed_input_gradient *dx;
    mr_numbers y;
    uint8_t *places;
    bool sums;
    double *task_sums; /* [n][2][c] */
    char *threads;
    size_t thread_bytes;
};

struct per_thread {
    float *patch;
    float *row;  /* [q][c] pooled */
    float *gradient;     /* backward: of a whole image */
    float *dx, *x, *add; /* backward: [w][c] a row */
    float *sums; /* [2][c] */
};

static size_t lay_out_thread(const struct pool *f, char *base, struct per_thread *t)
{
    const mr_conv *d = &f->cut.d;
    mr_layout l = {base, 0};
    t->patch = mr_layout_take(&l, mr_input_patch_floats(&f->cut) * sizeof(float));
    t->row = mr_layout_take(&l, (size_t)d->q * (size_t)d->c * sizeof(float));
    size_t row = (size_t)d->w * (size_t)d->c * sizeof(float);
    t->gradient = mr_layout_take(&l, (size_t)d->p * (size_t)d->q * (size_t)d->c * sizeof(float));
    t->dx = mr_layout_take(&l, row);
    t->x = mr_layout_take(&l, row);
    t->add = mr_layout_take(&l, row);
    t->sums = mr_layout_take(&l, 2 * (size_t)d->c * sizeof(float));
    return l.used;
}

static size_t lay_out(struct pool *f, const mr_pool *p, int threads, char *base)
{
    f->p = p;
    f->cut = (mr_cut){.d = p->window, .images = 1, .rows = 1, .columns = p->window.q};
    f->cut.outside = p->zeros ? 0 : -INFINITY;
    struct per_thread t;
    f->thread_bytes = lay_out_thread(f, NULL, &t);
    mr_layout l = {base, 0};
    f->task_sums = mr_layout_take(&l, (size_t)p->window.n * 2 * (size_t)p->window.c * sizeof(double));
    f->threads = mr_layout_take(&l, (size_t)threads * f->thread_bytes);
    return l.used;
}

size_t mr_mixed_pool_scratch(const mr_pool *p, int threads)
{
    struct pool f;
    return lay_out(&f, p, threads, NULL);
}

/* Rounds ROW into y, where asked for, and what the sums are taken of with it. */
static void store_row(const struct pool *f, mr_numbers y, const struct per_thread *t)
{
    const mr_conv *d = &f->cut.d;
    const struct mr_affine same = {NULL, NULL, -INFINITY, INFINITY};
    const mr_numbers row = {t->row, false};
    size_t c = (size_t)d->c, q = (size_t)d->q;
    mr_mixed_kernels()->load(&same, row, c, q, c, y);
    if (!f->sums)
        return;
    mr_mixed_kernels()->load(&same, y, c, q, c, row);
    mr_kernels()->sum_rows(t->row, t->row, NULL, q, c, t->sums, t->sums + c);
}

static void pool_row(const struct pool *f, int image, int p, const struct per_thread *t)
{
    const mr_conv *d = &f->cut.d;
    mr_block b = {image, 1, p, 1, 0, d->q};
    mr_mixed_patch patch = mr_mixed_load(&f->cut, f->in, &b, (mr_numbers){t->patch, false});
    size_t at = ((size_t)image * (size_t)d->p + (size_t)p) * (size_t)d->q * (size_t)d->c;
    struct mr_pool_row r = {.x = t->patch,
                            .x_step = d->stride_w * patch.column,
                            .row = patch.row,
                            .column = patch.column,
                            .r = d->r,
                            .s = d->s,
                            .columns = d->q,
                            .c = (size_t)d->c,
                            .factor = 1 / (float)(d->r * d->s),
                            .y = t->row,
                            .places = f->places ? f->places + at : NULL};
    (f->p->mean ? mr_kernels()->mean_row : mr_kernels()->max_row)(&r);
    store_row(f, mr_numbers_at(f->y, (ptrdiff_t)at), t);
}

static void pool_image(void *argument, int image, int thread)
{
    const struct pool *f = argument;
    struct per_thread t;
    size_t c = (size_t)f->cut.d.c;
    double *sums = f->task_sums + (size_t)image * 2 * c;
    lay_out_thread(f, f->threads + (size_t)thread * f->thread_bytes, &t);
    memset(sums, 0, 2 * c * sizeof *sums);
    for (int p = 0; p < f->cut.d.p; p++) {
        memset(t.sums, 0, 2 * c * sizeof *t.sums);
        pool_row(f, image, p, &t);
        for (size_t i = 0; i < 2 * c; i++)
            sums[i] += (double)t.sums[i];
    }
}

void mr_mixed_pool_forward(const mr_pool *p, mr_team *team, const mr_mixed_input *in, mr_numbers y,
                           uint8_t *places, double *sums, void *scratch)
{
    struct pool f = {.in = in, .y = y, .places = places, .sums = sums != NULL};
    lay_out(&f, p, mr_team_size(team), scratch);
    mr_team_run(team, p->window.n, pool_image, &f);
    if (sums)
        mr_sum_tasks(f.task_sums, p->window.n, 2 * (size_t)p->window.c, sums);
}

/* ---- backward ------------------------------------------------------------ */

static void load_gradient(const struct pool *f, int image, const struct per_thread *t)
{
    const mr_mixed_gradient *g = f->gradient;
    size_t pixels = (size_t)f->cut.d.p * (size_t)f->cut.d.q, c = (size_t)f->cut.d.c;
    ptrdiff_t at = image * (ptrdiff_t)(pixels * c);
    mr_mixed_gradient rows = {mr_numbers_at(g->dy, at),    mr_numbers_at(g->x, at), mr_numbers_at(g->add, at),
                              mr_numbers_at(g->store, at), g->a,                    g->b,
                              g->c};
    mr_mixed_kernels()->load_gradient(&rows, pixels, c, (mr_numbers){t->gradient, false});
}

static const float *widened(const struct pool *f, mr_numbers n, ptrdiff_t at, float *buffer)
{
    const struct mr_affine same = {NULL, NULL, -INFINITY, INFINITY};
    size_t c = (size_t)f->cut.d.c;
    if (!n.at)
        return NULL;
    mr_mixed_kernels()->load(&same, mr_numbers_at(n, at), c, (size_t)f->cut.d.w, c, (mr_numbers){buffer, false});
    return buffer;
}

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

static void backward_row(const struct pool *f, int image, int h, const struct per_thread *t)
{
    const mr_conv *d = &f->cut.d;
    const mr_mixed_input_gradient *dx = f->dx;
    const struct mr_affine same = {NULL, NULL, -INFINITY, INFINITY};
    size_t c = (size_t)d->c;
    ptrdiff_t at = ((ptrdiff_t)image * d->h + h) * d->w * d->c;
    struct mr_spread_row r = {.s = d->s,
                              .stride = d->stride_w,
                              .pad = d->pad_left,
                              .count = d->q,
                              .columns = d->w,
                              .c = c,
                              .factor = f->p->mean ? 1 / (float)(d->r * d->s) : 1,
                              .dx = t->dx,
                              .add = widened(f, dx->add, at, t->add),
                              .scale = dx->scale,
                              .shift = dx->shift,
                              .x = dx->scale ? widened(f, dx->x, at, t->x) : NULL,
                              .mean = dx->mean,
                              .low = dx->low,
                              .high = dx->high};
    if (dx->sums) {
        r.sums = t->sums;
        r.products = t->sums + c;
    }
    find_lines(f, image, h, t->gradient, &r);
    mr_kernels()->spread_row(&r);
    mr_mixed_kernels()->load(&same, (mr_numbers){t->dx, false}, c, (size_t)d->w, c, mr_numbers_at(dx->dx, at));
}

static void backward_image(void *argument, int image, int thread)
{
    const struct pool *f = argument;
    struct per_thread t;
    size_t c = (size_t)f->cut.d.c;
    double *sums = f->task_sums + (size_t)image * 2 * c;
    lay_out_thread(f, f->threads + (size_t)thread * f->thread_bytes, &t);
    memset(sums, 0, 2 * c * sizeof *sums);
    load_gradient(f, image, &t);
    for (int h = 0; h < f->cut.d.h; h++) {
        memset(t.sums, 0, 2 * c * sizeof *t.sums);
        backward_row(f, image, h, &t);
        for (size_t i = 0; f->dx->sums && i < 2 * c; i++)
            sums[i] += (double)t.sums[i];
    }
}

void mr_mixed_pool_backward(const mr_pool *p, mr_team *team, const mr_mixed_gradient *gradient,
                            const uint8_t *places, const mr_mixed_input_gradient *dx, void *scratch)
{
    struct pool f = {.gradient = gradient, .dx = dx, .places = (uint8_t *)places};
    lay_out(&f, p, mr_team_size(team), scratch);
    mr_team_run(team, p->window.n, backward_image, &f);
    if (dx->sums)
        mr_sum_tasks(f.task_sums, p->window.n, 2 * (size_t)p->window.c, dx->sums);
}
