/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/train/callbacks.h"

#include "io/hdf5/hdf5.h"
#include "pipeline/checkpoint/checkpoint.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- what is looked at ------------------------------------------------------------------------- */

struct look_up {
    const char *metric;
    bool found;
    double value;
};

static void compare(void *context, const char *name, double value)
{
    struct look_up *l = context;
    if (strcmp(name, l->metric) != 0)
        return;
    l->found = true;
    l->value = value;
}

static struct look_up look_up(const char *metric, const mr_history_columns *columns, const mr_epoch_record *r)
{
    struct look_up l = {.metric = metric, .value = NAN};
    mr_history_visit(columns, r, compare, &l);
    return l;
}

/* Columns that say nothing of how good the model is. */
static bool is_no_metric(const char *name)
{
    return !strcmp(name, "learning_rate") || !strcmp(name, "seconds") || !strcmp(name, "images_per_second");
}

int mr_monitor_create(mr_monitor *out, const char *metric, double min_delta, bool validates,
                      const mr_history_columns *columns, mr_error *e)
{
    static const mr_history_columns none = {0};
    columns = columns ? columns : &none;
    const char *accuracy = columns->accuracy ? columns->accuracy : "accuracy";
    if (columns->no_accuracy && strstr(metric, "accuracy"))
        return mr_hint(e, mr_fail(e, MR_EINVAL, "unknown metric '%s': the targets are not class labels", metric),
                       "loss or val_loss");
    if (is_no_metric(metric) || !look_up(metric, columns, NULL).found)
        return mr_hint(e, mr_fail(e, MR_EINVAL, "unknown metric '%s'", metric),
                       "loss, %s, val_loss, val_%s; or a column of --history, as val_recall/CLASS", accuracy, accuracy);
    if (!strncmp(metric, "val_", 4) && !validates)
        return mr_hint(e, mr_fail(e, MR_EINVAL, "'%s' needs validation data", metric),
                       "give --validation-split or --validation-dir, or look at loss or accuracy");
    bool loss = !strcmp(metric, "loss") || !strcmp(metric, "val_loss");
    *out = (mr_monitor){.metric = metric, .columns = columns, .larger = !loss, .min_delta = min_delta};
    return 0;
}

double mr_monitor_value(const mr_monitor *m, const mr_epoch_record *r)
{
    return look_up(m->metric, m->columns, r).value;
}

bool mr_monitor_improves(const mr_monitor *m, double value, double best)
{
    return m->larger ? value - m->min_delta > best : value + m->min_delta < best;
}

double mr_monitor_worst(const mr_monitor *m)
{
    return m->larger ? -INFINITY : INFINITY;
}

__attribute__((format(printf, 2, 3))) static void say(const mr_says *s, const char *format, ...)
{
    char text[256];
    va_list arguments;
    if (!s->function)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    s->function(s->context, text);
}

static int read_int(int *out, const json_t *memory, const char *key, mr_error *e)
{
    const json_t *v = json_object_get(memory, key);
    if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > 1 << 24)
        return mr_fail(e, MR_EFORMAT, "the run's state: a callback's '%s' is missing or wrong", key);
    *out = (int)json_integer_value(v);
    return 0;
}

/* --- early stopping ------------------------------------------------------------------------------ */

static int stopping_epoch_end(void *context, mr_trainer *t, const mr_epoch_record *r, bool *stop, mr_error *e)
{
    (void)t, (void)e;
    mr_early_stopping *s = context;
    double value = mr_monitor_value(&s->monitor, r);
    s->wait++;
    if (mr_monitor_improves(&s->monitor, value, s->best)) {
        s->best = value;
        s->wait = 0;
    } else if (s->wait >= s->patience && r->epoch > 1) {
        *stop = true;
        say(&s->says, "early stopping after epoch %d: %s has not improved on %g for %d epochs", r->epoch,
            s->monitor.metric, s->best, s->wait);
    }
    return 0;
}

static json_t *stopping_save(const void *context)
{
    const mr_early_stopping *s = context;
    return json_pack("{s:o, s:i}", "best", mr_number_json(s->best), "wait", s->wait);
}

static int stopping_restore(void *context, const json_t *memory, mr_error *e)
{
    mr_early_stopping *s = context;
    s->best = mr_number_from_json(json_object_get(memory, "best"));
    return read_int(&s->wait, memory, "wait", e);
}

