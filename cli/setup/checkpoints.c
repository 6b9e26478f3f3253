/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/setup/checkpoints.h"

#include "base/list.h"
#include "cli/option/keep.h"
#include "cli/option/run_options.h"
#include "cli/setup/finished.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void warn(void *context, const char *text)
{
    mr_progress_message(context, MR_LOG_WARNING, "%s", text);
}

/* A run cannot end before where it stands: its model would be called one of fewer epochs than it had. */
static int check_epochs(const mr_run_state *s, int epochs, mr_error *e)
{
    int begun = s->epoch + (s->samples > 0);
    if (epochs >= begun)
        return 0;
    mr_fail(e, MR_EUSAGE, "--epochs %d: the run has done %d epoch%s%s already", epochs, s->epoch, s->epoch == 1 ? "" : "s",
            s->samples ? " and a part of the next one" : "");
    return mr_hint(e, MR_EUSAGE, "give --epochs %d or more, or leave it out", begun);
}

static int take_over(mr_cli_checkpoints *p, mr_cli *c, mr_error *e)
{
    const mr_run_state *s = &p->resumed.state;
    p->strings = mr_strings_create();
    int status =
        p->strings ? mr_cli_restore(c, s->settings, p->strings, e) : mr_no_memory(e, "the options of a run");
    if (!status)
        status = check_epochs(s, c->epochs, e);
    if (status)
        return status;
    mr_progress_message(p->progress, MR_LOG_INFO, "going on from %s: after step %lld, in epoch %d",
                        p->resumed.path, (long long)s->step, s->epoch + 1);
    if (s->ended || s->epoch >= c->epochs)
        mr_progress_message(p->progress, MR_LOG_INFO, "the run is complete: %d epochs%s", s->epoch,
                            s->ended ? ", then it was ended by a callback" : "");
    return 0;
}

