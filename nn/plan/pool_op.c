/* SPDX-License-Identifier: Apache-2.0 */
/* Pooling of a stored or lazy value. */
#include "nn/plan/internal.h"

static mr_pool geometry(const mr_op *op, int batch)
{
    mr_pool g = op->pool.p;
    g.window.n = batch;
    return g;
}

static int place(mr_plan *p, int number, mr_error *e)
{
    mr_op *op = &p->op[number];
    mr_pool g = geometry(op, p->batch);
    size_t scratch = mr_pool_scratch(&g, p->training ? mr_team_size(p->team) : 1);
    op->scratch = mr_plan_buffer(p, scratch, e);
    if (op->scratch < 0)
        return op->scratch;
    mr_plan_live(p, op->scratch, number);
    if (!op->backward)
        return 0;
    op->backward_scratch = mr_plan_buffer(p, scratch, e);
    if (op->backward_scratch < 0)
        return op->backward_scratch;
    mr_plan_live(p, op->backward_scratch, mr_backward_time(p, number));
    if (g.mean)
        return 0;
    op->pool.places = mr_plan_buffer(p, (size_t)p->batch * p->value[op->out].sample, e);
    if (op->pool.places < 0)
        return op->pool.places;
    mr_plan_live(p, op->pool.places, number);
    mr_plan_live(p, op->pool.places, mr_backward_time(p, number));
    return 0;
}

static void forward(const mr_run *r, const mr_op *op)
{
    mr_pool g = geometry(op, r->batch);
    mr_conv_input in = mr_run_input(r, op->input);
    mr_pool_forward(&g, r->team, &in, mr_run_value(r, op->out), mr_run_buffer(r, op->pool.places),
                    mr_run_buffer(r, r->p->value[op->out].sums), mr_run_buffer(r, op->scratch));
}

static void backward(const mr_run *r, const mr_op *op)
{
    if (op->give.value < 0)
        return;
    mr_pool g = geometry(op, r->batch);
    mr_conv_gradient gradient = mr_run_take(r, &op->take);
    mr_conv_input_gradient dx = mr_run_give(r, &op->give);
    mr_pool_backward(&g, r->team, &gradient, mr_run_buffer(r, op->pool.places), &dx,
                     mr_run_buffer(r, op->backward_scratch));
}

const mr_op_class mr_op_pool = {
    .name = "pool", .mixed = &mr_op_mixed_pool, .takes_pending = true, .takes_sums = true, .place = place, .forward = forward, .backward = backward};
