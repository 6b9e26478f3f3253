/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/checkpoint/snapshots.h"

#include "pipeline/queue/stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const double longest_retry = 300;

struct mr_snapshots {
    mr_trainer *t;
    const mr_snapshot_plan *plan;
    const mr_snapshot_events *events;
    mr_checkpointer *writer;
    bool due;
    bool required;          /* the very next hand-over point takes one, if it has to wait for the writer */
    bool failed;            /* the newest snapshot could not be written … */
    double retry_at, delay; /* … and is due again then; the next delay */
    double taken_at;        /* mr_now of the last hand-over, or of the start */
    int64_t epoch, samples, step; /* where the run stood at the last hand-over; step -1: none */
    int64_t late;                 /* snapshots that came due while an earlier one was still due */
};

/* --- what is there ------------------------------------------------------------ */

/* The best of the checkpoints that an earlier start of this run left. */
static int find_best(mr_checkpoint_options *o, mr_error *e)
{
    mr_checkpoint_list list;
    int status = mr_checkpoint_list_read(&list, o->dir, e);
    o->best = -1;
    for (size_t i = 0; !status && i < list.count; i++) {
        char path[4096];
        mr_run_state state;
        double score;
        if (mr_checkpoint_path(path, sizeof path, o->dir, list.number[i], NULL) ||
            mr_checkpoint_read_state(&state, &score, path, NULL))
            continue; /* a damaged one is not the best */
        mr_run_state_clear(&state);
        if (!isnan(score) && (o->best < 0 || score <= o->best_score)) { /* of equal ones the first */
            o->best = list.number[i];
            o->best_score = score;
        }
    }
    mr_checkpoint_list_free(&list);
    return status;
}

/* Where the run stood when the newest snapshot was taken. */
static void remember_place(mr_snapshots *s, const mr_run_state *at)
{
    s->epoch = at->epoch;
    s->samples = at->samples;
    s->step = at->step;
}

int mr_snapshots_open(mr_snapshots **out, mr_trainer *t, const mr_snapshot_plan *plan,
                      const mr_snapshot_events *events, const mr_run_state *resumed, mr_error *e)
{
    mr_checkpoint_options o = {.dir = plan->dir, .keep = plan->keep};
    *out = NULL;
    mr_snapshots *s = calloc(1, sizeof *s);
    if (!s)
        return mr_no_memory(e, "the checkpoint stage");
    *s = (mr_snapshots){.t = t, .plan = plan, .events = events, .taken_at = mr_now(), .step = -1};
    if (resumed)
        remember_place(s, resumed);
    int status = mr_trainer_store(t, e);
    if (!status)
        status = find_best(&o, e);
    if (!status)
        status = mr_checkpointer_create(&s->writer, t->model, o, e);
    if (status)
        mr_snapshots_close(s);
    else
        *out = s;
    return status;
}

void mr_snapshots_close(mr_snapshots *s)
{
    if (!s)
        return;
    mr_checkpointer_close(s->writer);
    free(s);
}

mr_real *mr_snapshots_output(mr_snapshots *s)
{
    return mr_checkpointer_output(s->writer);
}

/* --- what became of the last one ---------------------------------------------- */

static double first_delay(const mr_snapshots *s)
{
    return s->plan->first_retry_seconds > 0 ? s->plan->first_retry_seconds : 1;
}

static void note_record(mr_snapshots *s, mr_checkpoint_record *r)
{
    s->delay = !r->status ? 0 : s->delay > 0 ? fmin(2 * s->delay, longest_retry) : first_delay(s);
    s->failed = r->status != 0;
    s->retry_at = mr_now() + s->delay;
    if (s->events->checkpoint)
        s->events->checkpoint(s->events->context, r);
}

static void collect_records(mr_snapshots *s)
{
    mr_checkpoint_record record;
    while (mr_checkpointer_records(s->writer, &record, 1))
        note_record(s, &record);
}

/* --- when --------------------------------------------------------------------- */

