/* SPDX-License-Identifier: Apache-2.0 */
/* Who needs what, and when: which outputs share memory with their inputs, which gradients are needed, and
 * from when to when each buffer lives. */
#include "nn/plan_internal.h"

#include <stdlib.h>
#include <string.h>

struct analysis {
    mr_plan *p;
    bool training;
    int *readers; /* [nodes] calls that read the node's output (an output of the model counts as one) */
    bool *needs_gradient;  /* [nodes] the loss's gradient by the node's output is wanted */
    bool *shares;          /* [nodes] the node's output lies in its first input's buffer */
    bool *shares_gradient; /* [nodes] its gradient is its first input's too */
    mr_error *e;
};

static int new_buffer(struct analysis *a, size_t bytes)
{
    mr_plan *p = a->p;
    if (p->buffers == p->buffer_capacity) {
        int capacity = p->buffer_capacity ? 2 * p->buffer_capacity : 256;
        mr_buffer *larger = realloc(p->buffer, (size_t)capacity * sizeof *larger);
        if (!larger)
            return mr_fail(a->e, MR_ENOMEM, "out of memory for the plan");
        p->buffer = larger;
        p->buffer_capacity = capacity;
    }
    bytes = (bytes + MR_BUFFER_ALIGNMENT - 1) / MR_BUFFER_ALIGNMENT * MR_BUFFER_ALIGNMENT;
    p->buffer[p->buffers] = (mr_buffer){.bytes = bytes, .first = 1 << 30, .last = -1};
    return p->buffers++;
}

static void live(mr_plan *p, int buffer, int time)
{
    if (buffer < 0)
        return;
    if (time < p->buffer[buffer].first)
        p->buffer[buffer].first = time;
    if (time > p->buffer[buffer].last)
        p->buffer[buffer].last = time;
}

static int backward_time(const mr_plan *p, int node)
{
    return 2 * p->steps - node;
}
static int end_of_time(const mr_plan *p)
{
    return 2 * p->steps + 1;
}

static bool is_alias(const struct analysis *a, const mr_node *n)
{
    const mr_layer_class *class = n->layer->class;
    return class->alias || ((!a->training || n->inference) && class->identity_at_inference);
}

static size_t value_bytes(const mr_plan *p, int node)
{
    return (size_t)p->options.batch * mr_shape_sample(&p->graph->node[node].shape) * sizeof(mr_real);
}

static bool has_trainable(const mr_layer *l)
{
    for (int i = 0; i < l->params; i++)
        if (l->param[i].trainable)
            return true;
    return false;
}

static void count_readers(struct analysis *a)
{
    mr_plan *p = a->p;
    for (int i = 0; i < p->steps; i++)
        for (int k = 0; k < p->graph->node[i].inputs; k++)
            a->readers[p->graph->node[i].input[k]]++;
    for (int i = 0; i < p->outputs; i++)
        a->readers[p->output[i]]++;
}

static void find_gradients(struct analysis *a)
{
    mr_plan *p = a->p;
    for (int i = 0; a->training && i < p->steps; i++) {
        const mr_node *n = &p->graph->node[i];
        const mr_layer_class *class = n->layer->class;
        bool upstream = n->inputs == 0 && p->options.input_gradients;
        for (int k = 0; k < n->inputs; k++)
            upstream |= a->needs_gradient[n->input[k]];
        bool passes = n->inputs == 0 || is_alias(a, n) || class->backward;
        a->needs_gradient[i] = passes && (upstream || has_trainable(n->layer));
    }
}

/* May node I write its output over its first input? Only if nobody else reads that, no model input or output
 * is touched, and no backward pass wants what would be overwritten. */
static bool may_overwrite(const struct analysis *a, int i)
{
    const mr_plan *p = a->p;
    const mr_node *n = &p->graph->node[i];
    int source = n->input[0];
    const mr_node *s = &p->graph->node[source];
    if (!n->layer->class->in_place || s->inputs == 0 || p->buffer[p->step[source].value].bytes == 0 ||
        a->readers[source] != 1 || !mr_shape_equal(&n->shape, &s->shape))
        return false;
    if (!p->step[source].class)
        return false; /* an alias: others may read the same memory under its source's name */
    return !a->training || (!mr_layer_needs_x(n->layer) && !mr_layer_needs_y(s->layer));
}

