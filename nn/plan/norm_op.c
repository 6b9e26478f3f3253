/* SPDX-License-Identifier: Apache-2.0 */
/* The factors of a lazy value: a BatchNormalization's, or those of an activation alone (1 and 0). Little
 * work: the operations that read and write apply the factors. */
#include "nn/plan/internal.h"
#include "nn/kernels/elementwise.h"
#include "nn/layers/merge.h"

#include <math.h>
#include <string.h>

mr_norm_factors mr_norm_factors_of(const mr_run *r, const mr_op *op)
{
    const mr_plan *p = r->p;
    size_t c = (size_t)p->value[op->norm.value].channels;
    if (!p->training) {
        float *packed = p->packed + op->packed;
        return (mr_norm_factors){.scale = packed, .shift = packed + c};
    }
    double *d = mr_run_buffer(r, op->kept);
    float *f = (float *)(d + 4 * c);
    return (mr_norm_factors){d, d + c, d + 2 * c, f, f + c, f + 2 * c, f + 3 * c, f + 4 * c, f + 5 * c};
}

static int place(mr_plan *p, int number, mr_error *e)
{
    mr_op *op = &p->op[number];
    mr_value *source = &p->value[op->norm.source];
    size_t c = (size_t)p->value[op->norm.value].channels, rows = (size_t)p->batch * source->sample / c;
    if (!p->training) {
        op->packed = p->packed_floats;
        p->packed_floats += 2 * c;
        return 0;
    }
    op->kept = mr_plan_buffer(p, c * (4 * sizeof(double) + 6 * sizeof(float)), e);
    if (op->kept < 0)
        return op->kept;
    mr_plan_live(p, op->kept, number);
    mr_plan_live(p, op->kept, mr_end_of_time(p));
    mr_plan_live(p, source->sums, number);
    if (op->norm.batch && source->sums < 0) {
        int status = mr_plan_scratch(p, 2 * c * sizeof(double) + mr_channel_sums_scratch(rows, c), number,
                                     &op->scratch, e);
        if (status)
            return status;
        mr_plan_reads(p, number, op->norm.source);
    }
    if (op->backward && op->norm.apply) {
        mr_plan_live(p, p->value[op->norm.value].gradient, mr_backward_time(p, number));
        mr_plan_live(p, source->gradient, mr_backward_time(p, number));
        mr_plan_reads_again(p, number, op->norm.source);
    }
    return 0;
}

static size_t rows_of(const mr_run *r, const mr_op *op)
{
    const mr_value *v = &r->p->value[op->norm.value];
    return (size_t)r->batch * v->sample / (size_t)v->channels;
}

/* scale*x + shift = gamma * (x - mean) / deviation + beta */
static void set_factors(const mr_run *r, const mr_op *op, size_t channels, const mr_norm_factors *f)
{
    const float *gamma = mr_run_weight(r, op->layer, op->norm.index[0]);
    const float *beta = mr_run_weight(r, op->layer, op->norm.index[1]);
    for (size_t i = 0; i < channels; i++) {
        double factor = (gamma ? (double)gamma[i] : 1) / sqrt(f->variance[i] + op->norm.epsilon);
        f->scale[i] = (float)factor;
        f->shift[i] = (float)((beta ? (double)beta[i] : 0) - f->mean[i] * factor);
    }
}

void mr_norm_fold(const mr_run *r, const mr_layer *l, float *scale, float *shift, size_t channels)
{
    double epsilon;
    int index[4];
    mr_batch_normalization_parts(l, &epsilon, index);
    const float *gamma = mr_run_weight(r, l, index[0]), *beta = mr_run_weight(r, l, index[1]);
    const float *mean = mr_run_weight(r, l, index[2]), *variance = mr_run_weight(r, l, index[3]);
    for (size_t i = 0; i < channels; i++) {
        double factor = (gamma ? (double)gamma[i] : 1) / sqrt((double)variance[i] + epsilon);
        scale[i] = (float)factor;
        shift[i] = (float)((beta ? (double)beta[i] : 0) - (double)mean[i] * factor);
    }
}

