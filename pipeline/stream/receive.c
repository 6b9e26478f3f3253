/* SPDX-License-Identifier: Apache-2.0 */
/* Results out of a stream: the collector's thread, which brings them, and the receivers' side. */
#include "pipeline/stream/internal.h"

#include "pipeline/predict/verdict.h"

#include <stdlib.h>
#include <string.h>

/* --- one result, in one piece of memory -------------------------------------------------------------- */

typedef struct memory { /* numbers first, text behind: nothing has to be aligned */
    mr_result face;     /* first: mr_result_free has only this */
    mr_tensor output[];
} memory;

/* Copies STRING to *TEXT and moves that behind it. */
static const char *put_text(char **text, const char *string)
{
    size_t n = strlen(string) + 1;
    const char *copy = memcpy(*text, string, n);
    *text += n;
    return copy;
}

/* Class, probabilities and outputs of the row that ITEM has in P. */
static void fill_values(memory *m, const mr_stream *s, const mr_predictions *p, const mr_prediction *item,
                        float *value, char **text)
{
    size_t at = (size_t)item->row;
    mr_result *r = &m->face;
    if (s->classes) {
        mr_task_probabilities(&s->task, p->output[0] + at * s->width, value);
        r->classes = s->classes;
        r->probability = value;
        value += s->classes;
    }
    if (s->task.kind == MR_TASK_CLASSES && s->classes) {
        mr_thresholds none = {0}; /* as `millrace predict` has them by default */
        mr_verdict v = mr_judge(r->probability, s->classes, &none);
        r->predicted = v.predicted;
        r->confidence = v.confidence;
        if (v.predicted >= 0)
            r->class_name = put_text(text, s->class_names[v.predicted]);
    }
    r->outputs = s->outputs;
    r->output = m->output;
    for (int i = 0; i < s->outputs; i++) {
        mr_tensor *t = &m->output[i];
        *t = s->output[i];
        t->value = memcpy(value, p->output[i] + at * t->count, t->count * sizeof *value);
        t->name = put_text(text, t->name);
        value += t->count;
    }
}

/* NULL where there is no memory. */
static mr_result *make_result(const mr_stream *s, const mr_predictions *p, const mr_prediction *item)
{
    const char *message = item->error ? item->message : "";
    size_t outputs = item->error ? 0 : (size_t)s->outputs, values = item->error ? 0 : s->values;
    size_t numbers = sizeof(memory) + outputs * sizeof(mr_tensor);
    size_t names = item->error ? 0 : s->names;
    memory *m =
        malloc(numbers + values * sizeof(float) + strlen(item->path) + 1 + strlen(message) + 1 + names);
    if (!m)
        return NULL;
    float *value = (float *)((char *)m + numbers);
    char *text = (char *)(value + values);
    m->face = (mr_result){.serial = item->id, .error = item->error, .predicted = -1};
    m->face.path = put_text(&text, item->path);
    m->face.message = put_text(&text, message);
    if (!item->error)
        fill_values(m, s, p, item, value, &text);
    return &m->face;
}

void mr_result_free(mr_result *r)
{
    free(r);
}

/* --- the collector ------------------------------------------------------------------------------------ */

static int collect_batch(mr_stream *s, const mr_predictions *p, mr_error *e)
{
    for (int i = 0; i < p->count; i++) {
        mr_result *r = make_result(s, p, &p->item[i]);
        if (!r)
            return mr_no_memory(e, "the results");
        pthread_mutex_lock(&s->lock);
        r->tag = s->tag[s->computed % s->capacity];
        s->result[s->computed++ % s->capacity] = r;
        pthread_cond_signal(&s->ready);
        pthread_mutex_unlock(&s->lock);
    }
    return 0;
}

void *mr_stream_collect(void *stream)
{
    mr_stream *s = stream;
    mr_predictions *p;
    mr_error e = {0};
    int status = 0;
    while (!status && mr_predictor_next(s->predictor, &p, &e) == 1) {
        status = collect_batch(s, p, &e);
        mr_predictor_release(s->predictor, p);
    }
    pthread_mutex_lock(&s->lock);
    s->ended = true;
    s->failed = e;
    pthread_cond_broadcast(&s->ready);
    pthread_cond_broadcast(&s->room);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* --- receiving ---------------------------------------------------------------------------------------- */

static bool has_result(const mr_stream *s)
{
    return s->received < s->computed;
}

/* 0 at the end, or why there is no result. The lock is held. */
static int no_result(const mr_stream *s, mr_error *e)
{
    if (s->stopped)
        return mr_fail(e, MR_ECANCELED, "the stream is stopped");
    if (s->failed.code)
        return mr_fail_as(e, &s->failed);
    return s->ended ? 0 : mr_fail(e, MR_EAGAIN, "there is no result yet");
}

int mr_stream_receive(mr_stream *s, mr_result **out, int timeout_ms, mr_error *e)
{
    struct timespec t;
    const struct timespec *deadline = mr_stream_deadline(&t, timeout_ms);
    int status = 1;
    *out = NULL;
    pthread_mutex_lock(&s->lock);
    while (!has_result(s) && !s->ended && !s->stopped && mr_stream_wait(s, &s->ready, deadline))
        ;
    if (has_result(s) && !s->stopped) {
        *out = s->result[s->received % s->capacity];
        s->result[s->received++ % s->capacity] = NULL;
        pthread_cond_signal(&s->room);
    } else {
        status = no_result(s, e);
    }
    pthread_mutex_unlock(&s->lock);
    return status;
}
