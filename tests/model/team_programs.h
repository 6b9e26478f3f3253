/* SPDX-License-Identifier: Apache-2.0 */
/* Small programs around the real team, and what has to hold in every run of them. */
#ifndef MR_TESTS_MODEL_TEAM_PROGRAMS_H
#define MR_TESTS_MODEL_TEAM_PROGRAMS_H

#include "tests/model/checker.h"

enum { TEAM_TASKS = 3 };

typedef struct team_program {
    const char *name;
    int workers; /* besides the caller */
    int regions, tasks;
} team_program;

/* Holds: every task of every region runs once; what tasks write is there for the caller and for the tasks of
 * later regions, without a race; the caller returns from each region; dismissed behind the last, every worker
 * ends. */
model_result check_team(const team_program *program, const model_mutant *mutant, int stale, int preemptions,
                        FILE *trace);

#endif
