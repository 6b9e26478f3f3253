/* SPDX-License-Identifier: Apache-2.0 */
/* Pooling of bf16 tensors: a few rows at a time are widened into the cache, pooled there as float32, and
 * rounded. */
#include "nn/kernels/mixed_internal.h"

#include <math.h>

struct pool {
    const mr_pool *p;
    mr_cut cut;
    const mr_mixed_input *in;
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
    float *sums; /* [2][c] */
};

static size_t lay_out_thread(const struct pool *f, char *base, struct per_thread *t)
{
    const mr_conv *d = &f->cut.d;
    mr_layout l = {base, 0};
    t->patch = mr_layout_take(&l, mr_input_patch_floats(&f->cut) * sizeof(float));
    t->row = mr_layout_take(&l, (size_t)d->q * (size_t)d->c * sizeof(float));
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
