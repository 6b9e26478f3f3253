/* SPDX-License-Identifier: Apache-2.0 */
/* Small programs around the real queue and eventcount, and what has to hold in every run of them. */
#ifndef MR_TESTS_MODEL_QUEUE_PROGRAMS_H
#define MR_TESTS_MODEL_QUEUE_PROGRAMS_H

#include "pipeline/queue/queue.h"
#include "tests/model/checker.h"

typedef enum queue_end {
    CLOSE,       /* each producer closes when it has pushed its items */
    CLOSE_ERROR, /* the same, each with an error of its own */
    ABORT,       /* as CLOSE, and each aborter aborts at any moment */
} queue_end;

typedef struct queue_program {
    const char *name;
    const mr_ring_kind *kind;
    int producers, consumers, aborters; /* at most MODEL_THREADS together */
    int items;                          /* of each producer */
    queue_end end;
} queue_program;

/* Holds: no item is lost, doubled, or out of its producer's order; every thread ends, in the way that the end
 * asks for, and with a whole error record; nobody is left on a list of waiters; no race on an item or a
 * record. */
model_result check_queue(const queue_program *program, const model_mutant *mutant, int stale, int preemptions,
                         FILE *trace);

/* The eventcount alone: a change of plain data before notify is seen after wait, and every waiter returns. */
model_result check_eventcount(const model_mutant *mutant, int stale, FILE *trace);

#endif
