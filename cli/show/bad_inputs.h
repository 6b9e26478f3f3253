/* SPDX-License-Identifier: Apache-2.0 */
/* What a run tells of inputs that it cannot use: a warning for each of the first, then the reasons with how
 * often each came, however many there are. */
#ifndef MR_CLI_BAD_INPUTS_H
#define MR_CLI_BAD_INPUTS_H

#include "cli/show/progress.h"
#include "cli/show/tally.h"

/* {0} is ready for use. */
typedef struct mr_bad_inputs {
    mr_tally reasons;
    int64_t count;
} mr_bad_inputs;

/* OUTPUT: a row of an output holds the reason, too. */
void mr_bad_inputs_add(mr_bad_inputs *b, mr_progress *p, const char *path, const char *reason, bool output);
/* The last line, if there were any. */
void mr_bad_inputs_end(mr_bad_inputs *b, mr_progress *p);

#endif
