/* SPDX-License-Identifier: Apache-2.0 */
/* What a training plan knows of the other processes that run the same plan at the same time, each on its own samples
 * of one batch. How they talk is the caller's affair: nn/ calls these functions, at the same places in the same order
 * in every process, also in one that has no samples in this step (a batch of 0). NULL for all of it: there is no one
 * else. */
#ifndef MR_NN_PEERS_H
#define MR_NN_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mr_layer;

typedef struct mr_peers {
    void *context;
    /* Adds VALUES [count] and *ROWS up over all processes, in place. NULL: each BatchNormalization goes by the samples
     * of its own process. */
    void (*sum)(void *context, double *values, size_t count, double *rows);
    /* Backward is done with L: its gradients do not change any more in this step. May be NULL. */
    void (*layer_done)(void *context, const struct mr_layer *l);
    /* Sample i here is sample first + i*stride of the whole batch: what noise and dropout draw goes by that. */
    uint32_t first, stride;
} mr_peers;

/* Do the statistics of a batch go over all processes? */
static inline bool mr_peers_share(const mr_peers *p)
{
    return p && p->sum;
}
static inline uint64_t mr_peers_sample(const mr_peers *p, uint64_t i)
{
    return p ? p->first + i * p->stride : i;
}

#endif
