/* SPDX-License-Identifier: Apache-2.0 */
/* What a run of inference is asked to do; shared by the parts of such a run. */
#ifndef MR_PIPELINE_PREDICT_OPTIONS_H
#define MR_PIPELINE_PREDICT_OPTIONS_H

#include "io/model_file/model_file.h"
#include "nn/learn/task.h"
#include "pipeline/load/budget.h"
#include "pipeline/predict/placing.h"
#include "pipeline/predict/predictor.h"
#include "pipeline/predict/verdict.h"

typedef struct mr_predict_options {
    mr_predictor_options predictor;
    const char *output; /* NULL: CSV on standard output */
    bool resume;        /* goes on with OUTPUT */
    bool overwrite;     /* an OUTPUT that is there is replaced at once (io/output/claim.h) */
    bool unrelated;     /* the source never ends: with resume, it has nothing to do with the rows that are there */
    int ranks;          /* OUTPUT is a part, one of so many; 0: it is the whole */
    mr_output_task task; /* what the model's first output means */
    int top;
    bool csv_safe;
    mr_thresholds thresholds;
    const mr_placing *placing;       /* prepared; or NULL */
    mr_budget *budget;               /* may be NULL */
    int64_t (*total)(void *context); /* of files, 0 while it is not known; may be NULL: it never is */
    void *total_context;
} mr_predict_options;

#endif
