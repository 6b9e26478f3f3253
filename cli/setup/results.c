/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/setup/results.h"

#include "base/path.h"
#include "base/text.h"
#include "cli/show/history.h"
#include "cli/process/interrupt.h"
#include "cli/show/stats.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SAVE_ATTEMPTS = 3 };

/* --- the model -------------------------------------------------------------------- */

static bool ended_early(const mr_cli_results *r)
{
    return r->failed || r->result->stopped;
}

/* FILE is the model of a run that ended early, too. What cannot be read may be anything. */
static bool is_unfinished(const char *file)
{
    json_t *provenance = NULL;
    bool unfinished = !mr_model_read_provenance(&provenance, file, NULL) &&
                      json_is_false(json_object_get(provenance, "complete"));
    json_decref(provenance);
    return unfinished;
}

static bool may_write_model(const mr_cli_results *r)
{
    struct stat st;
    const char *file = r->c->model;
    if (!ended_early(r))
        return true;
    if (!r->result->usable || !r->result->history.count)
        return false;
    if (r->c->overwrite)
        return true;
    return !r->c->checkpoint_dir && ((stat(file, &st) && errno == ENOENT) || is_unfinished(file));
}

/* Who opens the file can tell a finished model from one that is not. */
static int note_end(mr_cli_results *r, mr_error *e)
{
    mr_model *m = r->model;
    if (!m->provenance)
        m->provenance = json_object();
    if (json_object_set_new(m->provenance, "complete", json_boolean(!ended_early(r))) ||
        json_object_set_new(m->provenance, "finished_epochs", json_integer(r->result->history.count)))
        return mr_no_memory(e, "the model's provenance");
    return 0;
}

static void wait_for(double seconds)
{
    struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&t, NULL);
}

/* A disk may be full for a moment, a network away. */
static int save_again(const mr_cli_results *r, mr_error *e)
{
    double pause = .5;
    int status = 0;
    for (int i = 0; i < SAVE_ATTEMPTS; i++, pause *= 2) {
        mr_error why = {0};
        status = mr_model_save(r->model, r->c->model, NULL, &why);
        if (!status || i + 1 == SAVE_ATTEMPTS || mr_interrupted())
            return status ? mr_fail_as(e, &why) : 0;
        mr_progress_message(r->progress, MR_LOG_WARNING, "cannot save the model: %s; trying again",
                            why.message);
        wait_for(pause);
    }
    return status;
}

/* On another file system: where temporary files go. *FILE: where it is, malloc'ed; NULL: nowhere. */
static void save_elsewhere(const mr_cli_results *r, char **file)
{
    const char *folder = getenv("TMPDIR");
    *file = NULL;
    if (asprintf(file, "%s/millrace-%ld-%s", folder && *folder ? folder : "/tmp", (long)getpid(),
                 mr_file_name(r->c->model)) < 0) {
        *file = NULL;
        return;
    }
    if (mr_model_save(r->model, *file, NULL, NULL)) {
        free(*file);
        *file = NULL;
    }
}

static int save_model(mr_cli_results *r, mr_error *e)
{
    const mr_cli *c = r->c;
    mr_error why = {0};
    char *elsewhere;
    if (!c->model || !may_write_model(r))
        return 0;
    int status = note_end(r, e);
    if (status)
        return status;
    status = save_again(r, &why);
    if (!status) {
        r->saved_to = c->model;
        return 0;
    }
    mr_fail(e, status, "cannot save the model: %s", why.message);
    save_elsewhere(r, &elsewhere);
    if (elsewhere)
        mr_hint(e, status, "it was saved to %s instead", elsewhere);
    else if (r->checkpoints->dir.path && !r->result->checkpoint_failed)
        mr_hint(e, status, "its weights are in the newest checkpoint in %s", r->checkpoints->dir.path);
    free(elsewhere);
    return status;
}

/* --- the others --------------------------------------------------------------------- */

static int close_step_log(mr_cli_results *r, mr_error *e)
{
    int status = mr_step_log_close(*r->step_log, e);
    *r->step_log = NULL;
    return status;
}

static int write_history(mr_cli_results *r, mr_error *e)
{
    const mr_history *h = &r->result->history;
    return r->c->history && h->count ? mr_history_write(h, r->columns, r->c->history, e) : 0;
}

static int close_tensorboard(mr_cli_results *r, mr_error *e)
{
    return mr_tensorboard_close(r->tensorboard, e);
}

static int write_plot(mr_cli_results *r, mr_error *e)
{
    const mr_history *h = &r->result->history;
    return r->c->plot && h->count ? mr_history_plot(h, r->columns, r->c->plot, e) : 0;
}

