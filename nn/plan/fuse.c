/* SPDX-License-Identifier: Apache-2.0 */
/* The operations that the nodes' roles make up, and the types of their values. */
#include "nn/plan/roles.h"
#include "nn/layers/merge.h"

#include <stdlib.h>

/* What NODE really reads: the image inside of an absorbed margin. */
static int read_by(const struct mr_role_scan *s, int node)
{
    int source = s->g->node[node].input[0];
    return s->info[source].margin ? s->g->node[source].input[0] : source;
}

static void set_reads(mr_op *op, int first, int second)
{
    op->own_read[0] = first;
    op->own_read[1] = second;
    op->read = op->own_read;
    op->reads = second < 0 ? 1 : 2;
}

static void add_norm(struct mr_role_scan *s, int node, int lazy, int source, float low, float high, bool norm)
{
    mr_plan *p = s->p;
    mr_op *op = mr_plan_new_op(p, &mr_op_norm, node, -1);
    mr_norm_op *o = &op->norm;
    *o = (mr_norm_op){.value = lazy, .source = source, .index = {-1, -1, -1, -1}};
    if (!norm || !mr_batch_normalization_parts(op->layer, &o->epsilon, o->index))
        op->layer = NULL;
    o->batch = p->training && op->layer && op->layer->trainable && !s->g->node[node].inference;
    op->made = lazy;
    set_reads(op, source, -1);
    mr_value *v = &p->value[lazy];
    v->role = MR_ROLE_LAZY;
    v->source = source;
    v->norm = p->ops - 1;
    v->low = low;
    v->high = high;
    if (o->batch)
        p->value[source].wants_sums = true;
}

static void add_conv(struct mr_role_scan *s, int node)
{
    mr_plan *p = s->p;
    const struct mr_role_info *n = &s->info[node];
    bool raw = p->training && mr_role_is_clamped(n->low, n->high); /* the activation is its readers' */
    int out = raw ? p->graph->nodes + p->hidden : n->tail;
    mr_op *op = mr_plan_new_op(p, n->depthwise ? &mr_op_depthwise : &mr_op_conv, n->tail, out);
    op->layer = s->g->node[node].layer;
    op->input = read_by(s, node);
    op->conv = (mr_conv_op){.d = n->d,
                            .residual = -1,
                            .fold = n->fold,
                            .low = raw ? -INFINITY : n->low,
                            .high = raw ? INFINITY : n->high,
                            .bias = op->layer->params > 1,
                            .give_residual = {.value = -1},
                            .norm_by_weights = -1};
    if (n->add >= 0) {
        const mr_node *a = &s->g->node[n->add];
        int first = a->input[0];
        while (first > node && mr_role_is_norm(s, first))
            first = s->g->node[first].input[0];
        op->conv.residual = a->input[first == node ? 1 : 0];
    }
    set_reads(op, op->input, op->conv.residual);
    if (!raw)
        return;
    mr_value *hidden = &p->value[out];
    *hidden = p->value[node];
    hidden->maker = p->ops - 1;
    p->hidden++;
    add_norm(s, node, node, out, n->low, n->high, false);
}

static void add_pool(struct mr_role_scan *s, int node)
{
    mr_op *op = mr_plan_new_op(s->p, &mr_op_pool, node, node);
    op->input = read_by(s, node);
    set_reads(op, op->input, -1);
    op->pool = (mr_pool_op){.p = s->info[node].p, .places = -1};
}

static int add_operation(struct mr_role_scan *s, int node, mr_error *e)
{
    mr_plan *p = s->p;
    const mr_node *call = &s->g->node[node];
    const struct mr_role_info *n = &s->info[node];
    if (call->inputs == 0)
        return 0;
    int conv = mr_role_conv_ending_in(s, node);
    if (conv >= 0) {
        add_conv(s, conv);
    } else if (n->lazy_source >= 0) {
        add_norm(s, n->lazy_norm >= 0 ? n->lazy_norm : node, node, n->lazy_source, n->low, n->high,
                 n->lazy_norm >= 0);
    } else if (n->absorbed || n->margin) {
        p->value[node].role = MR_ROLE_INSIDE;
    } else if (n->pool && !mr_plan_is_alias(p, node)) {
        add_pool(s, node);
    } else
        return mr_plan_add_layer(p, node, e);
    return 0;
}

