/* SPDX-License-Identifier: Apache-2.0 */
/* Any layer, run as it is. */
#include "nn/plan/internal.h"

#include <stdlib.h>

/* The call as it stands; arrays are the caller's. */
static mr_call call_of(const mr_plan *p, const mr_op *op, mr_team *team, int batch)
{
    const mr_node *n = &p->graph->node[op->node];
    mr_call c = {.layer = op->layer,
                 .team = team,
                 .batch = batch,
                 .training = p->training,
                 .inference = n->inference,
                 .peers = p->training ? p->options.peers : NULL,
                 .inputs = n->inputs,
                 .in = op->call.in,
                 .out = n->shape,
                 .seed = p->graph->seed,
                 .node = (uint32_t)op->node};
    c.out.dim[0] = batch;
    return c;
}

static int new_buffer(mr_plan *p, size_t bytes, int first, int last, int *buffer, mr_error *e)
{
    if (!bytes)
        return 0;
    *buffer = mr_plan_buffer(p, bytes, e);
    if (*buffer < 0)
        return *buffer;
    mr_plan_live(p, *buffer, first);
    mr_plan_live(p, *buffer, last);
    return 0;
}

static void live_backward(mr_plan *p, int number)
{
    const mr_op *op = &p->op[number];
    int time = mr_backward_time(p, number);
    if (mr_layer_needs_y(op->layer))
        mr_plan_reads_again(p, number, op->out);
    for (int k = 0; k < op->reads; k++) {
        if (mr_layer_needs_x(op->layer))
            mr_plan_reads_again(p, number, op->read[k]);
        if (op->call.give[k].value >= 0)
            mr_plan_live(p, p->value[op->call.give[k].value].gradient, time);
        mr_plan_live(p, op->call.spare[k], time);
    }
}

static int place(mr_plan *p, int number, mr_error *e)
{
    mr_op *op = &p->op[number];
    const mr_layer_class *class = op->layer->class;
    mr_call c = call_of(p, op, p->training ? p->team : p->alone, p->batch);
    for (int k = 0; k < c.inputs; k++)
        mr_plan_reads(p, number, op->read[k]);
    size_t saved = p->training && class->saved_size ? class->saved_size(&c) : 0;
    size_t scratch = class->scratch_size ? class->scratch_size(&c) : 0;
    int time = mr_backward_time(p, number);
    int last = class->update_state ? mr_end_of_time(p) : op->backward ? time : number;
    int status = new_buffer(p, saved, number, last, &op->kept, e);
    if (!status)
        status = new_buffer(p, scratch, number, number, &op->scratch, e);
    if (status || !op->backward)
        return status;
    live_backward(p, number);
    return new_buffer(p, scratch, time, time, &op->backward_scratch, e);
}

/* Where this run's inputs and their gradients lie. */
static void point_inputs(const mr_run *r, const mr_op *op, mr_call *c)
{
    const mr_plan *p = r->p;
    const size_t n = (size_t)c->inputs, first = (size_t)r->slot * n;
    const mr_layer_op *o = &op->call;
    for (size_t k = 0; k < n; k++) {
        const mr_give *give = &o->give[k];
        o->in[first + k].dim[0] = r->batch;
        o->x[first + k] = mr_run_value(r, op->read[k]);
        o->add_dx[first + k] = give->add && o->spare[k] < 0;
        o->dx[first + k] = o->spare[k] >= 0   ? mr_run_buffer(r, o->spare[k])
                           : give->value >= 0 ? mr_run_buffer(r, p->value[give->value].gradient)
                                              : NULL;
    }
    c->in = o->in + first;
    c->x = o->x + first;
    c->dx = o->dx + first;
    c->add_dx = o->add_dx + first;
}

