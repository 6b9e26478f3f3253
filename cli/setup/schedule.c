/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/setup/schedule.h"

#include "cli/option/names.h"
#include "cli/option/schedules.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PIECES = 256 };

struct request {
    const mr_cli *c;
    double rate;                    /* at the start */
    int64_t steps_per_epoch, steps; /* of the whole run */
    mr_error *e;
};

/* --- reading ----------------------------------------------------------------------------------- */

static int parse_numbers(const char *option, const char *text, double *out, int max, int *count, mr_error *e)
{
    const char *p = text;
    for (*count = 0;; p++) {
        char *end;
        double value = strtod(p, &end);
        if (end == p || !isfinite(value) || *count == max || (*end && *end != ','))
            return mr_fail(e, MR_EUSAGE, "--%s: expected a list of numbers (0.1,0.01), got '%s'", option,
                           text);
        out[(*count)++] = value;
        p = end;
        if (!*p)
            return 0;
    }
}

/* Length of the unit at TEXT, up to its end or a comma. */
static size_t unit_length(const char *text)
{
    return strcspn(text, ",");
}

static bool is_unit(const char *text, const char *unit)
{
    size_t n = unit_length(text), m = strlen(unit);
    return !strncmp(text, unit, m) && (n == m || (n == m + 1 && text[m] == 's'));
}

/* "500", "500steps", "5epochs", "0.5epochs" as a number of steps. REST: NULL, or where a comma that follows
 * is left to the caller. */
static int parse_steps(const char *option, const char *text, int64_t steps_per_epoch, int64_t *out,
                       const char **rest, mr_error *e)
{
    char *end;
    double value = strtod(text, &end), steps = value;
    bool in_steps = unit_length(end) == 0 || is_unit(end, "step");
    if (!in_steps && is_unit(end, "epoch"))
        steps = value > 0 ? fmax(1, rint(value * (double)steps_per_epoch)) : value;
    else if (!in_steps || value != floor(value))
        end = (char *)text;
    const char *after = end + unit_length(end);
    if (end == text || !(steps >= 0 && steps < 1e15) || (*after && !rest))
        return mr_fail(e, MR_EUSAGE,
                       "--%s: expected a number of steps or epochs (1000, 5epochs), got '%s'", option,
                       text);
    *out = (int64_t)steps;
    if (rest)
        *rest = after;
    return 0;
}

static double given_or(const struct request *r, const char *option, double value, double fallback)
{
    return mr_cli_given(r->c, option) ? value : fallback;
}

/* A length in steps; FALLBACK where TEXT is NULL. 0 is an error. */
static int length(const struct request *r, const char *option, const char *text, int64_t fallback,
                  json_int_t *out)
{
    int64_t steps = fallback;
    int status = text ? parse_steps(option, text, r->steps_per_epoch, &steps, NULL, r->e) : 0;
    if (!status && steps < 1)
        status = mr_fail(r->e, MR_EUSAGE, "--%s: at least one step", option);
    *out = (json_int_t)steps;
    return status;
}

static int decay_rate(const struct request *r)
{
    return mr_cli_given(r->c, "decay-rate")
               ? 0
               : mr_hint(r->e, mr_fail(r->e, MR_EUSAGE, "--schedule %s needs a --decay-rate", r->c->schedule),
                         "--decay-rate 0.9, per --decay-steps");
}

/* --- the schedules: each fills Keras's configuration ------------------------------------------- */

static int rate_decay(const struct request *r, json_t *config, bool staircase)
{
    json_int_t steps;
    int status = decay_rate(r);
    if (!status)
        status = length(r, "decay-steps", r->c->decay_steps, r->steps_per_epoch, &steps);
    if (!status)
        json_object_update_new(config, json_pack("{s:f, s:I, s:f, s:b}", "initial_learning_rate", r->rate,
                                                 "decay_steps", steps, "decay_rate", r->c->decay_rate,
                                                 "staircase", staircase));
    return status;
}

static int exponential(const struct request *r, json_t *config)
{
    return rate_decay(r, config, r->c->staircase);
}
static int stepwise(const struct request *r, json_t *config)
{
    return rate_decay(r, config, true);
}

static int polynomial(const struct request *r, json_t *config)
{
    json_int_t steps;
    int status = length(r, "decay-steps", r->c->decay_steps, r->steps, &steps);
    if (!status)
        json_object_update_new(
            config,
            json_pack("{s:f, s:I, s:f, s:f, s:b}", "initial_learning_rate", r->rate, "decay_steps", steps,
                      "end_learning_rate", given_or(r, "end-learning-rate", r->c->end_learning_rate, .0001),
                      "power", given_or(r, "power", r->c->power, 1), "cycle", r->c->cycle));
    return status;
}

static int piecewise(const struct request *r, json_t *config)
{
    double value[MAX_PIECES + 1];
    int values, boundaries = 0, status;
    json_t *at = json_array(), *rates = json_array();
    json_object_set_new(config, "boundaries", at);
    json_object_set_new(config, "values", rates);
    if (!r->c->boundaries || !r->c->values)
        return mr_fail(r->e, MR_EUSAGE, "--schedule piecewise needs --boundaries and --values");
    status = parse_numbers("values", r->c->values, value, MAX_PIECES + 1, &values, r->e);
    for (int i = 0; !status && i < values; i++)
        json_array_append_new(rates, json_real(value[i]));
    for (const char *p = r->c->boundaries; !status && p; p = *p ? p + 1 : NULL) {
        int64_t steps;
        status = parse_steps("boundaries", p, r->steps_per_epoch, &steps, &p, r->e);
        if (status)
            break;
        json_array_append_new(at, json_integer(steps));
        boundaries++;
    }
    if (!status && values != boundaries + 1)
        status = mr_fail(r->e, MR_EUSAGE, "--boundaries has %d entries, so --values needs %d", boundaries,
                         boundaries + 1);
    return status;
}

