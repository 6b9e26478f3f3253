/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/learn/schedule.h"

#include "base/json_read.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PIECES = 256 };

struct mr_schedule {
    const struct kind *kind; /* NULL: constant */
    json_t *config;          /* the inner configuration, kept to be written back */
    double initial;          /* learning rate */
    double steps, rate;      /* decay_steps, decay_rate */
    double end, power, alpha, warmup_target, warmup_steps, t_mul, m_mul;
    bool staircase, cycle, warms_up;
    int pieces;
    double boundary[MAX_PIECES], value[MAX_PIECES + 1];
};

static double exponential(const mr_schedule *s, double step)
{
    double p = step / s->steps;
    return s->initial * pow(s->rate, s->staircase ? floor(p) : p);
}

static double inverse_time(const mr_schedule *s, double step)
{
    double p = step / s->steps;
    return s->initial / (1 + s->rate * (s->staircase ? floor(p) : p));
}

static double polynomial(const mr_schedule *s, double step)
{
    double steps = s->steps;
    if (s->cycle)
        steps *= step == 0 ? 1 : ceil(step / steps);
    else if (step > steps)
        step = steps;
    return (s->initial - s->end) * pow(1 - step / steps, s->power) + s->end;
}

static double piecewise(const mr_schedule *s, double step)
{
    int i = 0;
    while (i < s->pieces && step > s->boundary[i])
        i++;
    return s->value[i];
}

static double cosine(const mr_schedule *s, double step)
{
    double start = s->initial;
    if (s->warms_up) {
        if (step < s->warmup_steps)
            return s->initial + (s->warmup_target - s->initial) * step / s->warmup_steps;
        start = s->warmup_target;
        step -= s->warmup_steps;
    }
    double done = step < s->steps ? step / s->steps : 1;
    return start * ((1 - s->alpha) * .5 * (1 + cos(M_PI * done)) + s->alpha);
}

static double cosine_restarts(const mr_schedule *s, double step)
{
    double done = step / s->steps, restart;
    if (s->t_mul == 1) {
        restart = floor(done);
        done -= restart;
    } else {
        restart = floor(log(1 - done * (1 - s->t_mul)) / log(s->t_mul));
        double sum = (1 - pow(s->t_mul, restart)) / (1 - s->t_mul);
        done = (done - sum) / pow(s->t_mul, restart);
    }
    double m = pow(s->m_mul, restart) * .5 * (1 + cos(M_PI * done));
    return s->initial * ((1 - s->alpha) * m + s->alpha);
}

static const struct kind {
    const char *class_name;
    double (*rate)(const mr_schedule *s, double step);
    const char *steps_key; /* must be > 0; NULL: none */
} kinds[] = {
    {"ExponentialDecay", exponential, "decay_steps"},
    {"InverseTimeDecay", inverse_time, "decay_steps"},
    {"PolynomialDecay", polynomial, "decay_steps"},
    {"PiecewiseConstantDecay", piecewise, NULL},
    {"CosineDecay", cosine, "decay_steps"},
    {"CosineDecayRestarts", cosine_restarts, "first_decay_steps"},
};

static double number(const json_t *config, const char *key, double fallback)
{
    const json_t *v = json_object_get(config, key);
    return json_is_number(v) ? json_number_value(v) : fallback;
}

static int read_pieces(mr_schedule *s, const json_t *c, mr_error *e)
{
    const json_t *boundaries = json_object_get(c, "boundaries"), *values = json_object_get(c, "values");
    size_t n = json_array_size(boundaries);
    if (n > MAX_PIECES || json_array_size(values) != n + 1)
        return mr_fail(e, MR_EINVAL,
                       "PiecewiseConstantDecay: %zu boundaries need %zu values, at most %d boundaries", n,
                       n + 1, (int)MAX_PIECES);
    s->pieces = (int)n;
    for (size_t i = 0; i <= n; i++) {
        const json_t *value = json_array_get(values, i), *boundary = json_array_get(boundaries, i);
        if (!json_is_number(value) || (i < n && !json_is_number(boundary)))
            return mr_fail(e, MR_EINVAL, "PiecewiseConstantDecay: boundaries and values must be numbers");
        s->value[i] = json_number_value(value);
        if (i < n)
            s->boundary[i] = json_number_value(boundary);
        if (i > 0 && i < n && s->boundary[i] <= s->boundary[i - 1])
            return mr_fail(e, MR_EINVAL, "PiecewiseConstantDecay: boundaries must rise");
    }
    return 0;
}