static void moving_statistics(const mr_run *r, const mr_op *op, size_t channels, double *mean,
                              double *variance)
{
    const float *m = mr_run_weight(r, op->layer, op->norm.index[2]),
                *v = mr_run_weight(r, op->layer, op->norm.index[3]);
    for (size_t i = 0; i < channels; i++) {
        mean[i] = (double)m[i];
        variance[i] = (double)v[i];
    }
}

/* SUMS [2][channels] over this process's rows become those over all processes'. One without samples has none. */
static void share_sums(const mr_run *r, double *sums, size_t channels, double *rows)
{
    const mr_peers *peers = r->p->options.peers;
    if (!r->batch)
        memset(sums, 0, 2 * channels * sizeof *sums);
    if (mr_peers_share(peers))
        peers->sum(peers->context, sums, 2 * channels, rows);
}

static void batch_statistics(const mr_run *r, const mr_op *op, size_t channels, double *mean,
                             double *variance)
{
    const mr_value *source = &r->p->value[op->norm.source];
    double *sums = mr_run_buffer(r, source->sums);
    double rows = (double)rows_of(r, op);
    if (!sums) {
        double *own = mr_run_buffer(r, op->scratch);
        const float *x = mr_run_value(r, op->norm.source);
        if (r->batch)
            mr_channel_sums(r->team, x, x, NULL, rows_of(r, op), channels, own, own + 2 * channels);
        sums = own;
    }
    share_sums(r, sums, channels, &rows);
    for (size_t i = 0; i < channels; i++) {
        mean[i] = sums[i] / rows;
        double v = sums[channels + i] / rows - mean[i] * mean[i];
        variance[i] = v > 0 ? v : v != v ? v : 0; /* rounding, when all values are the same; NaN stays */
    }
}

static void identity(float *scale, float *shift, size_t channels)
{
    for (size_t i = 0; i < channels; i++) {
        scale[i] = 1;
        shift[i] = 0;
    }
}

static void forward(const mr_run *r, const mr_op *op)
{
    if (!r->p->training)
        return; /* the factors are packed with the weights */
    size_t c = (size_t)r->p->value[op->norm.value].channels;
    mr_norm_factors f = mr_norm_factors_of(r, op);
    if (!op->layer) {
        identity(f.scale, f.shift, c);
        memset(f.mean, 0, c * sizeof *f.mean);
    } else {
        (op->norm.batch ? batch_statistics : moving_statistics)(r, op, c, f.mean, f.variance);
        set_factors(r, op, c, &f);
    }
    for (size_t i = 0; i < c; i++)
        f.centre[i] = (float)f.mean[i];
}

static void pack(const mr_run *r, const mr_op *op, float *packed)
{
    size_t c = (size_t)r->p->value[op->norm.value].channels;
    float *scale = packed + op->packed, *shift = scale + c;
    if (!op->layer) {
        identity(scale, shift, c);
        return;
    }
    mr_norm_fold(r, op->layer, scale, shift, c);
}

/* Sum of g * (x - mean): the kernels took that with the mean in float. */
static double centred_sum(const mr_norm_factors *f, size_t channels, size_t i)
{
    return f->sums[channels + i] + ((double)f->centre[i] - f->mean[i]) * f->sums[i];
}

/* The gradients by gamma and beta: of this process's own rows, which is why they come before the sums are shared. */
static void add_weight_gradients(const mr_run *r, const mr_op *op, size_t channels, const mr_norm_factors *f)
{
    float *dgamma = op->layer ? mr_run_weight_gradient(r, op->layer, op->norm.index[0]) : NULL;
    float *dbeta = op->layer ? mr_run_weight_gradient(r, op->layer, op->norm.index[1]) : NULL;
    for (size_t i = 0; i < channels && op->norm.sums; i++) {
        double inverse = 1 / sqrt(f->variance[i] + op->norm.epsilon);
        if (dgamma)
            dgamma[i] += (float)(centred_sum(f, channels, i) * inverse);
        if (dbeta)
            dbeta[i] += (float)f->sums[i];
    }
}

