/* SPDX-License-Identifier: Apache-2.0 */
/* The momentum of BatchNormalization's moving statistics over a whole model, and how long a run must be for it: after N
 * updates a share of momentum^N of what they started from is still in them. */
#ifndef MR_NN_MOVING_STATISTICS_H
#define MR_NN_MOVING_STATISTICS_H

#include "nn/graph/graph.h"

/* The largest momentum among the layers of G whose statistics move; -1: there are none. */
double mr_moving_momentum(const mr_graph *g);
/* Gives all of them MOMENTUM, in their configuration too. */
int mr_moving_set_momentum(mr_graph *g, double momentum, mr_error *e);

/* The momentum for a run of STEPS updates, at most MOST: the start is forgotten (to less than a hundredth) within the first
 * tenth of the run; not below 0.9, where the statistics of single batches would show. */
double mr_moving_fit(int64_t steps, double most);
/* STEPS updates leave more than a hundredth of the start in the statistics, and there is a better momentum for them. */
bool mr_moving_too_slow(double momentum, int64_t steps);

#endif
