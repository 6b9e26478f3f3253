/* SPDX-License-Identifier: Apache-2.0 */
/* GroupNormalization (Wu and He, 2018): the channels in groups; each group of each sample by its own mean and
 * biased variance over its channels and all pixels. gamma, beta per channel. A task owns a sample. */
#include "nn/layers/layers.h"
#include "nn/compute/simd.h"

#include <string.h>

struct group_normalization {
    int64_t groups; /* -1: as many as channels */
    double epsilon;
    bool scale, center;
};

static int configure(mr_layer *l, const json_t *c, mr_error *e)
{
    (void)c;
    return ((const struct group_normalization *)l->impl)->groups ? 0 : mr_layer_invalid(l, e, "\"groups\" is 0");
}

static int output_shape(const mr_layer *l, const mr_shape *in, int inputs, mr_shape *out, mr_error *e)
{
    const struct group_normalization *p = l->impl;
    if (in->rank < 2)
        return mr_layer_check_rank(l, in, 2, e);
    int status = mr_layer_check_last_axis(l, in, e);
    if (!status && p->groups > 0 && in->dim[in->rank - 1] % p->groups)
        status = mr_layer_invalid(l, e, "%lld channels cannot be split into %lld \"groups\"",
                                  (long long)in->dim[in->rank - 1], (long long)p->groups);
    return status ? status : mr_same_shape(l, in, inputs, out, e);
}

static int build(mr_layer *l, const mr_shape *in, int inputs, mr_error *e)
{
    (void)inputs;
    const struct group_normalization *p = l->impl;
    mr_shape shape = {1, {in->dim[in->rank - 1]}};
    int status = 0;
    if (p->scale)
        status =
            mr_layer_add_param(l, "gamma", shape, false, "gamma_initializer", "ones", "gamma_regularizer", e);
    if (!status && p->center)
        status =
            mr_layer_add_param(l, "beta", shape, false, "beta_initializer", "zeros", "beta_regularizer", e);
    return status;
}

struct samples {
    const mr_call *call;
    const mr_real *gamma, *beta;
    double epsilon;
    size_t pixels, channels, groups;
    double *saved; /* [n][groups][2]: mean, 1/deviation */
    double *sums;  /* [n][2][channels]: forward, of x and x*x; backward, of dy and dy*x */
    mr_real *k;    /* [n][4][channels] for the element-wise pass */
};

/* scratch: sums, then k; at inference the moments too. */
static size_t sums_size(const mr_call *c)
{
    return mr_piece((size_t)c->batch * 2 * mr_last_dim(&c->in[0]) * sizeof(double));
}
static size_t k_size(const mr_call *c)
{
    return mr_reals_piece((size_t)c->batch * 4 * mr_last_dim(&c->in[0]));
}

static size_t groups_of(const mr_call *c)
{
    const struct group_normalization *p = c->layer->impl;
    return p->groups > 0 ? (size_t)p->groups : mr_last_dim(&c->in[0]);
}

static size_t moments_size(const mr_call *c)
{
    return mr_piece((size_t)c->batch * groups_of(c) * 2 * sizeof(double));
}
static size_t saved_size(const mr_call *c)
{
    return c->training ? moments_size(c) : 0;
}
static size_t scratch_size(const mr_call *c)
{
    return sums_size(c) + k_size(c) + (c->training ? 0 : moments_size(c));
}

static struct samples samples_of(const mr_call *c)
{
    const struct group_normalization *p = c->layer->impl;
    struct samples s = {
        .call = c, .epsilon = p->epsilon, .channels = mr_last_dim(&c->in[0]), .groups = groups_of(c)};
    char *scratch = c->scratch;
    s.pixels = mr_shape_sample(&c->in[0]) / s.channels;
    s.gamma = p->scale ? c->w[0] : NULL;
    s.beta = p->center ? c->w[p->scale] : NULL;
    s.sums = (double *)scratch;
    s.k = (mr_real *)(scratch + sums_size(c));
    s.saved = c->training ? c->saved : (double *)(scratch + sums_size(c) + k_size(c));
    return s;
}

/* sum[c] of A, sum[channels+c] of A*B over the pixels of one sample. */
MR_CLONES static void sum_sample(const struct samples *s, const mr_real *a, const mr_real *b, double *sum)
{
    double *product = sum + s->channels;
    memset(sum, 0, 2 * s->channels * sizeof *sum);
    for (size_t p = 0; p < s->pixels; p++, a += s->channels, b += s->channels) {
#pragma omp simd
        for (size_t c = 0; c < s->channels; c++) {
            double v = (double)a[c];
            sum[c] += v;
            product[c] += v * (double)b[c];
        }
    }
}

/* y = (x - k0) * k1 + k2 */
MR_CLONES static void normalise_sample(const struct samples *s, const mr_real *x, const mr_real *k,
                                       mr_real *y)
{
    const mr_real *mean = k, *scale = k + s->channels, *shift = scale + s->channels;
    for (size_t p = 0; p < s->pixels; p++, x += s->channels, y += s->channels) {
#pragma omp simd
        for (size_t c = 0; c < s->channels; c++)
            y[c] = (x[c] - mean[c]) * scale[c] + shift[c];
    }
}

