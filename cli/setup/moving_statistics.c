/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/setup/moving_statistics.h"

#include "cli/setup/model.h"
#include "nn/layers/moving_statistics.h"

#include <stdio.h>

static int set(mr_graph *g, const mr_cli *c, int64_t steps, double own, mr_error *e)
{
    if (mr_cli_given(c, "batchnorm-momentum"))
        return mr_moving_set_momentum(g, c->batchnorm_momentum, e);
    double fit = mr_moving_fit(steps, own);
    return mr_cli_built_in(c) && fit < own ? mr_moving_set_momentum(g, fit, e) : 0;
}

int mr_cli_moving_statistics(mr_graph *g, const mr_cli *c, int64_t steps, char *warning, size_t size, mr_error *e)
{
    double own = mr_moving_momentum(g);
    *warning = '\0';
    if (own < 0)
        return 0;
    int status = set(g, c, steps, own, e);
    double momentum = mr_moving_momentum(g);
    if (!status && mr_moving_too_slow(momentum, steps))
        snprintf(warning, size,
                 "the moving statistics of BatchNormalization (momentum %g) are too slow for a run of %lld steps: what is "
                 "measured in validation will lag behind the training; give --batchnorm-momentum %g, or more epochs",
                 momentum, (long long)steps, mr_moving_fit(steps, .99));
    return status;
}
