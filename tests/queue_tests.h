/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of test_queue share; they are built twice, see test_queue.c. */
#ifndef MR_TESTS_QUEUE_TESTS_H
#define MR_TESTS_QUEUE_TESTS_H

#include "tests/shared.h"

#include "pipeline/queue/queue.h"
#include "pipeline/queue/stats.h"

#include <pthread.h>
#include <time.h>

#if defined MR_SCHEDULE_SHIM || defined MR_SANITIZED
enum { ITEMS = 4000, ROUNDS = 3000, REPEATS = 40 };
#else
enum { ITEMS = 100000, ROUNDS = 50000, REPEATS = 200 };
#endif

static inline void *item_of(uintptr_t n)
{
    return (void *)(n + 1); /* never NULL */
}

static inline uintptr_t number_of(void *item)
{
    return (uintptr_t)item - 1;
}

/* Of queue_stress.c. */
void stress_one_to_one(void **state);
void stress_many_to_many(void **state);
void stress_abort_in_traffic(void **state);
void long_stress(void **state);

#endif
