/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of predictions: what every one holds, one to be written, and one that was read again. */
#ifndef MR_IO_ROW_H
#define MR_IO_ROW_H

#include "base/error.h"
#include "base/shape.h"

/* An output of the network beside the class probabilities: another output, or a layer's activations. */
typedef struct mr_sink_tensor {
    const char *name;
    mr_shape shape; /* dim[0] = 0: not known, the rest is one sample's */
} mr_sink_tensor;

/* What every row holds. Everything is borrowed and must outlive the sink. */
typedef struct mr_sink_schema {
    int classes;                    /* >= 2, or 0 where the output is no vector of classes */
    const char *const *class_names; /* [classes], UTF-8 */
    bool labels;                    /* each of the classes may be right beside others: none is predicted */
    int top;                        /* the most probable classes listed by name: 0 … classes */
    int tensors;
    const mr_sink_tensor *tensor;
    bool csv_safe; /* CSV: texts that a spreadsheet would take for a formula are marked as text */
} mr_sink_schema;

/* Borrowed for the call. */
typedef struct mr_sink_row {
    const char *path;
    const char *error;          /* why there is no prediction, or NULL; then the rest means nothing */
    bool unsure;                /* no class is probable enough: predicted is -1 */
    int predicted;              /* class index, -1: none of them */
    float confidence;           /* probability of the most probable class; NaN where none is predicted by design */
    const float *probability;   /* [classes] */
    const int *top;             /* [schema.top] class indices, most probable first */
    const float *const *tensor; /* [tensors] → one sample's values */
} mr_sink_row;

typedef struct mr_past_row { /* valid until the next call of mr_past_next */
    const char *path;
    const char *status;
    bool failed;   /* there is no prediction, status says why */
    int predicted; /* class index, or -1 */
} mr_past_row;

#endif
