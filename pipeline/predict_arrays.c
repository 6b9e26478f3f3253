/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/predict_arrays.h"

#include "pipeline/trainer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct job {
    mr_model *model;
    mr_array_run *run;
    mr_array x[MR_MAX_INPUTS];
    mr_team *team;
    mr_trainer *trainer;
    mr_feed *feed;
    int outputs;
    mr_shape *shape; /* [outputs], dim[0]: samples */
    float **value;   /* [outputs] → [samples, …] */
} job;

static int read_inputs(job *j, mr_error *e)
{
    const mr_graph *g = j->model->graph;
    if (g->inputs > MR_MAX_INPUTS)
        return mr_fail(e, MR_ELIMIT, "the model '%s' has %d inputs, %d are possible", g->name, g->inputs,
                       MR_MAX_INPUTS);
    int status = 0;
    for (int i = 0; i < g->inputs && !status; i++) {
        char name[32];
        snprintf(name, sizeof name, "input_%d", i);
        status = mr_array_read(&j->x[i], j->run->input, name, e);
        if (!status)
            status = mr_trainer_check_input(j->trainer, i, &j->x[i].shape, e);
    }
    return status;
}

static int make_outputs(job *j, mr_error *e)
{
    const mr_graph *g = j->model->graph;
    int64_t samples = j->x[0].shape.dim[0];
    j->outputs = g->outputs;
    j->shape = calloc((size_t)g->outputs, sizeof *j->shape);
    j->value = calloc((size_t)g->outputs, sizeof *j->value);
    bool whole = j->shape && j->value;
    for (int i = 0; whole && i < g->outputs; i++) {
        j->shape[i] = g->node[g->output[i]].shape;
        j->shape[i].dim[0] = samples;
        j->value[i] = malloc((mr_shape_count(&j->shape[i]) + 1) * sizeof **j->value);
        whole = j->value[i] != NULL;
    }
    return whole ? 0
                 : mr_fail(e, MR_ENOMEM, "out of memory for the outputs of %lld samples", (long long)samples);
}

static int set_up(job *j, mr_error *e)
{
    const mr_array_run *r = j->run;
    mr_trainer_options o = {.batch_size = r->batch_size, .memory_limit = r->memory_limit};
    mr_feed_order order = {.last_epoch = 1};
    int status = mr_team_create(&j->team, r->threads, e);
    if (!status)
        status = mr_trainer_create(&j->trainer, j->model, j->team, &o, e);
    if (!status)
        status = read_inputs(j, e);
    if (!status)
        status = make_outputs(j, e);
    if (!status)
        status = mr_feed_arrays(&j->feed, j->x, j->model->graph->inputs, NULL, r->batch_size, r->rescale,
                                r->offset, order, e);
    return status;
}

static int run_batches(job *j, mr_error *e)
{
    mr_array_run *r = j->run;
    mr_examples ex;
    int status;
    while ((status = mr_feed_next(j->feed, &ex, e)) > 0) {
        status = mr_trainer_infer(j->trainer, &ex, NULL, e);
        for (int i = 0; i < j->outputs && !status; i++) {
            size_t row = mr_shape_sample(&j->shape[i]);
            memcpy(j->value[i] + (size_t)r->samples * row, mr_plan_output(j->trainer->infer, i),
                   (size_t)ex.count * row * sizeof(float));
        }
        r->samples += ex.count;
        mr_feed_release(j->feed, &ex);
        if (!status && r->batch)
            r->batch(r->context, r->samples, j->x[0].shape.dim[0]);
        if (!status && r->stop && r->stop(r->context))
            status = mr_fail(e, MR_ECANCELED, "stopped");
        if (status)
            break;
    }
    return status;
}

static int write_outputs(const job *j, mr_error *e)
{
    char(*text)[24] = calloc((size_t)j->outputs, sizeof *text);
    const char **name = calloc((size_t)j->outputs, sizeof *name);
    int status = text && name ? 0 : mr_fail(e, MR_ENOMEM, "out of memory for the outputs");
    for (int i = 0; i < j->outputs && !status; i++) {
        snprintf(text[i], sizeof text[i], "output_%d", i);
        name[i] = text[i];
    }
    if (!status)
        status =
            mr_arrays_write(j->run->output, j->outputs, name, j->shape, (const float *const *)j->value, e);
    free(text);
    free(name);
    return status;
}

static void tear_down(job *j)
{
    mr_feed_close(j->feed);
    for (int i = 0; i < MR_MAX_INPUTS; i++)
        mr_array_free(&j->x[i]);
    for (int i = 0; j->value && i < j->outputs; i++)
        free(j->value[i]);
    free(j->value);
    free(j->shape);
    mr_trainer_free(j->trainer);
    mr_team_destroy(j->team);
}

int mr_predict_arrays(mr_model *model, mr_array_run *run, mr_error *e)
{
    job j = {.model = model, .run = run};
    run->samples = 0;
    int status = set_up(&j, e);
    if (!status)
        status = run_batches(&j, e);
    if (!status)
        status = write_outputs(&j, e);
    tear_down(&j);
    return status;
}

int mr_predict_arrays_bytes(bool *out, const mr_model *model, const char *file, mr_error *e)
{
    *out = false;
    for (int i = 0; i < model->graph->inputs; i++) {
        char name[32];
        mr_array a;
        snprintf(name, sizeof name, "input_%d", i);
        int status = mr_array_read(&a, file, name, e);
        if (status)
            return status;
        *out |= a.bytes;
        mr_array_free(&a);
    }
    return 0;
}
