/* SPDX-License-Identifier: Apache-2.0 */
/* Inference on arrays instead of images: input_0, input_1, … → output_0, output_1, …, and layers/NAME. A
 * batch is in memory at a time. */
#ifndef MR_PIPELINE_PREDICT_ARRAYS_H
#define MR_PIPELINE_PREDICT_ARRAYS_H

#include "io/model_file/model_file.h"
#include "pipeline/queue/stats.h"

typedef struct mr_array_run {
    int batch_size, threads;
    size_t memory_limit;
    double rescale, offset; /* of uint8 arrays */
    const int *node;        /* [nodes] graph nodes whose outputs are wanted too */
    int nodes;
    const char *input, *output; /* HDF5 files; OUTPUT is written anew, durably */
    void *context;
    void (*batch)(void *context, int64_t samples, int64_t total); /* done so far; may be NULL */
    bool (*stop)(
        void *context);      /* asked after each batch: true ends the run with MR_ECANCELED; may be NULL */
    mr_stage_stats stage[3]; /* out: read, predict, write */
} mr_array_run;

/* Errors: those of the files; MR_EINVAL where inputs and the model do not fit. */
int mr_predict_arrays(mr_model *model, mr_array_run *run, mr_error *e);
/* Are any of FILE's inputs uint8, so that they need preprocessing? */
int mr_predict_arrays_bytes(bool *out, const mr_model *model, const char *file, mr_error *e);

#endif
