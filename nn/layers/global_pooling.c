/* SPDX-License-Identifier: Apache-2.0 */
/* Global average and maximum pooling over all axes between the batch and the channels. */
#include "nn/layers/layers.h"
#include "nn/layers/merge.h"
#include "nn/compute/simd.h"

#include <string.h>

struct global_pooling {
    bool keepdims;
};

static int shape_of_rank(const mr_layer *l, const mr_shape *in, int rank, mr_shape *out, mr_error *e)
{
    const struct global_pooling *p = l->impl;
    int status = mr_layer_check_rank(l, in, rank, e);
    if (status)
        return status;
    *out = (mr_shape){2, {in->dim[0], in->dim[rank - 1]}};
    if (!p->keepdims)
        return 0;
    *out = *in;
    for (int i = 1; i < rank - 1; i++)
        out->dim[i] = 1;
    return 0;
}

static int shape_1d(const mr_layer *l, const mr_shape *in, int inputs, mr_shape *out, mr_error *e)
{
    (void)inputs;
    return shape_of_rank(l, in, 3, out, e);
}

static int shape_2d(const mr_layer *l, const mr_shape *in, int inputs, mr_shape *out, mr_error *e)
{
    (void)inputs;
    return shape_of_rank(l, in, 4, out, e);
}

static int shape_3d(const mr_layer *l, const mr_shape *in, int inputs, mr_shape *out, mr_error *e)
{
    (void)inputs;
    return shape_of_rank(l, in, 5, out, e);
}

/* A sample is PIXELS rows of CHANNELS; a task takes BLOCK channels of one sample. */
enum { BLOCK = 64 };
struct global {
    const mr_call *call;
    size_t pixels, channels, blocks;
};

static struct global global_of(const mr_call *c)
{
    size_t channels = mr_last_dim(&c->in[0]);
    return (struct global){c, mr_shape_sample(&c->in[0]) / channels, channels,
                           mr_ceil_divide(channels, BLOCK)};
}

struct task {
    size_t x, y, channels; /* where its channels start in the input and the output */
};

static struct task task_of(const struct global *g, size_t item)
{
    size_t n = item / g->blocks, c = item % g->blocks * BLOCK;
    return (struct task){n * g->pixels * g->channels + c, n * g->channels + c,
                         mr_min(BLOCK, g->channels - c)};
}

MR_CLONES static void mean_block(void *argument, size_t item, int thread)
{
    (void)thread;
    const struct global *g = argument;
    struct task t = task_of(g, item);
    double sum[BLOCK] = {0};
    for (size_t p = 0; p < g->pixels; p++) {
        const mr_real *x = g->call->x[0] + t.x + p * g->channels;
#pragma omp simd
        for (size_t c = 0; c < t.channels; c++)
            sum[c] += (double)x[c];
    }
    for (size_t c = 0; c < t.channels; c++)
        g->call->y[t.y + c] = (mr_real)(sum[c] / (double)g->pixels);
}

static void forward_mean(const mr_call *c)
{
    struct global g = global_of(c);
    mr_team_items(c->team, (size_t)c->batch * g.blocks, mean_block, &g);
}

MR_CLONES static void mean_gradient_block(void *argument, size_t item, int thread)
{
    (void)thread;
    const struct global *g = argument;
    struct task t = task_of(g, item);
    mr_real share[BLOCK];
    for (size_t c = 0; c < t.channels; c++)
        share[c] = g->call->dy[t.y + c] / (mr_real)g->pixels;
    for (size_t p = 0; p < g->pixels; p++) {
        mr_real *dx = g->call->dx[0] + t.x + p * g->channels;
        if (!g->call->add_dx[0])
            memcpy(dx, share, t.channels * sizeof *dx);
        else
            for (size_t c = 0; c < t.channels; c++)
                dx[c] += share[c];
    }
}

