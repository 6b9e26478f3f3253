/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/predict/predict_arrays.h"

#include "io/hdf5/array_stream.h"
#include "io/output/claim.h"
#include "nn/plan/plan.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct job {
    mr_graph *graph;
    mr_array_run *run;
    mr_array_reader **input; /* [graph->inputs] */
    float **x;               /* [graph->inputs] → [batch, …] */
    int outputs;
    int *set; /* [outputs] in the writer */
    mr_array_writer *writer;
    mr_team *team;
    mr_plan *plan;
    int64_t samples; /* of the arrays */
    mr_stage_counters read, predict, write;
} job;

static const char *input_name(int i, char name[32])
{
    snprintf(name, 32, "input_%d", i);
    return name;
}

/* --- setting up --------------------------------------------------------------------------- */

static int check_input(const job *j, int i, mr_error *e)
{
    const mr_node *n = &j->graph->node[j->graph->input[i]];
    const mr_shape *have = mr_array_reader_shape(j->input[i]);
    char name[32], want_text[128], have_text[128];
    mr_shape want = n->shape;
    want.dim[0] = have->dim[0];
    if (!mr_shape_equal(&want, have))
        return mr_fail(e, MR_EINVAL, "%s: %s is %s, the model's input '%s' takes %s", j->run->input,
                       input_name(i, name), mr_shape_text(have, true, have_text, sizeof have_text),
                       n->layer->name, mr_shape_text(&want, true, want_text, sizeof want_text));
    if (have->dim[0] != j->samples)
        return mr_fail(e, MR_EINVAL, "%s: input_%d has %lld samples, input_0 has %lld", j->run->input, i,
                       (long long)have->dim[0], (long long)j->samples);
    return 0;
}

static int open_inputs(job *j, mr_error *e)
{
    size_t n = (size_t)j->graph->inputs;
    j->input = calloc(n, sizeof *j->input);
    j->x = calloc(n, sizeof *j->x);
    int status = j->input && j->x ? 0 : mr_no_memory(e, "the inputs");
    for (int i = 0; i < j->graph->inputs && !status; i++) {
        char name[32];
        status = mr_array_reader_open(&j->input[i], j->run->input, input_name(i, name), e);
        if (!status && i == 0)
            j->samples = mr_array_reader_shape(j->input[0])->dim[0];
        if (!status)
            status = check_input(j, i, e);
        if (!status &&
            !(j->x[i] = malloc((size_t)j->run->batch_size *
                               mr_shape_sample(mr_array_reader_shape(j->input[i])) * sizeof(float))))
            status = mr_hint(e, mr_no_memory(e, "a batch"),
                             "a smaller --batch-size needs less");
    }
    return status;
}

static const mr_node *output_node(const job *j, int i)
{
    const mr_graph *g = j->graph;
    return &g->node[i < g->outputs ? g->output[i] : j->run->node[i - g->outputs]];
}

static int add_output(job *j, int i, mr_error *e)
{
    const mr_node *n = output_node(j, i);
    mr_shape shape = n->shape;
    mr_text name = {0};
    shape.dim[0] = j->samples;
    if (i < j->graph->outputs)
        mr_text_format(&name, "output_%d", i);
    else
        mr_text_format(&name, "layers/%s", n->layer->name);
    int status = mr_text_check(&name, "a dataset's name", e);
    if (!status)
        status = mr_array_writer_add(j->writer, mr_text_string(&name), &shape, &j->set[i], e);
    mr_text_destroy(&name);
    return status;
}

static int open_outputs(job *j, mr_error *e)
{
    j->outputs = j->graph->outputs + j->run->nodes;
    j->set = calloc((size_t)j->outputs, sizeof *j->set);
    int status = j->set ? mr_array_writer_open(&j->writer, j->run->output, e)
                        : mr_no_memory(e, "the outputs");
    for (int i = 0; i < j->outputs && !status; i++)
        status = add_output(j, i, e);
    return status;
}

static int set_up(job *j, mr_error *e)
{
    const mr_array_run *r = j->run;
    mr_plan_options o = {.kind = MR_PLAN_INFERENCE,
                         .batch = r->batch_size,
                         .memory_limit = r->memory_limit,
                         .extra = r->node,
                         .extras = r->nodes};
    int status = open_inputs(j, e);
    if (!status)
        status = mr_team_create(&j->team, r->threads, e);
    if (!status)
        status = mr_plan_create(&j->plan, j->graph, j->team, o, e);
    return status ? status : open_outputs(j, e);
}

