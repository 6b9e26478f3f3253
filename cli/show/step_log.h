/* SPDX-License-Identifier: Apache-2.0 */
/* --step-log: step,loss, a row per step, in the file as soon as the step is done. */
#ifndef MR_CLI_STEP_LOG_H
#define MR_CLI_STEP_LOG_H

#include "base/error.h"

#include <stdint.h>

typedef struct mr_step_log mr_step_log;
/* A log for PATH NULL takes everything and writes nothing. STEP > 0: the run goes on after that step: rows up
 * to it stay as PATH has them, later ones go. */
int mr_step_log_open(mr_step_log **out, const char *path, int64_t step, mr_error *e);
void mr_step_log_add(mr_step_log *l, int64_t step, double loss);
/* Flushes and closes; a write that failed shows here. L may be NULL. */
int mr_step_log_close(mr_step_log *l, mr_error *e);

#endif
