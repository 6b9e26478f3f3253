/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions and pools of a program in mixed precision. */
#include "nn/plan/internal.h"

static mr_mixed_input input_of(const mr_run *r, int v)
{
    mr_conv_input in = mr_run_input(r, v);
    return (mr_mixed_input){mr_run_numbers(r, v), in.scale, in.shift, in.low, in.high};
}

static int new_scratch(mr_plan *p, size_t bytes, int time, int *buffer, mr_error *e)
{
    *buffer = mr_plan_buffer(p, bytes, e);
    if (*buffer < 0)
        return *buffer;
    mr_plan_live(p, *buffer, time);
    return 0;
}

/* ---- convolutions ------------------------------------------------------------ */

static size_t packed_bytes(const mr_conv *d)
{
    return mr_whole_piece(mr_mixed_packed(d) * sizeof(mr_bf16));
}

static size_t packed_backward_bytes(const mr_conv *d)
{
    return mr_whole_piece(mr_mixed_packed_backward(d) * sizeof(mr_bf16));
}

static int place_backward(mr_plan *p, int number, mr_error *e)
{
    mr_op *op = &p->op[number];
    mr_conv d = mr_conv_op_geometry(op, p->batch);
    int time = mr_backward_time(p, number), threads = mr_team_size(p->team);
    bool by_weights = op->conv.norm_by_weights >= 0;
    size_t scratch = by_weights ? mr_norm_by_weights_scratch(&d, threads, true)
                                : packed_backward_bytes(&d) + mr_mixed_backward_scratch(&d, threads);
    if (by_weights || op->layer->param[0].trainable)
        mr_plan_reads_again(p, number, op->input);
    if (op->conv.give_residual.value >= 0) {
        mr_plan_live(p, p->value[op->conv.give_residual.value].gradient, time);
        mr_plan_live(p, p->value[op->out].gradient, time);
    }
    return new_scratch(p, scratch, time, &op->backward_scratch, e);
}

static int place_conv(mr_plan *p, int number, mr_error *e)
{
    mr_op *op = &p->op[number];
    mr_conv d = mr_conv_op_geometry(op, p->batch);
    size_t packed = packed_bytes(&d), scratch = mr_mixed_scratch(&d, p->training ? mr_team_size(p->team) : 1);
    mr_plan_reads(p, number, op->conv.residual);
    if (!p->training) {
        op->packed = p->packed_floats;
        p->packed_floats += packed / sizeof(float) + 2 * (size_t)d.k; /* weights, bias, scale */
        return new_scratch(p, scratch, number, &op->scratch, e);
    }
    int status = new_scratch(p, packed + scratch, number, &op->scratch, e);
    return !status && op->backward ? place_backward(p, number, e) : status;
}

/* As conv_op.c's. */
static void pack(const mr_run *r, const mr_op *op, float *packed)
{
    mr_conv d = mr_conv_op_geometry(op, r->batch);
    packed += op->packed;
    float *bias = packed + packed_bytes(&d) / sizeof(float), *scale = bias + d.k;
    bool folded = mr_conv_op_fold(r, op, scale, bias);
    mr_mixed_pack(&d, r->team, mr_run_weight(r, op->layer, 0), folded ? scale : NULL, (mr_bf16 *)packed);
}

static void forward_conv(const mr_run *r, const mr_op *op)
{
    const mr_plan *p = r->p;
    mr_conv d = mr_conv_op_geometry(op, r->batch);
    mr_mixed_input in = input_of(r, op->input);
    mr_mixed_output out = {.y = mr_run_numbers(r, op->out),
                           .low = op->conv.low,
                           .high = op->conv.high,
                           .sums = mr_run_buffer(r, p->value[op->out].sums)};
    if (op->conv.residual >= 0)
        out.add = mr_run_numbers(r, op->conv.residual);
    char *scratch = mr_run_buffer(r, op->scratch);
    if (!p->training) {
        const float *packed = p->packed + op->packed;
        if (op->conv.bias || op->conv.fold >= 0)
            out.bias = packed + packed_bytes(&d) / sizeof(float);
        mr_mixed_forward(&d, r->team, &in, (const mr_bf16 *)packed, &out, scratch);
        return;
    }
    out.bias = op->conv.bias ? mr_run_weight(r, op->layer, 1) : NULL;
    mr_mixed_pack(&d, r->team, mr_run_weight(r, op->layer, 0), NULL, (mr_bf16 *)scratch);
    mr_mixed_forward(&d, r->team, &in, (mr_bf16 *)scratch, &out, scratch + packed_bytes(&d));
}

/* ---- gradients ---------------------------------------------------------------- */

/* The pointers are mr_run_take's; everything that it reads is of the output's type. */
static mr_mixed_gradient take_of(const mr_run *r, const mr_op *op)
{
    mr_conv_gradient g = mr_run_take(r, &op->take);
    bool half = r->p->value[op->take.value].half;
    return (mr_mixed_gradient){.dy = {(void *)g.dy, half},
                               .x = {(void *)g.x, half},
                               .add = {(void *)g.add, half},
                               .store = {g.store, half},
                               .a = g.a,
                               .b = g.b,
                               .c = g.c};
}