/* Runs the layer forward or backward with everything pointed at this run's memory. */
static void run(const mr_run *r, const mr_op *op, bool backward)
{
    mr_call c = call_of(r->p, op, r->team, r->batch);
    point_inputs(r, op, &c);
    c.y = mr_run_value(r, op->out);
    c.dy = mr_run_buffer(r, r->p->value[op->out].gradient);
    c.saved = mr_run_buffer(r, op->kept);
    c.scratch = mr_run_buffer(r, backward ? op->backward_scratch : op->scratch);
    c.step = r->step;
    for (int k = 0; k < op->layer->params; k++) {
        c.w[k] = mr_run_weight(r, op->layer, k);
        c.dw[k] = backward ? mr_run_weight_gradient(r, op->layer, k) : NULL;
    }
    (backward ? op->layer->class->backward : op->layer->class->forward)(&c);
}

static void forward(const mr_run *r, const mr_op *op)
{
    run(r, op, false);
}

struct sum {
    const mr_real *from;
    mr_real *to;
};

static void add_range(void *argument, size_t first, size_t end, int thread)
{
    (void)thread;
    const struct sum *s = argument;
    const mr_real *restrict from = s->from;
    mr_real *restrict to = s->to;
#pragma omp simd
    for (size_t i = first; i < end; i++)
        to[i] += from[i];
}

static void backward(const mr_run *r, const mr_op *op)
{
    const mr_plan *p = r->p;
    run(r, op, true);
    for (int k = 0; k < op->reads; k++) {
        if (op->call.spare[k] < 0)
            continue;
        const mr_value *v = &p->value[op->call.give[k].value];
        struct sum s = {mr_run_buffer(r, op->call.spare[k]), mr_run_buffer(r, v->gradient)};
        mr_team_ranges(r->team, (size_t)r->batch * v->sample, 1 << 14, add_range, &s);
    }
}

void mr_run_update_state(const mr_run *r, const mr_op *op, mr_call *c, mr_real *state_out)
{
    for (int k = 0; k < op->layer->params; k++) {
        const mr_param *w = &op->layer->param[k];
        c->w[k] = op->updated_before ? state_out + w->offset : mr_param_value(r->p->graph, w);
        c->state_out[k] = state_out + w->offset;
    }
    op->layer->class->update_state(c);
}

static void update(const mr_run *r, const mr_op *op, mr_real *state_out)
{
    if (!op->layer->class->update_state)
        return;
    mr_call c = call_of(r->p, op, r->team, r->batch);
    c.saved = mr_run_buffer(r, op->kept);
    mr_run_update_state(r, op, &c, state_out);
}

static int route(mr_routing *s, int number)
{
    mr_plan *p = s->p;
    mr_op *op = &p->op[number];
    mr_route_take(s, op);
    for (int k = 0; k < op->reads; k++) {
        mr_give *give = &op->call.give[k];
        int status = mr_route_give(s, op->read[k], give);
        if (status)
            return status;
        if (give->value < 0 || !give->add || !op->layer->class->backward_overwrites_dx)
            continue;
        op->call.spare[k] = mr_plan_buffer(p, (size_t)p->batch * p->value[give->value].sample * sizeof(mr_real), s->e);
        if (op->call.spare[k] < 0)
            return op->call.spare[k];
    }
    return 0;
}

/* In training only what backward does not read. */
static int overwrites(const mr_plan *p, const mr_op *op)
{
    bool may = op->layer->class->in_place && !(p->training && mr_layer_needs_x(op->layer));
    return may ? op->read[0] : -1;
}

static void destroy(mr_op *op)
{
    free(op->call.in);
    free(op->call.x);
    free(op->call.dx);
    free(op->call.add_dx);
    free(op->call.give);
    free(op->call.spare);
}

const mr_op_class mr_op_layer = {.name = "layer",
                                 .rereads_out = true,
                                 .overwrites = overwrites,
                                 .route = route,
                                 .place = place,
                                 .forward = forward,
                                 .backward = backward,
                                 .update = update,
                                 .destroy = destroy};
