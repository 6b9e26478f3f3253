/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/show/progress.h"

#include "cli/process/interrupt.h"
#include "cli/process/terminal.h"
#include "base/json_write.h"
#include "pipeline/queue/stats.h"
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REDRAW_SECONDS 0.1      /* a line on a terminal, at most so often */
#define JSON_STEP_SECONDS 1.0   /* a step's event */
#define PLAIN_STEP_SECONDS 10.0 /* a line in a file, within an epoch */

struct mr_progress {
    mr_progress_options options;
    const char *unit, *note;
    int epoch, epochs;
    int64_t step, steps, samples;
    int64_t first_step, first_samples; /* done before counting_from: those of a resumed epoch */
    bool stepped;                      /* there was a step in this epoch */
    bool stream;                       /* steps are samples */
    int64_t failed;
    uint64_t bytes;
    double began, counting_from, last_step, last_shown;
    mr_metric *metrics; /* of the last step; names borrowed, static with every caller */
    int metric_count, metric_capacity;
    size_t drawn; /* columns of the line that stands on the terminal unfinished */
    mr_text text;
    mr_json json;
};

mr_progress_options mr_progress_options_default(void)
{
    return (mr_progress_options){
        .file = stderr, .columns = MR_COLUMNS_ASK, .clock = mr_now, .hurry = mr_interrupted};
}

int mr_progress_create_with(mr_progress **out, const mr_progress_options *options, mr_error *e)
{
    mr_progress *p = *out = calloc(1, sizeof *p);
    if (!p)
        return mr_no_memory(e, "the progress display");
    p->options = *options;
    p->unit = "images";
    return MR_OK;
}

int mr_progress_create(mr_progress **out, bool quiet, bool log_json, mr_error *e)
{
    mr_progress_options options = mr_progress_options_default();
    options.quiet = quiet;
    options.log_json = log_json;
    return mr_progress_create_with(out, &options, e);
}

/* --- writing -------------------------------------------------------------------- */

static bool silent(const mr_progress *p)
{
    return !p || p->options.quiet;
}

static int columns_of(const mr_progress *p)
{
    return p->options.columns == MR_COLUMNS_ASK ? mr_terminal_columns(p->options.file) : p->options.columns;
}

/* Waits until PIPE_BUF bytes can be written. False: the run is to end, and the reader does not read. Without
 * this a reader that has stopped (mpirun, once it was told to end; a pager) would hold the run's last
 * checkpoint up. */
static bool has_room(const mr_progress *p)
{
    struct pollfd file = {.fd = fileno(p->options.file), .events = POLLOUT};
    if (file.fd < 0) /* memory */
        return true;
    for (;;) {
        bool hurry = p->options.hurry() != 0;
        int ready = poll(&file, 1, hurry ? 0 : 100);
        if (ready > 0 || (ready < 0 && errno != EINTR))
            return true;
        if (hurry)
            return false;
    }
}

static void put(mr_progress *p, mr_text *text)
{
    const char *at = mr_text_string(text);
    for (size_t left = text->length, n; left > 0 && has_room(p); left -= n, at += n) {
        n = left < PIPE_BUF ? left : PIPE_BUF;
        fwrite(at, 1, n, p->options.file);
        fflush(p->options.file);
    }
    mr_text_clear(text);
}

/* Takes the line that is being drawn off the terminal: blanks over it, no escape sequences, so that it works
 * on every terminal. */
static void wipe(mr_progress *p)
{
    if (p->drawn == 0)
        return;
    mr_text blanks = {0};
    mr_text_append_char(&blanks, '\r');
    mr_text_repeat(&blanks, " ", (long)p->drawn);
    mr_text_append_char(&blanks, '\r');
    p->drawn = 0;
    put(p, &blanks);
    mr_text_destroy(&blanks);
}

/* Puts p->text in the place of the line that is being drawn; it can be drawn over in turn. */
static void redraw(mr_progress *p)
{
    mr_text line = {0};
    size_t columns = mr_utf8_columns(mr_text_string(&p->text));
    mr_text_append_char(&line, '\r');
    mr_text_append(&line, mr_text_string(&p->text));
    mr_text_repeat(&line, " ", columns < p->drawn ? (long)(p->drawn - columns) : 0);
    mr_text_clear(&p->text);
    p->drawn = columns;
    put(p, &line);
    mr_text_destroy(&line);
}

/* Puts p->text in its place and ends the line. */
static void finish_line(mr_progress *p)
{
    wipe(p);
    mr_text_append_char(&p->text, '\n');
    put(p, &p->text);
}

/* --- what to write --------------------------------------------------------------- */

