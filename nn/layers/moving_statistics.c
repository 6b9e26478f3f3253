/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/layers/moving_statistics.h"

#include "nn/layers/merge.h"

#include <math.h>

static const double forgotten = .01, least = .9;

double mr_moving_momentum(const mr_graph *g)
{
    double momentum, largest = -1;
    for (int i = 0; i < g->layers; i++)
        if (g->layer[i]->trainable && mr_batch_normalization_momentum(g->layer[i], &momentum))
            largest = fmax(largest, momentum);
    return largest;
}

int mr_moving_set_momentum(mr_graph *g, double momentum, mr_error *e)
{
    double now;
    int status = 0;
    for (int i = 0; i < g->layers && !status; i++)
        if (g->layer[i]->trainable && mr_batch_normalization_momentum(g->layer[i], &now))
            status = mr_batch_normalization_set_momentum(g->layer[i], momentum, e);
    return status;
}

double mr_moving_fit(int64_t steps, double most)
{
    double tenth = fmax(1, (double)steps / 10), fit = pow(forgotten, 1 / tenth);
    fit = fmax(least, floor(fit * 1000) / 1000); /* a number that reads well in the file */
    return fmin(fit, most);
}

bool mr_moving_too_slow(double momentum, int64_t steps)
{
    return momentum > least && pow(momentum, (double)steps) > forgotten;
}
