/* SPDX-License-Identifier: Apache-2.0 */
/* All that a training run needs, beside the model and its optimizer's slots, to go on as if it had not been
 * stopped. It is the attribute millrace_run of a checkpoint, as JSON; the history is a table beside it, the dataset
 * millrace_history.
 *
 * What is not here because it follows from what is: the order of the samples, their augmentation and what
 * dropout draws are functions of (seed, epoch, sample, step); the rate of a schedule is a function of the
 * step. */
#ifndef MR_PIPELINE_RUN_STATE_H
#define MR_PIPELINE_RUN_STATE_H

#include "pipeline/trainer/history.h"
#include "pipeline/trainer/trainer.h"

typedef struct mr_run_state {
    int epoch;              /* finished epochs */
    bool ended;             /* a callback ended the run: no more epochs, however many are asked for */
    int64_t samples;        /* of the epoch at hand: taken from the data, unusable ones too */
    int64_t step;           /* steps since the run began (the model's own updates before it not counted) */
    mr_sums sums;           /* of the epoch at hand */
    double seconds;         /* that the epoch at hand has taken so far */
    double trained_seconds; /* and its training part */
    int64_t skipped;        /* unusable inputs passed over */
    int64_t errors;         /* how many of them count against the training data's budget */
    mr_history history;
    json_t *callbacks; /* {name: what that callback remembers} */
    json_t *training;  /* canonical training configuration: loss, optimizer with its present rate */
    json_t *architecture; /* canonical configuration of the graph: the file has it in the words of old Keras */
    mr_shape input; /* of the model's single input, for architectures that leave its size open; rank 0: not needed */
    json_t *data;      /* {"training": …, "validation": …}: fingerprints, see mr_data_fingerprint */
    json_t *settings;  /* the caller's own: the options of the run */
} mr_run_state;

void mr_run_state_clear(mr_run_state *s);
/* A copy that another thread may read while the original goes on: history and callbacks are copied; training,
 * data and settings, which do not change, are shared. TO is overwritten, not cleared. */
int mr_run_state_copy(mr_run_state *to, const mr_run_state *from, mr_error *e);
/* malloc'ed text, which describes the history's table (history.h), but does not have it. NULL out of memory.
 * SCORE: see pipeline/checkpoint/checkpoint.h. */
char *mr_run_state_text(const mr_run_state *s, double score);

typedef struct mr_history_rows { /* a table; of none where there is none */
    const double *number;
    size_t rows, width;
} mr_history_rows;
/* Reads such a text and its table, which the texts of version 1 have inside; *SCORE may be NULL. MR_EFORMAT
 * names what is missing. */
int mr_run_state_parse(mr_run_state *out, double *score, const char *text, size_t size, mr_history_rows table,
                       mr_error *e);

#endif
