/* SPDX-License-Identifier: Apache-2.0 */
/* A team of threads that works through the tasks of one parallel region after another. The calling thread works too.
 * Tasks are taken one by one, so a thread that the decoders slow down takes fewer. What a task computes must not
 * depend on the thread that runs it: then results are the same bytes for any number of threads. */
#ifndef MR_NN_TEAM_H
#define MR_NN_TEAM_H

#include "base/error.h"
#include <stddef.h>

typedef struct mr_team mr_team;
/* TASK is 0 … tasks-1, THREAD 0 … size-1 (0: the caller); THREAD is for choosing scratch memory only. */
typedef void mr_task(void *argument, int task, int thread);

/* THREADS >= 1, the caller included. Also tells OpenBLAS to stay single-threaded. */
int mr_team_create(mr_team **out, int threads, mr_error *e);
void mr_team_destroy(mr_team *t);
int mr_team_size(const mr_team *t);

/* Runs all tasks, returns when the last one is done. One caller at a time; not from inside a task. */
void mr_team_run(mr_team *t, int tasks, mr_task *task, void *argument);

/* Splits COUNT items into ranges of at least GRAIN and runs RANGE(argument, first, end, thread) over them. The ranges
 * depend on COUNT and GRAIN alone. */
typedef void mr_range(void *argument, size_t first, size_t end, int thread);
void mr_team_ranges(mr_team *t, size_t count, size_t grain, mr_range *range, void *argument);

/* Processors this process may run on (sched_getaffinity). */
int mr_processors(void);

#endif
