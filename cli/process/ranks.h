/* SPDX-License-Identifier: Apache-2.0 */
/* A command that is shared by the processes of an mpirun. */
#ifndef MR_CLI_RANKS_H
#define MR_CLI_RANKS_H

#include "cli/option/options.h"
#include "pipeline/ranks/ranks.h"

/* Joins the others, if there are any; threads that were not asked for are this rank's part of the machine's. */
int mr_cli_ranks_join(mr_ranks **out, mr_cli *c, mr_error *e);
/* Results are rank 0's: the others forget where they would go. */
void mr_cli_ranks_mute(const mr_ranks *r, mr_cli *c);
/* When all are ready, or have failed to be: the STATUS of the first that failed, 0 where none has. E stays with that one
 * alone, who says it. */
int mr_cli_ranks_agree(mr_ranks *r, int status, mr_error *e);
/* During a run: a rank that fails prints E and ends all with exit status CODE; where all fail alike, only one prints.
 * Does not return, unless R is NULL. */
void mr_cli_ranks_fail(mr_ranks *r, int code, const mr_error *e);
/* The common end; returns the largest CODE of all ranks. */
int mr_cli_ranks_end(mr_ranks *r, int code);

#endif
