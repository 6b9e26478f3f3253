/* SPDX-License-Identifier: Apache-2.0 */
/* Who gives gradients to whom, in the order in which backward will run: last operation first. */
#include "nn/fused/internal.h"

#include <stdlib.h>

struct planning {
    mr_program *p;
    bool *receives; /* [values] something that the loss depends on gives it gradient */
    mr_error *e;
};

static bool has_trainable(const mr_layer *l)
{
    for (int i = 0; l && i < l->params; i++)
        if (l->param[i].trainable)
            return true;
    return false;
}

/* An alias stands for the stored value under it; a lazy value has a gradient of its own. */
static int target(const mr_program *p, int v)
{
    while (p->value[v].role == MR_ROLE_ALIAS)
        v = p->value[v].source;
    return v;
}

static bool needs(const mr_program *p, int v)
{
    return v >= 0 && p->value[target(p, v)].needs_gradient;
}

static bool passes_gradient(const mr_op *op)
{
    return op->class != &mr_op_layer || op->layer->class->backward;
}

static bool any_input_needs(const mr_program *p, const mr_op *op)
{
    if (op->class != &mr_op_layer)
        return needs(p, op->input) || (op->class == &mr_op_conv && needs(p, op->conv.residual));
    for (int k = 0; k < p->graph->node[op->node].inputs; k++)
        if (needs(p, op->call.input[k]))
            return true;
    return false;
}

static void find_needs(mr_program *p)
{
    for (int i = 0; i < p->graph->inputs; i++)
        p->value[p->graph->input[i]].needs_gradient = p->options.input_gradients;
    for (int i = 0; i < p->ops; i++) {
        const mr_op *op = &p->op[i];
        bool own = has_trainable(op->layer);
        if (op->class == &mr_op_norm)
            p->value[op->norm.value].needs_gradient = own || needs(p, op->norm.source);
        else
            p->value[op->out].needs_gradient = passes_gradient(op) && (own || any_input_needs(p, op));
    }
}

static void give_notice(struct planning *s, int v)
{
    if (!needs(s->p, v))
        return;
    v = target(s->p, v);
    s->receives[v] = true;
    if (s->p->value[v].role == MR_ROLE_LAZY)
        s->p->value[v].givers++;
}

/* Which operations run backward, and how many give to each lazy value. */
static void find_backward(struct planning *s)
{
    mr_program *p = s->p;
    for (int i = 0; i < p->outputs; i++)
        give_notice(s, p->output[i]);
    for (int i = p->ops - 1; i >= 0; i--) {
        mr_op *op = &p->op[i];
        int made = op->class == &mr_op_norm ? op->norm.value : op->out;
        op->backward = s->receives[made];
        if (!op->backward)
            continue;
        if (op->class == &mr_op_norm)
            give_notice(s, op->norm.source);
        else if (op->class == &mr_op_layer)
            for (int k = 0; k < p->graph->node[op->node].inputs; k++)
                give_notice(s, op->call.input[k]);
        else
            give_notice(s, op->input);
        if (op->class == &mr_op_conv)
            give_notice(s, op->conv.residual);
    }
}

/* The buffer of a value's gradient, made when it is first wanted. */
static int gradient_buffer(struct planning *s, int v)
{
    mr_value *value = &s->p->value[v];
    if (value->gradient < 0)
        value->gradient = mr_program_buffer(s->p, mr_value_bytes(s->p, v), s->e);
    return value->gradient < 0 ? value->gradient : 0;
}

static int plan_give(struct planning *s, int input, mr_give *give)
{
    mr_program *p = s->p;
    give->value = -1;
    if (!needs(p, input))
        return 0;
    give->value = target(p, input);
    mr_value *v = &p->value[give->value];
    give->add = v->written;
    v->written = true;
    give->last = v->role == MR_ROLE_LAZY && ++v->given == v->givers;
    return gradient_buffer(s, give->value);
}

/* The norm operation adds its part to the source's gradient itself. */
static int apply(struct planning *s, mr_op *op)
{
    mr_value *source = &s->p->value[op->norm.source];
    op->norm.apply = true;
    op->norm.apply_add = source->written;
    source->written = true;
    return gradient_buffer(s, op->norm.source);
}

