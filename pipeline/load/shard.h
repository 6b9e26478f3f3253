/* SPDX-License-Identifier: Apache-2.0 */
/* One process's part of every batch: the samples of a batch are dealt out in turn, so sample i of it is rank
 * i % count's, and a batch holds the same samples whatever the number of ranks. */
#ifndef MR_PIPELINE_SHARD_H
#define MR_PIPELINE_SHARD_H

#include "pipeline/load/source.h"

typedef struct mr_shard {
    int rank, count; /* count 0 or 1: everything is ours */
} mr_shard;

/* Is sample I of a batch ours? */
static inline bool mr_shard_has(mr_shard s, size_t i)
{
    return s.count < 2 || i % (size_t)s.count == (size_t)s.rank;
}
/* How many of the first N samples of a batch are. */
static inline size_t mr_shard_share(mr_shard s, size_t n)
{
    return s.count < 2 ? n : (n + (size_t)(s.count - 1 - s.rank)) / (size_t)s.count;
}

/* A source that several ranks walk alike, each giving out its own part: whole batches in turn, batch k being
 * rank k % count's. So a rank's batches are the very ones that a single process makes. */
typedef struct mr_sharded { /* the thread that calls next() owns it; zeroed but for the first three */
    mr_source source;     /* of samples that come at once, in the same order on each rank */
    mr_shard shard;
    uint64_t batch;       /* samples of one */
    uint64_t seen;        /* samples of all ranks so far */
} mr_sharded;

/* D must outlive it. */
mr_source mr_shard_source(mr_sharded *d);

#endif
