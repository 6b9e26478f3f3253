/* SPDX-License-Identifier: Apache-2.0 */
/* A training run: epochs of steps, validation after each, history, checkpoints. */
#ifndef MR_PIPELINE_TRAIN_H
#define MR_PIPELINE_TRAIN_H

#include "pipeline/load/budget.h"
#include "pipeline/train/callback.h"
#include "pipeline/train/early_end.h"
#include "pipeline/checkpoint/fingerprint.h"
#include "pipeline/checkpoint/snapshots.h"
#include "pipeline/trainer/trainer.h"

/* What the run tells while it goes on; any may be NULL. Called on the training thread. */
typedef struct mr_train_events {
    void *context;
    void (*epoch_begin)(void *context, int epoch, int epochs, int64_t steps);
    /* a resumed run begins within an epoch: STEP steps of it are done */
    void (*epoch_resumed)(void *context, int64_t step, const mr_sums *sums);
    /* after each step: running means of the epoch, and this step's own loss */
    void (*step)(void *context, int64_t step, const mr_sums *sums, double loss);
    void (*validation_begin)(void *context);
    void (*epoch_end)(void *context, const mr_history *h); /* its last row is the epoch's */
    void (*bad_input)(void *context, const char *path, const char *reason);
    void (*checkpoint)(void *context, const mr_checkpoint_record *r);
    void (*message)(void *context, const char *text);
    bool (*stop)(
        void *context); /* asked before each step: true ends the run as soon as a checkpoint is on disk */
    bool (*checkpoint_wanted)(
        void *context); /* asked after each step: true takes a snapshot (once for each true) */
} mr_train_events;

typedef struct mr_train_options {
    int epochs; /* in all */
    bool shuffle;
    uint64_t seed;
    mr_loader_options loader; /* batch size, decode threads, preprocessing, augmentation, seed */
    mr_budget budget;
    mr_snapshot_plan checkpoints;
    /* Without checkpoints: the folder for one that a run leaves which ends early, stopped or failed; made
     * then. NULL: none. */
    const char *left_behind;
    mr_callback *callback; /* [callbacks], in the order in which they are called */
    int callbacks;
    mr_ranks *ranks; /* the trainer's; NULL: alone. Batch sizes are those of all ranks together. Rank 0 alone has
                        checkpoints; all else is the same for all */
    const mr_run_state *resume; /* the state of a checkpoint to go on from, the trainer's model being that
                                   checkpoint's; NULL */
    json_t *settings; /* whatever the caller wants to find in the checkpoints' state again (borrowed); may be
                         NULL */
} mr_train_options;

typedef struct mr_train_result {
    mr_history history;
    int64_t skipped;          /* unusable inputs passed over */
    int64_t step;             /* steps since the run began */
    bool stopped;             /* by events.stop */
    bool usable; /* the model's weights are those of a state of the run: false after a failure in the first
                    epoch */
    bool checkpoint_failed;   /* the last snapshot could not be written */
    char left_behind[MR_CHECKPOINT_PATH]; /* the checkpoint of a run that ended early; "": none was written */
    mr_error early;           /* what went wrong when the run was brought to its early end; code 0: nothing */
    mr_stage_stats stage[16]; /* of the whole run */
    int stages;
    const char *reader; /* "io_uring", "pread" or NULL */
} mr_train_result;

/* Trains T's model on TRAINING, validates on VALIDATION (both members NULL: not at all). RESULT is filled
 * also on failure; free it with mr_train_result_free. After a failure the model is as it was at the end of
 * the last whole epoch, if this process has finished one (result->usable); with callbacks' changes then, as
 * after the run's end. Errors: those of the data, MR_ELIMIT over the budget of bad inputs, MR_EINVAL when the
 * loss is NaN or infinite. */
int mr_train_run(mr_trainer *t, mr_data training, mr_data validation, const mr_train_options *options,
                 const mr_train_events *events, mr_train_result *result, mr_error *e);
void mr_train_result_free(mr_train_result *r);

/* One pass over DATA in order, without augmentation. Each batch with its predictions goes to BATCH (may be
 * NULL). Bad inputs are reported to BAD_INPUT (may be NULL) and counted in BUDGET (may be NULL). */
typedef struct mr_pass {
    mr_loader_options loader;
    double rescale, offset; /* of uint8 arrays */
    mr_budget *budget;
    mr_shard shard; /* its part of each batch alone */
    void *context;
    int (*batch)(void *context, const mr_examples *ex, const mr_plan *plan, mr_error *e);
    void (*bad_input)(void *context, const char *path, const char *reason);
    bool (*stop)(
        void *context); /* asked before each batch: true ends the pass early, and it returns 1; NULL: never */
    mr_stage_stats *stage; /* [16] out, or NULL */
    int stages;
} mr_pass;
int mr_infer_pass(mr_trainer *t, mr_data data, mr_pass *pass, mr_sums *sums, mr_error *e);

#endif
