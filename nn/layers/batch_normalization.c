/* SPDX-License-Identifier: Apache-2.0 */
/* BatchNormalization over the last axis (Ioffe and Szegedy, 2015). Training normalises by the batch's mean
 * and biased variance over all other axes and moves the statistics: moving = moving * momentum + batch * (1 -
 * momentum), as Keras 3. Inference, and a layer that is not trainable, use the moving ones. The input has
 * ROWS of CHANNELS. Two passes forward (sums; normalise) and two backward (sums; gradient). */
#include "nn/layers/layers.h"
#include "nn/layers/merge.h"
#include "nn/compute/simd.h"

#include <string.h>

struct batch_normalization {
    double momentum, epsilon;
    bool scale, center;
};

/* Where each variable is among the layer's, -1: not there. */
struct indices {
    int gamma, beta, mean, variance;
};

static struct indices indices_of(const mr_layer *l)
{
    const struct batch_normalization *p = l->impl;
    int k = 0;
    struct indices i = {.gamma = p->scale ? k++ : -1};
    i.beta = p->center ? k++ : -1;
    i.mean = k++;
    i.variance = k;
    return i;
}

static int output_shape(const mr_layer *l, const mr_shape *in, int inputs, mr_shape *out, mr_error *e)
{
    if (in->rank < 2)
        return mr_layer_check_rank(l, in, 2, e);
    int status = mr_layer_check_last_axis(l, in, e);
    return status ? status : mr_same_shape(l, in, inputs, out, e);
}

static int build(mr_layer *l, const mr_shape *in, int inputs, mr_error *e)
{
    (void)inputs;
    const struct batch_normalization *p = l->impl;
    mr_shape shape = {1, {in->dim[in->rank - 1]}};
    int status = 0;
    if (p->scale)
        status =
            mr_layer_add_param(l, "gamma", shape, false, "gamma_initializer", "ones", "gamma_regularizer", e);
    if (!status && p->center)
        status =
            mr_layer_add_param(l, "beta", shape, false, "beta_initializer", "zeros", "beta_regularizer", e);
    if (!status)
        status =
            mr_layer_add_param(l, "moving_mean", shape, true, "moving_mean_initializer", "zeros", NULL, e);
    if (!status)
        status = mr_layer_add_param(l, "moving_variance", shape, true, "moving_variance_initializer", "ones",
                                    NULL, e);
    return status;
}

static bool uses_batch(const mr_call *c)
{
    return c->training && !c->inference && c->layer->trainable;
}
static size_t rows_of(const mr_call *c)
{
    return mr_batch_count(&c->in[0]) / mr_last_dim(&c->in[0]);
}

/* saved: the mean and the biased variance of the batch, [2][channels] double. */
static size_t saved_size(const mr_call *c)
{
    return uses_batch(c) ? mr_piece(2 * mr_last_dim(&c->in[0]) * sizeof(double)) : 0;
}

/* scratch: the sums' own; two sums, [2][channels] double; four numbers per channel for the element-wise pass.
 */
static size_t scratch_size(const mr_call *c)
{
    size_t channels = mr_last_dim(&c->in[0]);
    size_t sums = c->training
                      ? mr_column_sums_scratch(rows_of(c), channels) + mr_piece(2 * channels * sizeof(double))
                      : 0;
    return sums + mr_per_channel_size(channels, 4);
}

struct pass {
    const mr_real *x, *dy;
    mr_real *out;
    const mr_real *k; /* [4][width]: numbers per channel, repeated to WIDTH columns */
    size_t width;
};

/* y = (x - k0) * k1 + k2 */
MR_CLONES static void normalise(void *argument, size_t first, size_t end, int thread)
{
    (void)thread;
    const struct pass *p = argument;
    const mr_real *mean = p->k, *scale = mean + p->width, *shift = scale + p->width;
    for (size_t i = first; i < end; i += p->width) {
        size_t n = mr_min(p->width, end - i);
        const mr_real *x = p->x + i;
        mr_real *y = p->out + i;
#pragma omp simd
        for (size_t c = 0; c < n; c++)
            y[c] = (x[c] - mean[c]) * scale[c] + shift[c];
    }
}

/* dx = dy * k0 + (x - k1) * k2 + k3 */
MR_CLONES static void gradient(void *argument, size_t first, size_t end, int thread)
{
    (void)thread;
    const struct pass *p = argument;
    const mr_real *scale = p->k, *mean = scale + p->width, *slope = mean + p->width,
                  *shift = slope + p->width;
    for (size_t i = first; i < end; i += p->width) {
        size_t n = mr_min(p->width, end - i);
        const mr_real *x = p->x + i, *dy = p->dy + i;
        mr_real *dx = p->out + i;
#pragma omp simd
        for (size_t c = 0; c < n; c++)
            dx[c] = dy[c] * scale[c] + (x[c] - mean[c]) * slope[c] + shift[c];
    }
}

