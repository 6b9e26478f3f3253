/* SPDX-License-Identifier: Apache-2.0 */
/* What a training plan knows of the other processes that run the same plan at the same time, each on its own samples
 * of one batch. The caller implements the communication: nn/ calls these functions at the same places in the same order
 * in every process, also in one that has no samples in this step (a batch of 0). NULL: a single process. */
#ifndef MR_NN_COMPUTE_PEERS_H
#define MR_NN_COMPUTE_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mr_layer;

typedef struct mr_peers {
    void *context;
    /* Adds VALUES [count] and *ROWS up over all processes, in place. NULL: each BatchNormalization uses the samples
     * of its own process. */
    void (*sum)(void *context, double *values, size_t count, double *rows);
    /* The backward pass of L is complete: its gradients are final for this step. May be NULL. */
    void (*layer_done)(void *context, const struct mr_layer *l);
    /* Sample i here is sample first + i*stride of the whole batch: the random numbers of noise and dropout depend on it. */
    uint32_t first, stride;
} mr_peers;

/* Whether the statistics of a batch are taken over all processes. */
static inline bool mr_peers_share(const mr_peers *p)
{
    return p && p->sum;
}
static inline uint64_t mr_peers_sample(const mr_peers *p, uint64_t i)
{
    return p ? p->first + i * p->stride : i;
}

#endif
