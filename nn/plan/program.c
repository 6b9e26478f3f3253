/* SPDX-License-Identifier: Apache-2.0 */
/* A plan's memory, and running it. What it is made of: nn/plan/internal.h. */
#include "nn/plan/internal.h"
#include "nn/layers/layers.h"
#include "base/list.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_BATCH = 1 << 16 };

/* ---- buffers */

int mr_plan_buffer(mr_plan *p, size_t bytes, mr_error *e)
{
    if (!mr_list_grow(&p->buffer, (size_t)p->buffers, sizeof *p->buffer))
        return mr_no_memory(e, "the plan");
    bytes = (bytes + MR_BUFFER_ALIGNMENT - 1) / MR_BUFFER_ALIGNMENT * MR_BUFFER_ALIGNMENT;
    p->buffer[p->buffers] = (mr_buffer){.bytes = bytes, .first = 1 << 30, .last = -1};
    return p->buffers++;
}

void mr_plan_live(mr_plan *p, int buffer, int time)
{
    if (buffer < 0)
        return;
    mr_buffer *b = &p->buffer[buffer];
    b->first = time < b->first ? time : b->first;
    b->last = time > b->last ? time : b->last;
}

int mr_plan_scratch(mr_plan *p, size_t bytes, int time, int *buffer, mr_error *e)
{
    *buffer = mr_plan_buffer(p, bytes, e);
    if (*buffer < 0)
        return *buffer;
    mr_plan_live(p, *buffer, time);
    return 0;
}

void mr_plan_reads(mr_plan *p, int op, int v)
{
    if (v >= 0)
        mr_plan_live(p, p->value[mr_stored(p, v)].buffer, op);
}

void mr_plan_reads_again(mr_plan *p, int op, int v)
{
    if (v >= 0)
        mr_plan_live(p, p->value[mr_stored(p, v)].buffer, mr_backward_time(p, op));
}

/* May OP write its output over value V? Only if nothing else reads V, neither now nor in the
 * backward pass. */
static bool may_overwrite(const mr_plan *p, const mr_op *op, int v)
{
    if (v < 0 || v >= p->graph->nodes || p->value[v].role != MR_ROLE_STORED || p->value[v].maker < 0 ||
        p->value[v].sample != p->value[op->out].sample || p->value[v].half != p->value[op->out].half ||
        p->value[v].readers != 1)
        return false;
    const mr_op *maker = &p->op[p->value[v].maker];
    return !p->training || !(maker->layer && maker->class->rereads_out && mr_layer_needs_y(maker->layer));
}

static int place_output(mr_plan *p, int number, mr_error *e)
{
    mr_op *op = &p->op[number];
    if (op->out < 0)
        return 0;
    mr_value *out = &p->value[op->out];
    int over = op->class->overwrites ? op->class->overwrites(p, op) : -1;
    if (may_overwrite(p, op, over))
        out->buffer = p->value[over].buffer;
    else
        out->buffer = mr_plan_buffer(p, mr_value_bytes(p, op->out), e);
    if (out->buffer < 0)
        return out->buffer;
    mr_plan_live(p, out->buffer, number);
    if (out->wants_sums && op->class->takes_sums) {
        out->sums = mr_plan_buffer(p, 2 * (size_t)out->channels * sizeof(double), e);
        if (out->sums < 0)
            return out->sums;
        mr_plan_live(p, out->sums, number);
    }
    return 0;
}

/* Lifetimes of what an operation's backward pass reads and writes, apart from what its class places itself. */
static void live_backward(mr_plan *p, int number)
{
    const mr_op *op = &p->op[number];
    int time = mr_backward_time(p, number);
    if (!op->backward || op->out < 0)
        return;
    const mr_value *out = &p->value[op->out];
    if (op->take.plain || op->take.first)
        mr_plan_live(p, out->gradient, time);
    mr_plan_live(p, op->take.store, time);
    if (op->take.pending >= 0) {
        mr_plan_live(p, p->value[p->op[op->take.pending].made].gradient, time);
        mr_plan_reads_again(p, number, op->out);
    }
    if (op->give.value >= 0) {
        mr_plan_live(p, p->value[op->give.value].gradient, time);
        if (p->value[op->give.value].role == MR_ROLE_LAZY)
            mr_plan_reads_again(p, number, op->give.value);
    }
}