/* As gradient(), added to what is there. */
MR_CLONES static void gradient_added(void *argument, size_t first, size_t end, int thread)
{
    (void)thread;
    const struct pass *p = argument;
    const mr_real *scale = p->k, *mean = scale + p->width, *slope = mean + p->width,
                  *shift = slope + p->width;
    for (size_t i = first; i < end; i += p->width) {
        size_t n = mr_min(p->width, end - i);
        const mr_real *x = p->x + i, *dy = p->dy + i;
        mr_real *dx = p->out + i;
#pragma omp simd
        for (size_t c = 0; c < n; c++)
            dx[c] += dy[c] * scale[c] + (x[c] - mean[c]) * slope[c] + shift[c];
    }
}

static void *after_sums(const mr_call *c, double **sums)
{
    size_t channels = mr_last_dim(&c->in[0]);
    char *at = c->scratch;
    if (c->training) {
        *sums = (double *)(at + mr_column_sums_scratch(rows_of(c), channels));
        at = (char *)*sums + mr_piece(2 * channels * sizeof(double));
    }
    return at;
}

static void batch_statistics(const mr_call *c, double *sums)
{
    size_t channels = mr_last_dim(&c->in[0]);
    double *mean = c->saved, *variance = mean + channels, rows = (double)rows_of(c);
    mr_column_sums(c->team, c->x[0], c->x[0], rows_of(c), channels, sums, sums + channels, c->scratch);
    if (mr_peers_share(c->peers))
        c->peers->sum(c->peers->context, sums, 2 * channels, &rows);
    for (size_t i = 0; i < channels; i++) {
        mean[i] = sums[i] / rows;
        double v = sums[channels + i] / rows - mean[i] * mean[i];
        variance[i] = v > 0 ? v : 0; /* rounding, when all values are the same */
    }
}

static void statistics(const mr_call *c, size_t i, double *mean, double *inverse_deviation)
{
    const struct batch_normalization *p = c->layer->impl;
    struct indices at = indices_of(c->layer);
    const double *saved = c->saved;
    bool batch = uses_batch(c);
    *mean = batch ? saved[i] : (double)c->w[at.mean][i];
    double variance = batch ? saved[mr_last_dim(&c->in[0]) + i] : (double)c->w[at.variance][i];
    *inverse_deviation = 1 / sqrt(variance + p->epsilon);
}

static void forward(const mr_call *c)
{
    struct indices at = indices_of(c->layer);
    size_t channels = mr_last_dim(&c->in[0]);
    double *sums = NULL;
    mr_real *k = after_sums(c, &sums);
    struct pass p = {.x = c->x[0], .out = c->y, .k = k, .width = mr_per_channel_width(channels)};
    if (uses_batch(c))
        batch_statistics(c, sums);
    for (size_t i = 0; i < channels; i++) {
        double mean, inverse_deviation;
        statistics(c, i, &mean, &inverse_deviation);
        k[i] = (mr_real)mean;
        k[p.width + i] = (mr_real)(inverse_deviation * (at.gamma < 0 ? 1 : (double)c->w[at.gamma][i]));
        k[2 * p.width + i] = at.beta < 0 ? 0 : c->w[at.beta][i];
    }
    mr_per_channel_repeat(k, 3, channels);
    mr_per_channel_ranges(c->team, mr_batch_count(&c->in[0]), channels, normalise, &p);
}

/* The gradients by gamma and beta, from this process's own sums over dy and dy * x. */
static void gradient_of_weights(const mr_call *c, const double *sums)
{
    struct indices at = indices_of(c->layer);
    mr_real *dgamma = at.gamma >= 0 ? c->dw[at.gamma] : NULL, *dbeta = at.beta >= 0 ? c->dw[at.beta] : NULL;
    size_t channels = mr_last_dim(&c->in[0]);
    for (size_t i = 0; i < channels; i++) {
        double mean, inverse_deviation;
        statistics(c, i, &mean, &inverse_deviation);
        if (dgamma)
            dgamma[i] += (mr_real)((sums[channels + i] - mean * sums[i]) * inverse_deviation);
        if (dbeta)
            dbeta[i] += (mr_real)sums[i];
    }
}

/* One channel's numbers for the gradient by the input, from the sums over the whole batch of ROWS: dx = gamma/deviation * (dy - mean(dy) - (x - mean) / deviation² *
 * mean(dy * (x - mean))). */
