/* SPDX-License-Identifier: Apache-2.0 */
/* A run that ends early, stopped or failed, loses no whole epoch. The state at the end of each epoch is
 * copied in memory, since what a failed step leaves (weights that are not a number) is of no use; from it, or
 * from where a stopped run stands, comes a last checkpoint. Training thread only. */
#ifndef MR_PIPELINE_EARLY_END_H
#define MR_PIPELINE_EARLY_END_H

#include "pipeline/train/callback.h"
#include "pipeline/checkpoint/checkpoint.h"
#include "pipeline/checkpoint/run_state.h"

typedef struct mr_last_epoch { /* the end of the last whole epoch of this process */
    mr_real *state;            /* as the graph's; NULL: none yet */
    int64_t iterations;        /* of the optimizer */
    json_t *training;
    int epoch;
    int64_t step, skipped, errors;
} mr_last_epoch;

/* AT: after the epoch, before any step of the next one. */
int mr_last_epoch_keep(mr_last_epoch *l, const mr_trainer *t, const mr_run_state *at, mr_error *e);
/* Brings T and AT back to it. Precondition: there is one, and no other thread reads the graph's state. */
int mr_last_epoch_restore(const mr_last_epoch *l, mr_trainer *t, mr_run_state *at, mr_error *e);
void mr_last_epoch_clear(mr_last_epoch *l);

/* What callbacks do to the model at the end of a run. */
int mr_end_callbacks(const mr_callback *callback, int callbacks, mr_trainer *t, mr_error *e);

typedef struct mr_early_end {
    mr_trainer *t;
    mr_run_state *at;
    const mr_last_epoch
        *last; /* to be gone back to, since a step or an epoch's end failed; NULL: the run was stopped */
    const mr_checkpoint_dir *dir; /* of the run's checkpoints; NULL: it has none */
    const char *folder;           /* without DIR: where its last state goes; NULL: nowhere */
    mr_callback *callback;        /* [callbacks] */
    int callbacks;
} mr_early_end;

enum { MR_CHECKPOINT_PATH = 4096 };

/* Brings the model to its last good state, sees to it that this is in a checkpoint, and lets the callbacks do
 * what they do at a run's end. PATH: the checkpoint that was written, "" where none was (DIR has a newer one,
 * FOLDER is NULL). The first failure does not keep the rest from being tried. */
int mr_early_end_run(const mr_early_end *x, char path[MR_CHECKPOINT_PATH], mr_error *e);

#endif
