/* SPDX-License-Identifier: Apache-2.0 */
/* Starting a thread of the library. */
#ifndef MR_BASE_THREAD_H
#define MR_BASE_THREAD_H

#include "base/error.h"

#include <pthread.h>

/* Starts FUNCTION(ARGUMENT) on a thread with all signals blocked: signals are for the program's own threads.
 * NAME (at most 15 bytes) is what perf and top show, and what the error names. The caller joins the thread.
 * MR_ENOMEM, MR_EIO. Thread safe. */
int mr_thread_start(pthread_t *thread, void *(*function)(void *), void *argument, const char *name, mr_error *e);

#endif