static int place(mr_plan *p, mr_error *e)
{
    int status = 0;
    for (int i = 0; i < p->ops && !status; i++) {
        status = place_output(p, i, e);
        if (status)
            break;
        mr_plan_reads(p, i, p->op[i].input);
        live_backward(p, i);
        status = p->op[i].class->place(p, i, e);
    }
    for (int i = 0; i < p->outputs; i++)
        mr_plan_live(p, p->value[mr_stored(p, p->output[i])].buffer, mr_end_of_time(p));
    for (int i = 0; i < p->outputs && p->training; i++)
        mr_plan_live(p, p->value[mr_stored(p, p->output[i])].gradient, p->ops);
    for (int i = 0; i < p->graph->inputs && p->training; i++)
        mr_plan_live(p, p->value[p->graph->input[i]].gradient, mr_end_of_time(p));
    return status;
}

/* ---- creating */

/* Samples of one run in flight: few, so that what one layer writes the next one still finds in the cache; not
 * too few for large weights, which every run reads again. */
static int slice_of(const mr_plan *p)
{
    enum { MIDDLE_WEIGHTS = 1 << 20, LARGE_WEIGHTS = 1 << 23, SMALL = 1, MIDDLE = 2, LARGE = 4 };
    int slice = p->graph->weights > LARGE_WEIGHTS    ? LARGE
                : p->graph->weights > MIDDLE_WEIGHTS ? MIDDLE
                                                     : SMALL,
        threads = mr_team_size(p->team);
    int even = (p->options.batch + threads - 1) / threads;
    return slice < even ? slice : even;
}

/* The calls of a shared layer: whose backward pass is the last one, which ones continue from the statistics of others. */
static void mark_shared_layers(mr_plan *p)
{
    for (int i = 0; i < p->ops; i++) {
        mr_op *op = &p->op[i];
        op->last_backward = true;
        for (const mr_op *o = p->op; o < op && op->layer; o++) {
            if (o->layer != op->layer)
                continue;
            op->last_backward &= !o->backward;
            op->updated_before |= o->class->update != NULL;
        }
    }
}

static int allocate_results(mr_plan *p, mr_error *e)
{
    p->result = calloc((size_t)p->outputs + 1, sizeof *p->result);
    p->packed = p->packed_floats ? mr_state_alloc(p->packed_floats) : NULL;
    if (!p->result || (p->packed_floats && !p->packed))
        return mr_no_memory(e, "the plan");
    for (int i = 0; i < p->outputs; i++) {
        p->result[i] = mr_state_alloc((size_t)p->options.batch * p->value[p->output[i]].sample);
        if (!p->result[i])
            return mr_no_memory(e, "the plan's outputs");
    }
    return 0;
}

static int list_outputs(mr_plan *p, mr_error *e)
{
    p->outputs = p->graph->outputs + p->options.extras;
    p->output = malloc(((size_t)p->outputs + 1) * sizeof *p->output);
    if (!p->output)
        return mr_no_memory(e, "the plan");
    for (int i = 0; i < p->graph->outputs; i++)
        p->output[i] = p->graph->output[i];
    for (int i = 0; i < p->options.extras; i++)
        p->output[p->graph->outputs + i] = p->options.extra[i];
    return 0;
}

static int allocate_gradients(mr_plan *p, mr_error *e)
{
    p->gradients = mr_state_alloc(p->graph->weights);
    if (!p->gradients)
        return mr_no_memory(e, "the gradients of %zu weights", p->graph->weights);
    memset(p->gradients, 0, p->graph->weights * sizeof *p->gradients);
    return 0;
}