static mr_progress_state state_of(const mr_progress *p, bool done)
{
    mr_progress_state s = {.step = p->step,
                           .steps = p->steps,
                           .samples = p->samples,
                           .unit = p->unit,
                           .elapsed = p->options.clock() - p->began,
                           .metrics = p->metrics,
                           .metric_count = p->metric_count,
                           .counts_samples = p->stream,
                           .failed = p->failed,
                           .note = p->note,
                           .done = done};
    /* Speeds end with the last step: validation and the writing of files are not training. */
    double stepping = p->last_step - p->counting_from;
    if (p->step > p->first_step && stepping > 0) {
        s.seconds_per_step = stepping / (double)(p->step - p->first_step);
        s.samples_per_second = (double)(p->samples - p->first_samples) / stepping;
        s.bytes_per_second = (double)p->bytes / stepping;
    }
    return s;
}

static void append_epoch(mr_progress *p)
{
    if (p->epochs > 0)
        mr_text_format(&p->text, "Epoch %d/%d", p->epoch, p->epochs);
}

static void show_on_terminal(mr_progress *p, bool done, int columns)
{
    mr_progress_state s = state_of(p, done);
    mr_progress_line(&p->text, &s, columns > 1 ? columns - 1 : 1); /* a full last column would wrap */
    if (done)
        finish_line(p);
    else
        redraw(p);
}

static void show_plainly(mr_progress *p, bool done)
{
    mr_progress_state s = state_of(p, done);
    append_epoch(p);
    if (p->epochs > 0)
        mr_text_append(&p->text, " - ");
    mr_progress_line(&p->text, &s, 0);
    finish_line(p);
}

static void json_begin(mr_progress *p, const char *event)
{
    struct timespec now;
    char text[32];
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(text, sizeof text, "%lld.%03d", (long long)now.tv_sec, (int)(now.tv_nsec / 1000000));
    mr_json_begin_object(&p->json);
    mr_json_key(&p->json, "event");
    mr_json_string(&p->json, event);
    mr_json_key(&p->json, "time"); /* seconds since 1970 */
    mr_json_double(&p->json, strtod(text, NULL));
}

static void json_integer(mr_progress *p, const char *key, int64_t value)
{
    if (value == 0) /* unknown, or there is none */
        return;
    mr_json_key(&p->json, key);
    mr_json_integer(&p->json, value);
}

static void json_double(mr_progress *p, const char *key, double value)
{
    mr_json_key(&p->json, key);
    mr_json_double(&p->json, value);
}

static void json_end(mr_progress *p)
{
    mr_json_end_object(&p->json);
    mr_json_end_line(&p->json);
    put(p, &p->json.text);
}

static void json_place(mr_progress *p)
{
    json_integer(p, "epoch", p->epochs > 0 ? p->epoch : 0);
    json_integer(p, "epochs", p->epochs);
    json_integer(p, "steps", p->steps);
}

static void show_as_json(mr_progress *p, bool done)
{
    mr_progress_state s = state_of(p, done);
    json_begin(p, done ? "epoch_end" : "step");
    json_place(p);
    json_integer(p, "step", s.counts_samples ? 0 : s.step);
    json_integer(p, p->unit, s.samples);
    json_double(p, "seconds", s.elapsed);
    if (!s.counts_samples)
        json_double(p, "seconds_per_step", s.seconds_per_step);
    mr_text_format(&p->text, "%s_per_second", p->unit);
    json_double(p, mr_text_string(&p->text), s.samples_per_second);
    mr_text_clear(&p->text);
    if (s.counts_samples)
        json_double(p, "bytes_per_second", s.bytes_per_second);
    json_integer(p, "failed", s.failed);
    for (int i = 0; i < s.metric_count; i++)
        json_double(p, s.metrics[i].name, s.metrics[i].value);
    json_end(p);
}

static void show(mr_progress *p, bool done)
{
    int columns = columns_of(p);
    p->last_shown = p->options.clock();
    if (p->options.log_json)
        show_as_json(p, done);
    else if (columns > 0)
        show_on_terminal(p, done, columns);
    else
        show_plainly(p, done);
}

/* --- events ------------------------------------------------------------------------ */

void mr_progress_begin(mr_progress *p, const char *run, const char *unit)
{
    if (silent(p))
        return;
    p->unit = unit ? unit : "images";
    if (!p->options.log_json)
        return;
    json_begin(p, "begin");
    mr_json_key(&p->json, "run");
    mr_json_string(&p->json, run);
    json_end(p);
}

static void run_as_json(mr_progress *p, const char *facts)
{
    json_begin(p, "run");
    mr_json_key(&p->json, "run");
    mr_json_raw(&p->json, facts);
    json_end(p);
}