static void forward_sample(void *argument, size_t n, int thread)
{
    (void)thread;
    const struct samples *s = argument;
    size_t at = n * s->pixels * s->channels, size = s->channels / s->groups;
    double *sum = s->sums + n * 2 * s->channels, count = (double)(s->pixels * size);
    mr_real *k = s->k + n * 4 * s->channels;
    sum_sample(s, s->call->x[0] + at, s->call->x[0] + at, sum);
    for (size_t g = 0; g < s->groups; g++) {
        double mean = 0, square = 0, *saved = s->saved + (n * s->groups + g) * 2;
        for (size_t c = g * size; c < (g + 1) * size; c++) {
            mean += sum[c] / count;
            square += sum[s->channels + c] / count;
        }
        double variance = square - mean * mean;
        saved[0] = mean;
        saved[1] = 1 / sqrt((variance > 0 ? variance : 0) + s->epsilon);
        for (size_t c = g * size; c < (g + 1) * size; c++) {
            k[c] = (mr_real)mean;
            k[s->channels + c] = (mr_real)(saved[1] * (s->gamma ? (double)s->gamma[c] : 1));
            k[2 * s->channels + c] = s->beta ? s->beta[c] : 0;
        }
    }
    normalise_sample(s, s->call->x[0] + at, k, s->call->y + at);
}

static void forward(const mr_call *c)
{
    struct samples s = samples_of(c);
    mr_team_items(c->team, (size_t)c->batch, forward_sample, &s);
}

/* dx (+)= dy * k0 + (x - k1) * k2 + k3 */
MR_CLONES static void gradient_pixels(const struct samples *s, const mr_real *x, const mr_real *dy,
                                      const mr_real *k, mr_real *dx)
{
    const mr_real *scale = k, *mean = k + s->channels, *slope = mean + s->channels,
                  *shift = slope + s->channels;
    bool add = s->call->add_dx[0];
    for (size_t p = 0; p < s->pixels; p++, x += s->channels, dy += s->channels, dx += s->channels) {
#pragma omp simd
        for (size_t c = 0; c < s->channels; c++)
            dx[c] = (add ? dx[c] : 0) + (dy[c] * scale[c] + ((x[c] - mean[c]) * slope[c] + shift[c]));
    }
}

/* With g = dy*gamma, xhat = (x-mean)*s: dx = s * (g - mean(g) - xhat * mean(g*xhat)), means over the group.
 */
static void backward_sample(void *argument, size_t n, int thread)
{
    (void)thread;
    const struct samples *s = argument;
    size_t at = n * s->pixels * s->channels, size = s->channels / s->groups;
    double *sum = s->sums + n * 2 * s->channels, *product = sum + s->channels,
           count = (double)(s->pixels * size);
    mr_real *k = s->k + n * 4 * s->channels;
    sum_sample(s, s->call->dy + at, s->call->x[0] + at, sum);
    for (size_t g = 0; g < s->groups; g++) {
        double mean = s->saved[(n * s->groups + g) * 2], inverse = s->saved[(n * s->groups + g) * 2 + 1];
        double mean_g = 0, mean_gx = 0;
        for (size_t c = g * size; c < (g + 1) * size; c++) {
            double gamma = s->gamma ? (double)s->gamma[c] : 1;
            product[c] = (product[c] - mean * sum[c]) * inverse; /* now the sum of dy*xhat */
            mean_g += gamma * sum[c] / count;
            mean_gx += gamma * product[c] / count;
        }
        for (size_t c = g * size; c < (g + 1) * size; c++) {
            k[c] = (mr_real)(inverse * (s->gamma ? (double)s->gamma[c] : 1));
            k[s->channels + c] = (mr_real)mean;
            k[2 * s->channels + c] = (mr_real)(-inverse * inverse * mean_gx);
            k[3 * s->channels + c] = (mr_real)(-inverse * mean_g);
        }
    }
    if (s->call->dx[0])
        gradient_pixels(s, s->call->x[0] + at, s->call->dy + at, k, s->call->dx[0] + at);
}

static void backward(const mr_call *c)
{
    const struct group_normalization *p = c->layer->impl;
    struct samples s = samples_of(c);
    mr_real *dgamma = p->scale ? c->dw[0] : NULL, *dbeta = p->center ? c->dw[p->scale] : NULL;
    mr_team_items(c->team, (size_t)c->batch, backward_sample, &s);
    for (size_t n = 0; n < (size_t)c->batch; n++)
        for (size_t i = 0; i < s.channels; i++) {
            if (dbeta)
                dbeta[i] += (mr_real)s.sums[n * 2 * s.channels + i];
            if (dgamma)
                dgamma[i] += (mr_real)s.sums[(n * 2 + 1) * s.channels + i];
        }
}

#define AT(member) .offset = offsetof(struct group_normalization, member)
static const mr_config_field fields[] = {
    {.key = "groups", .read = mr_field_int, AT(groups), .fallback = 32, .low = -1, .high = MR_MAX_EXTENT},
    {.key = "axis"},
    {.key = "epsilon", .read = mr_field_real, AT(epsilon), .fallback = 1e-3},
    {.key = "center", .read = mr_field_bool, AT(center), .fallback = true},
    {.key = "scale", .read = mr_field_bool, AT(scale), .fallback = true},
    MR_PARAM_FIELDS("beta"),
    MR_PARAM_FIELDS("gamma"),
    {0}};

const mr_layer_class mr_layer_group_normalization = {
    .name = "GroupNormalization",
    .size = sizeof(struct group_normalization),
    .fields = fields,
    .max_inputs = 1,
    .in_place = true,
    .needs_x = true,
    .configure = configure,
    .output_shape = output_shape,
    .build = build,
    .saved_size = saved_size,
    .scratch_size = scratch_size,
    .forward = forward,
    .backward = backward};