/* Keras rises from initial_learning_rate to warmup_target; without --warmup-target from 0 to the learning
 * rate. */
static int cosine(const struct request *r, json_t *config)
{
    json_int_t warmup = 0, steps;
    bool target = mr_cli_given(r->c, "warmup-target"), warms_up = r->c->warmup_steps != NULL;
    if (target && !warms_up)
        return mr_fail(r->e, MR_EUSAGE, "--warmup-target needs --warmup-steps");
    int status = warms_up ? length(r, "warmup-steps", r->c->warmup_steps, 0, &warmup) : 0;
    if (!status)
        status =
            length(r, "decay-steps", r->c->decay_steps, r->steps > warmup ? r->steps - warmup : 1, &steps);
    if (status)
        return status;
    json_object_update_new(
        config,
        json_pack("{s:f, s:I, s:f, s:o, s:I}", "initial_learning_rate", warms_up && !target ? 0 : r->rate,
                  "decay_steps", steps, "alpha", given_or(r, "schedule-alpha", r->c->schedule_alpha, 0),
                  "warmup_target", warms_up ? json_real(target ? r->c->warmup_target : r->rate) : json_null(),
                  "warmup_steps", warmup));
    return 0;
}

static int cosine_restarts(const struct request *r, json_t *config)
{
    json_int_t steps;
    if (!r->c->first_decay_steps)
        return mr_hint(r->e, mr_fail(r->e, MR_EUSAGE, "--schedule cosine-restarts needs --first-decay-steps"),
                       "--first-decay-steps 5epochs");
    int status = length(r, "first-decay-steps", r->c->first_decay_steps, 0, &steps);
    if (!status)
        json_object_update_new(config, json_pack("{s:f, s:I, s:f, s:f, s:f}", "initial_learning_rate",
                                                 r->rate, "first_decay_steps", steps, "t_mul",
                                                 given_or(r, "t-mul", r->c->t_mul, 2), "m_mul",
                                                 given_or(r, "m-mul", r->c->m_mul, 1), "alpha",
                                                 given_or(r, "schedule-alpha", r->c->schedule_alpha, 0)));
    return status;
}

static int (*const fill[MR_SCHEDULES])(const struct request *r, json_t *config) = {
    [MR_SCHEDULE_EXPONENTIAL] = exponential,
    [MR_SCHEDULE_STEP] = stepwise,
    [MR_SCHEDULE_INVERSE_TIME] = exponential,
    [MR_SCHEDULE_POLYNOMIAL] = polynomial,
    [MR_SCHEDULE_PIECEWISE] = piecewise,
    [MR_SCHEDULE_COSINE] = cosine,
    [MR_SCHEDULE_COSINE_RESTARTS] = cosine_restarts,
};

/* The first option given that is of a schedule, but not among OPTIONS; NULL: none. */
static const char *foreign_option(const mr_cli *c, const char *options)
{
    for (int i = 0; i < mr_option_count; i++) {
        char padded[64];
        snprintf(padded, sizeof padded, " %s ", mr_options[i].name);
        if (c->given[i] && !strncmp(mr_options[i].group, "Learning rate schedule", 22) &&
            strcmp(mr_options[i].name, "schedule") != 0 && !strstr(options, padded))
            return mr_options[i].name;
    }
    return NULL;
}

int mr_cli_check_no_schedule(const mr_cli *c, mr_error *e)
{
    const char *option = foreign_option(c, "");
    return option ? mr_hint(e, mr_fail(e, MR_EUSAGE, "--%s requires --schedule", option),
                            "give --schedule NAME too")
                  : 0;
}

int mr_cli_schedule(json_t **out, const mr_cli *c, const char *name, double rate, int64_t steps_per_epoch, mr_error *e)
{
    int kind = 0;
    struct request r = {.c = c,
                        .rate = rate,
                        .steps_per_epoch = steps_per_epoch,
                        .steps = steps_per_epoch * c->epochs,
                        .e = e};
    *out = NULL;
    while (kind < MR_SCHEDULES && strcmp(mr_schedule_rows[kind].name, name) != 0)
        kind++;
    if (kind == MR_SCHEDULES)
        return mr_cli_unknown_name("schedule", name, e);
    const mr_schedule_row *s = &mr_schedule_rows[kind];
    const char *foreign = foreign_option(c, s->options);
    if (foreign)
        return mr_hint(e, mr_fail(e, MR_EUSAGE, "--%s cannot be used with --schedule %s", foreign, s->name),
                       "it takes%s", s->options);
    json_t *config = json_object();
    int status = fill[kind](&r, config);
    if (status) {
        json_decref(config);
        return status;
    }
    json_object_set_new(config, "name", json_string(s->class_name));
    *out = json_pack("{s:s, s:s, s:o, s:n}", "module", "keras.optimizers.schedules", "class_name",
                     s->class_name, "config", config, "registered_name");
    return *out ? 0 : mr_no_memory(e, "the schedule");
}
