/* SPDX-License-Identifier: Apache-2.0 */
/* MaxPooling and AveragePooling, 2-D and 1-D. Padding takes no part: neither in the maximum nor in the mean
 * (TensorFlow's SAME). Of equal maxima the first of the window (row by row) gets the gradient, as in PyTorch.
 */
#include "nn/layers/layers.h"
#include "nn/layers/merge.h"
#include "nn/compute/simd.h"

#include <string.h>

enum { MOST_TAPS = 1 << 16 }; /* the place of a maximum is kept in 16 bits */

struct pooling {
    mr_window window;
};

static int configure(mr_layer *l, const json_t *c, int axes, mr_error *e)
{
    struct pooling *p = l->impl;
    int status = mr_window_configure(l, c, axes, "pool_size", true, &p->window, e);
    if (!status && p->window.kernel[0] * p->window.kernel[1] > MOST_TAPS)
        status = mr_layer_refuse(l, e, "\"pool_size\" of more than %d pixels", MOST_TAPS);
    return status;
}

static int configure_2d(mr_layer *l, const json_t *c, mr_error *e)
{
    return configure(l, c, 2, e);
}
static int configure_1d(mr_layer *l, const json_t *c, mr_error *e)
{
    return configure(l, c, 1, e);
}

static int output_shape(const mr_layer *l, const mr_shape *in, int inputs, mr_shape *out, mr_error *e)
{
    (void)inputs;
    const struct pooling *p = l->impl;
    return mr_window_output(l, &p->window, in, in->dim[in->rank - 1], out, e);
}

struct pool {
    const mr_call *call;
    const mr_window *window;
    mr_image_size in, out;
    int64_t before[2];
};

static struct pool pool_of(const mr_call *c)
{
    const struct pooling *p = c->layer->impl;
    struct pool s = {c, &p->window, mr_image_size_of(&c->in[0]), mr_image_size_of(&c->out), {0}};
    mr_window_padding(&p->window, &c->in[0], s.before);
    return s;
}

/* The taps of output place I along AXIS that lie inside: FROM … TO of the kernel. */
struct span {
    int64_t start; /* input place of tap 0 (may be negative) */
    int64_t from, to;
};

static struct span span_of(const struct pool *s, int axis, size_t i)
{
    int64_t size = (int64_t)(axis ? s->in.w : s->in.h), kernel = s->window->kernel[axis];
    struct span p = {.start = (int64_t)i * s->window->stride[axis] - s->before[axis]};
    p.from = p.start < 0 ? -p.start : 0;
    p.to = p.start + kernel > size ? size - p.start : kernel;
    return p;
}

static size_t input_at(const struct pool *s, size_t n, int64_t row, int64_t column)
{
    return ((n * s->in.h + (size_t)row) * s->in.w + (size_t)column) * s->in.c;
}

/* --- maximum --------------------------------------------------------------- */

/* NaN wins, as in PyTorch. */
MR_CLONES static void keep_larger(const mr_real *x, mr_real *y, uint16_t *place, uint16_t tap,
                                  size_t channels)
{
    if (!place) {
#pragma omp simd
        for (size_t c = 0; c < channels; c++)
            y[c] = x[c] > y[c] || x[c] != x[c] ? x[c] : y[c];
        return;
    }
#pragma omp simd
    for (size_t c = 0; c < channels; c++) {
        bool larger = x[c] > y[c] || x[c] != x[c];
        place[c] = larger ? tap : place[c];
        y[c] = larger ? x[c] : y[c];
    }
}

static void maximum_of_window(const struct pool *s, size_t n, struct span rows, struct span columns,
                              mr_real *y, uint16_t *place)
{
    const mr_real *x = s->call->x[0];
    uint16_t first = (uint16_t)(rows.from * s->window->kernel[1] + columns.from);
    memcpy(y, x + input_at(s, n, rows.start + rows.from, columns.start + columns.from), s->in.c * sizeof *y);
    for (size_t c = 0; place && c < s->in.c; c++)
        place[c] = first;
    for (int64_t i = rows.from; i < rows.to; i++)
        for (int64_t j = columns.from; j < columns.to; j++) {
            uint16_t tap = (uint16_t)(i * s->window->kernel[1] + j);
            if (tap != first)
                keep_larger(x + input_at(s, n, rows.start + i, columns.start + j), y, place, tap, s->in.c);
        }
}

static void maximum_row(void *argument, size_t item, int thread)
{
    (void)thread;
    const struct pool *s = argument;
    size_t n = item / s->out.h, i = item % s->out.h, at = item * s->out.w * s->out.c;
    struct span rows = span_of(s, 0, i);
    uint16_t *place = s->call->training ? (uint16_t *)s->call->saved + at : NULL;
    for (size_t j = 0; j < s->out.w; j++, at += s->out.c) {
        maximum_of_window(s, n, rows, span_of(s, 1, j), s->call->y + at, place);
        place = place ? place + s->out.c : NULL;
    }
}

static size_t saved_maxima(const mr_call *c)
{
    return c->training ? mr_piece(mr_batch_count(&c->out) * sizeof(uint16_t)) : 0;
}

static void forward_maximum(const mr_call *c)
{
    struct pool s = pool_of(c);
    mr_team_items(c->team, s.out.n * s.out.h, maximum_row, &s);
}

