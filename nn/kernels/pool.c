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
    float *y;
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
};

static size_t lay_out_thread(const struct pool *f, char *base, struct per_thread *t)
{
    const mr_conv *d = &f->cut.d;
    mr_layout l = {base, 0};
    t->patch = mr_layout_take(&l, mr_input_patch_floats(&f->cut) * sizeof(float));
    t->gradient = mr_layout_take(&l, (size_t)d->p * (size_t)d->q * (size_t)d->c * sizeof(float));
    t->sums = mr_layout_take(&l, 2 * (size_t)d->c * sizeof(float));
    return l.used;
}

static size_t lay_out(struct pool *f, const mr_pool *p, int threads, char *base)
{
    f->p = p;
    f->table = mr_kernels();
    f->cut = (mr_cut){.d = p->window, .images = 1, .columns = p->window.q};
    /* a task is an image; it is loaded in blocks of a few rows */
    f->cut.rows = mr_at_most(p->window.p, 4);
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

static void pool_block(const struct pool *f, const mr_block *b, struct per_thread *t)
{
    const mr_conv *d = &f->cut.d;
    mr_patch patch = mr_load_input(&f->cut, f->in, b, t->patch);
    size_t row = (size_t)d->q * (size_t)d->c;
    for (int y = 0; y < b->rows; y++) {
        size_t at = ((size_t)b->image * (size_t)d->p + (size_t)(b->row + y)) * row;
        struct mr_pool_row r = {.x = patch.at + y * d->stride_h * patch.row,
                                .x_step = d->stride_w * patch.column,
                                .row = patch.row,
                                .column = patch.column,
                                .r = d->r,
                                .s = d->s,
                                .columns = d->q,
                                .c = (size_t)d->c,
                                .factor = 1 / (float)(d->r * d->s),
                                .y = f->y + at,
                                .places = f->places ? f->places + at : NULL};
        (f->p->mean ? f->table->mean_row : f->table->max_row)(&r);
        if (f->sums)
            f->table->sum_rows(r.y, r.y, NULL, (size_t)d->q, (size_t)d->c, t->sums, t->sums + d->c);
    }
}

static void forward_image(void *argument, int image, int thread)
{
    const struct pool *f = argument;
    struct per_thread t = start_task(f, image, thread);
    for (int row = 0; row < f->cut.d.p; row += f->cut.rows) {
        mr_block b = {image, 1, row, mr_at_most(f->cut.rows, f->cut.d.p - row), 0, f->cut.d.q};
        pool_block(f, &b, &t);
        if (f->sums)
            add_sums(f, &t, image);
    }
}

void mr_pool_forward(const mr_pool *p, mr_team *team, const mr_conv_input *in, float *y, uint8_t *places,
                     double *sums, void *scratch)
{
    struct pool f = {.in = in, .y = y, .places = places, .sums = sums != NULL};
    lay_out(&f, p, mr_team_size(team), scratch);
    mr_team_run(team, p->window.n, forward_image, &f);
    if (sums)
        mr_sum_tasks(f.task_sums, p->window.n, 2 * (size_t)p->window.c, sums);
}

/* ---- backward ------------------------------------------------------------ */

static void load_gradient(const struct pool *f, int image, float *out)
{
    const mr_conv_gradient *g = f->gradient;
    size_t pixels = (size_t)f->cut.d.p * (size_t)f->cut.d.q, c = (size_t)f->cut.d.c,
           at = (size_t)image * pixels * c;
    struct mr_gradient_rows rows = {g->dy + at,
                                    g->x ? g->x + at : NULL,
                                    g->a,
                                    g->b,
                                    g->c,
                                    g->add ? g->add + at : NULL,
                                    g->store ? g->store + at : NULL};
    f->table->load_gradient(&rows, pixels, c, out);
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

static void backward_row(const struct pool *f, int image, int h, struct per_thread *t)
{
    const mr_conv *d = &f->cut.d;
    const mr_conv_input_gradient *dx = f->dx;
    size_t at = ((size_t)image * (size_t)d->h + (size_t)h) * (size_t)d->w * (size_t)d->c;
    struct mr_spread_row r = {.s = d->s,
                              .stride = d->stride_w,
                              .pad = d->pad_left,
                              .count = d->q,
                              .columns = d->w,
                              .c = (size_t)d->c,
                              .factor = f->p->mean ? 1 / (float)(d->r * d->s) : 1,
                              .dx = dx->dx + at,
                              .add = dx->add ? dx->add + at : NULL,
                              .scale = dx->scale,
                              .shift = dx->shift,
                              .x = dx->scale ? dx->x + at : NULL,
                              .mean = dx->mean,
                              .low = dx->low,
                              .high = dx->high};
    if (dx->sums) {
        r.sums = t->sums;
        r.products = t->sums + d->c;
    }
    find_lines(f, image, h, t->gradient, &r);
    f->table->spread_row(&r);
}

static void backward_image(void *argument, int image, int thread)
{
    const struct pool *f = argument;
    struct per_thread t = start_task(f, image, thread);
    load_gradient(f, image, t.gradient);
    for (int h = 0; h < f->cut.d.h; h++) {
        backward_row(f, image, h, &t);
        if (f->dx->sums && (h % 8 == 7 || h == f->cut.d.h - 1))
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
