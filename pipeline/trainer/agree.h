/* SPDX-License-Identifier: Apache-2.0 */
/* What the ranks of a training run tell each other, so that all do the same. Everything here is collective; for NULL
 * ranks it leaves things as they are. */
#ifndef MR_PIPELINE_TOGETHER_H
#define MR_PIPELINE_TOGETHER_H

#include "pipeline/load/feed.h"
#include "pipeline/ranks/ranks.h"
#include "pipeline/trainer/trainer.h"

/* Before a step. In: this rank's; out: all ranks'. */
typedef struct mr_agreement {
    int samples;     /* with data */
    int bad;         /* without */
    bool stop;       /* any rank was asked to stop … */
    bool checkpoint; /* … or for a checkpoint */
} mr_agreement;
void mr_agree(mr_ranks *ranks, mr_agreement *a);

/* After a pass of inference: its results [CLASSES] of single classes (NULL: none), its errors, whether any rank was
 * stopped. */
void mr_pass_of_all(mr_ranks *ranks, mr_sums *sums, mr_class_tally *tally, int classes, int64_t *errors, bool *stopped);

/* Calls EACH for every unusable sample of the batch EX, in the same order on each rank, until it returns other than 0,
 * and returns that. BAD: how many there are on all ranks. */
typedef int mr_bad_sample(void *context, uint64_t id, const char *path, const char *message);
int mr_each_bad_sample(mr_ranks *ranks, const mr_examples *ex, int bad, mr_bad_sample *each, void *context,
                       mr_error *e);

/* MR_EINVAL where not all ranks begin with the same: SIZE bytes at STATE, and TEXT. */
int mr_check_same_begin(mr_ranks *ranks, const void *state, size_t size, const char *text, mr_error *e);

#endif
