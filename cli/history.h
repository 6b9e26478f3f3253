/* SPDX-License-Identifier: Apache-2.0 */
/* The history of a run on disk: a row per epoch, a row per step, the plot. */
#ifndef MR_CLI_HISTORY_H
#define MR_CLI_HISTORY_H

#include "pipeline/train.h"

/* epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds,images_per_second */
int mr_history_write(const mr_history *h, const char *file, mr_error *e);
/* Loss and accuracy, training and validation, as PNG. */
int mr_history_plot(const mr_history *h, const char *file, mr_error *e);

/* step,loss: written as the steps happen. A log for FILE NULL takes everything and writes nothing. */
typedef struct mr_step_log mr_step_log;
int mr_step_log_open(mr_step_log **out, const char *file, mr_error *e);
void mr_step_log_add(mr_step_log *l, int64_t step, double loss);
/* Flushes and closes; a write that failed shows here. L may be NULL. */
int mr_step_log_close(mr_step_log *l, mr_error *e);

#endif