static int plan_norm(struct planning *s, int number)
{
    mr_program *p = s->p;
    mr_op *op = &p->op[number];
    mr_value *source = &p->value[op->norm.source];
    op->norm.sums = op->norm.batch || has_trainable(op->layer);
    if (!needs(p, op->norm.source))
        return 0;
    const mr_op *maker = source->maker >= 0 ? &p->op[source->maker] : NULL;
    if (!maker || !maker->class->takes_pending || source->pending >= 0)
        return apply(s, op);
    source->pending = number;
    return 0;
}

static bool can_store(const mr_op *op)
{
    const mr_conv *d = &op->conv.d;
    return d->r == 1 && d->s == 1 && d->stride_h == 1 && d->stride_w == 1 && d->pad_top == 0 &&
           d->pad_left == 0 && d->p == d->h && d->q == d->w;
}

/* The residual's gradient is the output's. Where nothing has been given to it yet it gets the output's
 * buffer, which later givers add to: by then this convolution has read it. */
static int plan_residual(struct planning *s, mr_op *op)
{
    mr_program *p = s->p;
    mr_value *out = &p->value[op->out];
    int q = target(p, op->conv.residual);
    mr_value *residual = &p->value[q];
    bool same = needs(p, op->input) && target(p, op->input) == q; /* then dx must not meet dy in one buffer */
    int status = gradient_buffer(s, op->out);
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

static void plan_take(const mr_program *p, mr_op *op)
{
    const mr_value *out = &p->value[op->out];
    op->take.pending = out->pending;
    op->take.plain = out->written;
}

static int plan_layer(struct planning *s, mr_op *op)
{
    mr_program *p = s->p;
    int status = 0;
    for (int k = 0; k < p->graph->node[op->node].inputs && !status; k++) {
        mr_give *give = &op->call.give[k];
        status = plan_give(s, op->call.input[k], give);
        if (status || give->value < 0 || !give->add || !op->layer->class->ignores_add_dx)
            continue;
        const mr_value *v = &p->value[give->value];
        int spare = mr_program_buffer(p, (size_t)p->batch * v->sample * sizeof(float), s->e);
        op->call.spare[k] = spare;
        status = spare < 0 ? spare : 0;
    }
    return status;
}

/* A normalisation without activation, under which nobody wants a gradient, and which this convolution alone
 * reads. */
static bool norm_by_weights(const mr_program *p, const mr_op *op)
{
    const mr_value *v = &p->value[op->input];
    if (op->class != &mr_op_conv || v->role != MR_ROLE_LAZY || v->givers != 1 || v->low > -INFINITY ||
        v->high < INFINITY)
        return false;
    return v->needs_gradient && p->op[v->norm].layer && !needs(p, v->source) && !p->value[v->source].half;
}

static int plan_op(struct planning *s, int number)
{
    mr_program *p = s->p;
    mr_op *op = &p->op[number];
    if (!op->backward)
        return 0;
    if (op->class == &mr_op_norm)
        return plan_norm(s, number);
    int status = 0;
    /* before the residual gets the buffer: what is in it now is the output's own */
    bool plain = p->value[op->out].written;
    if (op->class == &mr_op_conv && needs(p, op->conv.residual))
        status = plan_residual(s, op);
    plan_take(p, op);
    op->take.plain = op->take.pending >= 0 ? plain : true;
    if (status)
        return status;
    if (op->class == &mr_op_layer)
        return plan_layer(s, op);
    if (norm_by_weights(p, op)) {
        op->conv.norm_by_weights = p->value[op->input].norm;
        return 0;
    }
    return plan_give(s, op->input, &op->give);
}

int mr_program_plan_gradients(mr_program *p, mr_error *e)
{
    struct planning s = {.p = p, .e = e};
    s.receives = calloc((size_t)p->values + 1, sizeof *s.receives);
    if (!s.receives)
        return mr_fail(e, MR_ENOMEM, "out of memory for the plan");
    find_needs(p);
    find_backward(&s);
    int status = 0;
    for (int i = 0; i < p->outputs && !status; i++) {
        int v = target(p, p->output[i]);
        if (!p->value[v].needs_gradient)
            continue;
        p->value[v].written = true; /* by the loss */
        status = gradient_buffer(&s, v);
    }
    for (int i = p->ops - 1; i >= 0 && !status; i--)
        status = plan_op(&s, i);
    free(s.receives);
    return status;
}
