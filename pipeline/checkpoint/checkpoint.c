/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/checkpoint/checkpoint.h"

#include "base/thread.h"
#include "pipeline/queue/stats.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_RECORDS = 256, NICE = 10 };

struct mr_checkpointer {
    mr_model *model;
    mr_graph graph; /* a copy of the model's whose state is the one being written … */
    mr_model view;  /* … and a model around it: the writer reads these, never what training changes */
    const mr_checkpoint_dir *dir;
    int keep;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* under the lock */
    bool stop, busy; /* busy: a snapshot was offered and is not finished, or the thread is not ready yet */
    mr_snapshot snapshot;
    mr_real *given; /* the state that the writer has, NULL: none */
    double stall;
    mr_checkpoint_record record[MAX_RECORDS];
    int records;
    /* writer thread only */
    int64_t best;
    double best_score;
    /* training thread only (before the thread says that it is ready: the writer's) */
    mr_real *spare;   /* where the next out-of-place update goes */
    bool handed_over; /* the graph's state is with the writer: the next update is out of place */
};

/* --- the writer --------------------------------------------------------------- */

static void fill_record(mr_checkpoint_record *r, const char *path, double start, const mr_error *e)
{
    struct stat st;
    r->write_seconds = mr_now() - start;
    snprintf(r->message, sizeof r->message, "%.511s", r->status ? e->message : path);
    r->bytes = !r->status && stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
}

/* Only after the new one is durable are old ones removed. */
static void write_snapshot(mr_checkpointer *c, const mr_snapshot *s, mr_real *state, mr_checkpoint_record *r)
{
    char path[4096] = "";
    mr_error e = {0};
    double start = mr_now();
    r->iterations = s->iterations;
    c->graph.state = state;
    r->status = mr_checkpoint_path(path, sizeof path, c->dir, s->iterations, &e);
    if (!r->status)
        r->status = mr_checkpoint_write(&c->view, s, path, &e);
    c->graph.state = NULL;
    if (!r->status) {
        if (s->score < c->best_score || (c->best < 0 && !isnan(s->score))) {
            c->best = s->iterations;
            c->best_score = s->score;
        } else if (c->best == s->iterations && isnan(s->score)) {
            c->best = -1; /* replaced by a state from within an epoch */
        }
        mr_checkpoint_prune(c->dir, c->keep, c->best);
    }
    fill_record(r, path, start, &e);
}

static void finish(mr_checkpointer *c, const mr_checkpoint_record *r)
{
    if (r && c->records < MAX_RECORDS)
        c->record[c->records++] = *r;
    c->busy = false;
    c->given = NULL;
    pthread_cond_broadcast(&c->changed);
}

static void *writer_main(void *argument)
{
    mr_checkpointer *c = argument;
    setpriority(PRIO_PROCESS, 0, NICE); /* in Linux, of this thread alone: the compute goes first */
    memset(c->spare, 0, c->graph.state_size * sizeof *c->spare);
    pthread_mutex_lock(&c->lock);
    finish(c, NULL);
    for (;;) {
        while (!c->busy && !c->stop)
            pthread_cond_wait(&c->changed, &c->lock);
        if (!c->busy)
            break;
        mr_snapshot s = c->snapshot;
        mr_real *state = c->given;
        mr_checkpoint_record r = {.stall_microseconds = c->stall};
        pthread_mutex_unlock(&c->lock);
        write_snapshot(c, &s, state, &r);
        mr_run_state_clear(&s.state);
        pthread_mutex_lock(&c->lock);
        finish(c, &r);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

/* --- life --------------------------------------------------------------------- */

int mr_checkpointer_create(mr_checkpointer **out, mr_model *model, mr_checkpoint_options options, mr_error *e)
{
    *out = NULL;
    mr_checkpointer *c = calloc(1, sizeof *c);
    if (!c)
        return mr_no_memory(e, "the checkpoint stage");
    c->model = model;
    c->graph = *model->graph;
    c->graph.state = NULL;
    c->view = *model;
    c->view.graph = &c->graph;
    c->dir = options.dir;
    c->keep = options.keep > 0 ? options.keep : 1;
    c->best = options.best;
    c->best_score = options.best < 0 ? INFINITY : options.best_score;
    c->busy = true; /* until the thread has touched the spare buffer */
    c->spare = mr_state_alloc(model->graph->state_size);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, NULL);
    int status = c->spare ? mr_thread_start(&c->thread, writer_main, c, "mr-checkpoint", e)
                          : mr_no_memory(e, "a second copy of the model");
    c->started = !status;
    if (status) {
        mr_checkpointer_close(c);
        return status;
    }
    *out = c;
    return 0;
}

void mr_checkpointer_close(mr_checkpointer *c)
{
    if (!c)
        return;
    if (c->started) {
        pthread_mutex_lock(&c->lock);
        c->stop = true;
        pthread_cond_broadcast(&c->changed);
        pthread_mutex_unlock(&c->lock);
        pthread_join(c->thread, NULL);
    }
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    mr_state_free(c->spare);
    free(c);
}

/* --- the training thread's side ----------------------------------------------- */

bool mr_checkpointer_ready(mr_checkpointer *c)
{
    pthread_mutex_lock(&c->lock);
    bool ready = !c->busy;
    pthread_mutex_unlock(&c->lock);
    return ready;
}

void mr_checkpointer_offer(mr_checkpointer *c, const mr_snapshot *snapshot, double since)
{
    pthread_mutex_lock(&c->lock);
    c->snapshot = *snapshot;
    c->given = c->model->graph->state;
    c->busy = true;
    c->handed_over = true;
    c->stall = (mr_now() - since) * 1e6;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

mr_real *mr_checkpointer_output(mr_checkpointer *c)
{
    mr_real *own = c->model->graph->state;
    if (!c->handed_over)
        return own;
    /* The caller makes `spare` its state now; what it gives up is the spare one of the time after this
     * snapshot, which cannot be used before the writer is free, since nothing is offered before. */
    mr_real *output = c->spare;
    c->spare = own;
    c->handed_over = false;
    return output;
}

int mr_checkpointer_records(mr_checkpointer *c, mr_checkpoint_record *out, int max)
{
    pthread_mutex_lock(&c->lock);
    int n = c->records < max ? c->records : max;
    if (n) {
        memcpy(out, c->record, (size_t)n * sizeof *out);
        memmove(c->record, c->record + n, (size_t)(c->records - n) * sizeof *out);
        c->records -= n;
    }
    pthread_mutex_unlock(&c->lock);
    return n;
}

void mr_checkpointer_wait(mr_checkpointer *c)
{
    pthread_mutex_lock(&c->lock);
    while (c->busy)
        pthread_cond_wait(&c->changed, &c->lock);
    pthread_mutex_unlock(&c->lock);
}
