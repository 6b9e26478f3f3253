/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/queue/eventcount.h"

#include "base/atomic.h"

#include <limits.h>
#include <stdbool.h>

#define WAITER ((uint64_t)1)
#define EPOCH ((uint64_t)1 << 32)

/* A pause is about 140 cycles on the processors of today, so this is below two microseconds: less than a
 * sleep and a wake-up cost, and little enough that the thread we wait for is not robbed of its core. */
enum { SPINS = MR_SPINS(24) };

static inline uint32_t epoch_of(uint64_t state)
{
    return (uint32_t)(state >> 32);
}

static inline bool has_waiters(uint64_t state)
{
    return (uint32_t)state != 0;
}

static inline void relax(void)
{
#if defined __x86_64__ || defined __i386__
    __builtin_ia32_pause();
#elif defined __aarch64__
    __asm__ volatile("yield");
#endif
}

/* The half of the word that holds the epoch: what the kernel compares and sleeps on. */
static uint32_t *epoch_address(mr_eventcount *ec)
{
    return (uint32_t *)(void *)&ec->state + (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 1 : 0);
}

/* acquire: pairs with the release of notify(): what was published before it is seen after the wait. */
static bool epoch_moved(mr_eventcount *ec, uint32_t key)
{
    return epoch_of(mr_load(&ec->state, memory_order_acquire)) != key;
}

void mr_eventcount_init(mr_eventcount *ec)
{
    atomic_init(&ec->state, 0);
}

uint32_t mr_eventcount_prepare(mr_eventcount *ec)
{
    /* acquire: pairs with the release of notify(), so that a change notified before this is seen by the
     * caller's second try. A notify() after this finds the waiter because both modify the same word. */
    return epoch_of(mr_fetch_add(&ec->state, WAITER, memory_order_acquire));
}

void mr_eventcount_cancel(mr_eventcount *ec)
{
    mr_fetch_sub(&ec->state, WAITER, memory_order_relaxed); /* publishes nothing */
}

void mr_eventcount_wait(mr_eventcount *ec, uint32_t key)
{
    for (int i = 0; i < SPINS && !epoch_moved(ec, key); i++)
        relax();
    while (!epoch_moved(ec, key))
        mr_futex_wait(epoch_address(ec), key);
    mr_fetch_sub(&ec->state, WAITER, memory_order_relaxed); /* publishes nothing */
}

static void notify(mr_eventcount *ec, int threads)
{
    /* release: pairs with the acquires of prepare() and epoch_moved(), also through the modifications in
     * between (a release sequence). */
    if (has_waiters(mr_fetch_add(&ec->state, EPOCH, memory_order_release)))
        mr_futex_wake(epoch_address(ec), threads);
}

void mr_eventcount_notify_one(mr_eventcount *ec)
{
    notify(ec, 1);
}

void mr_eventcount_notify_all(mr_eventcount *ec)
{
    notify(ec, INT_MAX);
}
