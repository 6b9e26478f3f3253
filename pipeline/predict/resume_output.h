/* SPDX-License-Identifier: Apache-2.0 */
/* Going on with an interrupted output: the rows that it holds are held against the source, and the source
 * goes on behind them. A file that has gone since it got its row (it was moved, or deleted) does not disturb
 * that; anything else that differs means that the input is another one, and is an error. */
#ifndef MR_PIPELINE_CATCH_UP_H
#define MR_PIPELINE_CATCH_UP_H

#include "io/output/sink.h"
#include "pipeline/load/loader.h"

typedef struct mr_catch_up_options {
    /* Rows are kept in whole groups of this many, counted from the first: the batches of the run that goes on
     * are then the same ones as those of a run that was never interrupted. 1: every row is kept. */
    int group;
    /* Rows may be out of order by less than this many, as an unordered run leaves them; 0: they are in order.
     */
    int64_t window;
    bool unrelated; /* the source has nothing to do with the rows: all are kept, and it is left as it is */
    void *context;
    /* Called for each row that is kept. HERE: the source still has its file. */
    void (*row)(void *context, const mr_past_row *row, bool here);
} mr_catch_up_options;

typedef struct mr_catch_up mr_catch_up;

/* Passes over what PAST has: its rows are kept (mr_past_keep) as far as they go. SOURCE and PAST must outlive
 * it. Errors: MR_EINVAL where the input is another one; those of both. */
int mr_catch_up_open(mr_catch_up **out, mr_source source, mr_past *past, const mr_catch_up_options *options,
                     mr_error *e);
/* What is left. Its errors: MR_EINVAL as above, where rows may be out of order. */
mr_source mr_catch_up_source(mr_catch_up *r);
void mr_catch_up_close(mr_catch_up *r);

#endif
