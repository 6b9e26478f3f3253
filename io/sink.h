/* SPDX-License-Identifier: Apache-2.0 */
/* Where predictions go: one row per input, in the order in which they are written. A kind of file is one
 * source file and one row of the table in io/sink.c; the ending of the file's name chooses it. */
#ifndef MR_IO_SINK_H
#define MR_IO_SINK_H

#include "nn/error.h"
#include "nn/shape.h"

/* An output of the network beside the class probabilities: another output, or a layer's activations. */
typedef struct mr_sink_tensor {
    const char *name;
    mr_shape shape; /* dim[0] = 0: not known, the rest is one sample's */
} mr_sink_tensor;

/* What every row holds. Everything is borrowed and must outlive the sink. */
typedef struct mr_sink_schema {
    int classes;                    /* >= 2, or 0 where the output is no vector of classes */
    const char *const *class_names; /* [classes], UTF-8 */
    int top;                        /* the most probable classes listed by name: 0 … classes */
    int tensors;
    const mr_sink_tensor *tensor;
} mr_sink_schema;

/* Borrowed for the call. */
typedef struct mr_sink_row {
    const char *path;
    const char *error;          /* why there is no prediction, or NULL; then the rest means nothing */
    const char *remark;         /* the status of a row without an error; NULL: "ok" */
    int predicted;              /* class index, -1: none of them */
    float confidence;           /* probability of the most probable class */
    const float *probability;   /* [classes] */
    const int *top;             /* [schema.top] class indices, most probable first */
    const float *const *tensor; /* [tensors] → one sample's values */
} mr_sink_row;

typedef struct mr_sink mr_sink;

/* Creates FILE (replacing what is there), or writes CSV to standard output where FILE is NULL. Errors:
 * MR_EUSAGE (an ending that no sink has), MR_EIO, MR_ENOTFOUND, MR_ENOMEM. */
int mr_sink_open(mr_sink **out, const char *file, const mr_sink_schema *schema, mr_error *e);
/* Puts rows behind one another; they reach the file with the next flush. */
int mr_sink_add(mr_sink *s, const mr_sink_row *row, mr_error *e);
/* Writes the rows so far through to the system in one go. MR_ECANCELED: nobody reads standard output any
 * more. */
int mr_sink_flush(mr_sink *s, mr_error *e);
/* Flushes, makes the file durable, closes. S may be NULL; it is freed in every case. */
int mr_sink_close(mr_sink *s, mr_error *e);
/* Frees without flushing. S may be NULL. */
void mr_sink_abandon(mr_sink *s);

#endif