/* The folder is rank 0's; the others hear what became of it. Path "": there is none to go on from. */
static int open_newest(mr_cli_checkpoints *p, const mr_cli *c, mr_error *e)
{
    struct {
        int status;
        char path[sizeof p->resumed.path];
    } news = {0};
    int status = 0;
    if (mr_ranks_rank(p->ranks) == 0) {
        status = mr_checkpoint_dir_open(&p->dir, c->checkpoint_dir, e);
        if (!status && c->resume)
            status = mr_resume_newest(&p->resumed, &p->resumes, &p->dir, warn, p->progress, e);
        news.status = status;
        if (p->resumes)
            strcpy(news.path, p->resumed.path);
    }
    mr_ranks_broadcast(p->ranks, &news, sizeof news);
    if (mr_ranks_rank(p->ranks) == 0)
        return status;
    if (news.status)
        return mr_fail(e, news.status, "rank 0 cannot open the checkpoints");
    p->resumes = *news.path;
    return p->resumes ? mr_resume_from(&p->resumed, news.path, e) : 0;
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* A state to resume from is in FOLDER. A folder that cannot be read is opened again later, and the error reported there. */
static bool has_state(const char *folder)
{
    mr_checkpoint_list list = {0};
    const mr_checkpoint_dir d = {.path = (char *)folder, .lock = -1};
    bool has = is_folder(folder) && (mr_checkpoint_list_read(&list, &d, NULL) || list.count);
    mr_checkpoint_list_free(&list);
    return has;
}

/* Rank 0 looks, all know. */
static int look_for_finished(mr_cli_checkpoints *p, const mr_cli *c, mr_error *e)
{
    struct {
        int finished, epochs;
    } news = {0};
    if (mr_ranks_rank(p->ranks) == 0)
        news.finished = mr_cli_is_finished(c, &news.epochs, e);
    mr_ranks_broadcast(p->ranks, &news, sizeof news);
    if (news.finished < 0)
        return mr_ranks_rank(p->ranks) ? mr_fail(e, news.finished, "rank 0 cannot resume") : news.finished;
    p->finished = news.finished;
    if (p->finished)
        mr_progress_message(p->progress, MR_LOG_INFO, "the run is complete: %s is its model, of %d epochs", c->model,
                            news.epochs);
    else
        mr_progress_message(p->progress, MR_LOG_INFO,
                            "no interrupted run in %s: starting from the beginning", p->interrupted);
    return 0;
}

/* Without --checkpoint-dir. Rank 0 looks, all know. */
static int find_interrupted(mr_cli_checkpoints *p, mr_cli *c, mr_error *e)
{
    if (c->resume && !c->model)
        return mr_hint(e, mr_fail(e, MR_EUSAGE, "--resume requires --checkpoint-dir or --model"),
                       "give the folder of the run's checkpoints, or the --model that it was to write");
    if (!c->model)
        return 0;
    if (asprintf(&p->interrupted, "%s.interrupted", c->model) < 0) {
        p->interrupted = NULL;
        return mr_no_memory(e, "a path");
    }
    bool there = mr_ranks_rank(p->ranks) == 0 && has_state(p->interrupted);
    mr_ranks_broadcast(p->ranks, &there, sizeof there);
    if (there && c->resume)
        c->checkpoint_dir = p->interrupted;
    else if (c->resume)
        return look_for_finished(p, c, e);
    else if (there)
        mr_progress_message(p->progress, MR_LOG_INFO,
                            "%s holds the state of an interrupted run: --resume continues from it",
                            p->interrupted);
    return 0;
}

int mr_cli_checkpoints_open(mr_cli_checkpoints *p, mr_cli *c, mr_progress *progress, mr_ranks *ranks,
                            mr_error *e)
{
    *p = (mr_cli_checkpoints){.progress = progress, .ranks = ranks, .dir.lock = -1};
    int found = c->checkpoint_dir ? 0 : find_interrupted(p, c, e);
    if (found || !c->checkpoint_dir)
        return found;
    int status = open_newest(p, c, e);
    if (!status && p->resumes)
        status = take_over(p, c, e);
    else if (!status && c->resume)
        mr_progress_message(progress, MR_LOG_INFO,
                            "no checkpoint in %s yet: starting from the beginning",
                            c->checkpoint_dir);
    return status;
}

int mr_cli_checkpoints_set_aside(mr_cli_checkpoints *p, mr_error *e)
{
    char where[4096];
    if (!p->dir.path || p->resumes)
        return 0;
    int status = mr_checkpoint_set_aside(&p->dir, where, sizeof where, e);
    if (!status && *where)
        mr_progress_message(
            p->progress, MR_LOG_WARNING,
            "the checkpoints of an earlier run were moved to %s (--resume would have gone on from them)",
            where);
    return status;
}

int mr_cli_checkpoints_begin(mr_cli_checkpoints *p, const mr_cli *c, mr_train_options *o, mr_error *e)
{
    mr_interval every = {.epochs = 1};
    mr_cli_keep keep;
    o->resume = p->resumes ? &p->resumed.state : NULL;
    int status =
        c->checkpoint_every ? mr_parse_interval("checkpoint-every", c->checkpoint_every, &every, e) : 0;
    if (!status)
        status = mr_cli_keep_parse(&keep, c, e);
    p->settings = status ? NULL : mr_cli_settings(c);
    if (!status && !p->settings)
        status = mr_no_memory(e, "the run's options");
    o->settings = p->settings;
    o->left_behind = c->model ? p->interrupted : NULL; /* rank 0's */
    if (status || !p->dir.path)
        return status;
    o->checkpoints.dir = &p->dir;
    o->checkpoints.keep = keep.checkpoints;
    o->checkpoints.every_epochs = every.epochs;
    o->checkpoints.every_steps = every.steps;
    o->checkpoints.every_seconds = every.seconds;
    return 0;
}

static void keep_record(mr_cli_checkpoints *p, const mr_checkpoint_record *r)
{
    if (!mr_list_grow(&p->record, (size_t)p->records, sizeof *p->record)) {
        /* a statistic less, and the newest must stand last */
        if (p->records)
            p->record[p->records - 1] = *r;
        return;
    }
    p->record[p->records++] = *r;
}

void mr_cli_checkpoints_note(mr_cli_checkpoints *p, const mr_checkpoint_record *r)
{
    keep_record(p, r);
    if (r->status)
        mr_progress_message(p->progress, MR_LOG_WARNING,
                            "checkpoint at update %lld not written: %s; it will be tried again",
                            (long long)r->iterations, r->message);
    else
        mr_progress_message(p->progress, MR_LOG_INFO,
                            "checkpoint %s: %.1f MB in %.2f s; training was held for %.0f us", r->message,
                            (double)r->bytes / 1e6, r->write_seconds, r->stall_microseconds);
}

void mr_cli_checkpoints_finished(mr_cli_checkpoints *p, const mr_cli *c)
{
    char where[4096] = "", *folder = NULL;
    mr_checkpoint_dir other = {.lock = -1}, *d = &other;
    if (asprintf(&folder, "%s.interrupted", c->model) < 0)
        return;
    if (p->dir.path && c->checkpoint_dir == p->interrupted) /* that is where the run went on */
        d = &p->dir;
    bool open = d == &p->dir || (has_state(folder) && !mr_checkpoint_dir_open(d, folder, NULL));
    if (open && !mr_checkpoint_set_aside(d, where, sizeof where, NULL) && *where)
        mr_progress_message(p->progress, MR_LOG_INFO, "the state of the interrupted run was moved to %s", where);
    mr_checkpoint_dir_close(&other);
    free(folder);
}

const mr_checkpoint_record *mr_cli_checkpoints_last(const mr_cli_checkpoints *p)
{
    return p->records ? &p->record[p->records - 1] : NULL;
}

void mr_cli_checkpoints_close(mr_cli_checkpoints *p)
{
    mr_resumed_free(&p->resumed);
    json_decref(p->settings);
    if (p->strings)
        mr_strings_leave(p->strings);
    free(p->record);
    free(p->interrupted);
    mr_checkpoint_dir_close(&p->dir);
    *p = (mr_cli_checkpoints){.dir.lock = -1};
}
