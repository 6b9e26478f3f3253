/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/checkpoint/run_state.h"

#include "base/json_read.h"

#include <string.h>

enum { STATE_VERSION = 2 };

void mr_run_state_clear(mr_run_state *s)
{
    mr_history_free(&s->history);
    json_decref(s->callbacks);
    json_decref(s->training);
    json_decref(s->architecture);
    json_decref(s->data);
    json_decref(s->settings);
    *s = (mr_run_state){0};
}

int mr_run_state_copy(mr_run_state *to, const mr_run_state *from, mr_error *e)
{
    *to = *from;
    to->callbacks = json_deep_copy(from->callbacks);
    to->training = json_incref(from->training);
    to->architecture = json_incref(from->architecture);
    to->data = json_incref(from->data);
    to->settings = json_incref(from->settings);
    int status = mr_history_copy(&to->history, &from->history, e);
    if (!status && from->callbacks && !to->callbacks)
        status = mr_no_memory(e, "the run's state");
    if (status)
        mr_run_state_clear(to);
    return status;
}

/* --- writing ------------------------------------------------------------------ */

static json_t *sums_json(const mr_sums *s)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:I}", "loss", mr_number_json(s->loss), "right",
                     mr_number_json(s->right), "top", mr_number_json(s->top), "samples",
                     mr_number_json(s->samples), "steps", (json_int_t)s->steps);
}

static json_t *shape_json(const mr_shape *s)
{
    json_t *list = json_array();
    for (int i = 0; i < s->rank; i++)
        json_array_append_new(list, json_integer((json_int_t)s->dim[i]));
    return list;
}

char *mr_run_state_text(const mr_run_state *s, double score)
{
    json_t *v = json_pack(
        "{s:i, s:i, s:b, s:I, s:I, s:o, s:o, s:o, s:I, s:I, s:o, s:o, s:o, s:O*, s:O*, s:O*, s:O*, s:O*}",
        "version", STATE_VERSION, "epoch", s->epoch, "ended", s->ended, "samples", (json_int_t)s->samples,
        "step", (json_int_t)s->step, "sums", sums_json(&s->sums), "seconds", mr_number_json(s->seconds),
        "trained_seconds", mr_number_json(s->trained_seconds), "skipped", (json_int_t)s->skipped, "errors",
        (json_int_t)s->errors, "history", mr_history_description(&s->history), "score", mr_number_json(score),
        "input", shape_json(&s->input), "callbacks", s->callbacks, "training", s->training, "architecture",
        s->architecture, "data", s->data, "settings", s->settings);
    char *text = v ? mr_json_dump(v) : NULL;
    json_decref(v);
    return text;
}

/* --- reading ------------------------------------------------------------------ */

static int count(int64_t *out, const json_t *v, const char *key, mr_error *e)
{
    const json_t *found = json_object_get(v, key);
    if (!json_is_integer(found) || json_integer_value(found) < 0)
        return mr_fail(e, MR_EFORMAT, "the run's state: '%s' is missing or wrong", key);
    *out = json_integer_value(found);
    return 0;
}

static int read_counts(mr_run_state *s, const json_t *v, mr_error *e)
{
    const json_t *sums = json_object_get(v, "sums");
    int64_t epoch = 0;
    const struct {
        int64_t *out;
        const json_t *in;
        const char *key;
    } counts[] = {{&epoch, v, "epoch"},        {&s->samples, v, "samples"}, {&s->step, v, "step"},
                  {&s->skipped, v, "skipped"}, {&s->errors, v, "errors"},   {&s->sums.steps, sums, "steps"}};
    int status = 0;
    for (size_t i = 0; i < sizeof counts / sizeof *counts && !status; i++)
        status = count(counts[i].out, counts[i].in, counts[i].key, e);
    if (!status && epoch > 1 << 24)
        status = mr_fail(e, MR_EFORMAT, "the run's state: epoch %lld", (long long)epoch);
    s->epoch = (int)epoch;
    s->ended = json_is_true(json_object_get(v, "ended"));
    s->sums.loss = mr_number_from_json(json_object_get(sums, "loss"));
    s->sums.right = mr_number_from_json(json_object_get(sums, "right"));
    s->sums.top = mr_number_from_json(json_object_get(sums, "top"));
    s->sums.samples = mr_number_from_json(json_object_get(sums, "samples"));
    s->seconds = mr_number_from_json(json_object_get(v, "seconds"));
    s->trained_seconds = mr_number_from_json(json_object_get(v, "trained_seconds"));
    return status;
}

static void read_shape(mr_shape *out, const json_t *list)
{
    int rank = (int)json_array_size(list);
    out->rank = rank <= MR_MAX_RANK ? rank : 0;
    for (int i = 0; i < out->rank; i++)
        out->dim[i] = json_integer_value(json_array_get(list, (size_t)i));
}

static int read_state(mr_run_state *s, const json_t *v, mr_history_rows table, mr_error *e)
{
    int64_t version = 0;
    const json_t *history = json_object_get(v, "history");
    int status = count(&version, v, "version", e);
    if (!status && (version < 1 || version > STATE_VERSION))
        status =
            mr_fail(e, MR_EUNSUPPORTED, "the run's state has version %lld, this program knows those up to %d",
                    (long long)version, STATE_VERSION);
    if (!status)
        status = read_counts(s, v, e);
    if (!status)
        status = version == 1
                     ? mr_history_from_json(&s->history, history, e)
                     : mr_history_from_table(&s->history, history, table.number, table.rows, table.width, e);
    if (!status && s->history.count != s->epoch)
        status = mr_fail(e, MR_EFORMAT, "the run's state: %d finished epochs, a history of %d", s->epoch,
                         s->history.count);
    read_shape(&s->input, json_object_get(v, "input"));
    s->callbacks = json_incref(json_object_get(v, "callbacks"));
    s->training = json_incref(json_object_get(v, "training"));
    s->architecture = json_incref(json_object_get(v, "architecture"));
    s->data = json_incref(json_object_get(v, "data"));
    s->settings = json_incref(json_object_get(v, "settings"));
    return status;
}

int mr_run_state_parse(mr_run_state *out, double *score, const char *text, size_t size, mr_history_rows table,
                       mr_error *e)
{
    json_t *v = NULL;
    *out = (mr_run_state){0};
    int status = mr_json_parse(&v, text, size, "the run's state", e);
    if (!status)
        status = read_state(out, v, table, e);
    if (score)
        *score = mr_number_from_json(json_object_get(v, "score"));
    json_decref(v);
    if (status)
        mr_run_state_clear(out);
    return status;
}
