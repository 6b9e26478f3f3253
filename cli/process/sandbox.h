/* SPDX-License-Identifier: Apache-2.0 */
/* Which files a command needs, from its options; everything else is given up (cli/process/confine.h). */
#ifndef MR_CLI_SANDBOX_H
#define MR_CLI_SANDBOX_H

#include "cli/option/options.h"

/* Enters the sandbox for COMMAND (MR_FOR_…), before any thread is started. By default writing is restricted
 * to the folders of the outputs, and exec, network and the like are off; --sandbox restricts reading to the
 * inputs too;
 * --no-sandbox does nothing. Errors: as mr_sandbox_enter; with --sandbox also where the kernel has no
 * Landlock. */
int mr_cli_sandbox(const mr_cli *c, unsigned command, mr_error *e);

#endif