static int check_layers(const mr_plan *p, mr_error *e)
{
    const mr_graph *g = p->graph;
    int status = 0;
    for (int i = 0; p->training && i < g->nodes && !status; i++)
        if (g->node[i].inputs && !g->node[i].inference)
            status = mr_random_crop_check_training(g->node[i].layer, &g->node[g->node[i].input[0]].shape, e);
    return status;
}

static int build(mr_plan *p, mr_error *e)
{
    p->run = calloc(1, sizeof *p->run);
    p->slot_input = calloc((size_t)p->slots * (size_t)p->graph->inputs + 1, sizeof *p->slot_input);
    int status = p->run && p->slot_input ? list_outputs(p, e) : mr_no_memory(e, "the plan");
    if (!status)
        status = mr_team_create(&p->alone, 1, e);
    if (!status)
        status = check_layers(p, e);
    if (!status && p->training)
        status = allocate_gradients(p, e);
    if (!status)
        status = mr_plan_assign(p, e);
    if (!status && p->training)
        status = mr_plan_route_gradients(p, e);
    if (!status)
        mark_shared_layers(p);
    if (!status)
        status = place(p, e);
    if (!status)
        status = mr_place_buffers(p->buffer, p->buffers, &p->arena_bytes, e);
    if (!status)
        status = mr_arena_allocate(&p->arena, p->arena_bytes * (size_t)p->slots, &p->options, e);
    for (int i = 0; !status && i < p->slots; i++)
        mr_poison_gaps(p->arena + (size_t)i * p->arena_bytes, p->arena_bytes, p->buffer, p->buffers);
    if (!status && !p->training)
        status = allocate_results(p, e);
    if (!status) /* where things lie can be asked before the first run */
        *p->run = (mr_run){.p = p, .arena = p->arena, .team = p->team};
    return status;
}

int mr_plan_create(mr_plan **out, mr_graph *g, mr_team *team, mr_plan_options options, mr_error *e)
{
    *out = NULL;
    if (options.batch < 1 || options.batch > MAX_BATCH)
        return mr_fail(e, MR_EINVAL, "batch size %d is out of range (1 to %d)", options.batch, MAX_BATCH);
    mr_plan *p = calloc(1, sizeof *p);
    if (!p)
        return mr_no_memory(e, "the plan");
    p->graph = g;
    p->team = team;
    p->options = options;
    p->training = options.kind == MR_PLAN_TRAINING;
    p->mixed = g->mixed && !options.plain;
    p->batch = p->training ? options.batch : slice_of(p);
    p->slots = p->training ? 1 : mr_team_size(team);
    int status = build(p, e);
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
    for (int i = 0; i < p->ops; i++)
        if (p->op[i].class->destroy)
            p->op[i].class->destroy(&p->op[i]);
    for (int i = 0; p->result && i < p->outputs; i++)
        mr_state_free(p->result[i]);
    free(p->result);
    free(p->slot_input);
    mr_state_free(p->packed);
    mr_state_free(p->gradients);
    mr_team_destroy(p->alone);
    free(p->run);
    free(p->output);
    free(p->value);
    free(p->op);
    free(p->buffer);
    mr_unpoison(p->arena, p->arena_bytes * (size_t)p->slots);
    free(p->arena);
    free(p);
}

size_t mr_plan_memory(const mr_plan *p)
{
    return p->arena_bytes * (size_t)p->slots + p->packed_floats * sizeof *p->packed;
}

/* ---- what operations ask while they run */

void *mr_run_buffer(const mr_run *r, int buffer)
{
    return buffer < 0 ? NULL : r->arena + r->p->buffer[buffer].offset;
}

mr_real *mr_run_value(const mr_run *r, int v)
{
    const mr_plan *p = r->p;
    v = mr_stored(p, v);
    if (p->value[v].buffer >= 0)
        return mr_run_buffer(r, p->value[v].buffer);
    for (int i = 0; i < p->graph->inputs; i++)
        if (p->graph->input[i] == v)
            return (mr_real *)r->input[i]; /* never written: model inputs have no maker */
    return NULL;
}

