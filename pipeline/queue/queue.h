/* SPDX-License-Identifier: Apache-2.0 */
/* The edge between two stages: a ring (pipeline/queue/ring.h) with waiting (pipeline/queue/eventcount.h), an end and an
 * error.
 *
 * A queue ends in one of two ways, and every waiter wakes in both:
 * - close: its producers have said, each once, that nothing more comes. Consumers get what is inside, then
 * the end, or the error that a producer closed it with.
 * - abort: by anyone, at once. Every push and pop, waiting or to come, fails with the error given; what is
 * inside stays there for mr_queue_drain. Items are pointers (never NULL); the queue does not own what they
 * point to. All functions but init, drain and destroy are safe from the threads that the ring's kind allows;
 * abort and the counters from any thread. */
#ifndef MR_PIPELINE_QUEUE_H
#define MR_PIPELINE_QUEUE_H

#include "pipeline/queue/eventcount.h"
#include "pipeline/queue/ring.h"
#include <stdint.h>

enum { MR_QUEUE_WOULD_WAIT = 2 }; /* from the try_ functions: no item or no room just now */

typedef struct mr_queue {
    mr_ring ring;
    _Alignas(64) mr_eventcount items; /* producers notify, consumers wait */
    _Alignas(64) mr_eventcount room;  /* consumers notify, producers wait */
    _Alignas(64) _Atomic int phase; /* OPEN → CLOSED (by the last producer), OPEN or CLOSED → ABORTED (by the
                                       first abort) */
    _Atomic int producers;          /* how many have not closed; each producer takes itself off */
    _Atomic int close_claimed, abort_claimed; /* who sets them to 1 writes the error beside */
    mr_error close_error;                     /* its claimant's until phase is CLOSED, then read only */
    mr_error abort_error;                     /* its claimant's until phase is ABORTED, then read only */
    /* Statistics, relaxed, added to by the threads that they are about. */
    _Alignas(64) _Atomic uint64_t takes;
    _Atomic uint64_t depth_sum; /* of the depths found at each take, the item taken included */
    _Atomic uint64_t pop_wait_ns;
    _Alignas(64) _Atomic uint64_t push_wait_ns;
} mr_queue;

typedef struct mr_queue_stats {
    uint64_t takes;
    double mean_depth; /* at each take */
    int capacity;
    double push_wait_seconds; /* producers waiting for room, summed over threads */
    double pop_wait_seconds;  /* consumers waiting for items, summed over threads */
} mr_queue_stats;

/* PRODUCERS: how many closes end the queue (>= 1). Errors: MR_EINVAL, MR_ENOMEM. */
int mr_queue_init(mr_queue *q, const mr_ring_kind *kind, size_t capacity, int producers, mr_error *e);
/* No thread may be inside. Accepts a zeroed queue. */
void mr_queue_destroy(mr_queue *q);

/* Puts ITEM in, waiting for room. 0, or the abort's negative code (then ITEM is still the caller's). */
int mr_queue_push(mr_queue *q, void *item, mr_error *e);
/* Takes an item out, waiting for one. 1: *ITEM is the caller's; 0: the end; negative: the error of a close or
 * abort. */
int mr_queue_pop(mr_queue *q, void **item, mr_error *e);
/* The same without waiting: MR_QUEUE_WOULD_WAIT where the others would wait. */
int mr_queue_try_push(mr_queue *q, void *item, mr_error *e);
int mr_queue_try_pop(mr_queue *q, void **item, mr_error *e);

/* One producer has finished; WHY (or NULL) is what consumers get behind the last item: the first error given
 * counts. */
void mr_queue_close(mr_queue *q, const mr_error *why);
/* Ends everything now. WHY may be NULL: MR_ECANCELED. The first abort counts. */
void mr_queue_abort(mr_queue *q, const mr_error *why);
bool mr_queue_aborted(mr_queue *q);

/* For tearing down, when no other thread is inside: takes what is left, whatever the phase. */
bool mr_queue_drain(mr_queue *q, void **item);

void mr_queue_stats_read(const mr_queue *q, mr_queue_stats *out);

#endif
