/* SPDX-License-Identifier: Apache-2.0 */
/* --keep N: how many checkpoints stay. --keep best|last: which epoch's weights the model has at the end. Both
 * can be given:
 * --keep 3 --keep best, or --keep 3,best. */
#ifndef MR_CLI_KEEP_H
#define MR_CLI_KEEP_H

#include "cli/option/options.h"

typedef struct mr_cli_keep {
    int checkpoints; /* newest ones */
    bool counted;    /* a number was given */
    bool best, last; /* asked for; neither: the last, unless --keep-best or --early-stopping say otherwise */
} mr_cli_keep;

/* What C's --keep says. MR_EUSAGE where it cannot be meant, also beside --keep-best. */
int mr_cli_keep_parse(mr_cli_keep *out, const mr_cli *c, mr_error *e);

/* C resumes a run that was begun with BEFORE: which weights it ends with is the run's and cannot be changed;
 * how many checkpoints are kept can. */
int mr_cli_keep_check_resumed(mr_cli *c, const mr_list *before, mr_error *e);

#endif
