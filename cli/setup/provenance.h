/* SPDX-License-Identifier: Apache-2.0 */
/* How a model is trained, as `train` says it at its beginning, stores it in the model file, and `summary`
 * shows it: the command, the data, the network, the optimizer.
 *
 * Runs that end with the same weights store the same facts, so that their files are equal byte by byte. What
 * differs between such runs is therefore left out: times, numbers of threads and processes, names of outputs,
 * checkpoints and
 * --resume. Of a run that was resumed the command and the data are those that it was begun with. */
#ifndef MR_CLI_PROVENANCE_H
#define MR_CLI_PROVENANCE_H

#include "cli/setup/data.h"
#include "cli/show/progress.h"
#include "pipeline/trainer/trainer.h"

typedef struct mr_cli_run {
    const mr_cli *c;
    const mr_cli_data *data;
    const mr_trainer *trainer;   /* with its model */
    const mr_run_state *resumed; /* NULL: the run begins */
} mr_cli_run;

/* Puts the facts into the trainer's model, whose provenance (a checkpoint's) is what they go on from. */
int mr_cli_set_provenance(const mr_cli_run *run, mr_error *e);

/* As lines of text for a person: "Data: …", "Model: …", "Training: …", "Command: …". What is not in
 * PROVENANCE (one of another millrace) is left out. */
void mr_cli_provenance_text(mr_text *out, const json_t *provenance);

/* The header of a run: those lines, and the threads; with --log-json the event "run". */
void mr_cli_tell_run(mr_progress *p, const mr_cli *c, const json_t *provenance);

#endif
