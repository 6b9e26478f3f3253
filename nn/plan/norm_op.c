/* SPDX-License-Identifier: Apache-2.0 */
/* The factors of a lazy value: a BatchNormalization's, or those of an activation alone (1 and 0). Little
 * work: what is done with the factors is done by the operations that read and write. */
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
        op->scratch = mr_plan_buffer(p, 2 * c * sizeof(double) + mr_channel_sums_scratch(rows, c), e);
        if (op->scratch < 0)
            return op->scratch;
        mr_plan_live(p, op->scratch, number);
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

static void apply_half(const mr_run *r, const mr_op *op, const mr_norm_factors *f)
{
    mr_numbers to = mr_run_gradient(r, op->norm.source);
    mr_mixed_gradient g = {.dy = mr_run_gradient(r, op->norm.value),
                           .x = mr_run_numbers(r, op->norm.source),
                           .add = {op->norm.apply_add ? to.at : NULL, to.half},
                           .a = f->a,
                           .b = f->b,
                           .c = f->c};
    mr_mixed_materialise_gradient(r->team, &g, rows_of(r, op), (size_t)r->p->value[op->norm.value].channels, to);
}

static void backward(const mr_run *r, const mr_op *op)
{
    const mr_plan *p = r->p;
    const mr_value *v = &p->value[op->norm.value], *source = &p->value[op->norm.source];
    size_t c = (size_t)v->channels;
    mr_norm_factors f = mr_norm_factors_of(r, op);
    if (r->batch)
        add_weight_gradients(r, op, c, &f);
    set_gradient_factors(r, op, c, &f);
    if (!op->norm.apply || !r->batch)
        return;
    float *to = mr_run_buffer(r, source->gradient);
    mr_conv_gradient g = {.dy = mr_run_buffer(r, v->gradient),
                          .x = mr_run_value(r, op->norm.source),
                          .a = f.a,
                          .b = f.b,
                          .c = f.c,
                          .add = op->norm.apply_add ? to : NULL};
    if (source->half)
        apply_half(r, op, &f);
    else
        mr_materialise_gradient(r->team, &g, rows_of(r, op), c, to);
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

/* ---- routing of gradients ------------------------------------------------------- */

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
