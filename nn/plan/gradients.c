/* SPDX-License-Identifier: Apache-2.0 */
/* Which operation passes gradients to which, in the order of the backward pass: last operation first. */
#include "nn/plan/internal.h"

#include <stdlib.h>

bool mr_layer_has_trainable(const mr_layer *l)
{
    for (int i = 0; l && i < l->params; i++)
        if (l->param[i].trainable)
            return true;
    return false;
}

int mr_gradient_target(const mr_plan *p, int v)
{
    while (p->value[v].role == MR_ROLE_ALIAS)
        v = p->value[v].source;
    return v;
}

bool mr_needs_gradient(const mr_plan *p, int v)
{
    return v >= 0 && p->value[mr_gradient_target(p, v)].needs_gradient;
}

static void find_needs(mr_plan *p)
{
    for (int i = 0; i < p->graph->inputs; i++)
        p->value[p->graph->input[i]].needs_gradient = p->options.input_gradients;
    for (int i = 0; i < p->ops; i++) {
        const mr_op *op = &p->op[i];
        bool needs = mr_layer_has_trainable(op->layer);
        for (int k = 0; k < op->reads && !needs; k++)
            needs = mr_needs_gradient(p, op->read[k]);
        p->value[op->made].needs_gradient = needs && !op->stops_gradient;
    }
}

static void count_giver(mr_routing *s, int v)
{
    if (!mr_needs_gradient(s->p, v))
        return;
    v = mr_gradient_target(s->p, v);
    s->receives[v] = true;
    if (s->p->value[v].role == MR_ROLE_LAZY)
        s->p->value[v].givers++;
}

/* Which operations run backward, and how many give to each lazy value. */
static void find_backward(mr_routing *s)
{
    mr_plan *p = s->p;
    for (int i = 0; i < p->outputs; i++)
        count_giver(s, p->output[i]);
    for (int i = p->ops - 1; i >= 0; i--) {
        mr_op *op = &p->op[i];
        op->backward = s->receives[op->made];
        for (int k = 0; op->backward && k < op->reads; k++)
            count_giver(s, op->read[k]);
    }
}

int mr_route_buffer(mr_routing *s, int v)
{
    mr_value *value = &s->p->value[v];
    if (value->gradient < 0)
        value->gradient = mr_plan_buffer(s->p, mr_value_bytes(s->p, v), s->e);
    return value->gradient < 0 ? value->gradient : 0;
}

void mr_route_take(mr_routing *s, mr_op *op)
{
    const mr_value *out = &s->p->value[op->out];
    op->take.pending = out->pending;
    op->take.plain = out->pending < 0 || out->written;
}

int mr_route_give(mr_routing *s, int input, mr_give *give)
{
    mr_plan *p = s->p;
    give->value = -1;
    if (!mr_needs_gradient(p, input))
        return 0;
    give->value = mr_gradient_target(p, input);
    mr_value *v = &p->value[give->value];
    give->add = v->written;
    v->written = true;
    give->last = v->role == MR_ROLE_LAZY && ++v->given == v->givers;
    return mr_route_buffer(s, give->value);
}

static int route(mr_routing *s, int number)
{
    mr_op *op = &s->p->op[number];
    if (op->class->route)
        return op->class->route(s, number);
    mr_route_take(s, op);
    return mr_route_give(s, op->input, &op->give);
}

int mr_plan_route_gradients(mr_plan *p, mr_error *e)
{
    mr_routing s = {.p = p, .e = e};
    s.receives = calloc((size_t)p->values + 1, sizeof *s.receives);
    if (!s.receives)
        return mr_no_memory(e, "the plan");
    find_needs(p);
    find_backward(&s);
    int status = 0;
    for (int i = 0; i < p->outputs && !status; i++) {
        int v = mr_gradient_target(p, p->output[i]);
        if (!p->value[v].needs_gradient)
            continue;
        p->value[v].written = true; /* by the loss */
        status = mr_route_buffer(&s, v);
    }
    for (int i = p->ops - 1; i >= 0 && !status; i--)
        if (p->op[i].backward)
            status = route(&s, i);
    free(s.receives);
    return status;
}