mr_callback mr_early_stopping_callback(mr_early_stopping *s)
{
    s->best = mr_monitor_worst(&s->monitor);
    s->wait = 0;
    return (mr_callback){.name = "early_stopping",
                         .context = s,
                         .epoch_end = stopping_epoch_end,
                         .save = stopping_save,
                         .restore = stopping_restore};
}

/* --- reducing the rate on a plateau ---------------------------------------------------------------- */

static void reduce(mr_plateau *s, mr_trainer *t, int epoch)
{
    double old = mr_optimizer_rate(t->optimizer), rate = fmax(old * s->factor, s->least);
    if (old <= s->least)
        return;
    mr_schedule_set_constant(t->optimizer->schedule, rate);
    s->cooling = s->cooldown;
    s->wait = 0;
    say(&s->says, "epoch %d: %s is on a plateau, the learning rate is reduced to %g", epoch,
        s->monitor.metric, rate);
}

static int plateau_epoch_end(void *context, mr_trainer *t, const mr_epoch_record *r, bool *stop, mr_error *e)
{
    (void)stop, (void)e;
    mr_plateau *s = context;
    double value = mr_monitor_value(&s->monitor, r);
    if (s->cooling > 0) {
        s->cooling--;
        s->wait = 0;
    }
    if (mr_monitor_improves(&s->monitor, value, s->best)) {
        s->best = value;
        s->wait = 0;
    } else if (s->cooling == 0 && ++s->wait >= s->patience) {
        reduce(s, t, r->epoch);
    }
    return 0;
}

static json_t *plateau_save(const void *context)
{
    const mr_plateau *s = context;
    return json_pack("{s:o, s:i, s:i}", "best", mr_number_json(s->best), "wait", s->wait, "cooling",
                     s->cooling);
}

static int plateau_restore(void *context, const json_t *memory, mr_error *e)
{
    mr_plateau *s = context;
    s->best = mr_number_from_json(json_object_get(memory, "best"));
    int status = read_int(&s->wait, memory, "wait", e);
    return status ? status : read_int(&s->cooling, memory, "cooling", e);
}

mr_callback mr_plateau_callback(mr_plateau *s)
{
    s->best = mr_monitor_worst(&s->monitor);
    s->wait = s->cooling = 0;
    return (mr_callback){.name = "reduce_lr_on_plateau",
                         .context = s,
                         .epoch_end = plateau_epoch_end,
                         .save = plateau_save,
                         .restore = plateau_restore};
}

/* --- the best weights -------------------------------------------------------------------------------- */

static int best_epoch_end(void *context, mr_trainer *t, const mr_epoch_record *r, bool *stop, mr_error *e)
{
    (void)stop;
    mr_best_weights *s = context;
    const mr_graph *g = t->model->graph;
    double value = mr_monitor_value(&s->monitor, r);
    s->improved = !s->epoch || mr_monitor_improves(&s->monitor, value, s->best);
    if (!s->improved)
        return 0;
    if (!s->weights && !(s->weights = mr_state_alloc(g->weights)))
        return mr_no_memory(e, "the best weights");
    memcpy(s->weights, g->state, g->weights * sizeof *g->state);
    s->best = isnan(value) ? mr_monitor_worst(&s->monitor) : value;
    s->epoch = r->epoch;
    s->lost = false;
    return 0;
}

static bool best_needs_checkpoint(const void *context)
{
    return ((const mr_best_weights *)context)->improved;
}

/* The variables of M into the order of G, whose layers and variables are the same. */
static bool take_variables(mr_real *out, const mr_graph *g, const mr_model *m)
{
    if (g->params != m->graph->params)
        return false;
    for (int i = 0; i < g->params; i++) {
        const mr_param *p = g->param[i], *q = m->graph->param[i];
        if (p->count != q->count || strcmp(p->kind, q->kind) != 0)
            return false;
        memcpy(out + p->offset, mr_param_value(m->graph, q), p->count * sizeof *out);
    }
    return true;
}