static int place_values(struct analysis *a)
{
    mr_plan *p = a->p;
    for (int i = 0; i < p->steps; i++) {
        const mr_node *n = &p->graph->node[i];
        bool alias = n->inputs > 0 && is_alias(a, n);
        a->shares[i] = n->inputs > 0 && (alias || may_overwrite(a, i));
        int buffer =
            a->shares[i] ? p->step[n->input[0]].value : new_buffer(a, n->inputs ? value_bytes(p, i) : 0);
        if (buffer < 0)
            return buffer;
        p->step[i].value = buffer;
        p->step[i].class = n->inputs == 0 || alias ? NULL : n->layer->class;
        live(p, buffer, i);
        for (int k = 0; k < n->inputs; k++)
            live(p, p->step[n->input[k]].value, i);
    }
    for (int i = 0; i < p->outputs; i++)
        live(p, p->step[p->output[i]].value, end_of_time(p));
    return 0;
}

/* The gradient of an alias or in-place call is its input's gradient too when that has no other reader. */
static bool may_share_gradient(const struct analysis *a, int i)
{
    const mr_node *n = &a->p->graph->node[i];
    if (n->inputs == 0 || a->readers[n->input[0]] != 1 || !a->needs_gradient[n->input[0]])
        return false;
    if (is_alias(a, n))
        return true;
    return n->layer->class->in_place && mr_shape_equal(&n->shape, &a->p->graph->node[n->input[0]].shape);
}

static int place_gradients(struct analysis *a)
{
    mr_plan *p = a->p;
    for (int i = 0; i < p->steps; i++) {
        mr_step *s = &p->step[i];
        s->gradient = -1;
        if (!a->needs_gradient[i])
            continue;
        a->shares_gradient[i] = may_share_gradient(a, i);
        s->gradient = a->shares_gradient[i] ? p->step[p->graph->node[i].input[0]].gradient
                                            : new_buffer(a, value_bytes(p, i));
        if (s->gradient < 0)
            return s->gradient;
        s->backward =
            p->graph->node[i].inputs > 0 && (s->class ? s->class->backward != NULL : !a->shares_gradient[i]);
        live(p, s->gradient, p->graph->node[i].inputs ? backward_time(p, i) : end_of_time(p));
    }
    return 0;
}

/* Whole lives of what backward reads and writes; who adds to a gradient rather than writing it. */
static int place_backward(struct analysis *a)
{
    mr_plan *p = a->p;
    bool *written = calloc((size_t)p->buffers + 1, sizeof *written);
    if (!written)
        return mr_fail(a->e, MR_ENOMEM, "out of memory for the plan");
    for (int i = 0; i < p->outputs; i++)
        if (p->step[p->output[i]].gradient >= 0) {
            live(p, p->step[p->output[i]].gradient, p->steps);
            written[p->step[p->output[i]].gradient] = true; /* by the loss */
        }
    int status = 0;
    for (int i = p->steps - 1; i >= 0 && !status; i--) {
        mr_step *s = &p->step[i];
        const mr_node *n = &p->graph->node[i];
        if (s->backward && !written[s->gradient])
            s->backward = false; /* nothing that the loss depends on reads it */
        if (!s->backward)
            continue;
        if (s->class && mr_layer_needs_y(n->layer))
            live(p, s->value, backward_time(p, i));
        for (int k = 0; k < n->inputs && !status; k++) {
            const mr_step *source = &p->step[n->input[k]];
            if (s->class && mr_layer_needs_x(n->layer))
                live(p, source->value, backward_time(p, i));
            if (source->gradient < 0)
                continue;
            bool own = k == 0 && a->shares_gradient[i]; /* dx is dy: nothing was there before */
            s->add_dx[k] = !own && written[source->gradient];
            written[source->gradient] = true;
            live(p, source->gradient, backward_time(p, i));
            if (s->add_dx[k] && s->class && s->class->ignores_add_dx) {
                s->spare[k] = new_buffer(a, value_bytes(p, n->input[k]));
                status = s->spare[k] < 0 ? s->spare[k] : 0;
                if (!status) {
                    live(p, s->spare[k], backward_time(p, i));
                    s->add_dx[k] = false;
                }
            }
        }
    }
    free(written);
    return status;
}

