/* SPDX-License-Identifier: Apache-2.0 */
/* A convolution with what it has absorbed. */
#include "nn/kernels/elementwise.h"
#include "nn/kernels/winograd.h"
#include "nn/plan/internal.h"

#include <math.h>
#include <string.h>

/* Inference: by Winograd's way, which reads its input as it lies. */
static bool by_windows(const mr_plan *p, const mr_op *op, const mr_conv *d)
{
    return !p->training && !p->mixed && p->value[op->input].role != MR_ROLE_LAZY && mr_winograd_pays(d);
}

static size_t packed_bytes(const mr_plan *p, const mr_op *op, const mr_conv *d)
{
    return mr_whole_piece(by_windows(p, op, d) ? mr_winograd_packed(d) : mr_conv_packed(d));
}

static size_t packed_backward_bytes(const mr_conv *d)
{
    return mr_whole_piece(mr_conv_packed_backward(d));
}

static int place_backward(mr_plan *p, int number, mr_error *e)
{
    mr_op *op = &p->op[number];
    mr_conv d = mr_conv_op_geometry(p, op, p->batch);
    int time = mr_backward_time(p, number), threads = mr_team_size(p->team);
    bool by_weights = op->conv.norm_by_weights >= 0;
    size_t scratch = by_weights ? mr_norm_by_weights_scratch(&d, threads)
                                : packed_backward_bytes(&d) + mr_conv_backward_scratch(&d, threads);
    if (by_weights || op->layer->param[0].trainable)
        mr_plan_reads_again(p, number, op->input);
    if (op->conv.give_residual.value >= 0) {
        mr_plan_live(p, p->value[op->conv.give_residual.value].gradient, time);
        mr_plan_live(p, p->value[op->out].gradient, time);
    }
    return mr_plan_scratch(p, scratch, time, &op->backward_scratch, e);
}

static int place(mr_plan *p, int number, mr_error *e)
{
    mr_op *op = &p->op[number];
    mr_conv d = mr_conv_op_geometry(p, op, p->batch);
    int threads = p->training ? mr_team_size(p->team) : 1;
    size_t packed = packed_bytes(p, op, &d),
           scratch = by_windows(p, op, &d) ? mr_winograd_scratch(&d, threads) : mr_conv_scratch(&d, threads);
    mr_plan_reads(p, number, op->conv.residual);
    if (!p->training) {
        op->packed = p->packed_floats;
        p->packed_floats += packed / sizeof(float) + 2 * (size_t)d.k; /* weights, bias, scale */
        return mr_plan_scratch(p, scratch, number, &op->scratch, e);
    }
    int status = mr_plan_scratch(p, packed + scratch, number, &op->scratch, e);
    return !status && op->backward ? place_backward(p, number, e) : status;
}

/* Inference: the weights' factors SCALE [k] (false: none, nothing is folded) and BIAS [k], a normalisation
 * folded in. */
static bool fold(const mr_run *r, const mr_op *op, float *scale, float *bias)
{
    size_t k = (size_t)op->conv.d.k;
    const float *own = op->conv.bias ? mr_run_weight(r, op->layer, 1) : NULL;
    if (op->conv.fold < 0) {
        if (own)
            memcpy(bias, own, k * sizeof *bias);
        return false;
    }
    mr_norm_fold(r, r->p->graph->node[op->conv.fold].layer, scale, bias, k);
    for (size_t i = 0; own && i < k; i++)
        bias[i] += own[i] * scale[i];
    return true;
}

/* Inference: weights and bias with a normalisation folded in: w*scale, bias*scale + shift. */
static void pack(const mr_run *r, const mr_op *op, float *packed)
{
    mr_conv d = mr_conv_op_geometry(r->p, op, r->batch);
    packed += op->packed;
    float *bias = packed + packed_bytes(r->p, op, &d) / sizeof(float);
    float *scale = bias + d.k;
    bool folded = fold(r, op, scale, bias);
    (by_windows(r->p, op, &d) ? mr_winograd_pack : mr_conv_pack)(&d, r->team, mr_run_weight(r, op->layer, 0),
                                                                 folded ? scale : NULL, packed);
}

static void forward(const mr_run *r, const mr_op *op)
{
    const mr_plan *p = r->p;
    mr_conv d = mr_conv_op_geometry(r->p, op, r->batch);
    mr_conv_input in = mr_run_input(r, op->input);
    mr_conv_output out = {.y = mr_run_numbers(r, op->out),
                          .low = op->conv.low,
                          .high = op->conv.high,
                          .sums = mr_run_buffer(r, p->value[op->out].sums)};
    if (op->conv.residual >= 0)
        out.add = mr_run_numbers(r, op->conv.residual);
    char *scratch = mr_run_buffer(r, op->scratch);
    if (!p->training) {
        const float *packed = p->packed + op->packed;
        if (op->conv.bias || op->conv.fold >= 0)
            out.bias = packed + packed_bytes(p, op, &d) / sizeof(float);
        (by_windows(p, op, &d) ? mr_winograd_run : mr_conv_forward)(&d, r->team, &in, packed, &out, scratch);
        return;
    }
    out.bias = op->conv.bias ? mr_run_weight(r, op->layer, 1) : NULL;
    mr_conv_pack(&d, r->team, mr_run_weight(r, op->layer, 0), NULL, scratch);
    mr_conv_forward(&d, r->team, &in, scratch, &out, scratch + packed_bytes(p, op, &d));
}

