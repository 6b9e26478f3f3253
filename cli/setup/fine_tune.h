/* SPDX-License-Identifier: Apache-2.0 */
/* --new-head, --unfreeze, --freeze, --freeze-until. */
#ifndef MR_CLI_FINE_TUNE_H
#define MR_CLI_FINE_TUNE_H

#include "cli/option/options.h"
#include "io/model_file/model_file.h"

/* Makes M ready for CLASSES classes as the options say, in this order: a new head; what is unfrozen; what is frozen (never
 * the new head). */
int mr_cli_fine_tune(mr_model *m, const mr_cli *c, int classes, mr_error *e);

#endif