static mr_mixed_input_gradient give_of(const mr_run *r, const mr_give *give)
{
    mr_conv_input_gradient g = mr_run_give(r, give);
    bool half = r->p->value[give->value].half;
    return (mr_mixed_input_gradient){.dx = {g.dx, half},
                                     .add = {(void *)g.add, half},
                                     .x = {(void *)g.x, half},
                                     .scale = g.scale,
                                     .shift = g.shift,
                                     .low = g.low,
                                     .high = g.high,
                                     .mean = g.mean,
                                     .sums = g.sums};
}

static void make_whole(const mr_run *r, const mr_op *op, const mr_mixed_gradient *g, mr_numbers to)
{
    const mr_value *out = &r->p->value[op->out];
    size_t c = (size_t)out->channels;
    mr_mixed_materialise_gradient(r->team, g, (size_t)r->batch * out->sample / c, c, to);
}

static void give_residual(const mr_run *r, const mr_op *op)
{
    const mr_give *give = &op->conv.give_residual;
    mr_numbers to = mr_run_gradient(r, give->value);
    mr_mixed_gradient sum = {.dy = mr_run_gradient(r, op->out), .add = {give->add ? to.at : NULL, to.half}};
    make_whole(r, op, &sum, to);
}

static mr_mixed_gradient take_conv(const mr_run *r, const mr_op *op)
{
    mr_mixed_gradient g = take_of(r, op);
    if (!op->take.first)
        return g;
    mr_numbers whole = mr_run_gradient(r, op->out);
    make_whole(r, op, &g, whole);
    return (mr_mixed_gradient){.dy = whole};
}

static void backward_products(const mr_run *r, const mr_op *op, const mr_mixed_gradient *g)
{
    mr_conv d = mr_conv_op_geometry(op, r->batch);
    char *scratch = mr_run_buffer(r, op->backward_scratch);
    mr_mixed_input in = input_of(r, op->input);
    float *dw = mr_run_weight_gradient(r, op->layer, 0);
    float *dbias = op->conv.bias ? mr_run_weight_gradient(r, op->layer, 1) : NULL;
    if (op->conv.norm_by_weights >= 0) {
        mr_norm_factors f = mr_norm_factors_of(r, &r->p->op[op->conv.norm_by_weights]);
        mr_norm_by_weights(&d, r->team, NULL, g, in.x.at, mr_run_weight(r, op->layer, 0), &f, dw, dbias, scratch);
        return;
    }
    mr_mixed_input_gradient dx;
    if (op->give.value >= 0) {
        dx = give_of(r, &op->give);
        mr_mixed_pack_backward(&d, r->team, mr_run_weight(r, op->layer, 0), (mr_bf16 *)scratch);
    }
    mr_mixed_backward(&d, r->team, g, &in, (mr_bf16 *)scratch, dw, dbias, op->give.value >= 0 ? &dx : NULL,
                      scratch + packed_backward_bytes(&d));
}

static void backward_conv(const mr_run *r, const mr_op *op)
{
    bool residual = op->conv.give_residual.value >= 0 && !op->conv.shares_gradient;
    mr_mixed_gradient g = take_conv(r, op);
    if (residual && op->take.store < 0)
        give_residual(r, op); /* before dx is added to it, if it is the input too */
    backward_products(r, op, &g);
    if (residual && op->take.store >= 0)
        give_residual(r, op);
}

const mr_op_class mr_op_mixed_conv = {.name = "mixed conv",
                                      .takes_pending = true,
                                      .place = place_conv,
                                      .pack = pack,
                                      .forward = forward_conv,
                                      .backward = backward_conv};

/* ---- pools --------------------------------------------------------------------- */

static mr_pool pool_geometry(const mr_op *op, int batch)
{
    mr_pool g = op->pool.p;
    g.window.n = batch;
    return g;
}

static int place_pool(mr_plan *p, int number, mr_error *e)
{
    mr_op *op = &p->op[number];
    mr_pool g = pool_geometry(op, p->batch);
    int time = mr_backward_time(p, number);
    size_t scratch = mr_mixed_pool_scratch(&g, p->training ? mr_team_size(p->team) : 1);
    int status = new_scratch(p, scratch, number, &op->scratch, e);
    if (!status && op->backward)
        status = new_scratch(p, scratch, time, &op->backward_scratch, e);
    if (status || !op->backward || g.mean)
        return status;
    status = new_scratch(p, (size_t)p->batch * p->value[op->out].sample, number, &op->pool.places, e);
    mr_plan_live(p, op->pool.places, time);
    return status;
}

static void forward_pool(const mr_run *r, const mr_op *op)
{
    mr_pool g = pool_geometry(op, r->batch);
    mr_mixed_input in = input_of(r, op->input);
    mr_mixed_pool_forward(&g, r->team, &in, mr_run_numbers(r, op->out), mr_run_buffer(r, op->pool.places),
                          mr_run_buffer(r, r->p->value[op->out].sums), mr_run_buffer(r, op->scratch));
}

static void backward_pool(const mr_run *r, const mr_op *op)
{
    if (op->give.value < 0)
        return;
    mr_pool g = pool_geometry(op, r->batch);
    mr_mixed_gradient gradient = take_of(r, op);
    mr_mixed_input_gradient dx = give_of(r, &op->give);
    mr_mixed_pool_backward(&g, r->team, &gradient, mr_run_buffer(r, op->pool.places), &dx,
                           mr_run_buffer(r, op->backward_scratch));
}

const mr_op_class mr_op_mixed_pool = {.name = "mixed pool",
                                      .takes_pending = true,
                                      .place = place_pool,
                                      .forward = forward_pool,
                                      .backward = backward_pool};
