/* SPDX-License-Identifier: Apache-2.0 */
/* One word, the ticket, holds the region's number, its count of tasks and the next task; taking a task is one
 * compare-and-swap on it. So a thread that wakes late can never take a task of a region that is over: its
 * number no longer fits. `done` counts finished tasks; the caller returns when it reaches the count.
 *
 * Waiting: a short spin (regions follow one another within microseconds, and parking costs more than that),
 * then a futex. The spin is bounded because a decoder may want the core. */
#include "base/team.h"

#include "base/atomic.h"

#include <cblas.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

enum { TASK_BITS = 20, MAX_TASKS = (1 << TASK_BITS) - 1, SPINS = 300 };

struct mr_team {
    _Atomic uint64_t
        ticket; /* region << 40 | tasks << 20 | next. Writers: the caller (new region), all (next) */
    _Atomic uint32_t
        done; /* finished tasks of this region. Writers: all; reset by the caller between regions */
    _Atomic uint32_t region_word; /* futex the workers park on: low bits of the region's number */
    _Atomic uint32_t parked;      /* workers that are about to park or are parked */
    _Atomic uint32_t caller_parked;
    _Atomic bool stop;
    mr_task *_Atomic task; /* written by the caller before the ticket is published */
    void *_Atomic argument;
    uint32_t region; /* caller only */
    int size, started;
    struct worker {
        pthread_t thread;
        struct mr_team *team;
        int index;
    } * worker;
};

static void pause_briefly(void)
{
#if defined __x86_64__ || defined __i386__
    __builtin_ia32_pause();
#endif
}

static uint32_t ticket_tasks(uint64_t ticket)
{
    return (uint32_t)(ticket >> TASK_BITS) & MAX_TASKS;
}
static uint32_t ticket_next(uint64_t ticket)
{
    return (uint32_t)ticket & MAX_TASKS;
}

/* Works until the current region has no task left. */
static void work(mr_team *t, int thread)
{
    uint64_t ticket = mr_load(&t->ticket, memory_order_relaxed);
    while (ticket_next(ticket) < ticket_tasks(ticket)) {
        /* acquire: pairs with the release store of the ticket in mr_team_run, so task and argument are seen
         */
        if (!mr_compare_exchange(&t->ticket, &ticket, ticket + 1, memory_order_acquire, memory_order_relaxed))
            continue;
        mr_task *task = mr_load(&t->task, memory_order_relaxed);
        void *argument = mr_load(&t->argument, memory_order_relaxed);
        task(argument, (int)ticket_next(ticket), thread);
        /* release: pairs with the caller's acquire load of done, which so sees what the task wrote */
        if (mr_fetch_add(&t->done, 1, memory_order_seq_cst) + 1 == ticket_tasks(ticket) &&
            mr_load(&t->caller_parked, memory_order_seq_cst))
            mr_futex_wake((uint32_t *)&t->done, 1);
        ticket = mr_load(&t->ticket, memory_order_relaxed);
    }
}

static void wait_for_region(mr_team *t, uint32_t seen)
{
    for (int i = 0; i < MR_SPINS(SPINS); i++) {
        if (mr_load(&t->region_word, memory_order_acquire) != seen)
            return;
        pause_briefly();
    }
    mr_fetch_add(&t->parked, 1, memory_order_seq_cst);
    while (mr_load(&t->region_word, memory_order_seq_cst) == seen)
        mr_futex_wait((uint32_t *)&t->region_word, seen);
    mr_fetch_sub(&t->parked, 1, memory_order_relaxed);
}

static void *worker_main(void *argument)
{
    struct worker *w = argument;
    mr_team *t = w->team;
    uint32_t seen = 0;
    for (;;) {
        wait_for_region(t, seen);
        seen = mr_load(&t->region_word, memory_order_acquire);
        if (mr_load(&t->stop, memory_order_relaxed)) /* written before the region was published */
            return NULL;
        work(t, w->index);
    }
}

static void publish(mr_team *t)
{
    mr_store(&t->region_word, t->region, memory_order_seq_cst);
    if (mr_load(&t->parked, memory_order_seq_cst))
        mr_futex_wake((uint32_t *)&t->region_word, t->size);
}

