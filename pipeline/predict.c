/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/predict.h"

#include "pipeline/verdict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_SIZE = 12 };

typedef struct run { /* all of it is the calling thread's */
    const mr_graph *graph;
    const mr_predict_options *options;
    const mr_predict_events *events;
    mr_predict_result *result;
    const char **class_names;
    int classes, top;
    int first_tensor; /* the output that is the first tensor: behind the classes, if there are any */
    int tensors;
    mr_sink_tensor *tensor;
    const float **value; /* [tensors] of the row in hand */
    float *probability;  /* [classes] */
    int *best;           /* [top] */
    mr_sink *sink;
    mr_predictor *predictor;
} run;

/* --- what the rows hold ------------------------------------------------------------- */

int mr_model_class_names(const char ***out, int *classes, const mr_model *m, mr_error *e)
{
    const mr_shape *s = &m->graph->node[m->graph->output[0]].shape;
    *out = NULL;
    *classes = s->rank == 2 ? mr_classes_of_width((size_t)s->dim[1]) : 0;
    if (*classes == 0)
        return 0;
    size_t n = (size_t)*classes;
    const char **names = malloc(n * (sizeof *names + NUMBER_SIZE));
    if (!names)
        return mr_fail(e, MR_ENOMEM, "out of memory for the names of %d classes", *classes);
    char *number = (char *)(names + n);
    bool known = m->class_names && m->classes == *classes;
    for (size_t i = 0; i < n; i++, number += NUMBER_SIZE) {
        snprintf(number, NUMBER_SIZE, "%d", (int)i);
        names[i] = known ? m->class_names[i] : number;
    }
    *out = names;
    return 0;
}

static const mr_node *output_node(const run *r, int output)
{
    const mr_graph *g = r->graph;
    return &g->node[output < g->outputs ? g->output[output]
                                        : r->options->predictor.node[output - g->outputs]];
}

static int describe_rows(run *r, const mr_model *m, mr_error *e)
{
    int status = mr_model_class_names(&r->class_names, &r->classes, m, e);
    if (status)
        return status;
    int outputs = r->graph->outputs + r->options->predictor.nodes;
    r->first_tensor = r->classes > 0;
    r->tensors = outputs - r->first_tensor;
    r->top = r->options->top < r->classes ? r->options->top : r->classes;
    r->tensor = calloc((size_t)r->tensors + 1, sizeof *r->tensor);
    r->value = calloc((size_t)r->tensors + 1, sizeof *r->value);
    r->probability = calloc((size_t)r->classes + 1, sizeof *r->probability);
    r->best = calloc((size_t)r->top + 1, sizeof *r->best);
    r->result->totals.classes = r->classes;
    r->result->totals.of_class = calloc((size_t)r->classes + 1, sizeof *r->result->totals.of_class);
    if (!r->tensor || !r->value || !r->probability || !r->best || !r->result->totals.of_class)
        return mr_fail(e, MR_ENOMEM, "out of memory for the rows");
    for (int i = 0; i < r->tensors; i++) {
        const mr_node *n = output_node(r, r->first_tensor + i);
        r->tensor[i] = (mr_sink_tensor){.name = n->layer->name, .shape = n->shape};
    }
    return 0;
}

static int open_sink(run *r, mr_error *e)
{
    mr_sink_schema schema = {.classes = r->classes,
                             .class_names = r->class_names,
                             .top = r->top,
                             .tensors = r->tensors,
                             .tensor = r->tensor};
    return mr_sink_open(&r->sink, r->options->output, &schema, e);
}

/* --- one row -------------------------------------------------------------------------- */

