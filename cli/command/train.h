/* SPDX-License-Identifier: Apache-2.0 */
/* One run of `millrace train`: what its parts share. */
#ifndef MR_CLI_TRAIN_H
#define MR_CLI_TRAIN_H

#include "cli/setup/callbacks.h"
#include "cli/setup/checkpoints.h"
#include "cli/setup/claims.h"
#include "cli/setup/data.h"
#include "cli/show/bad_inputs.h"
#include "cli/show/history.h"
#include "cli/show/progress.h"
#include "cli/show/step_log.h"

typedef struct mr_train_job {
    mr_cli *c;
    mr_cli_data data;
    mr_preprocess pre;
    bool has_contract; /* arrays of float32 have none */
    mr_augmentation augmentation;
    mr_model *model;
    json_t *loss, *optimizer;
    bool had_slots; /* the model that is trained further came with its optimizer's state */
    double *class_weight;
    mr_ranks *ranks; /* NULL: alone */
    mr_team *team;
    mr_trainer *trainer;
    mr_train_options options;
    mr_train_result result;
    mr_progress *progress;
    mr_bad_inputs bad_inputs;
    mr_step_log *step_log;
    int64_t step; /* of the run */
    mr_claims claims;
    mr_cli_checkpoints checkpoints;
    mr_cli_callbacks callbacks;
    mr_history_columns columns;
    mr_history_log history_log;
} mr_train_job;

/* Options, data, model, trainer, outputs: all but the run itself. With j->checkpoints.finished there is
 * nothing to do. */
int mr_train_set_up(mr_train_job *j, mr_error *e);
/* What the run tells of itself while it goes on. J must outlive it. */
mr_train_events mr_train_job_events(mr_train_job *j);
/* For messages of what a run sets up: mr_says with CONTEXT a mr_train_job. */
void mr_train_say(void *context, const char *text);

#endif
