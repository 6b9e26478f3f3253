/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/show/progress_line.h"

#include <math.h>
#include <stdio.h>

/* How much of the line is shown; the richest comes first. */
typedef struct detail {
    int bar; /* characters between the brackets, 0: no bar */
    bool step_time, rate;
} detail;

void mr_text_append_duration(mr_text *out, double seconds)
{
    if (!(seconds < 1e9)) {
        mr_text_append(out, "?");
        return;
    }
    long long s = (long long)fmax(seconds + 0.5, 0);
    if (s >= 3600)
        mr_text_format(out, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
    else if (s >= 60)
        mr_text_format(out, "%lld:%02lld", s / 60, s % 60);
    else
        mr_text_format(out, "%llds", s);
}

static void append_counter(mr_text *out, const mr_progress_state *s)
{
    if (s->steps > 0) {
        int width = snprintf(NULL, 0, "%lld", (long long)s->steps);
        mr_text_format(out, "%*lld/%lld", width, (long long)s->step, (long long)s->steps);
        if (s->counts_samples)
            mr_text_format(out, " %s", s->unit);
    } else {
        mr_text_format(out, "%lld %s", (long long)s->samples, s->unit);
    }
}

static void append_bar(mr_text *out, const mr_progress_state *s, int length)
{
    if (length == 0 || s->steps <= 0)
        return;
    int64_t step = s->step < s->steps ? s->step : s->steps;
    int full = (int)((double)length * (double)step / (double)s->steps);
    mr_text_append(out, " [");
    mr_text_repeat(out, "=", full < length ? full - 1 : length);
    if (full > 0 && full < length)
        mr_text_append_char(out, '>');
    mr_text_repeat(out, ".", length - full);
    mr_text_append_char(out, ']');
}

static void append_time(mr_text *out, const mr_progress_state *s)
{
    bool left = !s->done && s->steps > 0;
    if (left && (s->seconds_per_step <= 0 || s->note))
        return;
    mr_text_append(out, left ? " - ETA: " : " - ");
    mr_text_append_duration(out, left ? (double)(s->steps - s->step) * s->seconds_per_step : s->elapsed);
}

static void append_speed(mr_text *out, const mr_progress_state *s, const detail *d)
{
    double t = s->seconds_per_step;
    if (d->step_time && t > 0 && s->steps > 0 && !s->counts_samples) {
        if (t >= 10)
            mr_text_format(out, " - %.0fs/step", t);
        else if (t >= 1)
            mr_text_format(out, " - %.1fs/step", t);
        else if (t >= 1e-3)
            mr_text_format(out, " - %.0fms/step", t * 1e3);
        else
            mr_text_format(out, " - %.0fus/step", t * 1e6);
    }
    if (d->rate && s->samples_per_second > 0)
        mr_text_format(out, s->samples_per_second < 9.95 ? " - %.1f %s/s" : " - %.0f %s/s",
                       s->samples_per_second, s->unit);
    if (d->rate && s->bytes_per_second > 0)
        mr_text_format(out, " - %.1f MB/s", s->bytes_per_second / 1e6);
    if (s->failed)
        mr_text_format(out, " - %lld failed", (long long)s->failed);
}

/* The metrics; BEFORE stands before the first of them. */
static void append_metrics(mr_text *out, const mr_progress_state *s, const char *before)
{
    for (int i = 0; i < s->metric_count; i++, before = " - ") {
        double value = s->metrics[i].value, size = fabs(value);
        bool plain = value == 0 || (size > 1e-3 && size < 1e6) || !isfinite(value);
        mr_text_format(out, plain ? "%s%s: %.4f" : "%s%s: %.4e", before, s->metrics[i].name,
                       isnan(value) ? NAN : value);
    }
    if (s->note)
        mr_text_format(out, " - %s", s->note);
}

static void append_head(mr_text *out, const mr_progress_state *s, const detail *d)
{
    append_counter(out, s);
    append_bar(out, s, d->bar);
    append_time(out, s);
    append_speed(out, s, d);
}

/* Writes the richest line that fits COLUMNS. False where even the poorest does not; OUT then holds that. */
static bool append_fitting(mr_text *out, const mr_progress_state *s, int columns)
{
    static const detail details[] = {{30, true, true},  {20, true, true},   {10, true, true},
                                     {10, false, true}, {10, false, false}, {0, false, false}};
    for (size_t i = 0; i < sizeof details / sizeof *details; i++) {
        mr_text_clear(out);
        append_head(out, s, &details[i]);
        append_metrics(out, s, " - ");
        if (mr_utf8_columns(mr_text_string(out)) <= (size_t)columns)
            return true;
    }
    return false;
}

void mr_progress_line(mr_text *out, const mr_progress_state *s, int columns)
{
    static const detail plain = {0, true, true}, narrow = {10, true, true};
    mr_text line = {0};
    if (columns == 0) {
        append_head(out, s, &plain);
        append_metrics(out, s, " - ");
    } else if (append_fitting(&line, s, columns)) {
        mr_text_append(out, mr_text_string(&line));
    } else if (s->done) {
        append_head(out, s, &narrow);
        append_metrics(out, s, "\n  ");
    } else {
        mr_text_append_bytes(out, mr_text_string(&line), mr_utf8_fit(mr_text_string(&line), (size_t)columns));
    }
    out->failed |= line.failed;
    mr_text_destroy(&line);
}
