/* SPDX-License-Identifier: Apache-2.0 */
/* A program's memory, and running it. */
#include "nn/fused/internal.h"
#include "nn/kernels/elementwise.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- buffers --------------------------------------------------------------- */

int mr_program_buffer(mr_program *p, size_t bytes, mr_error *e)
{
    if (p->buffers == p->buffer_capacity) {
        int capacity = p->buffer_capacity ? 2 * p->buffer_capacity : 256;
        mr_buffer *larger = realloc(p->buffer, (size_t)capacity * sizeof *larger);
        if (!larger)
            return mr_fail(e, MR_ENOMEM, "out of memory for the plan");
        p->buffer = larger;
        p->buffer_capacity = capacity;
    }
    bytes = (bytes + MR_BUFFER_ALIGNMENT - 1) / MR_BUFFER_ALIGNMENT * MR_BUFFER_ALIGNMENT;
    p->buffer[p->buffers] = (mr_buffer){.bytes = bytes, .first = 1 << 30, .last = -1};
    return p->buffers++;
}

void mr_program_live(mr_program *p, int buffer, int time)
{
    if (buffer < 0)
        return;
    mr_buffer *b = &p->buffer[buffer];
    b->first = time < b->first ? time : b->first;
    b->last = time > b->last ? time : b->last;
}

void mr_program_reads(mr_program *p, int op, int v)
{
    if (v >= 0)
        mr_program_live(p, p->value[mr_stored(p, v)].buffer, op);
}

void mr_program_reads_again(mr_program *p, int op, int v)
{
    if (v >= 0)
        mr_program_live(p, p->value[mr_stored(p, v)].buffer, mr_backward_time(p, op));
}

/* May OP write its output over value V? Only where nobody else wants V's numbers, neither now nor in
 * backward. */
static bool may_overwrite(const mr_program *p, const mr_op *op, int v)
{
    if (v < 0 || v >= p->graph->nodes || p->value[v].role != MR_ROLE_STORED || p->value[v].maker < 0 ||
        p->value[v].sample != p->value[op->out].sample || p->value[v].half != p->value[op->out].half ||
        p->value[v].readers != 1)
        return false;
    return !p->training || (op->class == &mr_op_conv && p->op[p->value[v].maker].class != &mr_op_layer);
}

static int place_output(mr_program *p, int number, mr_error *e)
{
    mr_op *op = &p->op[number];
    if (op->class == &mr_op_norm)
        return 0;
    mr_value *out = &p->value[op->out];
    int over = op->class == &mr_op_conv                                  ? op->conv.residual
               : op->class == &mr_op_layer && op->layer->class->in_place ? op->call.input[0]
                                                                         : -1;
    if (may_overwrite(p, op, over))
        out->buffer = p->value[over].buffer;
    else
        out->buffer = mr_program_buffer(p, mr_value_bytes(p, op->out), e);
    if (out->buffer < 0)
        return out->buffer;
    mr_program_live(p, out->buffer, number);
    if (out->wants_sums && op->class != &mr_op_layer) {
        out->sums = mr_program_buffer(p, 2 * (size_t)out->channels * sizeof(double), e);
        if (out->sums < 0)
            return out->sums;
        mr_program_live(p, out->sums, number);
    }
    return 0;
}

/* Lives of what backward of an operation reads and writes beside what is the class's own affair. */
static void live_backward(mr_program *p, int number)
{
    const mr_op *op = &p->op[number];
    int time = mr_backward_time(p, number);
    if (!op->backward || op->class == &mr_op_norm)
        return;
    const mr_value *out = &p->value[op->out];
    if (op->take.plain || op->take.first)
        mr_program_live(p, out->gradient, time);
    mr_program_live(p, op->take.store, time);
    if (op->take.pending >= 0) {
        mr_program_live(p, p->value[p->op[op->take.pending].norm.value].gradient, time);
        mr_program_reads_again(p, number, op->out);
    }
    if (op->give.value >= 0) {
        mr_program_live(p, p->value[op->give.value].gradient, time);
        if (p->value[op->give.value].role == MR_ROLE_LAZY)
            mr_program_reads_again(p, number, op->give.value);
    }
}

static int place(mr_program *p, mr_error *e)
{
    int status = 0;
    for (int i = 0; i < p->ops && !status; i++) {
        status = place_output(p, i, e);
        if (status)
            break;
        mr_program_reads(p, i, p->op[i].input);
        live_backward(p, i);
        status = mr_op_runner(p, &p->op[i])->place(p, i, e);
    }
    for (int i = 0; i < p->outputs; i++)
        mr_program_live(p, p->value[mr_stored(p, p->output[i])].buffer, mr_end_of_time(p));
    for (int i = 0; i < p->outputs && p->training; i++)
        mr_program_live(p, p->value[mr_stored(p, p->output[i])].gradient, p->ops);
    for (int i = 0; i < p->graph->inputs && p->training; i++)
        mr_program_live(p, p->value[p->graph->input[i]].gradient, mr_end_of_time(p));
    return status;
}