static void fill_row(run *r, const mr_predictions *p, const mr_prediction *item, mr_sink_row *row)
{
    size_t at = (size_t)item->row;
    *row = (mr_sink_row){.path = item->path,
                         .predicted = -1,
                         .probability = r->probability,
                         .top = r->best,
                         .tensor = r->value};
    if (item->error) {
        row->error = item->message;
        return;
    }
    for (int i = 0; i < r->tensors; i++)
        r->value[i] = p->output[r->first_tensor + i] + at * mr_shape_sample(&r->tensor[i].shape);
    if (!r->classes)
        return;
    size_t width = mr_shape_sample(mr_predictor_shape(r->predictor, 0));
    mr_verdict v = mr_judge(p->output[0] + at * width, width, r->probability);
    row->predicted = v.predicted;
    row->confidence = v.confidence;
    mr_top_classes(r->probability, r->classes, r->top, r->best);
}

static int spend(run *r, const mr_prediction *item, mr_error *e)
{
    if (r->events->bad_input)
        r->events->bad_input(r->events->context, item->path, item->message);
    return r->options->budget ? mr_budget_spend(r->options->budget, 0, item->path, item->message, e) : 0;
}

static int take_row(run *r, const mr_predictions *p, const mr_prediction *item, mr_error *e)
{
    mr_predict_totals *t = &r->result->totals;
    mr_sink_row row;
    fill_row(r, p, item, &row);
    int status = mr_sink_add(r->sink, &row, e);
    if (status)
        return status;
    t->files++;
    t->failed += item->error != 0;
    if (row.predicted >= 0)
        t->of_class[row.predicted]++;
    if (r->events->row)
        r->events->row(r->events->context, &row, item->id);
    return item->error ? spend(r, item, e) : 0;
}

/* --- the run -------------------------------------------------------------------------- */

static uint64_t bytes_read(const run *r)
{
    mr_stage_stats stage[8];
    int n = mr_predictor_stats(r->predictor, stage, 8);
    for (int i = 0; i < n; i++)
        if (!strcmp(stage[i].name, "read"))
            return stage[i].bytes;
    return 0;
}

static int take_batch(run *r, const mr_predictions *p, mr_error *e)
{
    int status = 0;
    for (int i = 0; i < p->count && !status; i++)
        status = take_row(r, p, &p->item[i], e);
    int flushed = mr_sink_flush(r->sink, e); /* also the rows before a failure */
    r->result->totals.bytes = bytes_read(r);
    if (r->events->batch)
        r->events->batch(r->events->context, &r->result->totals);
    return status ? status : flushed;
}

static int take_all(run *r, mr_error *e)
{
    mr_predictions *p;
    int status;
    while ((status = mr_predictor_next(r->predictor, &p, e)) == 1) {
        status = take_batch(r, p, e);
        mr_predictor_release(r->predictor, p);
        if (status)
            return status;
        if (r->events->stop && r->events->stop(r->events->context)) {
            r->result->stopped = true;
            return 0;
        }
    }
    if (!status && r->options->budget)
        status = mr_budget_check(r->options->budget, (int64_t)r->result->totals.files, e);
    return status;
}

static void tear_down(run *r)
{
    mr_sink_abandon(r->sink);
    mr_predictor_close(r->predictor);
    free(r->class_names);
    free(r->tensor);
    free(r->value);
    free(r->probability);
    free(r->best);
}

int mr_predict_run(mr_model *model, mr_source source, const mr_predict_options *options,
                   const mr_predict_events *events, mr_predict_result *result, mr_error *e)
{
    run r = {.graph = model->graph, .options = options, .events = events, .result = result};
    memset(result, 0, sizeof *result);
    int status = describe_rows(&r, model, e);
    if (!status)
        status = mr_predictor_open(&r.predictor, model->graph, source, &options->predictor, e);
    if (!status)
        status = open_sink(&r, e);
    if (!status) {
        status = take_all(&r, e);
        result->stages = mr_predictor_stats(r.predictor, result->stage, 16);
        result->reader = mr_predictor_reader_kind(r.predictor);
        int closed = mr_sink_close(r.sink, e);
        r.sink = NULL;
        status = status ? status : closed;
    }
    tear_down(&r);
    return status;
}

void mr_predict_result_free(mr_predict_result *r)
{
    free(r->totals.of_class);
    memset(r, 0, sizeof *r);
}
