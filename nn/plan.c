/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/fused/program.h"

#include "nn/layers/layers.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { MAX_BATCH = 1 << 16, HUGE_PAGE = 2 << 20 };
static const size_t most_arena = (size_t)1 << 46;

static void *at(const mr_plan *p, int buffer)
{
    return buffer < 0 ? NULL : p->arena + p->buffer[buffer].offset;
}

/* The arena's addresses never change: set once. What changes from run to run is set in point_step. */
static void point_fixed(mr_plan *p)
{
    for (int i = 0; i < p->steps; i++) {
        mr_step *s = &p->step[i];
        const mr_node *n = &p->graph->node[i];
        s->call.y = p->buffer[s->value].bytes ? at(p, s->value) : NULL;
        s->call.dy = at(p, s->gradient);
        s->call.saved = at(p, s->saved);
        for (int k = 0; k < n->inputs; k++) {
            const mr_step *source = &p->step[n->input[k]];
            s->x[k] = p->buffer[source->value].bytes ? at(p, source->value) : NULL;
            s->dx[k] = s->spare[k] >= 0 ? at(p, s->spare[k]) : at(p, source->gradient);
        }
    }
}

int mr_arena_allocate(char **arena, size_t bytes, const mr_plan_options *options, mr_error *e)
{
    size_t limit = options->memory_limit;
    if (bytes > most_arena || (limit && bytes > limit)) {
        size_t per_sample = bytes / (size_t)options->batch;
        int status = mr_fail(e, MR_ELIMIT, "activations for a batch of %d need %zu MiB, over the limit of %zu MiB",
                             options->batch, bytes >> 20, (limit ? limit : most_arena) >> 20);
        return mr_hint(e, status, "--batch-size %zu fits", limit && per_sample ? limit / per_sample : (size_t)1);
    }
    bytes = (bytes + HUGE_PAGE) / HUGE_PAGE * HUGE_PAGE;
    *arena = aligned_alloc(HUGE_PAGE, bytes);
    if (!*arena)
        return mr_hint(e, mr_fail(e, MR_ENOMEM, "out of memory: activations for a batch of %d need %zu MiB",
                                  options->batch, bytes >> 20),
                       "give a smaller --batch-size");
    madvise(*arena, bytes, MADV_HUGEPAGE);
    return 0;
}

static int allocate_gradients(mr_plan *p, mr_error *e)
{
    if (p->options.kind == MR_PLAN_TRAINING) {
        p->gradients = mr_state_alloc(p->graph->weights);
        if (!p->gradients)
            return mr_fail(e, MR_ENOMEM, "out of memory for the gradients of %zu weights", p->graph->weights);
        memset(p->gradients, 0, p->graph->weights * sizeof *p->gradients);
    }
    return 0;
}

static int set_up_outputs(mr_plan *p, mr_error *e)
{
    p->outputs = p->graph->outputs + p->options.extras;
    p->output = malloc(((size_t)p->outputs + 1) * sizeof *p->output);
    p->input = calloc((size_t)p->graph->inputs + 1, sizeof *p->input);
    if (!p->output || !p->input)
        return mr_fail(e, MR_ENOMEM, "out of memory for the plan");
    for (int i = 0; i < p->graph->outputs; i++)
        p->output[i] = p->graph->output[i];
    for (int i = 0; i < p->options.extras; i++)
        p->output[p->graph->outputs + i] = p->options.extra[i];
    return 0;
}

static int build_steps(mr_plan *p, mr_error *e)
{
    p->step = calloc((size_t)p->graph->nodes + 1, sizeof *p->step);
    if (!p->step)
        return mr_fail(e, MR_ENOMEM, "out of memory for the plan");
    p->steps = p->graph->nodes;
    int status = mr_plan_analyse(p, e);
    if (!status)
        status = mr_place_buffers(p->buffer, p->buffers, &p->arena_bytes, e);
    if (!status)
        status = mr_arena_allocate(&p->arena, p->arena_bytes, &p->options, e);
    if (status)
        return status;
    mr_poison_gaps(p->arena, p->arena_bytes, p->buffer, p->buffers);
    point_fixed(p);
    return 0;
}

