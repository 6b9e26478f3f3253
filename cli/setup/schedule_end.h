/* SPDX-License-Identifier: Apache-2.0 */
/* A schedule that ends before the run does: what comes after it at a rate of 0 trains nothing. */
#ifndef MR_CLI_SCHEDULE_END_H
#define MR_CLI_SCHEDULE_END_H

#include "cli/option/options.h"
#include "nn/learn/schedule.h"

#include <jansson.h>

/* C asks for more epochs than the run had that was begun with SETTINGS. */
bool mr_cli_is_longer(const mr_cli *c, const json_t *settings);

/* A run was to have fewer epochs than C now asks for, and its schedule (cosine, polynomial) was as long as
 * the run by default: that of OPTIMIZER is made as long as the new run. SETTINGS: the
 * options that the run began with. TEXT (of SIZE bytes): what was done, "" where nothing was. */
int mr_cli_stretch_schedule(json_t *optimizer, const mr_cli *c, const json_t *settings,
                            int64_t steps_per_epoch, char *text, size_t size, mr_error *e);

typedef struct mr_cli_rates { /* where a run stands that is about to begin or to go on */
    const mr_schedule *schedule;
    int64_t iterations; /* of the optimizer, at the beginning of the epoch at hand */
    int64_t steps_per_epoch;
    int epoch, epochs; /* finished ones, and all */
    bool longer;       /* more than the run was to have when it was begun */
} mr_cli_rates;

/* MR_EUSAGE where all epochs to come have a rate of 0 by a schedule. TEXT: a warning where some have,
 * where the warm-up is longer than the run, or where a longer run goes on behind the end of its schedule; ""
 * otherwise. */
int mr_cli_check_rates(const mr_cli_rates *r, char *text, size_t size, mr_error *e);

#endif
