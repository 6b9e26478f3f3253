/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/setup/schedule_end.h"

#include "base/json_read.h"
#include <stdio.h>
#include <string.h>

static json_int_t integer(const json_t *object, const char *key, json_int_t fallback)
{
    const json_t *v = json_object_get(object, key);
    return json_is_number(v) ? (json_int_t)json_number_value(v) : fallback;
}

/* --- stretching --------------------------------------------------------------------- */

static json_int_t epochs_of(const json_t *settings)
{
    mr_cli usual;
    mr_cli_default(&usual);
    return integer(settings, "epochs", usual.epochs);
}

bool mr_cli_is_longer(const mr_cli *c, const json_t *settings)
{
    return c->epochs > epochs_of(settings);
}

int mr_cli_stretch_schedule(json_t *optimizer, const mr_cli *c, const json_t *settings,
                            int64_t steps_per_epoch, char *text, size_t size, mr_error *e)
{
    json_t *rate = json_object_get(json_object_get(optimizer, "config"), "learning_rate"),
           *config = json_object_get(rate, "config");
    const char *name = mr_json_text(rate, "class_name");
    json_int_t epochs = epochs_of(settings), warmup = integer(config, "warmup_steps", 0);
    bool ends = name && (!strcmp(name, "CosineDecay") || !strcmp(name, "PolynomialDecay"));
    *text = '\0';
    if (!ends || !mr_cli_is_longer(c, settings) || json_object_get(settings, "decay-steps") ||
        integer(config, "decay_steps", 0) + warmup != epochs * steps_per_epoch)
        return 0;
    if (json_object_set_new(config, "decay_steps", json_integer(c->epochs * steps_per_epoch - warmup)))
        return mr_no_memory(e, "the schedule");
    snprintf(text, size, "the schedule %s, made for %lld epoch%s, is stretched over %d", name,
             (long long)epochs, epochs == 1 ? "" : "s", c->epochs);
    return 0;
}

/* --- what is left ------------------------------------------------------------------- */

/* Epoch K, counted from 0, has no step with a rate above 0. */
static bool is_idle(const mr_cli_rates *r, int k)
{
    int64_t first = r->iterations + (int64_t)(k - r->epoch) * r->steps_per_epoch;
    return mr_schedule_rate(r->schedule, first) == 0 &&
           mr_schedule_rate(r->schedule, first + r->steps_per_epoch / 2) == 0 &&
           mr_schedule_rate(r->schedule, first + r->steps_per_epoch - 1) == 0;
}

/* The epochs from here on are idle, to the last. */
static int first_idle(const mr_cli_rates *r)
{
    int k = r->epochs;
    while (k > r->epoch && is_idle(r, k - 1))
        k--;
    return k;
}

static void check_warmup(const mr_cli_rates *r, char *text, size_t size)
{
    json_t *schedule = mr_schedule_config(r->schedule), *config = json_object_get(schedule, "config");
    json_int_t warmup = integer(config, "warmup_steps", 0),
               last = r->iterations + (int64_t)(r->epochs - r->epoch) * r->steps_per_epoch;
    if (json_is_number(json_object_get(config, "warmup_target")) && warmup > last)
        snprintf(text, size,
                 "the warm-up of %lld steps is longer than the run, which ends after %lld: the learning rate "
                 "gets no "
                 "further than %g",
                 (long long)warmup, (long long)last, mr_schedule_rate(r->schedule, last - 1));
    json_decref(schedule);
}

/* A rate that no longer changes. */
static void check_constant(const mr_cli_rates *r, char *text, size_t size)
{
    double rate = mr_schedule_rate(r->schedule, r->iterations);
    int64_t last = r->iterations + (int64_t)(r->epochs - r->epoch) * r->steps_per_epoch - 1;
    if (r->longer && rate == mr_schedule_rate(r->schedule, last) &&
        rate == mr_schedule_rate(r->schedule, 100 * last))
        snprintf(text, size, "the schedule is over: the learning rate stays at %g in all epochs to come",
                 rate);
}

int mr_cli_check_rates(const mr_cli_rates *r, char *text, size_t size, mr_error *e)
{
    int idle = first_idle(r);
    *text = '\0';
    if (mr_schedule_is_constant(r->schedule) || r->epoch >= r->epochs)
        return 0;
    if (idle == r->epoch)
        return mr_hint(
            e,
            mr_fail(e, MR_EUSAGE,
                    "the learning rate is 0 in all epochs to come: its schedule ended before update %lld",
                    (long long)r->iterations),
            "begin a run --from the model with a --learning-rate, or with --optimizer, which starts a "
            "--schedule at its beginning");
    if (idle < r->epochs)
        snprintf(text, size,
                 "the learning rate is 0 from epoch %d to epoch %d: the schedule ends before the run, and "
                 "nothing is "
                 "learnt after that; a larger --decay-steps or fewer --epochs change it",
                 idle + 1, r->epochs);
    else
        check_warmup(r, text, size);
    if (!*text)
        check_constant(r, text, size);
    return 0;
}
