/* SPDX-License-Identifier: Apache-2.0 */
/* A source that several ranks walk alike, each giving out its own part: whole batches in turn, batch k being rank
 * k % count's. So a rank's batches are the very ones that a single process makes. */
#ifndef MR_PIPELINE_DEALT_H
#define MR_PIPELINE_DEALT_H

#include "pipeline/load/loader.h"

typedef struct mr_dealt { /* the thread that calls next() owns it; zeroed but for the first three */
    mr_source source;     /* of samples that come at once, in the same order on each rank */
    mr_shard shard;
    uint64_t batch;       /* samples of one */
    uint64_t seen;        /* samples of all ranks so far */
} mr_dealt;

/* D must outlive it. */
mr_source mr_dealt_source(mr_dealt *d);

#endif
