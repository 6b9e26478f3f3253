/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/source/count.h"

#include "base/thread.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct mr_census {
    mr_walk *walk; /* the thread's */
    _Atomic bool stop;
    _Atomic int64_t total; /* 0 until all are counted */
    pthread_t thread;
    bool started;
};

static bool stopped(void *context)
{
    return atomic_load_explicit(&((mr_census *)context)->stop, memory_order_relaxed);
}

static void *count(void *argument)
{
    mr_census *c = argument;
    mr_source s = mr_walk_source(c->walk);
    mr_source_item item;
    int64_t n = 0;
    int status;
    for (; (status = s.next(s.context, &item, NULL)) == 1; n++)
        s.release(s.context, item.path);
    if (status == 0 && !stopped(c)) /* relaxed: the number is all there is to see */
        atomic_store_explicit(&c->total, n, memory_order_relaxed);
    return NULL;
}

static bool can_be_counted(const mr_walk_options *options)
{
    for (int i = 0; i < options->roots; i++)
        if (!strcmp(options->root[i], "-"))
            return false;
    return true;
}

static int start(mr_census *c, mr_error *e)
{
    int status = mr_thread_start(&c->thread, count, c, "mr-count", e);
    c->started = !status;
    return status;
}

int mr_census_start(mr_census **out, const mr_walk_options *options, mr_error *e)
{
    *out = NULL;
    if (!can_be_counted(options))
        return 0;
    mr_census *c = calloc(1, sizeof *c);
    if (!c)
        return mr_no_memory(e, "count files");
    mr_walk_options walk = *options;
    walk.stop = stopped;
    walk.context = c;
    int status = mr_walk_create(&c->walk, &walk, e);
    if (!status)
        status = start(c, e);
    if (status)
        mr_census_stop(c);
    else
        *out = c;
    return status;
}

int64_t mr_census_total(const mr_census *c)
{
    return c ? atomic_load_explicit(&c->total, memory_order_relaxed) : 0;
}

void mr_census_stop(mr_census *c)
{
    if (!c)
        return;
    atomic_store_explicit(&c->stop, true, memory_order_relaxed);
    if (c->started)
        pthread_join(c->thread, NULL);
    mr_walk_free(c->walk);
    free(c);
}