static void make_whole(const mr_run *r, const mr_op *op, const mr_conv_gradient *g, mr_numbers to)
{
    const mr_value *out = &r->p->value[op->out];
    size_t c = (size_t)out->channels;
    mr_materialise_gradient(r->team, g, (size_t)r->batch * out->sample / c, c, to);
}

static void give_residual(const mr_run *r, const mr_op *op)
{
    const mr_give *give = &op->conv.give_residual;
    mr_numbers to = mr_run_gradient(r, give->value);
    mr_conv_gradient sum = {.dy = mr_run_gradient(r, op->out), .add = {give->add ? to.at : NULL, to.half}};
    make_whole(r, op, &sum, to);
}

/* The gradient by the output, made whole beforehand where the operation needs it so. */
static mr_conv_gradient take(const mr_run *r, const mr_op *op)
{
    mr_conv_gradient g = mr_run_take(r, &op->take);
    if (!op->take.first)
        return g;
    mr_numbers whole = mr_run_gradient(r, op->out);
    make_whole(r, op, &g, whole);
    return (mr_conv_gradient){.dy = whole};
}

static void backward_products(const mr_run *r, const mr_op *op, const mr_conv_gradient *g)
{
    mr_conv d = mr_conv_op_geometry(r->p, op, r->batch);
    char *scratch = mr_run_buffer(r, op->backward_scratch);
    mr_conv_input in = mr_run_input(r, op->input);
    const float *w = mr_run_weight(r, op->layer, 0);
    float *dw = mr_run_weight_gradient(r, op->layer, 0);
    float *dbias = op->conv.bias ? mr_run_weight_gradient(r, op->layer, 1) : NULL;
    if (op->conv.norm_by_weights >= 0) {
        mr_norm_factors f = mr_norm_factors_of(r, &r->p->op[op->conv.norm_by_weights]);
        mr_norm_by_weights(&d, r->team, g, in.x.at, w, &f, dw, dbias, scratch);
        return;
    }
    mr_conv_input_gradient dx;
    if (op->give.value >= 0) {
        dx = mr_run_give(r, &op->give);
        mr_conv_pack_backward(&d, r->team, w, scratch);
    }
    mr_conv_backward(&d, r->team, g, &in, scratch, dw, dbias, op->give.value >= 0 ? &dx : NULL,
                     scratch + packed_backward_bytes(&d));
}

static void backward(const mr_run *r, const mr_op *op)
{
    bool residual = op->conv.give_residual.value >= 0 && !op->conv.shares_gradient;
    mr_conv_gradient g = take(r, op);
    if (residual && op->take.store < 0)
        give_residual(r, op); /* before dx is added to it, if it is the input too */
    backward_products(r, op, &g);
    if (residual && op->take.store >= 0)
        give_residual(r, op);
}

/* ---- routing of gradients */

static bool can_store(const mr_op *op)
{
    const mr_conv *d = &op->conv.d;
    return d->r == 1 && d->s == 1 && d->stride_h == 1 && d->stride_w == 1 && d->pad_top == 0 &&
           d->pad_left == 0 && d->p == d->h && d->q == d->w;
}

/* The residual's gradient is the output's. Where nothing has been given to it yet it gets the output's
 * buffer, which later givers add to: by then this convolution has read it. */
static int route_residual(mr_routing *s, mr_op *op)
{
    mr_plan *p = s->p;
    mr_value *out = &p->value[op->out];
    int q = mr_gradient_target(p, op->conv.residual);
    mr_value *residual = &p->value[q];
    /* where the residual is the input too, dx must not meet dy in one buffer */
    bool same = mr_needs_gradient(p, op->input) && mr_gradient_target(p, op->input) == q;
    int status = mr_route_buffer(s, op->out);
    if (status)
        return status;
    if (out->pending >= 0) {
        op->take.first = same || !can_store(op);
        op->take.store = op->take.first ? -1 : out->gradient;
    }
    op->conv.shares_gradient = !residual->written && !same && residual->half == out->half;
    op->conv.give_residual = (mr_give){q, residual->written, false};
    if (op->conv.shares_gradient)
        residual->gradient = out->gradient;
    residual->written = true;
    return 0;
}

/* A normalisation without activation whose input needs no gradient, and which this convolution alone reads.
 */
static bool can_norm_by_weights(const mr_plan *p, const mr_op *op)
{
    const mr_value *v = &p->value[op->input];
    if (v->role != MR_ROLE_LAZY || v->givers != 1 || v->low > -INFINITY || v->high < INFINITY)
        return false;
    return v->needs_gradient && p->op[v->norm].layer && !mr_needs_gradient(p, v->source) &&
           !p->value[v->source].half;
}

static int route(mr_routing *s, int number)
{
    mr_plan *p = s->p;
    mr_op *op = &p->op[number];
    mr_route_take(s, op); /* before the residual gets the buffer: what is in it now is the output's own */
    int status = mr_needs_gradient(p, op->conv.residual) ? route_residual(s, op) : 0;
    if (status)
        return status;
    if (can_norm_by_weights(p, op)) {
        op->conv.norm_by_weights = p->value[op->input].norm;
        return 0;
    }
    return mr_route_give(s, op->input, &op->give);
}

static int overwrites(const mr_plan *p, const mr_op *op)
{
    (void)p;
    return op->conv.residual;
}

const mr_op_class mr_op_conv = {.name = "conv",
                                .takes_pending = true,
                                .takes_sums = true,
                                .overwrites = overwrites,
                                .route = route,
                                .place = place,
                                .pack = pack,
                                .forward = forward,
                                .backward = backward};