/* gradient by the input = scale * (g - mean(g) - (x - mean) / deviation² * mean(g * (x - mean))) = a*g + b*x
 * + c; the means are 0 where the statistics are not the batch's. */
static void set_gradient_factors(const mr_run *r, const mr_op *op, size_t channels, const mr_norm_factors *f)
{
    double rows = (double)rows_of(r, op);
    bool batch = op->norm.sums && op->norm.batch;
    if (batch)
        share_sums(r, f->sums, channels, &rows);
    for (size_t i = 0; i < channels; i++) {
        f->a[i] = f->scale[i];
        f->b[i] = f->c[i] = 0;
        if (!batch)
            continue;
        double sum = f->sums[i], centred = centred_sum(f, channels, i);
        double inverse = 1 / sqrt(f->variance[i] + op->norm.epsilon);
        double b = -(double)f->scale[i] * inverse * inverse * centred / rows;
        f->b[i] = (float)b;
        f->c[i] = (float)(-(double)f->scale[i] * sum / rows - b * f->mean[i]);
    }
}

/* Adds its part to the source's gradient itself. */
static void apply_gradient(const mr_run *r, const mr_op *op, const mr_norm_factors *f)
{
    mr_numbers to = mr_run_gradient(r, op->norm.source);
    mr_conv_gradient g = {.dy = mr_run_gradient(r, op->norm.value),
                          .x = mr_run_numbers(r, op->norm.source),
                          .add = {op->norm.apply_add ? to.at : NULL, to.half},
                          .a = f->a,
                          .b = f->b,
                          .c = f->c};
    mr_materialise_gradient(r->team, &g, rows_of(r, op), (size_t)r->p->value[op->norm.value].channels, to);
}

static void backward(const mr_run *r, const mr_op *op)
{
    size_t c = (size_t)r->p->value[op->norm.value].channels;
    mr_norm_factors f = mr_norm_factors_of(r, op);
    if (r->batch)
        add_weight_gradients(r, op, c, &f);
    set_gradient_factors(r, op, c, &f);
    if (op->norm.apply && r->batch)
        apply_gradient(r, op, &f);
}

static void update(const mr_run *r, const mr_op *op, mr_real *state_out)
{
    if (!op->layer)
        return;
    mr_shape in = {2, {r->batch, r->p->value[op->norm.value].channels}};
    mr_call c = {.layer = op->layer,
                 .team = r->team,
                 .batch = r->batch,
                 .training = true,
                 .inference = !op->norm.batch,
                 .inputs = 1,
                 .in = &in,
                 .saved = mr_norm_factors_of(r, op).mean};
    mr_run_update_state(r, op, &c, state_out);
}

/* ---- routing of gradients */

/* The operation adds its part to the source's gradient itself. */
static int apply(mr_routing *s, mr_op *op)
{
    mr_value *source = &s->p->value[op->norm.source];
    op->norm.apply = true;
    op->norm.apply_add = source->written;
    source->written = true;
    return mr_route_buffer(s, op->norm.source);
}

static int route(mr_routing *s, int number)
{
    mr_plan *p = s->p;
    mr_op *op = &p->op[number];
    mr_value *source = &p->value[op->norm.source];
    op->norm.sums = op->norm.batch || mr_layer_has_trainable(op->layer);
    if (!mr_needs_gradient(p, op->norm.source))
        return 0;
    const mr_op *maker = source->maker >= 0 ? &p->op[source->maker] : NULL;
    if (!maker || !maker->class->takes_pending || source->pending >= 0)
        return apply(s, op);
    source->pending = number;
    return 0;
}

const mr_op_class mr_op_norm = {.name = "norm",
                                .route = route,
                                .place = place,
                                .pack = pack,
                                .forward = forward,
                                .backward = backward,
                                .update = update};

