/* SPDX-License-Identifier: Apache-2.0 */
/* The files that a training writes: looked at before it begins, and its own until it ends. */
#ifndef MR_CLI_TRAIN_OUTPUTS_H
#define MR_CLI_TRAIN_OUTPUTS_H

#include "cli/option/options.h"
#include "io/output/claim.h"
#include "pipeline/ranks/ranks.h"

enum { MR_TRAIN_OUTPUTS = 5 };

typedef struct mr_train_claims {
    mr_claim *file[MR_TRAIN_OUTPUTS]; /* NULL: not asked for, or a stream */
} mr_train_claims;

/* Each file and folder that C names can be written, and no file is named twice. */
int mr_cli_check_train_outputs(const mr_cli *c, mr_error *e);
/* Locks the files, so that no other run of millrace writes them; MR_EIO where one does. Rank 0 has the locks, all ranks hear
 * what became of it. */
int mr_cli_claim_train_outputs(mr_train_claims *out, const mr_cli *c, mr_ranks *ranks, mr_error *e);
/* Gives them back. The end of the process, however it comes, does so too. */
void mr_cli_release_train_outputs(mr_train_claims *claims);

#endif
