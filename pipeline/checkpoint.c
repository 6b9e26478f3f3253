/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/checkpoint.h"

#include "io/hdf5.h"
#include "pipeline/stats.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_RECORDS = 256 };

struct mr_checkpointer {
    mr_model *model;
    char *dir;
    int keep;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* under the lock */
    bool stop, busy;              /* busy: a snapshot was offered and is not finished */
    mr_snapshot snapshot;
    mr_real *given;               /* the state that the writer has, NULL: none */
    double stall;
    mr_checkpoint_record record[MAX_RECORDS];
    int records;
    /* training thread only */
    mr_real *spare;               /* where the next out-of-place update goes */
    bool handed_over;             /* the graph's state is with the writer: the next update is out of place */
};

static int path_in(const mr_checkpointer *c, int64_t iterations, char *out, size_t size)
{
    return snprintf(out, size, "%s/checkpoint-%08lld.h5", c->dir, (long long)iterations);
}

static int write_run_state(void *context, int64_t file, mr_error *e)
{
    char *text = json_dumps(context, JSON_COMPACT);
    if (!text)
        return mr_fail(e, MR_ENOMEM, "out of memory for the run's state");
    int status = mr_hdf5_write_text((hid_t)file, "millrace_run", text, false, e);
    free(text);
    return status;
}

/* Numbers of the checkpoints in the folder, newest first. Returns how many, at most MAX. */
static int list_checkpoints(const char *dir, int64_t *out, int max)
{
    DIR *d = opendir(dir);
    struct dirent *entry;
    int count = 0;
    while (d && (entry = readdir(d))) {
        long long number;
        int end = 0;
        if (sscanf(entry->d_name, "checkpoint-%lld.h5%n", &number, &end) != 1 || !end || entry->d_name[end])
            continue;
        int i = count < max ? count++ : max - 1;
        for (; i > 0 && out[i - 1] < number; i--)
            out[i] = out[i - 1];
        out[i] = number;
    }
    if (d)
        closedir(d);
    return count;
}

/* Only after the new one is durable are old ones removed. */
static void forget_old(const mr_checkpointer *c)
{
    int64_t number[1024];
    int count = list_checkpoints(c->dir, number, 1024);
    for (int i = c->keep; i < count; i++) {
        char path[4096];
        path_in(c, number[i], path, sizeof path);
        unlink(path);
    }
}

static void write_snapshot(mr_checkpointer *c, const mr_snapshot *s, const mr_real *state, mr_checkpoint_record *r)
{
    char path[4096];
    mr_error e = {0};
    struct stat st;
    mr_model view = *c->model; /* the training thread may go on changing the original's optimizer state */
    view.training = s->training;
    view.iterations = s->iterations;
    mr_save_options options = {.state = state, .iterations = s->iterations, .extra = write_run_state, .extra_context = s->run};
    double start = mr_now();
    path_in(c, s->iterations, path, sizeof path);
    r->iterations = s->iterations;
    r->status = mr_model_save(&view, path, &options, &e);
    r->write_seconds = mr_now() - start;
    snprintf(r->message, sizeof r->message, "%.255s", r->status ? e.message : path);
    if (r->status)
        return;
    r->bytes = stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
    forget_old(c);
}

static void *writer_main(void *argument)
{
    mr_checkpointer *c = argument;
    pthread_mutex_lock(&c->lock);
    for (;;) {
        while (!c->busy && !c->stop)
            pthread_cond_wait(&c->changed, &c->lock);
        if (!c->busy)
            break;
        mr_snapshot s = c->snapshot;
        const mr_real *state = c->given;
        mr_checkpoint_record r = {.stall_microseconds = c->stall};
        pthread_mutex_unlock(&c->lock);
        write_snapshot(c, &s, state, &r);
        json_decref(s.training);
        json_decref(s.run);
        pthread_mutex_lock(&c->lock);
        if (c->records < MAX_RECORDS)
            c->record[c->records++] = r;
        c->busy = false;
        c->given = NULL;
        pthread_cond_broadcast(&c->changed);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

static int make_folder(const char *dir, mr_error *e)
{
    if (mkdir(dir, 0777) && errno != EEXIST)
        return mr_fail_errno(e, errno, "cannot make the checkpoint folder %s", dir);
    if (access(dir, W_OK | X_OK))
        return mr_fail_errno(e, errno, "cannot write into the checkpoint folder %s", dir);
    return 0;
}

int mr_checkpointer_create(mr_checkpointer **out, mr_model *model, mr_checkpoint_options options, mr_error *e)
{
    *out = NULL;
    int status = make_folder(options.dir, e);
    if (status)
        return status;
    mr_checkpointer *c = calloc(1, sizeof *c);
    if (!c)
        return mr_fail(e, MR_ENOMEM, "out of memory for the checkpoint stage");
    c->model = model;
    c->keep = options.keep > 0 ? options.keep : 1;
    c->dir = strdup(options.dir);
    c->spare = mr_state_alloc(model->graph->state_size);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, NULL);
    int error = c->dir && c->spare ? pthread_create(&c->thread, NULL, writer_main, c) : ENOMEM;
    if (error) {
        mr_checkpointer_close(c);
        return mr_fail_errno(e, error, "cannot start the checkpoint stage");
    }
    c->started = true;
    *out = c;
    return 0;
}

bool mr_checkpointer_ready(mr_checkpointer *c)
{
    pthread_mutex_lock(&c->lock);
    bool ready = !c->busy;
    pthread_mutex_unlock(&c->lock);
    return ready && !c->handed_over;
}

void mr_checkpointer_offer(mr_checkpointer *c, mr_snapshot snapshot)
{
    double start = mr_now();
    pthread_mutex_lock(&c->lock);
    c->snapshot = snapshot;
    c->given = c->model->graph->state;
    c->busy = true;
    c->handed_over = true;
    c->stall = (mr_now() - start) * 1e6;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

mr_real *mr_checkpointer_output(mr_checkpointer *c)
{
    mr_real *own = c->model->graph->state;
    if (!c->handed_over)
        return own;
    /* The caller makes `spare` its state now; what it gives up is the spare one of the time after this snapshot, which
     * cannot be used before the writer is free, since nothing is offered before. */
    mr_real *output = c->spare;
    c->spare = own;
    c->handed_over = false;
    return output;
}

int mr_checkpointer_records(mr_checkpointer *c, mr_checkpoint_record *out, int max)
{
    pthread_mutex_lock(&c->lock);
    int n = c->records < max ? c->records : max;
    memcpy(out, c->record, (size_t)n * sizeof *out);
    memmove(c->record, c->record + n, (size_t)(c->records - n) * sizeof *out);
    c->records -= n;
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
    free(c->dir);
    free(c);
}