void mr_progress_run(mr_progress *p, const char *facts, const char *text)
{
    if (silent(p))
        return;
    if (p->options.log_json) {
        run_as_json(p, facts);
        return;
    }
    while (*text) {
        int n = (int)strcspn(text, "\n");
        mr_progress_message(p, MR_LOG_INFO, "%.*s", n, text);
        text += n + (text[n] != '\0');
    }
}

void mr_progress_epoch_begin(mr_progress *p, int epoch, int epochs, int64_t steps)
{
    if (silent(p))
        return;
    p->epoch = epoch;
    p->epochs = epochs;
    p->steps = steps;
    p->step = p->samples = p->first_step = p->first_samples = 0;
    p->stepped = p->stream = false;
    p->failed = 0;
    p->bytes = 0;
    p->metric_count = 0;
    p->note = NULL;
    p->began = p->counting_from = p->last_step = p->last_shown = p->options.clock();
    if (p->options.log_json) {
        json_begin(p, "epoch_begin");
        json_place(p);
        json_end(p);
    } else if (epochs > 0 && columns_of(p) > 0) {
        append_epoch(p);
        finish_line(p);
    }
}

/* Keeps the metrics for the lines to come. When out of memory, the line has none. */
static void keep_metrics(mr_progress *p, const mr_metric *metrics, int count)
{
    if (count > p->metric_capacity) {
        mr_metric *more = realloc(p->metrics, (size_t)count * sizeof *more);
        if (!more)
            return;
        p->metrics = more;
        p->metric_capacity = count;
    }
    for (int i = 0; i < count; i++)
        p->metrics[i] = metrics[i];
    p->metric_count = count;
}

static double seconds_between_lines(const mr_progress *p)
{
    return p->options.log_json ? JSON_STEP_SECONDS : columns_of(p) > 0 ? REDRAW_SECONDS : PLAIN_STEP_SECONDS;
}

void mr_progress_step(mr_progress *p, int64_t step, int64_t samples, const mr_metric *metrics, int count)
{
    if (silent(p))
        return;
    double now = p->options.clock();
    if (!p->stepped && step > 1) { /* the clock starts here: what lay before was not seen */
        p->first_step = step;
        p->first_samples = samples;
        p->counting_from = now;
    }
    p->stepped = true;
    p->step = step;
    p->samples = samples;
    p->last_step = now;
    keep_metrics(p, metrics, count);
    if (now - p->last_shown >= seconds_between_lines(p))
        show(p, false);
}

void mr_progress_stream_from(mr_progress *p, int64_t samples)
{
    if (silent(p))
        return;
    p->first_step = p->first_samples = samples;
    p->stepped = true;
}

void mr_progress_stream(mr_progress *p, int64_t samples, int64_t total, int64_t failed, uint64_t bytes)
{
    if (silent(p))
        return;
    p->stream = p->stepped = true;
    p->steps = total;
    p->failed = failed;
    p->bytes = bytes;
    mr_progress_step(p, samples, samples, NULL, 0);
}

void mr_progress_note(mr_progress *p, const char *text)
{
    if (silent(p) || p->options.log_json || columns_of(p) == 0)
        return;
    p->note = text;
    show(p, false);
}

void mr_progress_epoch_end(mr_progress *p, const mr_metric *metrics, int count)
{
    if (silent(p))
        return;
    p->note = NULL;
    keep_metrics(p, metrics, count);
    show(p, true);
}

static const char *level_name(mr_log_level level)
{
    static const char *const names[] = {"info", "warning", "error"};
    return names[level];
}

static void say_as_json(mr_progress *p, mr_log_level level, const char *text)
{
    json_begin(p, "message");
    mr_json_key(&p->json, "level");
    mr_json_string(&p->json, level_name(level));
    mr_json_key(&p->json, "text");
    mr_json_string(&p->json, text);
    json_end(p);
}

void mr_progress_message(mr_progress *p, mr_log_level level, const char *format, ...)
{
    if (!p || (p->options.quiet && level == MR_LOG_INFO))
        return;
    char *text;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0)
        return;
    if (p->options.log_json) {
        say_as_json(p, level, text);
    } else {
        bool drawing = p->drawn > 0;
        if (level != MR_LOG_INFO)
            mr_text_format(&p->text, "%s: ", level_name(level));
        mr_text_append_clean(&p->text, text);
        finish_line(p);
        if (drawing)
            show(p, false);
    }
    free(text);
}

void mr_progress_destroy(mr_progress *p)
{
    if (!p)
        return;
    mr_text_clear(&p->text);
    if (p->drawn > 0) {
        mr_text_append_char(&p->text, '\n');
        put(p, &p->text);
    }
    free(p->metrics);
    mr_text_destroy(&p->text);
    mr_json_destroy(&p->json);
    free(p);
}
