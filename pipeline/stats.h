/* SPDX-License-Identifier: Apache-2.0 */
/* Counters of one stage, as --stats prints them. */
#ifndef MR_PIPELINE_STATS_H
#define MR_PIPELINE_STATS_H

#include <stdint.h>

typedef struct mr_stage_stats {
    const char *name;          /* "read", "decode", "train" … (static string) */
    int threads;
    uint64_t items;
    uint64_t bytes;            /* 0 where bytes mean nothing */
    double busy_seconds;       /* summed over the stage's threads */
    double wait_input_seconds; /* waiting for something to do */
    double wait_output_seconds;/* waiting for room in the next queue */
    double mean_queue_depth;   /* of the stage's input queue, sampled at each take */
    int queue_capacity;
} mr_stage_stats;

/* Monotonic clock in seconds. */
double mr_now(void);

#endif
