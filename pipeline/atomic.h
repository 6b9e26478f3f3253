/* SPDX-License-Identifier: Apache-2.0 */
/* The atomic operations of the queues, each preceded by a scheduling point. In the product a scheduling point is
 * nothing. A test compiles the same sources with MR_SCHEDULE_SHIM naming a header that defines MR_SCHEDULE_POINT():
 * it can then delay, yield or serialise the threads between any two shared accesses.
 * Read-modify-writes stand in place of thread fences throughout: ThreadSanitizer understands them, and the proof is
 * about one location's modification order alone. */
#ifndef MR_PIPELINE_ATOMIC_H
#define MR_PIPELINE_ATOMIC_H

#include <stdatomic.h>

#ifdef MR_SCHEDULE_SHIM
#include MR_SCHEDULE_SHIM
#else
#define MR_SCHEDULE_POINT() ((void)0)
#endif

#define mr_load(object, order) (MR_SCHEDULE_POINT(), atomic_load_explicit(object, order))
#define mr_store(object, value, order) (MR_SCHEDULE_POINT(), atomic_store_explicit(object, value, order))
#define mr_fetch_add(object, value, order) (MR_SCHEDULE_POINT(), atomic_fetch_add_explicit(object, value, order))
#define mr_fetch_sub(object, value, order) (MR_SCHEDULE_POINT(), atomic_fetch_sub_explicit(object, value, order))
#define mr_compare_exchange(object, expected, value, success, failure)                                             \
    (MR_SCHEDULE_POINT(), atomic_compare_exchange_strong_explicit(object, expected, value, success, failure))

#endif