static void backward_mean(const mr_call *c)
{
    struct global g = global_of(c);
    if (c->dx[0])
        mr_team_items(c->team, (size_t)c->batch * g.blocks, mean_gradient_block, &g);
}

/* saved: the pixel of each maximum (the first of equals). */
static size_t saved_maxima(const mr_call *c)
{
    return c->training ? mr_piece(mr_batch_count(&c->out) * sizeof(uint32_t)) : 0;
}

static void maximum_block(void *argument, size_t item, int thread)
{
    (void)thread;
    const struct global *g = argument;
    struct task t = task_of(g, item);
    uint32_t place[BLOCK] = {0};
    mr_real *y = g->call->y + t.y;
    memcpy(y, g->call->x[0] + t.x, t.channels * sizeof *y);
    for (size_t p = 1; p < g->pixels; p++) {
        const mr_real *x = g->call->x[0] + t.x + p * g->channels;
        for (size_t c = 0; c < t.channels; c++)
            if (x[c] > y[c] || x[c] != x[c]) {
                y[c] = x[c];
                place[c] = (uint32_t)p;
            }
    }
    if (g->call->training)
        memcpy((uint32_t *)g->call->saved + t.y, place, t.channels * sizeof *place);
}

static void forward_maximum(const mr_call *c)
{
    struct global g = global_of(c);
    mr_team_items(c->team, (size_t)c->batch * g.blocks, maximum_block, &g);
}

static void maximum_gradient_block(void *argument, size_t item, int thread)
{
    (void)thread;
    const struct global *g = argument;
    struct task t = task_of(g, item);
    const uint32_t *place = (const uint32_t *)g->call->saved + t.y;
    mr_real *dx = g->call->dx[0] + t.x;
    for (size_t p = 0; p < g->pixels && !g->call->add_dx[0]; p++)
        memset(dx + p * g->channels, 0, t.channels * sizeof *dx);
    for (size_t c = 0; c < t.channels; c++)
        dx[place[c] * g->channels + c] += g->call->dy[t.y + c];
}

static void backward_maximum(const mr_call *c)
{
    struct global g = global_of(c);
    if (c->dx[0])
        mr_team_items(c->team, (size_t)c->batch * g.blocks, maximum_gradient_block, &g);
}

static const mr_config_field fields[] = {
    {.key = "data_format", .read = mr_field_channels_last},
    {.key = "keepdims", .read = mr_field_bool, .offset = offsetof(struct global_pooling, keepdims)},
    {0}};

#define COMMON                                                                                               \
    .size = sizeof(struct global_pooling), .fields = fields, .max_inputs = 1
#define MEAN COMMON, .forward = forward_mean, .backward = backward_mean
#define MAXIMUM COMMON, .saved_size = saved_maxima, .forward = forward_maximum, .backward = backward_maximum

const mr_layer_class mr_layer_global_average_pooling1d = {
    .name = "GlobalAveragePooling1D", .output_shape = shape_1d, MEAN};
const mr_layer_class mr_layer_global_average_pooling2d = {
    .name = "GlobalAveragePooling2D", .output_shape = shape_2d, MEAN};
const mr_layer_class mr_layer_global_average_pooling3d = {
    .name = "GlobalAveragePooling3D", .output_shape = shape_3d, MEAN};
const mr_layer_class mr_layer_global_max_pooling1d = {
    .name = "GlobalMaxPooling1D", .output_shape = shape_1d, MAXIMUM};
const mr_layer_class mr_layer_global_max_pooling2d = {
    .name = "GlobalMaxPooling2D", .output_shape = shape_2d, MAXIMUM};
const mr_layer_class mr_layer_global_max_pooling3d = {
    .name = "GlobalMaxPooling3D", .output_shape = shape_3d, MAXIMUM};

bool mr_global_pooling_parts(const mr_layer *l, bool *mean)
{
    *mean = l->class == &mr_layer_global_average_pooling2d;
    return *mean || l->class == &mr_layer_global_max_pooling2d;
}