static bool load_from(mr_best_weights *s, const mr_graph *g, const char *path)
{
    mr_model *m = NULL;
    if (mr_model_load_sized(&m, path, g->inputs == 1 ? &g->node[g->input[0]].shape : NULL, NULL))
        return false;
    s->weights = mr_state_alloc(g->weights);
    if (s->weights)
        memset(s->weights, 0, g->weights * sizeof *s->weights);
    bool taken = s->weights && take_variables(s->weights, g, m);
    mr_model_free(m);
    return taken;
}

/* --- best.h5: a model file with the number of its epoch in an attribute */

#define BEST_EPOCH "millrace_best_epoch"

static int write_epoch(void *context, int64_t file, mr_error *e)
{
    char text[16];
    snprintf(text, sizeof text, "%d", ((const mr_best_weights *)context)->epoch);
    return mr_hdf5_write_text((hid_t)file, BEST_EPOCH, text, false, e);
}

static int best_left_behind(void *context, mr_trainer *t, const char *folder, mr_error *e)
{
    mr_best_weights *s = context;
    char path[4096];
    const mr_save_options options = {
        .no_optimizer = true, .iterations = -1, .extra = write_epoch, .extra_context = s};
    if (!s->epoch || s->lost)
        return 0;
    if (snprintf(path, sizeof path, "%s/" MR_BEST_FILE, folder) >= (int)sizeof path)
        return mr_fail(e, MR_ELIMIT, "the checkpoint folder's name is too long: %s", folder);
    return mr_model_save(t->model, path, &options, e);
}

static bool is_best_of(const char *path, int epoch)
{
    hid_t file = -1;
    char *text = NULL;
    mr_hdf5_lock();
    bool found = !mr_hdf5_open(&file, path, NULL) && !mr_hdf5_find_text(&text, NULL, file, BEST_EPOCH, NULL);
    mr_hdf5_close(file, path, NULL);
    mr_hdf5_unlock();
    bool is = found && text && strtol(text, NULL, 10) == epoch;
    free(text);
    return is;
}

/* A resumed run has no copy: the best epoch's weights are in the checkpoint that is kept as the best one. */
static void find_again(mr_best_weights *s, const mr_graph *g)
{
    char path[4096];
    const mr_checkpoint_dir *d = s->checkpoints && s->checkpoints->path ? s->checkpoints : NULL;
    bool found = d && mr_checkpoint_of_epoch(path, sizeof path, d, s->epoch) && load_from(s, g, path);
    if (!found && d && snprintf(path, sizeof path, "%s/" MR_BEST_FILE, d->path) < (int)sizeof path)
        found = is_best_of(path, s->epoch) && load_from(s, g, path);
    s->lost = !found;
}

static int best_run_end(void *context, mr_trainer *t, mr_error *e)
{
    (void)e;
    mr_best_weights *s = context;
    const mr_graph *g = t->model->graph;
    if (s->epoch && !s->weights)
        find_again(s, g);
    if (s->lost) {
        say(&s->says,
            "no checkpoint of the best epoch (%d) is left: keeping the last weights",
            s->epoch);
        return 0;
    }
    if (!s->weights)
        return 0;
    memcpy(g->state, s->weights, g->weights * sizeof *g->state);
    say(&s->says, "the weights are those of epoch %d, the best by %s (%g)", s->epoch, s->monitor.metric,
        s->best);
    return 0;
}

static json_t *best_save(const void *context)
{
    const mr_best_weights *s = context;
    return json_pack("{s:o, s:i}", "best", mr_number_json(s->best), "epoch", s->epoch);
}

static int best_restore(void *context, const json_t *memory, mr_error *e)
{
    mr_best_weights *s = context;
    s->best = mr_number_from_json(json_object_get(memory, "best"));
    return read_int(&s->epoch, memory, "epoch", e);
}

mr_callback mr_best_weights_callback(mr_best_weights *s)
{
    s->best = mr_monitor_worst(&s->monitor);
    s->epoch = 0;
    return (mr_callback){.name = "best_weights",
                         .context = s,
                         .epoch_end = best_epoch_end,
                         .needs_checkpoint = best_needs_checkpoint,
                         .run_end = best_run_end,
                         .left_behind = best_left_behind,
                         .save = best_save,
                         .restore = best_restore};
}

void mr_best_weights_clear(mr_best_weights *s)
{
    mr_state_free(s->weights);
    s->weights = NULL;
}
