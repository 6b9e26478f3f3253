/* SPDX-License-Identifier: Apache-2.0 */
/* The checkpoint stage: one thread that writes snapshots of a run while the run goes on.
 *
 * The hand-over copies nothing. The training thread gives the buffer of its current state away and makes its next update
 * out of place, into the spare buffer, which is its state from then on. When the file is durable the old buffer is the
 * spare one. There are two buffers, so while one is being written nothing more can be handed over: a snapshot that is
 * due then stays due, and the newest state goes when the writer is free. */
#ifndef MR_PIPELINE_CHECKPOINT_H
#define MR_PIPELINE_CHECKPOINT_H

#include "io/model_file.h"

typedef struct mr_checkpoint_options {
    const char *dir;         /* is made where it is missing */
    int keep;                /* newest files kept; >= 1 */
} mr_checkpoint_options;

/* What goes with a state into the file. */
typedef struct mr_snapshot {
    int64_t iterations;      /* finished updates; also the file's name: checkpoint-00000352.h5 */
    json_t *training;        /* training configuration at this moment (the reference is taken) */
    json_t *run;             /* the run's own state: position, history … (the reference is taken); attribute millrace_run */
} mr_snapshot;

typedef struct mr_checkpoint_record { /* of one snapshot, for --stats and the log */
    int64_t iterations;
    double stall_microseconds; /* the training thread was held that long */
    double write_seconds;      /* of the writer */
    int64_t bytes;
    int status;                /* 0 or why it could not be written */
    char message[256];
} mr_checkpoint_record;

typedef struct mr_checkpointer mr_checkpointer;

/* Starts the thread. MODEL must outlive it; nobody may change it but through the training (state, trainable weights). */
int mr_checkpointer_create(mr_checkpointer **out, mr_model *model, mr_checkpoint_options options, mr_error *e);
/* Is the writer free to take a snapshot? */
bool mr_checkpointer_ready(mr_checkpointer *c);
/* Hands over the current state (precondition: ready). Training thread only. */
void mr_checkpointer_offer(mr_checkpointer *c, mr_snapshot snapshot);
/* Where the next update has to write: the graph's own state, or the spare buffer when the state was handed over. */
mr_real *mr_checkpointer_output(mr_checkpointer *c);
/* Takes the records of snapshots finished since the last call: up to MAX, returns how many. */
int mr_checkpointer_records(mr_checkpointer *c, mr_checkpoint_record *out, int max);
/* Waits until the writer is free. */
void mr_checkpointer_wait(mr_checkpointer *c);
/* Waits, stops the thread, frees all but the graph's state. */
void mr_checkpointer_close(mr_checkpointer *c);

#endif
