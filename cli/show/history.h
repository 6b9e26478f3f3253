/* SPDX-License-Identifier: Apache-2.0 */
/* The history of a run on disk: a row per epoch, the plot. */
#ifndef MR_CLI_HISTORY_H
#define MR_CLI_HISTORY_H

#include "pipeline/train/train.h"

/* A CSV: epoch, then what mr_history_visit gives. */
int mr_history_write(const mr_history *h, const mr_history_columns *columns, const char *file, mr_error *e);
/* The history as it grows: a row more on disk after each epoch. */
typedef struct mr_history_log {
    const char *file; /* NULL: none */
    const mr_history_columns *columns;
    int rows;      /* of the file, as this log left it; 0: it has not written any yet, or failed */
    double synced; /* mr_now of the last time that they were safe from a power failure, too */
} mr_history_log;
/* H: the whole history, its last row the new one. A file of another run is replaced at the first call. */
int mr_history_log_add(mr_history_log *l, const mr_history *h, mr_error *e);

/* Loss and (where COLUMNS have one) accuracy, training and validation, as a picture. */
int mr_history_plot(const mr_history *h, const mr_history_columns *columns, const char *file, mr_error *e);

#endif
