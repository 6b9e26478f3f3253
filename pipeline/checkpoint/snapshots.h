/* SPDX-License-Identifier: Apache-2.0 */
/* When a run hands its state to the checkpoint stage: by epochs, by steps, by time, when asked, at its end;
 * and what happens when a snapshot cannot be written (training goes on, the newest state is tried again,
 * later and later). Training thread only. */
#ifndef MR_PIPELINE_SNAPSHOTS_H
#define MR_PIPELINE_SNAPSHOTS_H

#include "pipeline/checkpoint/checkpoint.h"

typedef struct mr_snapshot_plan {
    const mr_checkpoint_dir *dir; /* open; NULL: no snapshots at all */
    int keep;                     /* newest ones; the best is kept besides */
    int every_epochs;             /* 0: none by epochs */
    int64_t every_steps;          /* of the run; 0: none by steps */
    double every_seconds;         /* 0: none by time */
    /* How good an epoch was, the lower the better, NAN: not a candidate. NULL: val_loss, or loss without
     * validation. */
    double (*score)(void *context, const mr_epoch_record *r);
    void *score_context;
    double first_retry_seconds; /* 0: 1 s. Doubled after each failure, up to five minutes */
} mr_snapshot_plan;

typedef struct mr_snapshot_events { /* as in mr_train_events */
    void *context;
    void (*checkpoint)(void *context, const mr_checkpoint_record *r);
    void (*message)(void *context, const char *text);
} mr_snapshot_events;

typedef struct mr_snapshots mr_snapshots;

/* T's model gets its slots. T, PLAN and EVENTS must outlive it. RESUMED: the state that is on disk already,
 * or NULL. */
int mr_snapshots_open(mr_snapshots **out, mr_trainer *t, const mr_snapshot_plan *plan,
                      const mr_snapshot_events *events, const mr_run_state *resumed, mr_error *e);
void mr_snapshots_close(mr_snapshots *s);

/* Where the next update writes. */
mr_real *mr_snapshots_output(mr_snapshots *s);

/* Something happened: a step (AT as it is after it), an epoch's end, or somebody asks. */
void mr_snapshots_after_step(mr_snapshots *s, const mr_run_state *at);
void mr_snapshots_after_epoch(mr_snapshots *s, const mr_run_state *at);
void mr_snapshots_ask(mr_snapshots *s);
/* As mr_snapshots_ask, but for the state as it is at the next hand-over point and no later one: that one
 * waits for the writer where it must. */
void mr_snapshots_require(mr_snapshots *s);

/* The hand-over point, between two updates: takes a snapshot if one is due and the writer is free. */
int mr_snapshots_take(mr_snapshots *s, const mr_run_state *at, mr_error *e);

/* The end of the run: waits until AT is on disk, trying again for some seconds (HURRY: half a second). What
 * could not be written is told as a record like any other and is no error here, but *FAILED. */
int mr_snapshots_finish(mr_snapshots *s, const mr_run_state *at, bool hurry, bool *failed, mr_error *e);

#endif