MR_CLONES static void give_to_tap(const mr_real *dy, const uint16_t *place, uint16_t tap, mr_real *dx,
                                  size_t channels)
{
#pragma omp simd
    for (size_t c = 0; c < channels; c++)
        dx[c] += place[c] == tap ? dy[c] : 0;
}

static void clear_sample(const struct pool *s, size_t n)
{
    size_t sample = s->in.h * s->in.w * s->in.c;
    if (!s->call->add_dx[0])
        memset(s->call->dx[0] + n * sample, 0, sample * sizeof(mr_real));
}

/* Windows may overlap, so a task owns a whole sample. */
static void maximum_gradient_of_sample(void *argument, size_t n, int thread)
{
    (void)thread;
    const struct pool *s = argument;
    size_t at = n * s->out.h * s->out.w * s->out.c;
    const uint16_t *place = (const uint16_t *)s->call->saved;
    clear_sample(s, n);
    for (size_t i = 0; i < s->out.h; i++)
        for (size_t j = 0; j < s->out.w; j++, at += s->out.c) {
            struct span rows = span_of(s, 0, i), columns = span_of(s, 1, j);
            for (int64_t p = rows.from; p < rows.to; p++)
                for (int64_t q = columns.from; q < columns.to; q++)
                    give_to_tap(s->call->dy + at, place + at, (uint16_t)(p * s->window->kernel[1] + q),
                                s->call->dx[0] + input_at(s, n, rows.start + p, columns.start + q), s->in.c);
        }
}

static void backward_maximum(const mr_call *c)
{
    struct pool s = pool_of(c);
    if (c->dx[0])
        mr_team_items(c->team, s.in.n, maximum_gradient_of_sample, &s);
}

/* --- mean ------------------------------------------------------------------ */

MR_CLONES static void add_scaled(const mr_real *x, mr_real factor, mr_real *y, size_t channels)
{
#pragma omp simd
    for (size_t c = 0; c < channels; c++)
        y[c] += x[c] * factor;
}

static mr_real share(struct span rows, struct span columns)
{
    return 1 / (mr_real)((rows.to - rows.from) * (columns.to - columns.from));
}

static void mean_row(void *argument, size_t item, int thread)
{
    (void)thread;
    const struct pool *s = argument;
    size_t n = item / s->out.h;
    struct span rows = span_of(s, 0, item % s->out.h);
    for (size_t j = 0; j < s->out.w; j++) {
        mr_real *y = s->call->y + (item * s->out.w + j) * s->out.c;
        struct span columns = span_of(s, 1, j);
        memset(y, 0, s->out.c * sizeof *y);
        for (int64_t p = rows.from; p < rows.to; p++)
            for (int64_t q = columns.from; q < columns.to; q++)
                add_scaled(s->call->x[0] + input_at(s, n, rows.start + p, columns.start + q), 1, y, s->in.c);
        for (size_t c = 0; c < s->out.c; c++)
            y[c] *= share(rows, columns);
    }
}

static void forward_mean(const mr_call *c)
{
    struct pool s = pool_of(c);
    mr_team_items(c->team, s.out.n * s.out.h, mean_row, &s);
}

static void mean_gradient_of_sample(void *argument, size_t n, int thread)
{
    (void)thread;
    const struct pool *s = argument;
    const mr_real *dy = s->call->dy + n * s->out.h * s->out.w * s->out.c;
    clear_sample(s, n);
    for (size_t i = 0; i < s->out.h; i++)
        for (size_t j = 0; j < s->out.w; j++, dy += s->out.c) {
            struct span rows = span_of(s, 0, i), columns = span_of(s, 1, j);
            for (int64_t p = rows.from; p < rows.to; p++)
                for (int64_t q = columns.from; q < columns.to; q++)
                    add_scaled(dy, share(rows, columns),
                               s->call->dx[0] + input_at(s, n, rows.start + p, columns.start + q), s->in.c);
        }
}

static void backward_mean(const mr_call *c)
{
    struct pool s = pool_of(c);
    if (c->dx[0])
        mr_team_items(c->team, s.in.n, mean_gradient_of_sample, &s);
}

static const mr_config_field fields[] = {MR_WINDOW_FIELDS("pool_size"), {0}};

#define COMMON                                                                                               \
    .size = sizeof(struct pooling), .fields = fields, .max_inputs = 1, .output_shape = output_shape
#define MAXIMUM COMMON, .saved_size = saved_maxima, .forward = forward_maximum, .backward = backward_maximum
#define MEAN COMMON, .forward = forward_mean, .backward = backward_mean

const mr_layer_class mr_layer_max_pooling2d = {.name = "MaxPooling2D", .configure = configure_2d, MAXIMUM};
const mr_layer_class mr_layer_max_pooling1d = {.name = "MaxPooling1D", .configure = configure_1d, MAXIMUM};
const mr_layer_class mr_layer_average_pooling2d = {
    .name = "AveragePooling2D", .configure = configure_2d, MEAN};
const mr_layer_class mr_layer_average_pooling1d = {
    .name = "AveragePooling1D", .configure = configure_1d, MEAN};

bool mr_pooling_parts(const mr_layer *l, mr_window *w, bool *mean)
{
    *mean = l->class == &mr_layer_average_pooling2d || l->class == &mr_layer_average_pooling1d;
    if (!*mean && l->class != &mr_layer_max_pooling2d && l->class != &mr_layer_max_pooling1d)
        return false;
    *w = ((const struct pooling *)l->impl)->window;
    return true;
}
