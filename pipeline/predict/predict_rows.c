/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/predict/predict_rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_SIZE = 12 };

int mr_model_class_names(const char ***out, int *classes, const mr_model *m, const mr_output_task *task, mr_error *e)
{
    *out = NULL;
    *classes = task->vector ? task->classes : 0;
    if (*classes == 0)
        return 0;
    size_t n = (size_t)*classes;
    const char **names = malloc(n * (sizeof *names + NUMBER_SIZE));
    if (!names)
        return mr_no_memory(e, "the names of %d classes", *classes);
    char *number = (char *)(names + n);
    bool known = m->class_names && m->classes == *classes;
    for (size_t i = 0; i < n; i++, number += NUMBER_SIZE) {
        snprintf(number, NUMBER_SIZE, "%d", (int)i);
        names[i] = known ? m->class_names[i] : number;
    }
    *out = names;
    return 0;
}

int mr_layer_node(int *node, const mr_graph *g, const char *name, mr_error *e)
{
    for (int i = 0; i < g->nodes; i++)
        if (!strcmp(g->node[i].layer->name, name)) {
            *node = i;
            return 0;
        }
    return mr_hint(e, mr_fail(e, MR_ENOTFOUND, "the model has no layer '%s'", name),
                   "millrace summary MODEL lists them");
}

static const mr_node *output_node(const mr_graph *g, const mr_predictor_options *o, int output)
{
    return &g->node[output < g->outputs ? g->output[output] : o->node[output - g->outputs]];
}

int mr_row_maker_init(mr_row_maker *m, const mr_model *model, const mr_predict_options *options, mr_error *e)
{
    const mr_graph *g = model->graph;
    int classes;
    memset(m, 0, sizeof *m);
    int status = mr_model_class_names(&m->class_names, &classes, model, &options->task, e);
    if (status)
        return status;
    m->first_tensor = classes > 0;
    m->width = mr_shape_sample(&output_node(g, &options->predictor, 0)->shape);
    m->task = options->task;
    m->thresholds = options->thresholds;
    int tensors = g->outputs + options->predictor.nodes - m->first_tensor,
        top = options->top < classes ? options->top : classes;
    m->tensor = calloc((size_t)tensors + 1, sizeof *m->tensor);
    m->value = calloc((size_t)tensors + 1, sizeof *m->value);
    m->probability = calloc((size_t)classes + 1, sizeof *m->probability);
    m->best = calloc((size_t)top + 1, sizeof *m->best);
    if (!m->tensor || !m->value || !m->probability || !m->best)
        return mr_no_memory(e, "the rows");
    for (int i = 0; i < tensors; i++) {
        const mr_node *n = output_node(g, &options->predictor, m->first_tensor + i);
        m->tensor[i] = (mr_sink_tensor){.name = n->layer->name, .shape = n->shape};
    }
    m->schema = (mr_sink_schema){.classes = classes,
                                 .class_names = m->class_names,
                                 .labels = m->task.kind == MR_TASK_LABELS,
                                 .top = top,
                                 .tensors = tensors,
                                 .tensor = m->tensor,
                                 .csv_safe = options->csv_safe};
    return 0;
}

void mr_row_maker_fill(mr_row_maker *m, const mr_predictions *p, const mr_prediction *item, mr_sink_row *row)
{
    const mr_sink_schema *s = &m->schema;
    size_t at = item->row < 0 ? 0 : (size_t)item->row;
    *row = (mr_sink_row){.path = item->path,
                         .predicted = -1,
                         .probability = m->probability,
                         .top = m->best,
                         .tensor = m->value};
    if (item->error) {
        row->error = item->message;
        return;
    }
    for (int i = 0; i < s->tensors; i++)
        m->value[i] = p->output[m->first_tensor + i] + at * mr_shape_sample(&m->tensor[i].shape);
    if (!s->classes)
        return;
    mr_task_probabilities(&m->task, p->output[0] + at * m->width, m->probability);
    mr_top_classes(m->probability, s->classes, s->top, m->best);
    row->confidence = NAN;
    if (s->labels)
        return;
    mr_verdict v = mr_judge(m->probability, s->classes, &m->thresholds);
    row->predicted = v.predicted;
    row->confidence = v.confidence;
    row->unsure = v.predicted < 0;
}

void mr_row_maker_destroy(mr_row_maker *m)
{
    free(m->class_names);
    free(m->tensor);
    free(m->value);
    free(m->probability);
    free(m->best);
}