/* ---- the sums that a normalisation in front of a convolution needs, without the gradient by the convolution's
 * input.
 *
 * A network that begins with a BatchNormalization needs d/dgamma and d/dbeta, but not the gradient by
 * the images: forming it is as many multiply-adds as the convolution has, on 3 channels of a vector's 16. With
 * u = x - mean, the convolution reads scale*u + offset inside of the image and 0 outside. Let U[r,s,c,k] be the
 * weight gradient for the input u, and O[r,s,k] that for an input that is 1 inside. Then
 *   dw[r,s,c,k] = scale[c] * U[r,s,c,k] + offset[c] * O[r,s,k]
 * and over pixels, g being the gradient by the lazy value,
 *   sum of g = sum over r,s,k of w * O,  sum of g * (x - mean) = sum over r,s,k of w * U
 * so one weight gradient with one more channel gives all of it, and nothing is divided by a gamma that may be
 * 0. */

static mr_conv widened(const mr_conv *d)
{
    mr_conv wide = *d;
    wide.c++;
    return wide;
}

static size_t weights_of(const mr_conv *d)
{
    return (size_t)d->r * (size_t)d->s * (size_t)d->c * (size_t)d->k;
}

static size_t pixels_of(const mr_conv *d)
{
    return (size_t)d->n * (size_t)d->h * (size_t)d->w;
}

static size_t input_bytes(const mr_conv *wide)
{
    return mr_whole_piece(pixels_of(wide) * (size_t)wide->c * sizeof(float));
}

size_t mr_norm_by_weights_scratch(const mr_conv *d, int threads)
{
    mr_conv wide = widened(d);
    return input_bytes(&wide) + mr_whole_piece(weights_of(&wide) * sizeof(float)) +
           mr_conv_backward_scratch(&wide, threads);
}

struct widen {
    const float *x, *mean;
    float *out;
    size_t c;
};

/* Each pixel: its channels less their means, then 1. */
static void widen_pixels(void *argument, size_t first, size_t end, int thread)
{
    (void)thread;
    const struct widen *s = argument;
    for (size_t i = first; i < end; i++) {
        float *out = s->out + i * (s->c + 1);
        for (size_t c = 0; c < s->c; c++)
            out[c] = s->x[i * s->c + c] - s->mean[c];
        out[s->c] = 1;
    }
}

/* WIDE [r*s][c+1][k], as above. */
static void take_apart(const mr_conv *d, const float *wide, const float *w, const mr_norm_factors *f,
                       float *dw)
{
    size_t c_all = (size_t)d->c, k_all = (size_t)d->k, taps = (size_t)d->r * (size_t)d->s;
    memset(f->sums, 0, 2 * c_all * sizeof *f->sums);
    for (size_t tap = 0; tap < taps; tap++) {
        const float *u = wide + tap * (c_all + 1) * k_all, *ones = u + c_all * k_all;
        for (size_t c = 0; c < c_all; c++, u += k_all) {
            size_t at = (tap * c_all + c) * k_all;
            float offset = f->shift[c] + f->scale[c] * f->centre[c];
            for (size_t k = 0; k < k_all; k++) {
                f->sums[c] += (double)w[at + k] * (double)ones[k];
                f->sums[c_all + c] += (double)w[at + k] * (double)u[k];
                if (dw)
                    dw[at + k] += f->scale[c] * u[k] + offset * ones[k];
            }
        }
    }
}

void mr_norm_by_weights(const mr_conv *d, mr_team *team, const mr_conv_gradient *g, const float *x,
                        const float *w, const mr_norm_factors *f, float *dw, float *dbias, void *scratch)
{
    mr_conv wide = widened(d);
    float *input = scratch, *sums = (float *)((char *)scratch + input_bytes(&wide));
    void *rest = (char *)sums + mr_whole_piece(weights_of(&wide) * sizeof(float));
    struct widen s = {x, f->centre, input, (size_t)d->c};
    mr_team_ranges(team, pixels_of(d), 1024, widen_pixels, &s);
    memset(sums, 0, weights_of(&wide) * sizeof *sums);
    mr_conv_input in = {.x = mr_floats(input), .low = -INFINITY, .high = INFINITY};
    mr_conv_backward(&wide, team, g, &in, NULL, sums, dbias, NULL, rest);
    take_apart(d, sums, w, f, dw);
}
