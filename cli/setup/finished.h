/* SPDX-License-Identifier: Apache-2.0 */
/* --resume where no state of a run is left: is --model what that run has made already? */
#ifndef MR_CLI_FINISHED_H
#define MR_CLI_FINISHED_H

#include "cli/option/options.h"

/* 1: C's --model is the finished model of the run that C asks for, and nothing is left to be done; *EPOCHS: how many it
 * had. 0: there is no file, that of a run that ended early, or one that --overwrite gives up: C's run may begin. MR_EUSAGE:
 * it is the model of another run, or some other file, which the run would replace; MR_ENOMEM. */
int mr_cli_is_finished(const mr_cli *c, int *epochs, mr_error *e);

#endif
