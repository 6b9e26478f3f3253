/* SPDX-License-Identifier: Apache-2.0 */
/* Pooling of a stored or lazy value. */
#include "nn/plan/internal.h"

static mr_pool geometry(const mr_plan *p, const mr_op *op, int batch)
{
    mr_pool g = op->pool.p;
    g.window.n = batch;
    g.window.half = p->mixed;
    return g;
}

static int place(mr_plan *p, int number, mr_error *e)
{
    mr_op *op = &p->op[number];
    mr_pool g = geometry(p, op, p->batch);
    int time = mr_backward_time(p, number);
    size_t scratch = mr_pool_scratch(&g, p->training ? mr_team_size(p->team) : 1);
    int status = mr_plan_scratch(p, scratch, number, &op->scratch, e);
    if (!status && op->backward)
        status = mr_plan_scratch(p, scratch, time, &op->backward_scratch, e);
    if (status || !op->backward || g.mean)
        return status;
    status = mr_plan_scratch(p, (size_t)p->batch * p->value[op->out].sample, number, &op->pool.places, e);
    mr_plan_live(p, op->pool.places, time);
    return status;
}

static void forward(const mr_run *r, const mr_op *op)
{
    mr_pool g = geometry(r->p, op, r->batch);
    mr_conv_input in = mr_run_input(r, op->input);
    mr_pool_forward(&g, r->team, &in, mr_run_numbers(r, op->out), mr_run_buffer(r, op->pool.places),
                    mr_run_buffer(r, r->p->value[op->out].sums), mr_run_buffer(r, op->scratch));
}

static void backward(const mr_run *r, const mr_op *op)
{
    if (op->give.value < 0)
        return;
    mr_pool g = geometry(r->p, op, r->batch);
    mr_conv_gradient gradient = mr_run_take(r, &op->take);
    mr_conv_input_gradient dx = mr_run_give(r, &op->give);
    mr_pool_backward(&g, r->team, &gradient, mr_run_buffer(r, op->pool.places), &dx,
                     mr_run_buffer(r, op->backward_scratch));
}

const mr_op_class mr_op_pool = {.name = "pool",
                                .takes_pending = true,
                                .takes_sums = true,
                                .place = place,
                                .forward = forward,
                                .backward = backward};
