/* SPDX-License-Identifier: Apache-2.0 */
/* Gradients added up over all ranks while backward still computes: the block of gradients is cut from its end, where
 * backward begins, into buckets of whole layers; each bucket's sum is started as soon as all of its layers are done.
 * The buckets depend on the model alone, so they are the same on every rank. Training thread only. */
#ifndef MR_PIPELINE_REDUCER_H
#define MR_PIPELINE_REDUCER_H

#include "nn/plan/plan.h"
#include "pipeline/ranks/ranks.h"

typedef struct mr_reducer mr_reducer;

typedef struct mr_reducer_times { /* seconds since it was made */
    int64_t steps, buckets;
    double waited;  /* for sums after backward was done: what the overlap did not hide */
    double backward; /* the time in which sums could go on: from the first bucket to the end of backward */
    double statistics; /* sums of normalisations, and waiting for other ranks in them */
    double bytes;   /* of gradients, in all */
} mr_reducer_times;

/* SHARE_STATISTICS: BatchNormalization goes by all ranks' samples. RANKS and G must outlive it. MR_ENOMEM. */
int mr_reducer_create(mr_reducer **out, mr_ranks *ranks, const mr_graph *g, bool share_statistics, mr_error *e);
void mr_reducer_free(mr_reducer *r);
/* For the plan's options. */
const mr_peers *mr_reducer_peers(const mr_reducer *r);

/* Before mr_plan_backward: GRADIENTS is the plan's block. */
void mr_reducer_begin(mr_reducer *r, mr_real *gradients);
/* After it: all gradients are sums over all ranks. */
void mr_reducer_finish(mr_reducer *r);
/* Moving statistics in STATE, where each rank went by its own samples: their means, weighted by SHARE (this rank's part
 * of the batch; all add up to 1). */
void mr_reducer_mean_statistics(mr_reducer *r, mr_real *state, double share);
mr_reducer_times mr_reducer_times_of(const mr_reducer *r);

#endif