/* ---- all of it */

static int list_readers(struct mr_role_scan *s, mr_error *e)
{
    int total = 0, nodes = s->g->nodes;
    for (int i = 0; i < nodes; i++)
        total += s->g->node[i].inputs;
    s->info = calloc((size_t)nodes + 1, sizeof *s->info);
    s->readers_of = calloc((size_t)total + 1, sizeof *s->readers_of);
    if (!s->info || !s->readers_of)
        return mr_no_memory(e, "the plan");
    for (int i = 0; i < nodes; i++)
        for (int k = 0; k < s->g->node[i].inputs; k++)
            s->info[s->g->node[i].input[k]].readers++;
    int *at = s->readers_of;
    for (int i = 0; i < nodes; i++) {
        s->info[i].reader = at;
        at += s->info[i].readers;
        s->info[i].readers = 0;
        s->info[i].fold = s->info[i].add = s->info[i].lazy_source = s->info[i].lazy_norm = -1;
        s->info[i].tail = i;
        s->info[i].head = -1;
        s->info[i].low = -INFINITY;
        s->info[i].high = INFINITY;
    }
    for (int i = 0; i < nodes; i++)
        for (int k = 0; k < s->g->node[i].inputs; k++) {
            struct mr_role_info *n = &s->info[s->g->node[i].input[k]];
            n->reader[n->readers++] = i;
        }
    for (int i = 0; i < s->p->outputs; i++)
        s->info[s->p->output[i]].output = true;
    return 0;
}

/* A residual is of the same type as what it is added to: their gradients are added, too. */
static void match_residuals(mr_plan *p)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (int i = 0; i < p->ops; i++) {
            if (p->op[i].class != &mr_op_conv || p->op[i].conv.residual < 0)
                continue;
            mr_value *a = &p->value[p->op[i].out], *b = &p->value[mr_stored(p, p->op[i].conv.residual)];
            changed |= a->half != b->half;
            a->half = b->half = a->half && b->half;
        }
    }
}

/* Mixed precision: what convolutions and pools write for each other is kept in bf16. */
static void choose_types(mr_plan *p)
{
    for (int i = 0; i < p->ops; i++)
        if (p->op[i].class == &mr_op_conv || p->op[i].class == &mr_op_pool)
            p->value[p->op[i].out].half = true;
    for (int i = 0; i < p->ops; i++)
        for (int k = 0; p->op[i].class == &mr_op_layer && k < p->op[i].reads; k++)
            p->value[mr_stored(p, p->op[i].read[k])].half = false;
    for (int i = 0; i < p->ops; i++)
        if (p->op[i].class == &mr_op_depthwise) {
            p->value[mr_stored(p, p->op[i].input)].half = false;
            if (p->op[i].conv.residual >= 0)
                p->value[mr_stored(p, p->op[i].conv.residual)].half = false;
        }
    for (int i = 0; i < p->outputs; i++)
        p->value[mr_stored(p, p->output[i])].half = false;
    if (p->training)
        match_residuals(p);
    for (int i = 0; i < p->values; i++)
        if (p->value[i].role == MR_ROLE_LAZY || p->value[i].role == MR_ROLE_ALIAS)
            p->value[i].half = p->value[mr_stored(p, i)].half;
}

int mr_plan_fuse(mr_plan *p, mr_error *e)
{
    struct mr_role_scan s = {.p = p, .g = p->graph};
    int status = list_readers(&s, e);
    if (!status)
        mr_role_find_all(&s);
    for (int i = 0; i < p->graph->nodes && !status; i++)
        status = add_operation(&s, i, e);
    if (!status && p->mixed)
        choose_types(p);
    free(s.info);
    free(s.readers_of);
    return status;
}
