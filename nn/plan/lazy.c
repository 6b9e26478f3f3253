/* SPDX-License-Identifier: Apache-2.0 */
/* What the fused kernels are given: lazy values as factors to apply on reading, pending gradients as factors
 * to apply on taking, and masks and sums to make on giving. */
#include "nn/plan/internal.h"

#include <math.h>

mr_conv_input mr_run_input(const mr_run *r, int v)
{
    const mr_value *value = &r->p->value[v];
    mr_conv_input in = {.x = mr_run_numbers(r, v), .low = -INFINITY, .high = INFINITY};
    if (value->role != MR_ROLE_LAZY)
        return in;
    const mr_op *norm = &r->p->op[value->norm];
    in.low = value->low;
    in.high = value->high;
    if (norm->layer || r->p->training) {
        mr_norm_factors f = mr_norm_factors_of(r, norm);
        in.scale = f.scale;
        in.shift = f.shift;
    }
    return in;
}

/* All of it is of the output's type. */
mr_conv_gradient mr_run_take(const mr_run *r, const mr_take *t)
{
    const mr_plan *p = r->p;
    mr_conv_gradient g = {.dy = mr_run_gradient(r, t->value)};
    if (t->pending >= 0) {
        const mr_op *norm = &p->op[t->pending];
        mr_norm_factors f = mr_norm_factors_of(r, norm);
        if (t->plain)
            g.add = g.dy;
        g.dy.at = mr_run_buffer(r, p->value[norm->norm.value].gradient);
        g.x = mr_run_numbers(r, t->value);
        g.a = f.a;
        g.b = f.b;
        g.c = f.c;
    }
    g.store = (mr_numbers){mr_run_buffer(r, t->store), g.dy.half};
    return g;
}

mr_conv_input_gradient mr_run_give(const mr_run *r, const mr_give *g)
{
    const mr_value *v = &r->p->value[g->value];
    mr_conv_input_gradient dx = {.dx = mr_run_gradient(r, g->value), .low = -INFINITY, .high = INFINITY};
    if (g->add)
        dx.add = dx.dx;
    if (v->role != MR_ROLE_LAZY || !g->last)
        return dx;
    const mr_op *norm = &r->p->op[v->norm];
    mr_norm_factors f = mr_norm_factors_of(r, norm);
    dx.x = mr_run_numbers(r, g->value);
    dx.scale = f.scale;
    dx.shift = f.shift;
    dx.low = v->low;
    dx.high = v->high;
    if (norm->norm.sums) {
        dx.mean = f.centre;
        dx.sums = f.sums;
    }
    return dx;
}
