/* SPDX-License-Identifier: Apache-2.0 */
/* Counters of one stage, as --stats prints them. */
#ifndef MR_PIPELINE_STATS_H
#define MR_PIPELINE_STATS_H

#include <stdatomic.h>
#include <stdint.h>

typedef struct mr_stage_stats {
    const char *name; /* "read", "decode", "train" … (static string) */
    int threads;
    uint64_t items;
    uint64_t bytes;             /* 0 where bytes mean nothing */
    double busy_seconds;        /* summed over the stage's threads */
    double wait_input_seconds;  /* waiting for something to do */
    double wait_output_seconds; /* waiting for room in the next queue */
    double mean_queue_depth;    /* of the stage's input queue, sampled at each take */
    int queue_capacity;
} mr_stage_stats;

/* Monotonic clock in seconds. */
double mr_now(void);
/* The same in nanoseconds. */
uint64_t mr_now_ns(void);

/* What one thread counts while it works. One thread alone adds (mr_counter_add), any thread may read at any
 * time: the numbers are each whole, but not taken at one moment. Aligned to a cache line, so that threads do
 * not share one. */
typedef struct mr_stage_counters {
    _Alignas(64) _Atomic uint64_t items; /* all: written by the owning thread, read by reporters */
    _Atomic uint64_t bytes;
    _Atomic uint64_t busy_ns;
    _Atomic uint64_t wait_input_ns;
    _Atomic uint64_t wait_output_ns;
} mr_stage_counters;

/* Single writer, so a load and a store are enough; relaxed, since a counter publishes nothing but itself. */
static inline void mr_counter_add(_Atomic uint64_t *counter, uint64_t n)
{
    uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, now + n, memory_order_relaxed);
}

static inline uint64_t mr_counter_read(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* Adds what C counted to OUT (whose other fields stay). */
void mr_stage_counters_report(const mr_stage_counters *c, mr_stage_stats *out);

#endif