static int place_extras(struct analysis *a, int i)
{
    mr_plan *p = a->p;
    mr_step *s = &p->step[i];
    if (!s->class)
        return 0;
    size_t saved = a->training && s->class->saved_size ? s->class->saved_size(&s->call) : 0;
    size_t scratch = s->class->scratch_size ? s->class->scratch_size(&s->call) : 0;
    if (saved) {
        s->saved = new_buffer(a, saved);
        if (s->saved < 0)
            return s->saved;
        live(p, s->saved, i);
        live(p, s->saved, s->class->update_state ? end_of_time(p) : s->backward ? backward_time(p, i) : i);
    }
    if (scratch) {
        s->scratch = new_buffer(a, scratch);
        if (s->scratch < 0)
            return s->scratch;
        live(p, s->scratch, i);
    }
    if (scratch && s->backward) { /* of its own: one buffer at both times would be kept through all between */
        s->backward_scratch = new_buffer(a, scratch);
        if (s->backward_scratch < 0)
            return s->backward_scratch;
        live(p, s->backward_scratch, backward_time(p, i));
    }
    return 0;
}

static int set_up_step(struct analysis *a, int i)
{
    mr_plan *p = a->p;
    const mr_node *n = &p->graph->node[i];
    mr_step *s = &p->step[i];
    size_t inputs = (size_t)n->inputs;
    s->saved = s->scratch = s->backward_scratch = s->gradient = -1;
    s->in = calloc(inputs + 1, sizeof *s->in);
    s->x = calloc(inputs + 1, sizeof *s->x);
    s->dx = calloc(inputs + 1, sizeof *s->dx);
    s->add_dx = calloc(inputs + 1, sizeof *s->add_dx);
    s->spare = calloc(inputs + 1, sizeof *s->spare);
    if (!s->in || !s->x || !s->dx || !s->add_dx || !s->spare)
        return mr_fail(a->e, MR_ENOMEM, "out of memory for the plan");
    for (int k = 0; k < n->inputs; k++) {
        s->in[k] = p->graph->node[n->input[k]].shape;
        s->in[k].dim[0] = p->options.batch;
        s->spare[k] = -1;
    }
    s->call = (mr_call){.layer = n->layer,
                        .team = p->team,
                        .batch = p->options.batch,
                        .training = a->training,
                        .inference = n->inference,
                        .peers = a->training ? p->options.peers : NULL,
                        .inputs = n->inputs,
                        .in = s->in,
                        .out = n->shape,
                        .x = s->x,
                        .dx = s->dx,
                        .add_dx = s->add_dx,
                        .seed = p->graph->seed,
                        .node = (uint32_t)i};
    s->call.out.dim[0] = p->options.batch;
    return 0;
}

int mr_plan_analyse(mr_plan *p, mr_error *e)
{
    size_t nodes = (size_t)p->steps + 1;
    struct analysis a = {.p = p, .training = p->options.kind == MR_PLAN_TRAINING, .e = e};
    a.readers = calloc(nodes, sizeof *a.readers);
    a.needs_gradient = calloc(nodes, sizeof *a.needs_gradient);
    a.shares = calloc(nodes, sizeof *a.shares);
    a.shares_gradient = calloc(nodes, sizeof *a.shares_gradient);
    int status = a.readers && a.needs_gradient && a.shares && a.shares_gradient
                     ? 0
                     : mr_fail(e, MR_ENOMEM, "out of memory for the plan");
    for (int i = 0; i < p->steps && !status; i++)
        status = set_up_step(&a, i);
    if (!status) {
        count_readers(&a);
        find_gradients(&a);
        status = place_values(&a);
    }
    if (!status && a.training)
        status = place_gradients(&a);
    if (!status && a.training)
        status = place_backward(&a);
    for (int i = 0; i < p->steps && !status; i++)
        status = place_extras(&a, i);
    free(a.readers);
    free(a.needs_gradient);
    free(a.shares);
    free(a.shares_gradient);
    return status;
}