/* ---- running */

static void pack(mr_plan *p)
{
    if (p->is_packed && p->options.constant_weights)
        return;
    mr_run r = {.p = p, .team = p->team, .batch = p->batch};
    for (int i = 0; i < p->ops; i++)
        if (p->op[i].class->pack)
            p->op[i].class->pack(&r, &p->op[i], p->packed);
    p->is_packed = true;
}

struct slices {
    mr_plan *p;
    const mr_real *const *x;
    int batch;
    uint64_t step;
};

/* The samples of one slice through the whole network, on one thread. */
static void run_slice(void *argument, int task, int thread)
{
    const struct slices *s = argument;
    mr_plan *p = s->p;
    const mr_real **input = p->slot_input + (size_t)(thread * p->graph->inputs);
    int first = task * p->batch;
    mr_run r = {.p = p,
                .arena = p->arena + (size_t)thread * p->arena_bytes,
                .slot = thread,
                .team = p->alone,
                .input = input,
                .batch = s->batch - first < p->batch ? s->batch - first : p->batch,
                .step = s->step};
    for (int i = 0; i < p->graph->inputs; i++)
        input[i] = s->x[i] + (size_t)first * p->value[p->graph->input[i]].sample;
    for (int i = 0; i < p->ops; i++)
        p->op[i].class->forward(&r, &p->op[i]);
    for (int i = 0; i < p->outputs; i++) {
        size_t sample = p->value[p->output[i]].sample;
        memcpy(p->result[i] + (size_t)first * sample, mr_run_value(&r, p->output[i]),
               (size_t)r.batch * sample * sizeof(mr_real));
    }
}

/* In a step in which this process has no samples, what the other ones wait for is done. */
static bool runs(const mr_plan *p, const mr_op *op)
{
    return p->run->batch > 0 || (op->layer && mr_plan_runs(&p->options, op->layer->class, 0));
}

void mr_plan_forward(mr_plan *p, const mr_real *const *x, int batch, uint64_t step)
{
    if (!p->training) {
        struct slices s = {p, x, batch, step};
        pack(p);
        mr_team_run(p->team, (batch + p->batch - 1) / p->batch, run_slice, &s);
        return;
    }
    for (int i = 0; i < p->graph->inputs; i++)
        p->slot_input[i] = x[i];
    *p->run = (mr_run){p, p->arena, 0, p->team, p->slot_input, batch, step};
    for (int i = 0; i < p->ops; i++)
        if (runs(p, &p->op[i]))
            p->op[i].class->forward(p->run, &p->op[i]);
}

const mr_real *mr_plan_output(const mr_plan *p, int i)
{
    return p->training ? mr_run_value(p->run, p->output[i]) : p->result[i];
}

mr_real *mr_plan_output_gradient(mr_plan *p, int i)
{
    return mr_run_buffer(p->run, p->value[mr_stored(p, p->output[i])].gradient);
}

/* The gradients of L are whole. */
static void notify_layer_done(const mr_plan *p, const mr_layer *l)
{
    const mr_peers *peers = p->options.peers;
    if (l && peers && peers->layer_done)
        peers->layer_done(peers->context, l);
}

void mr_plan_backward(mr_plan *p)
{
    memset(p->gradients, 0, p->graph->weights * sizeof *p->gradients);
    for (int i = p->ops - 1; i >= 0; i--) {
        const mr_op *op = &p->op[i];
        if (!op->backward)
            continue;
        if (runs(p, op))
            op->class->backward(p->run, op);
        if (op->last_backward)
            notify_layer_done(p, op->layer);
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
    return mr_run_buffer(p->run, p->value[p->graph->input[i]].gradient);
}

void mr_plan_update_statistics(mr_plan *p, mr_real *state_out)
{
    for (int i = 0; i < p->ops; i++)
        if (p->op[i].class->update)
            p->op[i].class->update(p->run, &p->op[i], state_out);
}
