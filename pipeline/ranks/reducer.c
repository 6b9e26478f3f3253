/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/ranks/reducer.h"

#include "pipeline/queue/stats.h"

#include <stdlib.h>
#include <string.h>

/* Reals of a bucket: few enough that there are some to overlap with, enough that latency does not count
 * (doc/scaling.md). */
enum { BUCKET = 1 << 18 };

typedef struct part { /* of the block of gradients, one variable */
    const mr_layer *layer;
    size_t first;
    bool waits, done; /* backward brings something; and has, in this step */
} part;

struct mr_reducer {
    mr_ranks *ranks;
    const mr_graph *graph;
    mr_peers peers;
    int parts;
    part *part; /* [parts] by place */
    size_t end; /* reals of the block */
    mr_real *gradients;
    int frontier;   /* parts from here on are done, */
    size_t started; /* and sums from here on are under way */
    double *sums;   /* [capacity]: statistics and their rows, side by side */
    size_t capacity;
    double first_start; /* of this step; 0: none */
    mr_reducer_times times;
};

/* --- sums of normalisations ----------------------------------------------------------- */

static void sum_statistics(void *context, double *values, size_t count, double *rows)
{
    mr_reducer *r = context;
    double start = mr_now();
    memcpy(r->sums, values, count * sizeof *values);
    r->sums[count] = *rows;
    mr_ranks_sum(r->ranks, r->sums, count + 1);
    memcpy(values, r->sums, count * sizeof *values);
    *rows = r->sums[count];
    r->times.statistics += mr_now() - start;
}

static size_t statistics_of(const mr_graph *g)
{
    size_t count = 0;
    for (int i = 0; i < g->params; i++)
        count += g->param[i]->statistic ? g->param[i]->count : 0;
    return count;
}

void mr_reducer_mean_statistics(mr_reducer *r, mr_real *state, double share)
{
    const mr_graph *g = r->graph;
    size_t n = 0;
    if (r->peers.sum)
        return; /* they are the same everywhere */
    for (int i = 0; i < g->params; i++)
        for (size_t k = 0; g->param[i]->statistic && k < g->param[i]->count; k++)
            r->sums[n++] = share > 0 ? share * (double)state[g->param[i]->offset + k] : 0;
    mr_ranks_sum(r->ranks, r->sums, n);
    n = 0;
    for (int i = 0; i < g->params; i++)
        for (size_t k = 0; g->param[i]->statistic && k < g->param[i]->count; k++)
            state[g->param[i]->offset + k] = (mr_real)r->sums[n++];
}

/* --- sums of gradients ------------------------------------------------------------------ */

static void start_bucket(mr_reducer *r, size_t first)
{
    if (first == r->started)
        return;
    if (r->first_start == 0)
        r->first_start = mr_now();
    mr_ranks_start_sum(r->ranks, r->gradients + first, r->started - first);
    r->times.buckets++;
    r->times.bytes += (double)((r->started - first) * sizeof *r->gradients);
    r->started = first;
}

static void layer_done(void *context, const mr_layer *l)
{
    mr_reducer *r = context;
    for (int i = 0; i < r->parts; i++)
        r->part[i].done |= r->part[i].layer == l;
    while (r->frontier > 0 && (r->part[r->frontier - 1].done || !r->part[r->frontier - 1].waits))
        r->frontier--;
    size_t first = r->frontier < r->parts ? r->part[r->frontier].first : r->end;
    if (r->started - first >= BUCKET)
        start_bucket(r, first);
    mr_ranks_poll(r->ranks);
}

void mr_reducer_begin(mr_reducer *r, mr_real *gradients)
{
    r->gradients = gradients;
    r->frontier = r->parts;
    r->started = r->end;
    r->first_start = 0;
    for (int i = 0; i < r->parts; i++)
        r->part[i].done = false;
}

void mr_reducer_finish(mr_reducer *r)
{
    double start = mr_now();
    r->times.backward += r->first_start > 0 ? start - r->first_start : 0;
    start_bucket(r, 0);
    mr_ranks_finish_sums(r->ranks);
    r->times.waited += mr_now() - start;
    r->times.steps++;
}

/* --- making it ---------------------------------------------------------------------------- */

static int by_place(const void *a, const void *b)
{
    const part *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

static void list_parts(mr_reducer *r)
{
    const mr_graph *g = r->graph;
    for (int i = 0; i < g->params; i++)
        r->part[r->parts++] = (part){g->param[i]->layer, g->param[i]->offset, g->param[i]->trainable, false};
    qsort(r->part, (size_t)r->parts, sizeof *r->part, by_place);
    if (r->parts)
        r->part[0].first = 0;
}

int mr_reducer_create(mr_reducer **out, mr_ranks *ranks, const mr_graph *g, bool share_statistics, mr_error *e)
{
    *out = NULL;
    mr_reducer *r = calloc(1, sizeof *r);
    if (!r)
        return mr_no_memory(e, "the sums of gradients");
    r->ranks = ranks;
    r->graph = g;
    r->end = g->weights;
    r->capacity = statistics_of(g) + 1; /* a normalisation's two sums are as many as its two statistics */
    r->sums = calloc(r->capacity, sizeof *r->sums);
    r->part = calloc((size_t)g->params + 1, sizeof *r->part);
    r->peers = (mr_peers){.context = r,
                          .sum = share_statistics ? sum_statistics : NULL,
                          .layer_done = layer_done,
                          .first = (uint32_t)mr_ranks_rank(ranks),
                          .stride = (uint32_t)mr_ranks_count(ranks)};
    if (!r->sums || !r->part) {
        mr_reducer_free(r);
        return mr_no_memory(e, "the sums of gradients");
    }
    list_parts(r);
    *out = r;
    return 0;
}

void mr_reducer_free(mr_reducer *r)
{
    if (!r)
        return;
    free(r->sums);
    free(r->part);
    free(r);
}

const mr_peers *mr_reducer_peers(const mr_reducer *r)
{
    return r ? &r->peers : NULL;
}

mr_reducer_times mr_reducer_times_of(const mr_reducer *r)
{
    return r ? r->times : (mr_reducer_times){0};
}