static void gradient_of_channel(const mr_call *c, size_t i, const double *sums, double rows, size_t width,
                                mr_real *k)
{
    struct indices at = indices_of(c->layer);
    size_t channels = mr_last_dim(&c->in[0]);
    double mean, inverse_deviation;
    statistics(c, i, &mean, &inverse_deviation);
    double sum_dy = sums[i], sum_centred = sums[channels + i] - mean * sum_dy;
    double scale = inverse_deviation * (at.gamma < 0 ? 1 : (double)c->w[at.gamma][i]);
    bool batch = uses_batch(c);
    k[i] = (mr_real)scale;
    k[width + i] = (mr_real)mean;
    k[2 * width + i] =
        batch ? (mr_real)(-scale * inverse_deviation * inverse_deviation * sum_centred / rows) : 0;
    k[3 * width + i] = batch ? (mr_real)(-scale * sum_dy / rows) : 0;
}

static void backward(const mr_call *c)
{
    size_t channels = mr_last_dim(&c->in[0]);
    double *sums = NULL, rows = (double)rows_of(c);
    mr_real *k = after_sums(c, &sums);
    struct pass p = {
        .x = c->x[0], .dy = c->dy, .out = c->dx[0], .k = k, .width = mr_per_channel_width(channels)};
    if (c->layer->trainable) /* else nothing that follows reads them */
        mr_column_sums(c->team, c->dy, c->x[0], rows_of(c), channels, sums, sums + channels, c->scratch);
    else
        memset(sums, 0, 2 * channels * sizeof *sums);
    gradient_of_weights(c, sums);
    if (uses_batch(c) && mr_peers_share(c->peers))
        c->peers->sum(c->peers->context, sums, 2 * channels, &rows);
    for (size_t i = 0; i < channels; i++)
        gradient_of_channel(c, i, sums, rows, p.width, k);
    mr_per_channel_repeat(k, 4, channels);
    if (c->dx[0])
        mr_per_channel_ranges(c->team, mr_batch_count(&c->in[0]), channels,
                              c->add_dx[0] ? gradient_added : gradient, &p);
}

static void update_state(const mr_call *c)
{
    const struct batch_normalization *p = c->layer->impl;
    struct indices at = indices_of(c->layer);
    size_t channels = mr_last_dim(&c->in[0]);
    const double *mean = c->saved, *variance = mean + channels;
    for (size_t i = 0; i < channels; i++) {
        double m = (double)c->w[at.mean][i], v = (double)c->w[at.variance][i];
        bool batch = uses_batch(c);
        c->state_out[at.mean][i] = (mr_real)(batch ? m * p->momentum + mean[i] * (1 - p->momentum) : m);
        c->state_out[at.variance][i] =
            (mr_real)(batch ? v * p->momentum + variance[i] * (1 - p->momentum) : v);
    }
}

#define AT(member) .offset = offsetof(struct batch_normalization, member)
static const mr_config_field fields[] = {
    {.key = "axis"},
    {.key = "momentum", .read = mr_field_real, AT(momentum), .fallback = 0.99},
    {.key = "epsilon", .read = mr_field_real, AT(epsilon), .fallback = 1e-3},
    {.key = "center", .read = mr_field_bool, AT(center), .fallback = true},
    {.key = "scale", .read = mr_field_bool, AT(scale), .fallback = true},
    MR_PARAM_FIELDS("beta"),
    MR_PARAM_FIELDS("gamma"),
    {.key = "moving_mean_initializer"},
    {.key = "moving_variance_initializer"},
    {.key = "synchronized"},
    {.key = "renorm", .read = mr_field_unsupported},
    {.key = "renorm_clipping"},
    {.key = "renorm_momentum"},
    {0}};

const mr_layer_class mr_layer_batch_normalization = {
    .name = "BatchNormalization",
    .size = sizeof(struct batch_normalization),
    .fields = fields,
    .max_inputs = 1,
    .in_place = true,
    .needs_x = true,
    .sums_over_peers = true,
    .output_shape = output_shape,
    .build = build,
    .saved_size = saved_size,
    .scratch_size = scratch_size,
    .forward = forward,
    .backward = backward,
    .update_state = update_state};

bool mr_batch_normalization_parts(const mr_layer *l, double *epsilon, int index[4])
{
    if (l->class != &mr_layer_batch_normalization)
        return false;
    const struct batch_normalization *p = l->impl;
    struct indices at = indices_of(l);
    *epsilon = p->epsilon;
    index[0] = at.gamma;
    index[1] = at.beta;
    index[2] = at.mean;
    index[3] = at.variance;
    return true;
}

bool mr_batch_normalization_momentum(const mr_layer *l, double *momentum)
{
    if (l->class != &mr_layer_batch_normalization)
        return false;
    *momentum = ((const struct batch_normalization *)l->impl)->momentum;
    return true;
}

int mr_batch_normalization_set_momentum(mr_layer *l, double momentum, mr_error *e)
{
    struct batch_normalization *p = l->impl;
    if (json_object_set_new(l->config, "momentum", json_real(momentum)))
        return mr_no_memory(e, "a layer");
    p->momentum = momentum;
    return 0;
}