/* ---- creating -------------------------------------------------------------- */

/* Samples of one run in flight: few, so that what one layer writes the next one still finds in the cache; not
 * too few for large weights, which every run reads again. */
static int slice_of(const mr_program *p)
{
    enum { MIDDLE_WEIGHTS = 1 << 20, LARGE_WEIGHTS = 1 << 23, SMALL = 1, MIDDLE = 2, LARGE = 4 };
    int slice = p->graph->weights > LARGE_WEIGHTS    ? LARGE
                : p->graph->weights > MIDDLE_WEIGHTS ? MIDDLE
                                                     : SMALL,
        threads = mr_team_size(p->team);
    int even = (p->options.batch + threads - 1) / threads;
    return slice < even ? slice : even;
}

static int allocate_results(mr_program *p, mr_error *e)
{
    p->result = calloc((size_t)p->outputs + 1, sizeof *p->result);
    p->slot_input = calloc((size_t)p->slots * (size_t)p->graph->inputs + 1, sizeof *p->slot_input);
    p->packed = p->packed_floats ? mr_state_alloc(p->packed_floats) : NULL;
    if (!p->result || !p->slot_input || (p->packed_floats && !p->packed))
        return mr_fail(e, MR_ENOMEM, "out of memory for the plan");
    for (int i = 0; i < p->outputs; i++) {
        p->result[i] = mr_state_alloc((size_t)p->options.batch * p->value[p->output[i]].sample);
        if (!p->result[i])
            return mr_fail(e, MR_ENOMEM, "out of memory for the plan's outputs");
    }
    return 0;
}

static int build(mr_program *p, mr_error *e)
{
    int status = mr_team_create(&p->alone, 1, e);
    if (!status)
        status = mr_program_assign(p, e);
    if (!status && p->training)
        status = mr_program_plan_gradients(p, e);
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
    return status;
}

int mr_program_create(mr_program **out, const mr_plan *plan, mr_error *e)
{
    *out = NULL;
    mr_program *p = calloc(1, sizeof *p);
    if (!p)
        return mr_fail(e, MR_ENOMEM, "out of memory for the plan");
    p->graph = plan->graph;
    p->team = plan->team;
    p->options = plan->options;
    p->training = plan->options.kind == MR_PLAN_TRAINING;
    p->mixed = plan->graph->mixed;
    p->outputs = plan->outputs;
    p->output = plan->output;
    p->gradients = plan->gradients;
    p->batch = p->training ? p->options.batch : slice_of(p);
    p->slots = p->training ? 1 : mr_team_size(p->team);
    p->run = calloc(1, sizeof *p->run);
    int status = p->run ? build(p, e) : mr_fail(e, MR_ENOMEM, "out of memory for the plan");
    if (status) {
        mr_program_free(p);
        return status;
    }
    *out = p;
    return 0;
}

void mr_program_free(mr_program *p)
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
    mr_team_destroy(p->alone);
    free(p->run);
    free(p->value);
    free(p->op);
    free(p->buffer);
    mr_unpoison(p->arena, p->arena_bytes * (size_t)p->slots);
    free(p->arena);
    free(p);
}

size_t mr_program_memory(const mr_program *p)
{
    return p->arena_bytes * (size_t)p->slots + p->packed_floats * sizeof(float);
}

/* ---- what operations ask while they run ------------------------------------- */

void *mr_run_buffer(const mr_run *r, int buffer)
{
    return buffer < 0 ? NULL : r->arena + r->p->buffer[buffer].offset;
}

float *mr_run_value(const mr_run *r, int v)
{
    const mr_program *p = r->p;
    v = mr_stored(p, v);
    if (p->value[v].buffer >= 0)
        return mr_run_buffer(r, p->value[v].buffer);
    for (int i = 0; i < p->graph->inputs; i++)
        if (p->graph->input[i] == v)
            return (float *)r->input[i]; /* never written: model inputs have no maker */
    return NULL;
}

