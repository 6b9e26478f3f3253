/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of millrace predict: what is common, and a run over images. */
#ifndef MR_CLI_PREDICT_H
#define MR_CLI_PREDICT_H

#include "cli/option/options.h"
#include "cli/setup/claims.h"
#include "cli/show/progress.h"
#include "io/model_file/model_file.h"
#include "pipeline/predict/predict.h"
#include "pipeline/ranks/ranks.h"

typedef struct mr_predict_job {
    const mr_cli *c;
    mr_ranks *ranks; /* NULL: alone */
    mr_model *model;
    mr_output_task task; /* what its first output means */
    mr_progress *progress;
    mr_budget budget;
    int *node; /* [nodes] of --layer */
    int nodes;
    mr_claims claims;
    bool stopped; /* by a signal */
} mr_predict_job;

/* True once a signal has come. CONTEXT is not looked at. */
bool mr_predict_stop(void *context);

int mr_predict_images(mr_predict_job *j, mr_error *e);

#endif
