/* SPDX-License-Identifier: Apache-2.0 */
/* What the queues and the team do with memory that threads share: atomic operations, plain accesses that an
 * atomic operation guards, sleeping on a word. In the product each is the operation itself and nothing more.
 * A test compiles the same sources with MR_SCHEDULE_SHIM naming a header, which either
 * - defines MR_SCHEDULE_POINT(), so that it can delay or yield before every atomic operation
 *   (tests/schedule_shim.h), or
 * - defines all of the operations below itself (tests/model/shim.h: a model checker).
 * Read-modify-writes stand in place of thread fences throughout: ThreadSanitizer understands them, and the
 * queues' proof is about one location's modification order alone. doc/concurrency.md says what is proved. */
#ifndef MR_NN_ATOMIC_H
#define MR_NN_ATOMIC_H

#include <stdatomic.h>

#ifdef MR_SCHEDULE_SHIM
#include MR_SCHEDULE_SHIM
#endif

#ifndef mr_load

#include <linux/futex.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef MR_SCHEDULE_POINT
#define MR_SCHEDULE_POINT() ((void)0)
#endif

#define mr_load(object, order) (MR_SCHEDULE_POINT(), atomic_load_explicit(object, order))
#define mr_store(object, value, order) (MR_SCHEDULE_POINT(), atomic_store_explicit(object, value, order))
#define mr_fetch_add(object, value, order)                                                                   \
    (MR_SCHEDULE_POINT(), atomic_fetch_add_explicit(object, value, order))
#define mr_fetch_sub(object, value, order)                                                                   \
    (MR_SCHEDULE_POINT(), atomic_fetch_sub_explicit(object, value, order))
#define mr_compare_exchange(object, expected, value, success, failure)                                       \
    (MR_SCHEDULE_POINT(), atomic_compare_exchange_strong_explicit(object, expected, value, success, failure))
/* A relaxed load for statistics: nothing is decided by its value. */
#define mr_peek(object) atomic_load_explicit(object, memory_order_relaxed)

/* The plain access to *OBJECT that follows is ordered by atomic operations alone. */
#define mr_will_read(object) ((void)0)
#define mr_will_write(object) ((void)0)

/* How often to look before sleeping. */
#define MR_SPINS(count) (count)

/* Sleeps while *WORD is KEY, as of one moment. Returns at once (EAGAIN) where it is not, early on a signal
 * (EINTR): the caller loops. */
static inline void mr_futex_wait(uint32_t *word, uint32_t key)
{
#ifdef __SANITIZE_THREAD__
    /* ThreadSanitizer runs a signal's handler only when the thread comes by a function that it intercepts,
     * which a bare system call is not: a thread that sleeps for long would never act on SIGTERM. */
    struct timespec a_while = {.tv_nsec = 50 * 1000 * 1000};
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, key, &a_while, NULL, 0);
    usleep(1);
#else
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, key, NULL, NULL, 0);
#endif
}

/* Wakes up to THREADS of those that sleep on WORD. */
static inline void mr_futex_wake(uint32_t *word, int threads)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, threads, NULL, NULL, 0);
}

#endif
#endif