static void say_late(mr_snapshots *s)
{
    s->late++;
    if (s->late == 1 && s->events->message)
        s->events->message(
            s->events->context,
            "a checkpoint is due while the one before is still being written: "
            "as often as that happens the newest state is taken and the one between is left out");
}

static void set_due(mr_snapshots *s)
{
    if (s->due && !s->failed && s->step >= 0)
        say_late(s);
    s->due = true;
}

void mr_snapshots_ask(mr_snapshots *s)
{
    s->due = true;
}

void mr_snapshots_require(mr_snapshots *s)
{
    s->due = s->required = true;
}

void mr_snapshots_after_step(mr_snapshots *s, const mr_run_state *at)
{
    collect_records(s);
    double now = mr_now();
    if (s->plan->every_steps > 0 && at->step % s->plan->every_steps == 0)
        set_due(s);
    if (s->plan->every_seconds > 0 && !s->due && now - s->taken_at >= s->plan->every_seconds)
        s->due = true;
    if (s->failed && now >= s->retry_at)
        s->due = true;
}

void mr_snapshots_after_epoch(mr_snapshots *s, const mr_run_state *at)
{
    if (s->plan->every_epochs > 0 && at->epoch % s->plan->every_epochs == 0)
        set_due(s);
}

/* --- the hand-over ------------------------------------------------------------ */

/* Only a state at the very end of an epoch is what the epoch's validation judged. */
static double score_of(const mr_snapshots *s, const mr_run_state *at)
{
    if (at->samples || !at->history.count)
        return NAN;
    const mr_epoch_record *r = &at->history.record[at->history.count - 1];
    if (s->plan->score)
        return s->plan->score(s->plan->score_context, r);
    return mr_history_validated(&at->history) ? r->val_loss : r->loss;
}

static int hand_over(mr_snapshots *s, const mr_run_state *at, mr_error *e)
{
    double start = mr_now();
    mr_snapshot snapshot = {.iterations = s->t->optimizer->iterations, .score = score_of(s, at)};
    int status = mr_run_state_copy(&snapshot.state, at, e);
    if (status)
        return status;
    json_decref(snapshot.state.training);
    snapshot.state.training = mr_trainer_training(s->t);
    if (!snapshot.state.training) {
        mr_run_state_clear(&snapshot.state);
        return mr_no_memory(e, "the training configuration");
    }
    s->due = s->required = s->failed = false;
    s->taken_at = start;
    remember_place(s, at);
    mr_checkpointer_offer(s->writer, &snapshot, start);
    return 0;
}

int mr_snapshots_take(mr_snapshots *s, const mr_run_state *at, mr_error *e)
{
    if (s->required)
        mr_checkpointer_wait(s->writer);
    collect_records(s);
    bool waiting = !s->required && s->failed && mr_now() < s->retry_at; /* the disk was full a moment ago */
    return s->due && !waiting && mr_checkpointer_ready(s->writer) ? hand_over(s, at, e) : 0;
}

/* --- the end ------------------------------------------------------------------ */

static void sleep_for(double seconds)
{
    struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&t, NULL); /* a signal ends it early: then the next attempt comes early */
}

static bool is_written(const mr_snapshots *s, const mr_run_state *at)
{
    return !s->failed && s->step == at->step && s->epoch == at->epoch && s->samples == at->samples;
}

int mr_snapshots_finish(mr_snapshots *s, const mr_run_state *at, bool hurry, bool *failed, mr_error *e)
{
    int attempts = hurry ? 2 : 4, status = 0;
    double pause = hurry ? .5 : first_delay(s);
    mr_checkpointer_wait(s->writer);
    collect_records(s);
    for (int i = 0; i < attempts && !status && !is_written(s, at); i++, pause *= 2) {
        if (i)
            sleep_for(pause);
        status = hand_over(s, at, e);
        mr_checkpointer_wait(s->writer);
        collect_records(s);
    }
    *failed = s->failed;
    return status;
}
