/* SPDX-License-Identifier: Apache-2.0 */
/* Between roles.c, which finds out what every node becomes, and fuse.c, which makes the operations of it. */
#ifndef MR_NN_PLAN_ROLES_H
#define MR_NN_PLAN_ROLES_H

#include "nn/plan/internal.h"

#include <math.h>

struct mr_role_info {
    int *reader, readers; /* nodes; into scan.readers_of */
    bool output;          /* of the model, or wanted beside it */
    bool conv, pool;      /* the kernels can run it, and read lazily */
    bool depthwise;       /* conv: each channel by itself */
    bool margin;          /* a ZeroPadding2D that its readers apply */
    bool absorbed;           /* part of another node's operation */
    mr_conv d;
    mr_pool p;
    float low, high; /* conv: activation of its own, or absorbed from behind it */
    int fold, add;   /* conv: nodes absorbed; -1 */
    int tail;        /* conv: the last node of its operation */
    int head;        /* the convolution that absorbed this node last; -1 */
    int lazy_source; /* of a lazy value: the node under it; -1: not lazy */
    int lazy_norm;   /* its BatchNormalization; -1: an activation alone */
};

struct mr_role_scan {
    mr_plan *p;
    const mr_graph *g;
    struct mr_role_info *info;
    int *readers_of;
};

static inline bool mr_role_is_clamped(float low, float high)
{
    return low > -INFINITY || high < INFINITY;
}

bool mr_role_is_norm(const struct mr_role_scan *s, int node);
/* The convolution whose operation ends in NODE; -1. */
int mr_role_conv_ending_in(const struct mr_role_scan *s, int node);
/* Fills S's info, whose readers are known. */
void mr_role_find_all(struct mr_role_scan *s);

#endif
