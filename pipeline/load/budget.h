/* SPDX-License-Identifier: Apache-2.0 */
/* How many inputs may be bad: a bad file is an event that is counted, and only too many of them end a run. */
#ifndef MR_PIPELINE_BUDGET_H
#define MR_PIPELINE_BUDGET_H

#include "base/error.h"
#include <stdint.h>

typedef struct mr_budget {
    bool fail;      /* --on-error fail: the first one ends the run */
    int64_t most;   /* --max-errors N; < 0: PERCENT counts */
    double percent; /* --max-errors P%; of the samples, rounded up, so that one of a few is possible */
    int64_t errors; /* counted so far */
} mr_budget;

/* At most 5%. */
mr_budget mr_budget_default(void);
/* "20", "5%", "0.5%". MR_EUSAGE otherwise. */
int mr_budget_parse(mr_budget *b, const char *text, mr_error *e);
/* Counts one more bad input of TOTAL (0: not known yet; then only a number is held against it, a percentage
 * at the end by mr_budget_check). MR_ELIMIT when it is one too many; the message names PATH and REASON. */
int mr_budget_spend(mr_budget *b, int64_t total, const char *path, const char *reason, mr_error *e);
int mr_budget_check(const mr_budget *b, int64_t total, mr_error *e);

#endif