static int read_kind(mr_schedule *s, const char *class_name, const json_t *c, mr_error *e)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(kinds[i].class_name, class_name))
            s->kind = &kinds[i];
    if (!s->kind)
        return mr_hint(e, mr_fail(e, MR_EUNSUPPORTED, "learning rate schedule '%s' is not known", class_name),
                       "name a rate with --learning-rate, or a --schedule");
    if (s->kind->rate == piecewise)
        return read_pieces(s, c, e);
    s->initial = number(c, "initial_learning_rate", NAN);
    s->steps = number(c, s->kind->steps_key, 0);
    if (!(s->steps > 0))
        return mr_fail(e, MR_EINVAL, "%s: %s must be above 0", class_name, s->kind->steps_key);
    s->rate = number(c, "decay_rate", 0);
    s->staircase = json_is_true(json_object_get(c, "staircase"));
    s->end = number(c, "end_learning_rate", .0001);
    s->power = number(c, "power", 1);
    s->cycle = json_is_true(json_object_get(c, "cycle"));
    s->alpha = number(c, "alpha", 0);
    s->t_mul = number(c, "t_mul", 2);
    s->m_mul = number(c, "m_mul", 1);
    if (!(s->t_mul > 0))
        return mr_fail(e, MR_EINVAL, "%s: t_mul must be above 0", class_name);
    s->warms_up = json_is_number(json_object_get(c, "warmup_target"));
    s->warmup_target = number(c, "warmup_target", 0);
    s->warmup_steps = number(c, "warmup_steps", 0);
    return 0;
}

int mr_schedule_create(mr_schedule **out, const json_t *config, mr_error *e)
{
    *out = NULL;
    mr_schedule *s = calloc(1, sizeof *s);
    if (!s)
        return mr_no_memory(e, "a learning rate");
    const char *class_name = mr_json_text(config, "class_name");
    int status = 0;
    if (json_is_number(config)) {
        s->initial = json_number_value(config);
    } else if (class_name) {
        s->config = json_deep_copy(json_object_get(config, "config"));
        status = read_kind(s, class_name, s->config, e);
    } else {
        status = mr_fail(e, MR_EINVAL, "a learning rate is neither a number nor a schedule");
    }
    if (!status && !isfinite(s->initial))
        status = mr_fail(e, MR_EINVAL, "a learning rate that is no finite number");
    if (status) {
        mr_schedule_free(s);
        return status;
    }
    *out = s;
    return 0;
}

void mr_schedule_free(mr_schedule *s)
{
    if (!s)
        return;
    json_decref(s->config);
    free(s);
}

double mr_schedule_rate(const mr_schedule *s, int64_t step)
{
    return s->kind ? s->kind->rate(s, (double)step) : s->initial;
}

bool mr_schedule_is_constant(const mr_schedule *s)
{
    return s->kind == NULL;
}

void mr_schedule_set_constant(mr_schedule *s, double rate)
{
    if (!s->kind)
        s->initial = rate;
}

json_t *mr_schedule_config(const mr_schedule *s)
{
    if (!s->kind)
        return json_real(s->initial);
    return json_pack("{s:s, s:s, s:o, s:n}", "module", "keras.optimizers.schedules", "class_name",
                     s->kind->class_name, "config", json_deep_copy(s->config), "registered_name");
}
