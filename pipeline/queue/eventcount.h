/* SPDX-License-Identifier: Apache-2.0 */
/* An eventcount: lets a thread sleep until a lock-free structure changes, without a lock around the
 * structure.
 *
 *     waiter                                   notifier
 *     while (!(done = try())) {                change the structure
 *         key = prepare(ec);                   notify(ec)
 *         if ((done = try())) { cancel(ec); break; }
 *         wait(ec, key);
 *     }
 *
 * No wake-up is lost: prepare and notify are both read-modify-writes of the same word, so one comes first in
 * that word's modification order. Where notify is first, prepare reads from it (or from something later in
 * its release sequence) and the second try() sees the change. Where prepare is first, notify sees the waiter
 * and moves the epoch, which the waiter's key no longer equals. The idea is the one of folly's EventCount and
 * Concurrency Kit's ck_ec (Reed and Kanodia's eventcounts, 1979). */
#ifndef MR_PIPELINE_EVENTCOUNT_H
#define MR_PIPELINE_EVENTCOUNT_H

#include <stdatomic.h>
#include <stdint.h>

typedef struct mr_eventcount {
    _Atomic uint64_t
        state; /* epoch << 32 | waiters. Written by waiters (low half) and notifiers (high half) */
} mr_eventcount;

void mr_eventcount_init(mr_eventcount *ec);
/* Announces a waiter. To be followed by exactly one cancel or wait with the key. */
uint32_t mr_eventcount_prepare(mr_eventcount *ec);
/* Withdraws the announcement. */
void mr_eventcount_cancel(mr_eventcount *ec);
/* Returns once a notify came after the prepare that gave KEY: a short spin, then a sleep in the kernel. The
 * caller looks at its condition again: the notify may have been about something else. */
void mr_eventcount_wait(mr_eventcount *ec, uint32_t key);
/* Wakes one waiter, or all of them, after a change. One atomic addition where no thread waits. One is right only
 * where any waiter can use any change (consumers of the same queue). */
void mr_eventcount_notify_one(mr_eventcount *ec);
void mr_eventcount_notify_all(mr_eventcount *ec);

#endif
