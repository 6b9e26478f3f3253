/* SPDX-License-Identifier: Apache-2.0 */
/* What `train` does about checkpoints: opens their folder, finds the one to go on from, says what happens to
 * each. */
#ifndef MR_CLI_CHECKPOINTS_H
#define MR_CLI_CHECKPOINTS_H

#include "cli/option/options.h"
#include "cli/show/progress.h"
#include "base/strings.h"
#include "pipeline/ranks/ranks.h"
#include "pipeline/checkpoint/resume.h"
#include "pipeline/train/train.h"

typedef struct mr_cli_checkpoints {
    mr_checkpoint_dir dir; /* path NULL: no --checkpoint-dir */
    bool resumes;          /* RESUMED is the checkpoint to go on from */
    bool finished;         /* --model is what the run to be resumed has made already: nothing is left to be done */
    mr_resumed resumed;
    json_t *settings;    /* the run's options */
    mr_strings *strings; /* those that were restored */
    mr_checkpoint_record *record;
    int records;
    mr_progress *progress; /* borrowed */
    mr_ranks *ranks;       /* borrowed; NULL: alone */
    char *interrupted; /* MODEL.interrupted, where a run without --checkpoint-dir leaves its state that ends
                          early; owned */
} mr_cli_checkpoints;

/* Opens --checkpoint-dir; with --resume loads the newest whole checkpoint and takes over its run's options
 * into C. --resume without it goes on from the state that an interrupted run left in MODEL.interrupted, which
 * is the
 * --checkpoint-dir then. Collective: rank 0 opens and chooses, the others load what it chose. */
int mr_cli_checkpoints_open(mr_cli_checkpoints *p, mr_cli *c, mr_progress *progress, mr_ranks *ranks,
                            mr_error *e);
/* Fills O's plan and resumed state. */
int mr_cli_checkpoints_begin(mr_cli_checkpoints *p, const mr_cli *c, mr_train_options *o, mr_error *e);
/* When all else is ready: a new run in a used folder moves the old checkpoints away. */
int mr_cli_checkpoints_set_aside(mr_cli_checkpoints *p, mr_error *e);
/* One was written, or not: keeps the record and says so. */
void mr_cli_checkpoints_note(mr_cli_checkpoints *p, const mr_checkpoint_record *r);
/* The run is finished and its model saved: what it, or an earlier run that was interrupted, left for --resume in
 * MODEL.interrupted is older than that model, and is moved out of the way. */
void mr_cli_checkpoints_finished(mr_cli_checkpoints *p, const mr_cli *c);
/* The newest record, or NULL. */
const mr_checkpoint_record *mr_cli_checkpoints_last(const mr_cli_checkpoints *p);
void mr_cli_checkpoints_close(mr_cli_checkpoints *p);

#endif