int mr_plan_create(mr_plan **out, mr_graph *g, mr_team *team, mr_plan_options options, mr_error *e)
{
    *out = NULL;
    if (options.batch < 1 || options.batch > MAX_BATCH)
        return mr_fail(e, MR_EINVAL, "a batch of %d: 1 to %d are possible", options.batch, MAX_BATCH);
    mr_plan *p = calloc(1, sizeof *p);
    if (!p)
        return mr_fail(e, MR_ENOMEM, "out of memory for the plan");
    p->graph = g;
    p->team = team;
    p->options = options;
    int status = set_up_outputs(p, e);
    for (int i = 0; options.kind == MR_PLAN_TRAINING && i < g->nodes && !status; i++)
        if (g->node[i].inputs && !g->node[i].inference)
            status = mr_random_crop_check_training(g->node[i].layer, &g->node[g->node[i].input[0]].shape, e);
    if (!status)
        status = allocate_gradients(p, e);
    if (!status && !options.plain)
        status = mr_program_create(&p->program, p, e);
    if (!status && !p->program)
        status = build_steps(p, e);
    if (status) {
        mr_plan_free(p);
        return status;
    }
    *out = p;
    return 0;
}

void mr_plan_free(mr_plan *p)
{
    if (!p)
        return;
    for (int i = 0; p->step && i < p->steps; i++) {
        mr_step *s = &p->step[i];
        free(s->in);
        free(s->x);
        free(s->dx);
        free(s->add_dx);
        free(s->spare);
    }
    mr_program_free(p->program);
    free(p->step);
    free(p->buffer);
    free(p->output);
    free(p->input);
    mr_unpoison(p->arena, p->arena_bytes);
    free(p->arena);
    mr_state_free(p->gradients);
    free(p);
}

size_t mr_plan_memory(const mr_plan *p)
{
    return p->program ? mr_program_memory(p->program) : p->arena_bytes;
}

/* Where the output of NODE lies in this run: the arena, or the caller's memory when it is a model input (or
 * its alias). */
static const mr_real *value_of(const mr_plan *p, int node)
{
    const mr_step *s = &p->step[node];
    if (p->buffer[s->value].bytes)
        return at(p, s->value);
    while (p->graph->node[node].inputs)
        node = p->graph->node[node].input[0];
    for (int i = 0; i < p->graph->inputs; i++)
        if (p->graph->input[i] == node)
            return p->input[i];
    return NULL;
}

/* Batch size, the weights' addresses (the state may have been swapped) and inputs that lie in the caller's
 * memory. */
static void point_step(mr_plan *p, int i)
{
    mr_step *s = &p->step[i];
    const mr_node *n = &p->graph->node[i];
    s->call.batch = p->batch;
    s->call.step = p->step_number;
    s->call.out.dim[0] = p->batch;
    for (int k = 0; k < n->inputs; k++) {
        s->in[k].dim[0] = p->batch;
        if (p->buffer[p->step[n->input[k]].value].bytes == 0)
            s->x[k] = value_of(p, n->input[k]);
    }
    for (int k = 0; k < n->layer->params; k++) {
        const mr_param *w = &n->layer->param[k];
        s->call.w[k] = mr_param_value(p->graph, w);
        s->call.dw[k] = p->gradients && w->trainable ? p->gradients + w->offset : NULL;
    }
}

void mr_plan_forward(mr_plan *p, const mr_real *const *x, int batch, uint64_t step)
{
    if (p->program) {
        mr_program_forward(p->program, x, batch, step);
        return;
    }
    p->batch = batch;
    p->step_number = step;
    for (int i = 0; i < p->graph->inputs; i++)
        p->input[i] = x[i];
    for (int i = 0; i < p->steps; i++) {
        mr_step *s = &p->step[i];
        if (!s->class || !mr_plan_runs(&p->options, s->class, batch))
            continue;
        point_step(p, i);
        s->call.scratch = at(p, s->scratch);
        s->class->forward(&s->call);
    }
}

