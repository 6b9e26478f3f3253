/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/queue/queue.h"

#include "base/atomic.h"
#include "pipeline/queue/stats.h"

#include <string.h>

enum { OPEN, CLOSED, ABORTED };

int mr_queue_init(mr_queue *q, const mr_ring_kind *kind, size_t capacity, int producers, mr_error *e)
{
    memset(q, 0, sizeof *q);
    if (producers < 1)
        return mr_fail(e, MR_EINVAL, "a queue with %d producers", producers);
    mr_eventcount_init(&q->items);
    mr_eventcount_init(&q->room);
    atomic_init(&q->phase, OPEN);
    atomic_init(&q->producers, producers);
    return mr_ring_init(&q->ring, kind, capacity, e);
}

void mr_queue_destroy(mr_queue *q)
{
    mr_ring_destroy(&q->ring);
}

/* acquire: pairs with the releases in mr_queue_close and mr_queue_abort, so that the error record is whole,
 * and that a thread that sees CLOSED sees every item too. */
static int phase_of(mr_queue *q)
{
    return mr_load(&q->phase, memory_order_acquire);
}

static int pass_on(const mr_error *why, mr_error *e)
{
    mr_will_read(why);
    if (e && !e->code)
        *e = *why;
    return why->code;
}

int mr_queue_try_push(mr_queue *q, void *item, mr_error *e)
{
    if (phase_of(q) == ABORTED)
        return pass_on(&q->abort_error, e);
    if (!q->ring.kind->push(&q->ring, item))
        return MR_QUEUE_WOULD_WAIT;
    mr_eventcount_notify_one(&q->items);
    return MR_OK;
}

static void count_take(mr_queue *q, size_t depth)
{
    atomic_fetch_add_explicit(&q->takes, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&q->depth_sum, depth, memory_order_relaxed);
}

int mr_queue_try_pop(mr_queue *q, void **item, mr_error *e)
{
    int phase = phase_of(q); /* before the look into the ring: closed and then found empty is the end */
    if (phase == ABORTED)
        return pass_on(&q->abort_error, e);
    size_t depth = mr_ring_depth(&q->ring);
    if (q->ring.kind->pop(&q->ring, item)) {
        count_take(q, depth ? depth : 1);
        mr_eventcount_notify_one(&q->room);
        return 1;
    }
    if (phase == CLOSED)
        return pass_on(&q->close_error, e);
    return MR_QUEUE_WOULD_WAIT;
}

/* Sleeps for what KEY stands for, and adds the time to COUNTER. */
static void wait_counted(mr_eventcount *ec, uint32_t key, _Atomic uint64_t *counter)
{
    uint64_t start = mr_now_ns();
    mr_eventcount_wait(ec, key);
    atomic_fetch_add_explicit(counter, mr_now_ns() - start, memory_order_relaxed);
}

int mr_queue_push(mr_queue *q, void *item, mr_error *e)
{
    for (;;) {
        int status = mr_queue_try_push(q, item, e);
        if (status != MR_QUEUE_WOULD_WAIT)
            return status;
        uint32_t key = mr_eventcount_prepare(&q->room);
        status = mr_queue_try_push(q, item, e);
        if (status != MR_QUEUE_WOULD_WAIT) {
            mr_eventcount_cancel(&q->room);
            return status;
        }
        wait_counted(&q->room, key, &q->push_wait_ns);
    }
}

int mr_queue_pop(mr_queue *q, void **item, mr_error *e)
{
    for (;;) {
        int status = mr_queue_try_pop(q, item, e);
        if (status != MR_QUEUE_WOULD_WAIT)
            return status;
        uint32_t key = mr_eventcount_prepare(&q->items);
        status = mr_queue_try_pop(q, item, e);
        if (status != MR_QUEUE_WOULD_WAIT) {
            mr_eventcount_cancel(&q->items);
            return status;
        }
        wait_counted(&q->items, key, &q->pop_wait_ns);
    }
}

/* True for the first caller only: it alone may write the record that the flag guards. Relaxed: the record is
 * published by the phase, not by the flag. */
static bool claim(_Atomic int *flag)
{
    int unclaimed = 0;
    return mr_compare_exchange(flag, &unclaimed, 1, memory_order_relaxed, memory_order_relaxed);
}

void mr_queue_close(mr_queue *q, const mr_error *why)
{
    if (why && why->code && claim(&q->close_claimed)) {
        mr_will_write(&q->close_error);
        q->close_error = *why;
    }
    /* release: gives this producer's pushes and error to the last one. acquire: the last one takes them all,
     * and hands them on with the phase. */
    if (mr_fetch_sub(&q->producers, 1, memory_order_acq_rel) != 1)
        return;
    int open = OPEN; /* an abort stays one */
    /* release: pairs with the acquire in phase_of() */
    mr_compare_exchange(&q->phase, &open, CLOSED, memory_order_release, memory_order_relaxed);
    mr_eventcount_notify_all(&q->items);
}

void mr_queue_abort(mr_queue *q, const mr_error *why)
{
    if (!claim(&q->abort_claimed))
        return;
    mr_will_write(&q->abort_error);
    if (why && why->code)
        q->abort_error = *why;
    else
        mr_fail(&q->abort_error, MR_ECANCELED, "stopped");
    mr_store(&q->phase, ABORTED, memory_order_release); /* release: pairs with the acquire in phase_of() */
    mr_eventcount_notify_all(&q->items);
    mr_eventcount_notify_all(&q->room);
}

bool mr_queue_aborted(mr_queue *q)
{
    return phase_of(q) == ABORTED;
}

bool mr_queue_drain(mr_queue *q, void **item)
{
    return q->ring.cells && q->ring.kind->pop(&q->ring, item);
}

void mr_queue_stats_read(const mr_queue *q, mr_queue_stats *out)
{
    uint64_t takes = atomic_load_explicit(&q->takes, memory_order_relaxed);
    uint64_t depths = atomic_load_explicit(&q->depth_sum, memory_order_relaxed);
    out->takes = takes;
    out->mean_depth = takes ? (double)depths / (double)takes : 0;
    out->capacity = (int)mr_ring_capacity(&q->ring);
    out->push_wait_seconds = (double)atomic_load_explicit(&q->push_wait_ns, memory_order_relaxed) * 1e-9;
    out->pop_wait_seconds = (double)atomic_load_explicit(&q->pop_wait_ns, memory_order_relaxed) * 1e-9;
}
