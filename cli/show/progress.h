/* SPDX-License-Identifier: Apache-2.0 */
/* What a person sees while a run goes on: on a terminal one line that is drawn anew, as Keras does it; in a
 * file or a pipe one line per epoch and one every ten seconds of a long one; with --log-json an object per
 * event; with --quiet warnings alone. Everything is called by one thread. Failures to write are not reported:
 * progress is no result. */
#ifndef MR_CLI_PROGRESS_H
#define MR_CLI_PROGRESS_H

#include "cli/show/progress_line.h"
#include <stdio.h>

typedef enum mr_log_level { MR_LOG_INFO, MR_LOG_WARNING, MR_LOG_ERROR } mr_log_level;

typedef struct mr_progress mr_progress;

#define MR_COLUMNS_ASK -1

typedef struct mr_progress_options {
    FILE *file;    /* where to; default: standard error. Not closed */
    int columns;   /* of the terminal; 0: it is none; default: MR_COLUMNS_ASK, the file is asked each time */
    bool quiet;    /* print warnings alone; default: false */
    bool log_json; /* an object per line; default: false */
    double (*clock)(void); /* seconds, rising; default: mr_now */
    int (*hurry)(void);    /* not 0: the run is to end, what FILE does not take at once is left out; default: mr_interrupted */
} mr_progress_options;
mr_progress_options mr_progress_options_default(void);

/* Errors: MR_ENOMEM. */
int mr_progress_create(mr_progress **out, bool quiet, bool log_json, mr_error *e);
int mr_progress_create_with(mr_progress **out, const mr_progress_options *options, mr_error *e);
/* Ends a line that is still being drawn, as after an error. P may be NULL, here and below: then nothing
 * happens. */
void mr_progress_destroy(mr_progress *p);

/* Optional: names the run ("train") in JSON, and what is counted, in the plural (both static; default
 * "images"). */
void mr_progress_begin(mr_progress *p, const char *run, const char *unit);

/* How a run is made: TEXT, lines without the last line feed, or with --log-json the event "run" with
 * FACTS, which is JSON. */
void mr_progress_run(mr_progress *p, const char *facts, const char *text);

/* An epoch of STEPS steps begins; EPOCH counts from 1. EPOCHS 0: a single pass (evaluate, predict) without a
 * headline. STEPS 0: their number is not known. */
void mr_progress_epoch_begin(mr_progress *p, int epoch, int epochs, int64_t steps);
/* STEP steps of the epoch are done, with SAMPLES samples in all. A run that was resumed within an epoch
 * begins with a STEP over 1. METRICS are borrowed for the call. */
void mr_progress_step(mr_progress *p, int64_t step, int64_t samples, const mr_metric *metrics, int count);
/* A stream of samples in place of steps (after mr_progress_epoch_begin): SAMPLES are through, FAILED of them
 * without a result, BYTES were read for them. TOTAL: of samples; 0: not known. */
void mr_progress_stream(mr_progress *p, int64_t samples, int64_t total, int64_t failed, uint64_t bytes);
/* Before the first: so many samples were through when the run began, and count for no speed. */
void mr_progress_stream_from(mr_progress *p, int64_t samples);
/* What goes on between the last step and the epoch's end ("validating"); shown on a terminal only. TEXT is
 * static. */
void mr_progress_note(mr_progress *p, const char *text);
void mr_progress_epoch_end(mr_progress *p, const mr_metric *metrics, int count);

/* A line of its own; on a terminal above the line that is being drawn. Control characters become '?'. */
void mr_progress_message(mr_progress *p, mr_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