static int write_stats(mr_cli_results *r, mr_error *e)
{
    const mr_train_result *t = r->result;
    return r->c->stats ? mr_cli_write_stats(r->c->stats, t->stage, t->stages, r->checkpoints->record,
                                            r->checkpoints->records, t->reader, r->wall, e)
                       : 0;
}

/* The cheap ones first: a disk that is full for the model may have room for them. */
static int (*const writers[])(mr_cli_results *r, mr_error *e) = {
    close_step_log, write_history, close_tensorboard, write_plot, write_stats, save_model};

int mr_cli_write_results(mr_cli_results *r, mr_error *e)
{
    int first = e->code;
    for (size_t i = 0; i < sizeof writers / sizeof *writers; i++) {
        mr_error own = {0};
        int status = writers[i](r, &own);
        if (status && !first)
            first = mr_fail_as(e, &own);
        else if (status)
            mr_progress_message(r->progress, MR_LOG_ERROR, "%s%s%s", own.message, *own.hint ? "; " : "",
                                own.hint);
    }
    return first;
}

/* --- what is said ------------------------------------------------------------------- */

/* The file with the state to go on from; NULL: there is none. */
static const char *state_of(const mr_cli_results *r)
{
    const mr_checkpoint_record *last = mr_cli_checkpoints_last(r->checkpoints);
    if (*r->result->left_behind)
        return r->result->left_behind;
    return last && !last->status ? last->message : NULL;
}

/* Where what a run leaves behind that ended early is, and what to do with it: who wants no progress wants to know that. */
static void tell_early_end(const mr_cli_results *r)
{
    const mr_train_result *t = r->result;
    const char *state = state_of(r);
    mr_text text = {0};
    if (t->stopped)
        mr_text_format(&text, "stopped by signal %d after step %lld", mr_interrupted(), (long long)t->step);
    if (state)
        mr_text_format(&text, "%sthe state %s is in %s: --resume continues from it", t->stopped ? "; " : "",
                       r->failed ? "after the last whole epoch" : "of the run", state);
    if (text.length)
        mr_progress_message(r->progress, MR_LOG_WARNING, "%s", mr_text_string(&text));
    mr_text_destroy(&text);
    if (t->early.code)
        mr_progress_message(r->progress, MR_LOG_ERROR, "%s", t->early.message);
    if (r->c->model && !r->saved_to && t->usable && access(r->c->model, F_OK) == 0)
        mr_progress_message(r->progress, MR_LOG_INFO, "%s is left as it was", r->c->model);
}

/* Which epoch was the best, and how to get its weights, where the model's are those of the last one. */
static void tell_best(const mr_cli_results *r)
{
    const mr_history *h = &r->result->history;
    char path[MR_CHECKPOINT_PATH];
    int best = mr_history_best(h);
    if (r->best || best < 1 || h->count < 2)
        return;
    const mr_epoch_record *b = &h->record[best - 1], *last = &h->record[h->count - 1];
    bool validated = !isnan(b->val_loss);
    const char *metric = validated ? "val_loss" : "loss";
    if (b == last) {
        mr_progress_message(r->progress, MR_LOG_INFO, "the last epoch is the best by %s", metric);
        return;
    }
    mr_progress_message(
        r->progress, MR_LOG_INFO,
        "epoch %d is the best by %s (%.4f; the last epoch has %.4f), the model is that of the last: "
        "--keep best saves the best one",
        best, metric, validated ? b->val_loss : b->loss, validated ? last->val_loss : last->loss);
    if (r->checkpoints->dir.path && mr_checkpoint_of_epoch(path, sizeof path, &r->checkpoints->dir, best))
        mr_progress_message(r->progress, MR_LOG_INFO, "epoch %d is in %s", best, path);
}

void mr_cli_tell_results(const mr_cli_results *r)
{
    const mr_train_result *t = r->result;
    const mr_stage_stats *most = mr_cli_bottleneck(t->stage, t->stages, r->wall);
    bool early = ended_early(r);
    if (most && r->wall > 0 && !r->failed)
        mr_progress_message(r->progress, MR_LOG_INFO, "%.1f s; the busiest stage was %s (%.0f%% of the time)",
                            r->wall, most->name, 100 * most->busy_seconds / (r->wall * most->threads));
    if (early)
        tell_early_end(r);
    tell_best(r);
    if (r->saved_to)
        mr_progress_message(r->progress, MR_LOG_INFO, "model saved to %s%s", r->saved_to,
                            early ? " as far as it is trained" : "");
    if (t->skipped)
        mr_progress_message(r->progress, MR_LOG_WARNING, "%lld inputs were skipped", (long long)t->skipped);
}