mr_conv_input mr_run_input(const mr_run *r, int v)
{
    const mr_value *value = &r->p->value[v];
    mr_conv_input in = {.x = mr_run_value(r, v), .low = -INFINITY, .high = INFINITY};
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

mr_conv_gradient mr_run_take(const mr_run *r, const mr_take *t)
{
    const mr_program *p = r->p;
    mr_conv_gradient g = {.dy = mr_run_buffer(r, p->value[t->value].gradient)};
    if (t->pending >= 0) {
        const mr_op *norm = &p->op[t->pending];
        mr_norm_factors f = mr_norm_factors_of(r, norm);
        if (t->plain)
            g.add = g.dy;
        g.dy = mr_run_buffer(r, p->value[norm->norm.value].gradient);
        g.x = mr_run_value(r, t->value);
        g.a = f.a;
        g.b = f.b;
        g.c = f.c;
    }
    g.store = mr_run_buffer(r, t->store);
    return g;
}

mr_conv_input_gradient mr_run_give(const mr_run *r, const mr_give *g)
{
    const mr_value *v = &r->p->value[g->value];
    mr_conv_input_gradient dx = {.dx = mr_run_buffer(r, v->gradient), .low = -INFINITY, .high = INFINITY};
    dx.add = g->add ? dx.dx : NULL;
    if (v->role != MR_ROLE_LAZY || !g->last)
        return dx;
    const mr_op *norm = &r->p->op[v->norm];
    mr_norm_factors f = mr_norm_factors_of(r, norm);
    dx.x = mr_run_value(r, g->value);
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

/* ---- running ---------------------------------------------------------------- */

static void pack(mr_program *p)
{
    if (p->is_packed && p->options.constant_weights)
        return;
    mr_run r = {.p = p, .team = p->team, .batch = p->batch};
    for (int i = 0; i < p->ops; i++)
        if (mr_op_runner(p, &p->op[i])->pack)
            mr_op_runner(p, &p->op[i])->pack(&r, &p->op[i], p->packed);
    p->is_packed = true;
}

struct slices {
    mr_program *p;
    const mr_real *const *x;
    int batch;
    uint64_t step;
};

/* The samples of one slice through the whole network, on one thread. */
static void run_slice(void *argument, int task, int thread)
{
    const struct slices *s = argument;
    mr_program *p = s->p;
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
        mr_op_runner(p, &p->op[i])->forward(&r, &p->op[i]);
    for (int i = 0; i < p->outputs; i++) {
        size_t sample = p->value[p->output[i]].sample;
        memcpy(p->result[i] + (size_t)first * sample, mr_run_value(&r, p->output[i]),
               (size_t)r.batch * sample * sizeof(float));
    }
}

/* In a step in which this process has no samples, what the other ones wait for is done. */
static bool runs(const mr_program *p, const mr_op *op)
{
    return p->run->batch > 0 || (op->layer && mr_plan_runs(&p->options, op->layer->class, 0));
}

/* A shared layer has an operation whose turn in backward is still to come. */
static bool runs_again(const mr_program *p, const mr_op *op)
{
    for (const mr_op *o = p->op; o < op; o++)
        if (o->backward && o->layer == op->layer)
            return true;
    return false;
}

void mr_program_forward(mr_program *p, const mr_real *const *x, int batch, uint64_t step)
{
    if (!p->training) {
        struct slices s = {p, x, batch, step};
        pack(p);
        mr_team_run(p->team, (batch + p->batch - 1) / p->batch, run_slice, &s);
        return;
    }
    *p->run = (mr_run){p, p->arena, 0, p->team, x, batch, step};
    for (int i = 0; i < p->ops; i++)
        if (runs(p, &p->op[i]))
            mr_op_runner(p, &p->op[i])->forward(p->run, &p->op[i]);
}

const mr_real *mr_program_output(const mr_program *p, int i)
{
    return p->training ? mr_run_value(p->run, p->output[i]) : p->result[i];
}

mr_real *mr_program_output_gradient(mr_program *p, int i)
{
    return mr_run_buffer(p->run, p->value[mr_stored(p, p->output[i])].gradient);
}

void mr_program_backward(mr_program *p)
{
    for (int i = p->ops - 1; i >= 0; i--) {
        const mr_op *op = &p->op[i];
        if (!op->backward)
            continue;
        if (runs(p, op))
            mr_op_runner(p, op)->backward(p->run, op);
        if (!runs_again(p, op))
            mr_plan_tell_done(&p->options, op->layer);
    }
}

const mr_real *mr_program_input_gradient(const mr_program *p, int i)
{
    return mr_run_buffer(p->run, p->value[p->graph->input[i]].gradient);
}

void mr_program_update_statistics(mr_program *p, mr_real *state_out)
{
    for (int i = 0; i < p->ops; i++)
        if (p->op[i].class->update)
            p->op[i].class->update(p->run, &p->op[i], state_out);
}
