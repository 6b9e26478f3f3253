/* SPDX-License-Identifier: Apache-2.0 */
#include "base/allowance.h"

#include <pthread.h>
#include <stdlib.h>

struct mr_allowance {
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    uint64_t size, out, peak;
    uint64_t next, serving; /* numbers of those who come, and of the one whose turn it is */
};

int mr_allowance_create(mr_allowance **out, uint64_t size, mr_error *e)
{
    mr_allowance *a = *out = calloc(1, sizeof *a);
    if (!a)
        return mr_no_memory(e, "an allowance");
    a->size = size;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->changed, NULL);
    return 0;
}

void mr_allowance_destroy(mr_allowance *a)
{
    if (!a)
        return;
    pthread_cond_destroy(&a->changed);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

static bool fits(const mr_allowance *a, uint64_t bytes)
{
    return a->out == 0 || (bytes <= a->size && a->out <= a->size - bytes);
}

void mr_allowance_take(mr_allowance *a, uint64_t bytes)
{
    pthread_mutex_lock(&a->lock);
    uint64_t number = a->next++;
    while (number != a->serving || !fits(a, bytes))
        pthread_cond_wait(&a->changed, &a->lock);
    a->serving++;
    a->out += bytes;
    a->peak = a->out > a->peak ? a->out : a->peak;
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
}

void mr_allowance_give(mr_allowance *a, uint64_t bytes)
{
    pthread_mutex_lock(&a->lock);
    a->out -= bytes;
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
}

uint64_t mr_allowance_peak(mr_allowance *a)
{
    pthread_mutex_lock(&a->lock);
    uint64_t peak = a->peak;
    pthread_mutex_unlock(&a->lock);
    return peak;
}
