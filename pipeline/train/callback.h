/* SPDX-License-Identifier: Apache-2.0 */
/* What looks at a run after each epoch, may end it or change its optimizer, and remembers things from one
 * epoch to the next: early stopping, reducing the rate on a plateau, keeping the best weights. Its memory
 * goes into every checkpoint, so that a resumed run decides as an undisturbed one. */
#ifndef MR_PIPELINE_CALLBACK_H
#define MR_PIPELINE_CALLBACK_H

#include "pipeline/trainer/history.h"

struct mr_trainer;

typedef struct mr_callback { /* any function may be NULL. All on the training thread */
    const char *name;        /* of its section in the run's state; each name once */
    void *context;
    /* After the validation of epoch R->epoch. *STOP = true ends the run here. The weights may be read, not
     * changed (a checkpoint may be on its way): that is for run_end. The optimizer's rate may be changed. */
    int (*epoch_end)(void *context, struct mr_trainer *t, const mr_epoch_record *r, bool *stop, mr_error *e);
    /* Asked after epoch_end: the state at this very epoch's end must be in a checkpoint before any later one,
     * since a resumed run will look for it there. */
    bool (*needs_checkpoint)(const void *context);
    /* When the run is over and its last checkpoint written, also when it ended early. May change the weights
     * in place. */
    int (*run_end)(void *context, struct mr_trainer *t, mr_error *e);
    /* After run_end of a run without checkpoints that ended early: its last state is a checkpoint in FOLDER
     * now; what a resumed run will look for beside it goes there, too. */
    int (*left_behind)(void *context, struct mr_trainer *t, const char *folder, mr_error *e);
    json_t *(*save)(const void *context); /* what it remembers; a new reference, NULL out of memory */
    int (*restore)(void *context, const json_t *memory, mr_error *e); /* what save made */
} mr_callback;

#endif
