/* SPDX-License-Identifier: Apache-2.0 */
/* One line of progress as Keras words it, from numbers to text; no clock and no terminal in here. */
#ifndef MR_CLI_PROGRESS_LINE_H
#define MR_CLI_PROGRESS_LINE_H

#include "base/text.h"

typedef struct mr_metric {
    const char *name;
    double value;
} mr_metric;

typedef struct mr_progress_state {
    int64_t step, steps;                         /* steps 0: unknown */
    int64_t samples;                             /* so far */
    const char *unit;                            /* of samples, plural: "images" */
    double elapsed;                              /* seconds */
    double seconds_per_step, samples_per_second; /* 0: not known yet */
    const mr_metric *metrics;
    int metric_count;
    bool counts_samples;     /* a stream: steps are samples, and there is no batch to be seen */
    double bytes_per_second; /* of a stream; 0: not known yet */
    int64_t failed;          /* samples of a stream that could not be used */
    const char *note;        /* what goes on now ("validating"), or NULL */
    bool done;               /* the last line of an epoch: the time it took instead of the time left */
} mr_progress_state;

/* Appends "11/12 [====>.] - ETA: 3s - 45ms/step - 712 images/s - loss: 0.4312" to OUT. Where COLUMNS are too
 * few, the bar gets shorter, then speeds are left out, then the bar. What is still too long is cut; but an
 * epoch's last line (done) goes on in a second one, with its metrics whole. COLUMNS 0: no bar, any length. */
void mr_progress_line(mr_text *out, const mr_progress_state *s, int columns);

/* "12s", "2:05", "1:00:03" */
void mr_text_append_duration(mr_text *out, double seconds);

#endif
