/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the checkpoint that a run goes on from. */
#ifndef MR_PIPELINE_RESUME_H
#define MR_PIPELINE_RESUME_H

#include "pipeline/checkpoint/checkpoint.h"

typedef struct mr_resumed {
    mr_model
        *model; /* whole: weights, statistics, slots, and the training configuration of the run's state */
    mr_run_state state;
    char path[4096]; /* of the file */
} mr_resumed;

/* Loads the newest checkpoint of D that passes its checks: checksums, a state that can be read, the
 * self-test. Each one that does not is told to WARN with the reason, and the one before is tried. *FOUND:
 * false where there is no checkpoint at all. Errors: MR_EFORMAT where there are some and none is whole;
 * MR_ENOMEM and the like. Free with mr_resumed_free. */
int mr_resume_newest(mr_resumed *out, bool *found, const mr_checkpoint_dir *d,
                     void (*warn)(void *context, const char *text), void *context, mr_error *e);
/* Loads the checkpoint PATH, which another rank has chosen. */
int mr_resume_from(mr_resumed *out, const char *path, mr_error *e);
void mr_resumed_free(mr_resumed *r);

#endif