void mr_team_run(mr_team *t, int tasks, mr_task *task, void *argument)
{
    while (tasks > MAX_TASKS) /* never in practice: partitions are coarse */
        task(argument, --tasks, 0);
    if (tasks == 1 || t->started == 0) {
        for (int i = 0; i < tasks; i++)
            task(argument, i, 0);
        return;
    }
    if (tasks < 1)
        return;
    mr_store(&t->task, task, memory_order_relaxed);
    mr_store(&t->argument, argument, memory_order_relaxed);
    mr_store(&t->done, 0, memory_order_relaxed);
    t->region++;
    /* release: pairs with the acquire of the ticket in work() */
    /* NOLINTNEXTLINE(clang-analyzer-core.*): 20 bits by 20 of 64 */
    mr_store(&t->ticket, (uint64_t)(t->region & 0xffffff) << 2 * TASK_BITS | (uint64_t)tasks << TASK_BITS,
             memory_order_release);
    publish(t);
    work(t, 0);
    uint32_t done;
    for (int i = 0; i < MR_SPINS(SPINS); i++) {
        if (mr_load(&t->done, memory_order_acquire) == (uint32_t)tasks)
            return;
        pause_briefly();
    }
    mr_store(&t->caller_parked, 1, memory_order_seq_cst);
    while ((done = mr_load(&t->done, memory_order_seq_cst)) != (uint32_t)tasks)
        mr_futex_wait((uint32_t *)&t->done, done);
    mr_store(&t->caller_parked, 0, memory_order_relaxed);
}

struct ranges {
    size_t count, per_task;
    mr_range *range;
    void *argument;
};

static void run_range(void *argument, int task, int thread)
{
    const struct ranges *r = argument;
    size_t first = (size_t)task * r->per_task;
    size_t end = first + r->per_task < r->count ? first + r->per_task : r->count;
    r->range(r->argument, first, end, thread);
}

void mr_team_ranges(mr_team *t, size_t count, size_t grain, mr_range *range, void *argument)
{
    enum { MOST = 64 }; /* enough to balance; each task costs about 0.1 µs */
    if (count == 0)
        return;
    if (grain == 0)
        grain = 1;
    size_t tasks = (count + grain - 1) / grain;
    if (tasks > MOST)
        tasks = MOST;
    struct ranges r = {count, (count + tasks - 1) / tasks, range, argument};
    /* whole cache lines of float32, so that neighbours do not share one */
    if (r.per_task >= 16)
        r.per_task = (r.per_task + 15) / 16 * 16;
    mr_team_run(t, (int)((count + r.per_task - 1) / r.per_task), run_range, &r);
}

int mr_team_create(mr_team **out, int threads, mr_error *e)
{
    *out = NULL;
    if (threads < 1 || threads > 1024)
        return mr_fail(e, MR_EINVAL, "%d threads: out of range (1 to 1024)", threads);
    mr_team *t = calloc(1, sizeof *t);
    if (t)
        t->worker = calloc((size_t)threads, sizeof *t->worker);
    if (!t || !t->worker) {
        free(t);
        return mr_no_memory(e, "a team of %d threads", threads);
    }
    t->size = threads;
    openblas_set_num_threads(1); /* its own pool would fight ours for the cores */
    for (int i = 0; i < threads - 1; i++) {
        t->worker[i] = (struct worker){.team = t, .index = i + 1};
        int error = pthread_create(&t->worker[i].thread, NULL, worker_main, &t->worker[i]);
        if (error) {
            mr_team_destroy(t);
            return mr_fail_errno(e, error, "cannot start compute thread %d of %d", i + 2, threads);
        }
        t->started++;
    }
    *out = t;
    return 0;
}

/* The workers end. */
static void dismiss(mr_team *t)
{
    mr_store(&t->stop, true, memory_order_relaxed);
    t->region++;
    publish(t);
}

void mr_team_destroy(mr_team *t)
{
    if (!t)
        return;
    dismiss(t);
    for (int i = 0; i < t->started; i++)
        pthread_join(t->worker[i].thread, NULL);
    free(t->worker);
    free(t);
}

int mr_team_size(const mr_team *t)
{
    return t->size;
}

int mr_processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return CPU_COUNT(&set);
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int)n : 1;
}
