/* SPDX-License-Identifier: Apache-2.0 */
/* Inside a run of inference: from the predictor's outputs to rows of a sink. */
#ifndef MR_PIPELINE_PREDICT_ROWS_H
#define MR_PIPELINE_PREDICT_ROWS_H

#include "io/output/sink.h"
#include "pipeline/predict/predict_options.h"

typedef struct mr_row_maker {
    const char **class_names;
    mr_sink_schema schema; /* points into what follows */
    mr_output_task task;
    mr_thresholds thresholds;
    size_t width;     /* of the first output, where it is a vector of classes */
    int first_tensor; /* the output that is the first tensor: behind the classes, if there are any */
    mr_sink_tensor *tensor;
    const float **value; /* [tensors] of the row in hand */
    float *probability;  /* [classes] of the row in hand */
    int *best;           /* [top] */
} mr_row_maker;

int mr_row_maker_init(mr_row_maker *m, const mr_model *model, const mr_predict_options *options, mr_error *e);
/* The row of ITEM; it points into M and into P. */
void mr_row_maker_fill(mr_row_maker *m, const mr_predictions *p, const mr_prediction *item, mr_sink_row *row);
/* Accepts a zeroed one. */
void mr_row_maker_destroy(mr_row_maker *m);

/* Names of the classes or labels that TASK, of M's first output, tells apart: M's own, or their numbers. [*CLASSES],
 * to be freed as one block; *CLASSES is 0 (and the names NULL) where they are numbers, or not one row of them. */
int mr_model_class_names(const char ***names, int *classes, const mr_model *m, const mr_output_task *task, mr_error *e);
/* The graph's node of the layer NAME (its first call). MR_ENOTFOUND. */
int mr_layer_node(int *node, const mr_graph *g, const char *name, mr_error *e);

#endif
