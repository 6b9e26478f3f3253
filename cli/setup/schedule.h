/* SPDX-License-Identifier: Apache-2.0 */
/* From --schedule and its parameters to a learning rate's configuration. */
#ifndef MR_CLI_SCHEDULE_H
#define MR_CLI_SCHEDULE_H

#include "cli/option/options.h"

#include <jansson.h>

/* Keras's schedule object for the schedule NAME, starting at RATE, with the options' parameters. Lengths in epochs mean STEPS_PER_EPOCH.
 * MR_EUSAGE: unknown name, a parameter that is missing or belongs to another schedule. A new reference. */
int mr_cli_schedule(json_t **out, const mr_cli *c, const char *name, double rate, int64_t steps_per_epoch, mr_error *e);

/* MR_EUSAGE when a schedule's parameter is given without --schedule. */
int mr_cli_check_no_schedule(const mr_cli *c, mr_error *e);

#endif
