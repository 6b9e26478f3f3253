/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/train/early_end.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

int mr_last_epoch_keep(mr_last_epoch *l, const mr_trainer *t, const mr_run_state *at, mr_error *e)
{
    const mr_graph *g = t->model->graph;
    json_t *training = mr_trainer_training(t);
    if (!l->state)
        l->state = mr_state_alloc(g->state_size);
    if (!l->state || !training) {
        json_decref(training);
        return mr_no_memory(e, "a copy of the model's state");
    }
    memcpy(l->state, g->state, g->state_size * sizeof *g->state);
    json_decref(l->training);
    l->training = training;
    l->iterations = t->optimizer->iterations;
    l->epoch = at->epoch;
    l->step = at->step;
    l->skipped = at->skipped;
    l->errors = at->errors;
    return 0;
}

int mr_last_epoch_restore(const mr_last_epoch *l, mr_trainer *t, mr_run_state *at, mr_error *e)
{
    mr_graph *g = t->model->graph;
    memcpy(g->state, l->state, g->state_size * sizeof *g->state);
    t->optimizer->iterations = l->iterations;
    at->epoch = l->epoch;
    at->step = l->step;
    at->skipped = l->skipped;
    at->errors = l->errors;
    at->samples = 0;
    at->sums = (mr_sums){0};
    at->seconds = at->trained_seconds = 0;
    if (at->history.count > l->epoch) /* of an epoch whose end failed */
        at->history.count = l->epoch;
    int status = mr_trainer_store(t, e);
    if (!status) {
        json_decref(t->model->training);
        t->model->training = json_incref(l->training);
    }
    return status;
}

void mr_last_epoch_clear(mr_last_epoch *l)
{
    mr_state_free(l->state);
    json_decref(l->training);
    *l = (mr_last_epoch){0};
}

int mr_end_callbacks(const mr_callback *callback, int callbacks, mr_trainer *t, mr_error *e)
{
    int status = 0;
    for (int i = 0; i < callbacks && !status; i++)
        if (callback[i].run_end)
            status = callback[i].run_end(callback[i].context, t, e);
    return status;
}

/* One more attempt, half a second later. */
static int write_checkpoint(char path[MR_CHECKPOINT_PATH], const mr_early_end *x, const mr_checkpoint_dir *d,
                            mr_error *e)
{
    static const struct timespec pause = {0, 500L * 1000 * 1000};
    mr_snapshot s = {.iterations = x->t->optimizer->iterations, .state = *x->at, .score = NAN}; /* borrowed */
    mr_model view = *x->t->model;
    int status = mr_checkpoint_path(path, MR_CHECKPOINT_PATH, d, s.iterations, e);
    s.state.training = view.training;
    if (!status && mr_checkpoint_write(&view, &s, path, NULL)) {
        nanosleep(&pause, NULL);
        status = mr_checkpoint_write(&view, &s, path, e);
    }
    if (status)
        *path = '\0';
    return status;
}

/* Unless there is a newer one: one that was taken within the epoch that failed. */
static int complete(char path[MR_CHECKPOINT_PATH], const mr_early_end *x, mr_error *e)
{
    mr_checkpoint_list list;
    int status = mr_checkpoint_list_read(&list, x->dir, e);
    bool newer = !status && list.count && list.number[0] >= x->t->optimizer->iterations;
    if (!status && !newer)
        status = write_checkpoint(path, x, x->dir, e);
    mr_checkpoint_list_free(&list);
    return status;
}

/* Checkpoints of an earlier run are moved out of the way: --resume would take the newer of both. */
static int leave_behind(char path[MR_CHECKPOINT_PATH], const mr_early_end *x, mr_error *e)
{
    char aside[MR_CHECKPOINT_PATH];
    mr_checkpoint_dir d = {.lock = -1};
    int status = mr_checkpoint_dir_open(&d, x->folder, e);
    if (!status)
        status = mr_checkpoint_set_aside(&d, aside, sizeof aside, e);
    if (!status)
        status = write_checkpoint(path, x, &d, e);
    int ended = mr_end_callbacks(x->callback, x->callbacks, x->t, e);
    for (int i = 0; i < x->callbacks && !status && !ended; i++)
        if (x->callback[i].left_behind)
            status = x->callback[i].left_behind(x->callback[i].context, x->t, d.path, e);
    mr_checkpoint_dir_close(&d);
    return status ? status : ended;
}

int mr_early_end_run(const mr_early_end *x, char path[MR_CHECKPOINT_PATH], mr_error *e)
{
    *path = '\0';
    int status = x->last ? mr_last_epoch_restore(x->last, x->t, x->at, e) : mr_trainer_store(x->t, e);
    if (status)
        return status;
    if (x->folder && !x->dir)
        return leave_behind(path, x, e);
    if (x->last && x->dir)
        status = complete(path, x, e);
    int ended = mr_end_callbacks(x->callback, x->callbacks, x->t, e);
    return status ? status : ended;
}
