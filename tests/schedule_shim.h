/* SPDX-License-Identifier: Apache-2.0 */
/* A scheduling point that disturbs: before every shared access a thread may pause, give up its core or sleep, by its own
 * random sequence. Orders of events that a free run meets once in hours come up within a second. */
#ifndef MR_TESTS_SCHEDULE_SHIM_H
#define MR_TESTS_SCHEDULE_SHIM_H

#include <sched.h>
#include <stdint.h>
#include <time.h>

static inline void mr_test_disturb(void)
{
    static _Thread_local uint32_t x;
    if (!x)
        x = (uint32_t)(uintptr_t)&x | 1; /* differs from thread to thread */
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    if ((x & 0xff) == 0)
        nanosleep(&(struct timespec){.tv_nsec = (long)(x >> 8 & 0x3fff)}, NULL);
    else if ((x & 0x7) == 1)
        sched_yield();
}
#define MR_SCHEDULE_POINT() mr_test_disturb()

#endif
