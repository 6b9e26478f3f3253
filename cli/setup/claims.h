/* SPDX-License-Identifier: Apache-2.0 */
/* The files that a command writes are its own until it ends. */
#ifndef MR_CLI_CLAIMS_H
#define MR_CLI_CLAIMS_H

#include "cli/option/options.h"
#include "io/output/claim.h"
#include "pipeline/ranks/ranks.h"

enum { MR_CLAIMS = 8 };

typedef struct mr_claims {
    mr_claim *file[MR_CLAIMS];
    int count;
} mr_claims;

/* Locks the files that C names for results, but for those that their writer claims (MR_ROWS), so that no other run of
 * millrace writes them; MR_EIO where one does. Of RANKS, which may be NULL, rank 0 has the locks; the others have nothing to
 * do. */
int mr_cli_claim(mr_claims *out, const mr_cli *c, const mr_ranks *ranks, mr_error *e);
/* Gives them back. The end of the process, however it comes, does so too. */
void mr_cli_release(mr_claims *claims);

#endif
