/* SPDX-License-Identifier: Apache-2.0 */
/* A plan's values and its operations of plain layers. */
#include "nn/plan/internal.h"

#include <math.h>
#include <stdlib.h>

bool mr_plan_is_alias(const mr_plan *p, int node)
{
    const mr_node *n = &p->graph->node[node];
    return n->layer->class->alias || ((!p->training || n->inference) && n->layer->class->identity_at_inference);
}

mr_op *mr_plan_new_op(mr_plan *p, const mr_op_class *class, int node, int out)
{
    mr_op *op = &p->op[p->ops++];
    *op = (mr_op){.class = class,
                  .node = node,
                  .out = out,
                  .made = out,
                  .input = -1,
                  .layer = p->graph->node[node].layer,
                  .give = {.value = -1},
                  .take = {.value = out, .pending = -1, .store = -1},
                  .kept = -1,
                  .scratch = -1,
                  .backward_scratch = -1};
    if (out >= 0)
        p->value[out].maker = p->ops - 1;
    return op;
}

static int allocate_call(mr_plan *p, mr_op *op, mr_error *e)
{
    mr_layer_op *o = &op->call;
    size_t inputs = (size_t)op->reads, all = inputs * (size_t)p->slots;
    *o = (mr_layer_op){.give = calloc(inputs, sizeof *o->give),
                       .spare = calloc(inputs, sizeof *o->spare),
                       .in = calloc(all, sizeof *o->in),
                       .x = calloc(all, sizeof *o->x),
                       .dx = calloc(all, sizeof *o->dx),
                       .add_dx = calloc(all, sizeof *o->add_dx)};
    if (!o->in || !o->give || !o->spare || !o->x || !o->dx || !o->add_dx)
        return mr_no_memory(e, "the plan");
    for (size_t k = 0; k < all; k++)
        o->in[k] = mr_batch_shape(p, op->read[k % inputs]);
    for (size_t k = 0; k < inputs; k++)
        o->give[k].value = o->spare[k] = -1;
    return 0;
}

int mr_plan_add_layer(mr_plan *p, int node, mr_error *e)
{
    const mr_node *n = &p->graph->node[node];
    if (n->inputs == 0) /* a model input */
        return 0;
    if (mr_plan_is_alias(p, node)) {
        p->value[node].role = MR_ROLE_ALIAS;
        p->value[node].source = n->input[0];
        return 0;
    }
    mr_op *op = mr_plan_new_op(p, &mr_op_layer, node, node);
    op->read = n->input;
    op->reads = n->inputs;
    op->stops_gradient = !op->layer->class->backward;
    return allocate_call(p, op, e);
}

static int allocate(mr_plan *p, mr_error *e)
{
    size_t nodes = (size_t)p->graph->nodes;
    p->values = 2 * p->graph->nodes; /* at most one hidden value for a node */
    p->value = calloc(2 * nodes + 1, sizeof *p->value);
    p->op = calloc(2 * nodes + 1, sizeof *p->op);
    if (!p->value || !p->op)
        return mr_no_memory(e, "the plan");
    for (size_t i = 0; i < 2 * nodes; i++) {
        mr_value *v = &p->value[i];
        *v = (mr_value){.role = MR_ROLE_STORED,
                        .source = -1,
                        .norm = -1,
                        .maker = -1,
                        .buffer = -1,
                        .sums = -1,
                        .gradient = -1,
                        .pending = -1,
                        .low = -INFINITY,
                        .high = INFINITY};
        if (i >= nodes)
            continue;
        const mr_shape *s = &p->graph->node[i].shape;
        v->sample = mr_shape_sample(s);
        v->channels = s->rank > 1 ? (int)s->dim[s->rank - 1] : 1;
    }
    for (size_t i = 0; i < nodes; i++)
        for (int k = 0; k < p->graph->node[i].inputs; k++)
            p->value[p->graph->node[i].input[k]].readers++;
    for (int i = 0; i < p->outputs; i++)
        p->value[p->output[i]].readers++;
    return 0;
}

int mr_plan_assign(mr_plan *p, mr_error *e)
{
    int status = allocate(p, e);
#ifndef MR_REAL_DOUBLE /* the fused kernels are of float alone */
    if (!status && !p->options.plain)
        return mr_plan_fuse(p, e);
#endif
    for (int i = 0; i < p->graph->nodes && !status; i++)
        status = mr_plan_add_layer(p, i, e);
    return status;
}
