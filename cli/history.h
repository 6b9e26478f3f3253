/* SPDX-License-Identifier: Apache-2.0 */
/* The history of a run on disk: a row per epoch, the plot. */
#ifndef MR_CLI_HISTORY_H
#define MR_CLI_HISTORY_H

#include "pipeline/train.h"

/* A CSV: epoch, then what mr_history_visit gives. */
int mr_history_write(const mr_history *h, const mr_history_columns *columns, const char *file, mr_error *e);
/* Loss and accuracy, training and validation, as PNG. */
int mr_history_plot(const mr_history *h, const char *file, mr_error *e);

#endif
