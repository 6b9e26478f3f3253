/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/predict/resume_output.h"

#include "base/text.h"
#include "pipeline/source/path_bag.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct kept_row { /* of the group in hand: places in text */
    size_t path, status;
    bool failed;
    int predicted;
} kept_row;

struct mr_catch_up { /* the thread that calls next() owns it */
    mr_source source;
    mr_catch_up_options options;
    mr_source_item item; /* taken from the source, not given out yet */
    bool has_item;
    kept_row *group; /* [options.group] */
    mr_text text;
    mr_path_bag *done; /* out of order: paths that have rows among the samples that may be left */
};

static int changed(const char *path, mr_error *e)
{
    return mr_hint(e,
                   mr_fail(e, MR_EINVAL,
                           "the input has changed: %s has a row, but is not at the same place",
                           path),
                   "--resume requires the same --images in the same order; without it the run starts over");
}

static bool is_gone(const char *path)
{
    struct stat st;
    return lstat(path, &st) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

/* Sees to it that r->item is there. 0: the source is at its end. */
static int peek(mr_catch_up *r, mr_error *e)
{
    int status = 1;
    while (!r->has_item && status > 0) {
        status = r->source.next(r->source.context, &r->item, e);
        r->has_item = status == 1;
    }
    return status;
}

static void drop_item(mr_catch_up *r)
{
    if (r->has_item && r->source.release)
        r->source.release(r->source.context, r->item.path);
    r->has_item = false;
}

/* --- rows in order ---------------------------------------------------------------------- */

static size_t keep_text(mr_text *t, const char *string)
{
    size_t at = t->length;
    mr_text_append_bytes(t, string, strlen(string) + 1);
    return at;
}

/* A whole group of rows into r->group. 1, or 0 after the last one. */
static int read_group(mr_catch_up *r, mr_past *past, mr_error *e)
{
    mr_past_row row;
    mr_text_clear(&r->text);
    for (int i = 0; i < r->options.group; i++) {
        int status = mr_past_next(past, &row, e);
        if (status < 1)
            return status;
        r->group[i] = (kept_row){.failed = row.failed, .predicted = row.predicted};
        r->group[i].path = keep_text(&r->text, row.path);
        r->group[i].status = keep_text(&r->text, row.status);
    }
    int status = mr_text_check(&r->text, "the rows of an output", e);
    return status ? status : 1;
}

/* Holds one row against the source, which moves on if the row is for its next sample. */
static int match(mr_catch_up *r, const kept_row *kept, mr_error *e)
{
    const char *path = r->text.data + kept->path;
    mr_past_row row = {path, r->text.data + kept->status, kept->failed, kept->predicted};
    int status = peek(r, e);
    if (status < 0)
        return status;
    bool here = status == 1 && !strcmp(r->item.path, path);
    if (!here && !is_gone(path))
        return changed(path, e);
    if (r->options.row)
        r->options.row(r->options.context, &row, here);
    if (here)
        drop_item(r);
    return 0;
}

static int pass_in_order(mr_catch_up *r, mr_past *past, mr_error *e)
{
    int status;
    r->group = calloc((size_t)r->options.group, sizeof *r->group);
    if (!r->group)
        return mr_no_memory(e, "the rows of an output");
    while ((status = read_group(r, past, e)) == 1) {
        status = 0;
        for (int i = 0; i < r->options.group && !status; i++)
            status = match(r, &r->group[i], e);
        if (status)
            return status;
        mr_past_keep(past);
    }
    return status;
}

/* --- rows out of order ------------------------------------------------------------------ */

/* With R rows there, every sample before R - WINDOW has one, and the rows of the others are among the last
 * 2 * WINDOW: a sample is written when all but WINDOW of those before it are. */
static int pass_window(mr_catch_up *r, mr_past *past, mr_error *e)
{
    mr_past_row row;
    int64_t rows = 0;
    int status = mr_path_bag_create(&r->done, (size_t)(2 * r->options.window), e);
    while (!status && (status = mr_past_next(past, &row, e)) == 1) {
        rows++;
        status = mr_path_bag_push(r->done, row.path, e);
        if (!status && r->options.row)
            r->options.row(r->options.context, &row, true);
    }
    if (!status)
        mr_past_keep(past);
    for (int64_t i = 0; !status && i < rows - r->options.window; i++) {
        status = peek(r, e);
        if (status == 0)
            return 0; /* there are fewer than there were: next() looks which */
        if (status < 0)
            return status;
        mr_path_bag_take(r->done, r->item.path);
        drop_item(r);
        status = 0;
    }
    return status;
}

/* At the end nothing may be left over that is still there. */
static int check_left_over(mr_catch_up *r, mr_error *e)
{
    for (const char *path; (path = mr_path_bag_pop(r->done));)
        if (!is_gone(path))
            return changed(path, e);
    return 0;
}

/* --- rows that have nothing to do with the source ---------------------------------------- */

static int pass_unrelated(mr_catch_up *r, mr_past *past, mr_error *e)
{
    mr_past_row row;
    int status;
    while ((status = mr_past_next(past, &row, e)) == 1)
        if (r->options.row)
            r->options.row(r->options.context, &row, !is_gone(row.path));
    if (!status)
        mr_past_keep(past);
    return status;
}

/* --- the source that is left ------------------------------------------------------------- */

static int next(void *context, mr_source_item *out, mr_error *e)
{
    mr_catch_up *r = context;
    int status;
    do {
        if (!r->has_item) {
            status = r->source.next(r->source.context, &r->item, e);
            if (status != 1)
                return status == 0 && r->done ? check_left_over(r, e) : status;
            r->has_item = true;
        }
        if (!r->done || !mr_path_bag_take(r->done, r->item.path))
            break;
        drop_item(r);
    } while (true);
    *out = r->item;
    r->has_item = false;
    return 1;
}

static bool ready(void *context, int milliseconds)
{
    mr_catch_up *r = context;
    return r->has_item || !r->source.ready || r->source.ready(r->source.context, milliseconds);
}

static void release(void *context, const char *path)
{
    mr_catch_up *r = context;
    if (r->source.release)
        r->source.release(r->source.context, path);
}

int mr_catch_up_open(mr_catch_up **out, mr_source source, mr_past *past, const mr_catch_up_options *options,
                     mr_error *e)
{
    mr_catch_up *r = *out = calloc(1, sizeof *r);
    if (!r)
        return mr_no_memory(e, "resuming an output");
    r->source = source;
    r->options = *options;
    int status = options->unrelated ? pass_unrelated(r, past, e)
                 : options->window  ? pass_window(r, past, e)
                                    : pass_in_order(r, past, e);
    if (status) {
        mr_catch_up_close(r);
        *out = NULL;
    }
    return status;
}

mr_source mr_catch_up_source(mr_catch_up *r)
{
    return (mr_source){.next = next, .ready = ready, .release = release, .context = r};
}

void mr_catch_up_close(mr_catch_up *r)
{
    if (!r)
        return;
    drop_item(r);
    mr_path_bag_destroy(r->done);
    mr_text_destroy(&r->text);
    free(r->group);
    free(r);
}