/* --- batches -------------------------------------------------------------------------------- */

static int read_batch(job *j, int64_t first, int count, mr_error *e)
{
    uint64_t start = mr_now_ns();
    int status = 0;
    for (int i = 0; i < j->graph->inputs && !status; i++)
        status = mr_array_reader_rows(j->input[i], first, count, j->run->rescale, j->run->offset, j->x[i], e);
    mr_counter_add(&j->read.items, (uint64_t)count);
    mr_counter_add(&j->read.busy_ns, mr_now_ns() - start);
    return status;
}

static void compute_batch(job *j, int count)
{
    uint64_t start = mr_now_ns();
    mr_plan_forward(j->plan, (const float *const *)j->x, count, 0);
    mr_counter_add(&j->predict.items, (uint64_t)count);
    mr_counter_add(&j->predict.busy_ns, mr_now_ns() - start);
}

static int write_batch(job *j, int64_t first, int count, mr_error *e)
{
    uint64_t start = mr_now_ns();
    int status = 0;
    for (int i = 0; i < j->outputs && !status; i++)
        status = mr_array_writer_rows(j->writer, j->set[i], first, count, mr_plan_output(j->plan, i), e);
    mr_counter_add(&j->write.items, (uint64_t)count);
    mr_counter_add(&j->write.busy_ns, mr_now_ns() - start);
    return status;
}

static int run_batches(job *j, mr_error *e)
{
    const mr_array_run *r = j->run;
    int status = 0;
    for (int64_t first = 0; first < j->samples && !status; first += r->batch_size) {
        int64_t left = j->samples - first;
        int count = left < r->batch_size ? (int)left : r->batch_size;
        status = read_batch(j, first, count, e);
        if (status)
            break;
        compute_batch(j, count);
        status = write_batch(j, first, count, e);
        if (!status && r->batch)
            r->batch(r->context, first + count, j->samples);
        if (!status && r->stop && r->stop(r->context))
            status = mr_fail(e, MR_ECANCELED, "stopped");
    }
    return status;
}

static void report(job *j)
{
    mr_stage_stats *s = j->run->stage;
    s[0] = (mr_stage_stats){.name = "read", .threads = 1};
    s[1] = (mr_stage_stats){.name = "predict", .threads = 1};
    s[2] = (mr_stage_stats){.name = "write", .threads = 1};
    mr_stage_counters_report(&j->read, &s[0]);
    mr_stage_counters_report(&j->predict, &s[1]);
    mr_stage_counters_report(&j->write, &s[2]);
}

static void tear_down(job *j)
{
    for (int i = 0; i < j->graph->inputs; i++) {
        if (j->input)
            mr_array_reader_close(j->input[i]);
        if (j->x)
            free(j->x[i]);
    }
    free(j->input);
    free(j->x);
    free(j->set);
    mr_array_writer_close(j->writer);
    mr_plan_free(j->plan);
    mr_team_destroy(j->team);
}

int mr_predict_arrays(mr_model *model, mr_array_run *run, mr_error *e)
{
    job j = {.graph = model->graph, .run = run};
    mr_claim *claim;
    /* Only for its lock: the file is written beside its name anyway. */
    int status = mr_claim_open(&claim, &(mr_claim_options){.output = run->output, .overwrite = true}, e);
    if (!status)
        status = set_up(&j, e);
    if (!status)
        status = run_batches(&j, e);
    if (!status)
        status = mr_array_writer_publish(j.writer, e);
    report(&j);
    tear_down(&j);
    int closed = mr_claim_close(claim, !status, e);
    return status ? status : closed;
}

int mr_predict_arrays_bytes(bool *out, const mr_model *model, const char *file, mr_error *e)
{
    *out = false;
    for (int i = 0; i < model->graph->inputs; i++) {
        char name[32];
        mr_array_reader *r;
        int status = mr_array_reader_open(&r, file, input_name(i, name), e);
        if (status)
            return status;
        *out |= mr_array_reader_bytes(r);
        mr_array_reader_close(r);
    }
    return 0;
}
