/* SPDX-License-Identifier: Apache-2.0 */
/* The learning rate's schedules as the command line names them. What their parameters mean stands in
 * cli/setup/schedule.c. */
#ifndef MR_CLI_SCHEDULES_H
#define MR_CLI_SCHEDULES_H

typedef enum mr_schedule_kind {
    MR_SCHEDULE_EXPONENTIAL,
    MR_SCHEDULE_STEP,
    MR_SCHEDULE_INVERSE_TIME,
    MR_SCHEDULE_POLYNOMIAL,
    MR_SCHEDULE_PIECEWISE,
    MR_SCHEDULE_COSINE,
    MR_SCHEDULE_COSINE_RESTARTS,
    MR_SCHEDULES
} mr_schedule_kind;

typedef struct mr_schedule_row {
    const char *name;       /* for --schedule */
    const char *class_name; /* Keras's */
    const char *options;    /* its parameters, each with a blank before and behind */
} mr_schedule_row;

extern const mr_schedule_row mr_schedule_rows[MR_SCHEDULES];

/* The Ith name for --schedule; NULL behind the last. */
const char *mr_cli_schedule_name(int i);

#endif
