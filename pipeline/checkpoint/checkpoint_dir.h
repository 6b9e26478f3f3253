/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of a run's checkpoints: checkpoint-00000352.h5, … The number is that of the optimizer's finished
 * updates.
 *
 * One process at a time writes into it: a lock on the file .millrace.lock, which dies with the process, keeps
 * a second one (a requeued job beside one that is not quite dead) out. What a killed process left half
 * written is removed when the folder is opened. */
#ifndef MR_PIPELINE_CHECKPOINT_DIR_H
#define MR_PIPELINE_CHECKPOINT_DIR_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

typedef struct mr_checkpoint_dir {
    char *path;
    int lock; /* descriptor that holds the lock; -1: the file system has no locks */
} mr_checkpoint_dir;

/* Makes PATH where it is missing, locks it, clears it of half-written files. Errors: MR_EIO where it cannot
 * be made, written, or is in use. Close it also after a failure. */
int mr_checkpoint_dir_open(mr_checkpoint_dir *d, const char *path, mr_error *e);
void mr_checkpoint_dir_close(mr_checkpoint_dir *d);

typedef struct mr_checkpoint_list {
    size_t count;
    int64_t *number; /* newest first */
} mr_checkpoint_list;

int mr_checkpoint_list_read(mr_checkpoint_list *out, const mr_checkpoint_dir *d, mr_error *e);
void mr_checkpoint_list_free(mr_checkpoint_list *l);

#define MR_BEST_FILE "best.h5" /* the best epoch's weights, where a run without checkpoints ended early */

/* "DIR/checkpoint-00000352.h5" into OUT; MR_ELIMIT where it does not fit. */
int mr_checkpoint_path(char *out, size_t size, const mr_checkpoint_dir *d, int64_t number, mr_error *e);

/* Removes all checkpoints but the KEEP newest and number BEST (< 0: none). Failures leave files behind,
 * nothing else. */
void mr_checkpoint_prune(const mr_checkpoint_dir *d, int keep, int64_t best);

/* Moves all checkpoints of an earlier run into a new folder DIR/earlier-N, whose path goes to WHERE ("" where
 * there are none): a run that begins anew must neither mix with them nor remove them. */
int mr_checkpoint_set_aside(const mr_checkpoint_dir *d, char *where, size_t size, mr_error *e);

#endif
