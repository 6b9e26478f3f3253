/* SPDX-License-Identifier: Apache-2.0 */
/* From options to an optimizer's configuration. */
#ifndef MR_CLI_OPTIMIZER_H
#define MR_CLI_OPTIMIZER_H

#include "cli/option/options.h"
#include "io/model_file/model_file.h"

/* {"class_name","config"} in Keras's keys, a new reference. M (NULL: a new network) may be compiled already:
 * then its own optimizer is the default, changed by the options that are given; --optimizer names another
 * one, which starts from Keras's defaults. Without either the architecture's (nn/arch/arch.h), the tutorial's SGD for a
 * model from a file, or with --new-head Adam.
 * STEPS_PER_EPOCH: for schedules in epochs. */
int mr_cli_optimizer(json_t **out, const mr_cli *c, const mr_model *m, int64_t steps_per_epoch, mr_error *e);

/* Whether the optimizer is M's own: its state goes on. */
bool mr_cli_own_optimizer(const mr_cli *c, const mr_model *m);

#endif
