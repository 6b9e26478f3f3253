/* SPDX-License-Identifier: Apache-2.0 */
/* How fast BatchNormalization's moving statistics follow: --batchnorm-momentum, or what fits the run's length. */
#ifndef MR_CLI_MOVING_STATISTICS_H
#define MR_CLI_MOVING_STATISTICS_H

#include "cli/option/options.h"
#include "nn/graph/graph.h"

/* Sets the momentum in G for a run of STEPS updates: the option's; a built-in architecture's, made to fit; else what the
 * model says. WARNING (of SIZE bytes) gets a line where that is too slow for the run, else "". */
int mr_cli_moving_statistics(mr_graph *g, const mr_cli *c, int64_t steps, char *warning, size_t size, mr_error *e);

#endif
