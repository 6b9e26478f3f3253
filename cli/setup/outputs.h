/* SPDX-License-Identifier: Apache-2.0 */
/* Before hours of work: can its results be put where they are wanted? */
#ifndef MR_CLI_OUTPUTS_H
#define MR_CLI_OUTPUTS_H

#include "cli/option/options.h"

/* Each file that C names for a result can be written: it is a stream (base/output.h), or leads to a regular file or none yet
 * in a folder that can be written. Folders likewise. None is named twice, and none is a file that C names to be read, but
 * for a model, which may be replaced by the one that is made of it. */
int mr_cli_check_files(const mr_cli *c, mr_error *e);

/* The same for a training, whose result must have a place. */
int mr_cli_check_training_files(const mr_cli *c, mr_error *e);

#endif