const mr_real *mr_plan_output(const mr_plan *p, int i)
{
    if (p->program)
        return mr_program_output(p->program, i);
    return value_of(p, p->output[i]);
}

mr_real *mr_plan_output_gradient(mr_plan *p, int i)
{
    if (p->program)
        return mr_program_output_gradient(p->program, i);
    return at(p, p->step[p->output[i]].gradient); /* NULL: none is needed */
}

struct sum {
    const mr_real *from;
    mr_real *to;
    bool add;
};

static void copy_or_add(void *argument, size_t first, size_t end, int thread)
{
    (void)thread;
    const struct sum *s = argument;
    if (!s->add)
        memcpy(s->to + first, s->from + first, (end - first) * sizeof *s->to);
    else
        for (size_t i = first; i < end; i++)
            s->to[i] += s->from[i];
}

static void pass_on(mr_plan *p, const mr_real *from, int node, bool add)
{
    struct sum s = {from, at(p, p->step[node].gradient), add};
    mr_team_ranges(p->team, (size_t)p->batch * mr_shape_sample(&p->graph->node[node].shape), 1 << 14,
                   copy_or_add, &s);
}

static void backward_step(mr_plan *p, int i)
{
    mr_step *s = &p->step[i];
    const mr_node *n = &p->graph->node[i];
    if (!s->class) { /* an alias whose gradient has memory of its own */
        pass_on(p, s->call.dy, n->input[0], s->add_dx[0]);
        return;
    }
    s->call.scratch = at(p, s->backward_scratch);
    s->class->backward(&s->call);
    for (int k = 0; k < n->inputs; k++)
        if (s->spare[k] >= 0)
            pass_on(p, s->dx[k], n->input[k], true);
}

/* A shared layer has a call whose turn in backward is still to come. */
static bool runs_again(const mr_plan *p, int step)
{
    for (int i = 0; i < step; i++)
        if (p->step[i].backward && p->step[i].call.layer == p->step[step].call.layer)
            return true;
    return false;
}

void mr_plan_backward(mr_plan *p)
{
    memset(p->gradients, 0, p->graph->weights * sizeof *p->gradients);
    if (p->program)
        mr_program_backward(p->program);
    for (int i = p->steps - 1; i >= 0; i--) {
        const mr_step *s = &p->step[i];
        if (!s->backward)
            continue;
        if (p->batch || (s->class && mr_plan_runs(&p->options, s->class, 0)))
            backward_step(p, i);
        if (s->class && !runs_again(p, i))
            mr_plan_tell_done(&p->options, s->call.layer);
    }
}

mr_real *mr_plan_gradient(const mr_plan *p, const mr_param *param)
{
    return p->gradients && param->trainable ? p->gradients + param->offset : NULL;
}

mr_real *mr_plan_gradients(mr_plan *p)
{
    return p->gradients;
}

const mr_real *mr_plan_input_gradient(const mr_plan *p, int i)
{
    if (p->program)
        return mr_program_input_gradient(p->program, i);
    return at(p, p->step[p->graph->input[i]].gradient);
}

/* A shared layer's second call goes on from what its first one made. */
static bool called_before(const mr_plan *p, int step)
{
    for (int i = 0; i < step; i++)
        if (p->step[i].class && p->step[i].call.layer == p->step[step].call.layer)
            return true;
    return false;
}

void mr_plan_update_statistics(mr_plan *p, mr_real *state_out)
{
    if (p->program)
        mr_program_update_statistics(p->program, state_out);
    for (int i = 0; i < p->steps; i++) {
        mr_step *s = &p->step[i];
        if (!s->class || !s->class->update_state)
            continue;
        bool again = called_before(p, i);
        for (int k = 0; k < s->call.layer->params; k++) {
            const mr_param *w = &s->call.layer->param[k];
            s->call.w[k] = again ? state_out + w->offset : mr_param_value(p->graph, w);
            s->call.state_out[k] = state_out + w->offset;
        }
        s->class->update_state(&s->call);
    }
}
