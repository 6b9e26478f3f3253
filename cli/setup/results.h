/* SPDX-License-Identifier: Apache-2.0 */
/* What a training run leaves on disk when it is over, however it ended. Each result is written though another
 * one could not be.
 *
 * --model is the result of a finished run. One that ended early (stopped or failed) replaces neither a
 * finished model nor any other file there, unless --overwrite is given: its weights go there only where there
 * is no file yet or that of another run that ended early, and only when an epoch was finished and there is no
 * --checkpoint-dir, which has them. */
#ifndef MR_CLI_RESULTS_H
#define MR_CLI_RESULTS_H

#include "cli/setup/checkpoints.h"
#include "cli/show/step_log.h"
#include "cli/show/tensorboard.h"

typedef struct mr_cli_results {
    const mr_cli *c;
    mr_model *model;
    const mr_train_result *result;
    const mr_history_columns *columns;
    const mr_cli_checkpoints *checkpoints;
    mr_progress *progress;
    mr_step_log **step_log; /* closed */
    mr_tensorboard *tensorboard;
    double wall;
    bool failed;          /* the run, by an error */
    bool best;            /* the model's weights are those of the best epoch */
    const char *saved_to; /* out: the model is in this file; NULL: in none */
} mr_cli_results;

/* The first failure goes to E, unless E holds one already (the run's); others are told. Returns the first's
 * code, or 0. */
int mr_cli_write_results(mr_cli_results *r, mr_error *e);
/* Says what became of the run, after that. */
void mr_cli_tell_results(const mr_cli_results *r);

#endif
