/* SPDX-License-Identifier: Apache-2.0 */
/* --tensorboard DIR: the history's numbers of each epoch as TensorBoard's scalars, under the names of its
 * columns. */
#ifndef MR_CLI_TENSORBOARD_H
#define MR_CLI_TENSORBOARD_H

#include "io/output/event_file.h"
#include "pipeline/train/callback.h"

typedef struct mr_tensorboard {
    mr_event_file *file; /* NULL: not wanted */
    mr_history_columns columns;
} mr_tensorboard;

/* DIR NULL: nothing is written. EPOCHS: finished ones of the run that is resumed. COLUMNS are borrowed. */
int mr_tensorboard_open(mr_tensorboard *t, const char *dir, int epochs, mr_history_columns columns,
                        mr_error *e);
mr_callback mr_tensorboard_callback(mr_tensorboard *t);
/* Reports what could not be written. E may be NULL. */
int mr_tensorboard_close(mr_tensorboard *t, mr_error *e);

#endif
