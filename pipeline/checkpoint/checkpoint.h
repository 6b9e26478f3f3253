/* SPDX-License-Identifier: Apache-2.0 */
/* The checkpoint stage: one thread that writes snapshots of a run while the run goes on.
 *
 * The hand-over copies nothing. The training thread gives the buffer of its current state away and makes its
 * next update out of place, into the spare buffer, which is its state from then on. When the file is durable
 * the old buffer is the spare one. There are two buffers, so while one is being written nothing more can be
 * handed over: a snapshot that is due then stays due, and the newest state goes when the writer is free. */
#ifndef MR_PIPELINE_CHECKPOINT_H
#define MR_PIPELINE_CHECKPOINT_H

#include "io/model_file/model_file.h"
#include "pipeline/checkpoint/checkpoint_dir.h"
#include "pipeline/checkpoint/run_state.h"

typedef struct mr_checkpoint_options {
    const mr_checkpoint_dir *dir; /* open; must outlive the stage */
    int keep;                     /* newest files kept; >= 1 */
    int64_t best;                 /* the best file there so far, kept too; < 0: none */
    double best_score;            /* of it: the lower the better */
} mr_checkpoint_options;

/* What goes with a state into the file. */
typedef struct mr_snapshot {
    int64_t iterations; /* finished updates; also the file's name: checkpoint-00000352.h5 */
    mr_run_state state; /* taken over: cleared when the file is written */
    double score; /* of an epoch's end, the lower the better: the lowest is kept as the best. NAN: none */
} mr_snapshot;

typedef struct mr_checkpoint_record { /* of one snapshot, for --stats and the log */
    int64_t iterations;
    double stall_microseconds; /* the training thread was held that long */
    double write_seconds;      /* of the writer */
    int64_t bytes;
    int status;        /* 0 or why it could not be written */
    char message[512]; /* the file's path, or the failure with the step that failed */
} mr_checkpoint_record;

typedef struct mr_checkpointer mr_checkpointer;

/* Starts the thread. MODEL must outlive it and have its slots (mr_trainer_store); nobody may change it but
 * through the training, which changes its state alone. */
int mr_checkpointer_create(mr_checkpointer **out, mr_model *model, mr_checkpoint_options options,
                           mr_error *e);
/* Is the writer free to take a snapshot? (For the first moments it is not: it touches the spare buffer's
 * pages, so that the first update out of place does not have to.) */
bool mr_checkpointer_ready(mr_checkpointer *c);
/* Hands over the current state (precondition: ready). Training thread only. SINCE (mr_now): when the training
 * thread began to prepare SNAPSHOT: the stall counts from there. */
void mr_checkpointer_offer(mr_checkpointer *c, const mr_snapshot *snapshot, double since);
/* Where the next update has to write: the graph's own state, or the spare buffer when the state was handed
 * over. The caller must make it the graph's state (mr_trainer_step does). Whoever else changes the state (a
 * callback that restores weights) must do it the same way: a state that was handed over is being read by the
 * writer. */
mr_real *mr_checkpointer_output(mr_checkpointer *c);
/* Takes the records of snapshots finished since the last call: up to MAX, returns how many. */
int mr_checkpointer_records(mr_checkpointer *c, mr_checkpoint_record *out, int max);
/* Waits until the writer is free. */
void mr_checkpointer_wait(mr_checkpointer *c);
/* Waits, stops the thread, frees all but the graph's state. */
void mr_checkpointer_close(mr_checkpointer *c);

/* Writes one checkpoint (the writer thread's work). VIEW: the model with the state to be written. */
int mr_checkpoint_write(mr_model *view, const mr_snapshot *s, const char *path, mr_error *e);
/* Reads the run's state out of a checkpoint; SCORE may be NULL. MR_EFORMAT where PATH is a model without one.
 */
int mr_checkpoint_read_state(mr_run_state *out, double *score, const char *path, mr_error *e);
/* The checkpoint in D of the state at the very end of epoch EPOCH, into PATH; false: there is none that can
 * be read. */
bool mr_checkpoint_of_epoch(char *path, size_t size, const mr_checkpoint_dir *d, int epoch);

#endif
