/* SPDX-License-Identifier: Apache-2.0 */
/* From --threshold to the least probability of each class. */
#ifndef MR_CLI_THRESHOLDS_H
#define MR_CLI_THRESHOLDS_H

#include "cli/option/options.h"
#include "pipeline/predict/verdict.h"

/* --threshold F|CLASS=F into T; *OF_CLASS is malloc'ed where there are any of the second kind. */
int mr_cli_thresholds(mr_thresholds *t, float **of_class, const mr_list *given,
                      const char *const *class_names, int classes, mr_error *e);

#endif
