/* SPDX-License-Identifier: Apache-2.0 */
#include "io/keras/training.h"

#include "base/csv.h"
#include "base/json_read.h"
#include "nn/learn/optimizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- reading -------------------------------------------------------------- */

/* "Custom>Adam" (tf.keras 2.11 to 2.15), "keras.optimizers>Adam", "adam" → Keras 3's "Adam"; unknown names
 * stay. */
static const char *optimizer_class(const char *name)
{
    const char *mark = strrchr(name, '>');
    if (mark)
        name = mark + 1;
    for (int i = 0; mr_optimizer_classes[i]; i++)
        if (!strcasecmp(name, mr_optimizer_classes[i]->class_name))
            return mr_optimizer_classes[i]->class_name;
    return name;
}

static double number_at(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

/* Keras 2's decay: lr / (1 + decay * iterations). */
static json_t *decayed(double rate, double decay)
{
    return json_pack("{s:s, s:s, s:{s:f, s:i, s:f, s:b, s:s}, s:n}", "module", "keras.optimizers.schedules",
                     "class_name", "InverseTimeDecay", "config", "initial_learning_rate", rate, "decay_steps",
                     1, "decay_rate", decay, "staircase", 0, "name", "InverseTimeDecay", "registered_name");
}

static json_t *schedule(const json_t *v)
{
    const char *class = mr_json_text(v, "class_name");
    return json_pack("{s:s, s:s, s:O, s:n}", "module", "keras.optimizers.schedules", "class_name",
                     class ? class : "", "config", json_object_get(v, "config"), "registered_name");
}

static json_t *learning_rate(const json_t *config)
{
    json_t *rate = json_object_get(config, "learning_rate");
    if (!rate)
        rate = json_object_get(config, "lr");
    if (json_is_object(rate))
        return schedule(rate);
    if (json_is_number(rate) && number_at(config, "decay") > 0)
        return decayed(json_number_value(rate), number_at(config, "decay"));
    return json_incref(rate);
}

/* Keys of older optimizers that have no successor, and what only says how Keras runs. */
static bool is_gone(const char *key)
{
    static const char *const gone[] = {
        "lr", "learning_rate", "decay", "schedule_decay", "is_legacy_optimizer", "jit_compile"};
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
        if (!strcmp(key, gone[i]))
            return true;
    return false;
}

static json_t *optimizer_config(const json_t *class, const json_t *config, int era)
{
    const char *name = optimizer_class(json_string_value(class)), *key;
    json_t *now = json_object(), *rate = learning_rate(config), *v;
    if (rate)
        json_object_set_new(now, "learning_rate", rate);
    json_object_foreach ((json_t *)config, key, v) {
        bool old = era < 3 && (!strcmp(key, "name") || json_is_null(v)); /* null epsilon: Keras's default */
        if (!is_gone(key) && !old)
            json_object_set(now, key, v);
    }
    /* Keras 2's accumulators start at 0; it has no key for that. */
    if (era < 3 && !strcmp(name, "Adagrad") && !json_object_get(now, "initial_accumulator_value"))
        json_object_set_new(now, "initial_accumulator_value", json_real(0));
    return json_pack("{s:s, s:o}", "class_name", name, "config", now);
}

/* Mixed precision wraps the optimizer. */
static const json_t *unwrapped(const json_t *optimizer)
{
    const json_t *inner = json_object_get(json_object_get(optimizer, "config"), "inner_optimizer");
    return mr_json_is(json_object_get(optimizer, "class_name"), "LossScaleOptimizer") && json_is_object(inner)
               ? inner
               : optimizer;
}

/* tf.keras names the function within a wrapper: {"class_name": "MeanMetricWrapper", "config": {"name",
 * "fn"}}. */
static json_t *wrapped_function(const json_t *v)
{
    const json_t *config = json_object_get(v, "config");
    const char *function = mr_json_text(config, "fn"), *name = mr_json_text(config, "name");
    if (!mr_json_is(json_object_get(v, "class_name"), "MeanMetricWrapper") || !function)
        return NULL;
    bool accuracy = name && (!strcmp(name, "accuracy") || !strcmp(name, "acc")); /* what was asked for */
    return json_string(accuracy ? "accuracy" : function);
}

/* {"class_name", "config"} of a loss or metric, without where it comes from and what only its writer wants to
 * know. */
static json_t *plain_object(const json_t *v)
{
    json_t *config = json_deep_copy(json_object_get(v, "config"));
    json_object_del(config, "fn");
    if (mr_json_is(json_object_get(config, "reduction"), "auto")) /* tf.keras's word for it */
        json_object_set_new(config, "reduction", json_string("sum_over_batch_size"));
    return json_pack("{s:O, s:o}", "class_name", json_object_get(v, "class_name"), "config",
                     config ? config : json_object());
}

/* Losses and metrics: a name, an object, or lists and dictionaries of them. */
static json_t *plain(const json_t *v, int depth)
{
    const char *key;
    json_t *member, *out;
    size_t i;
    if (depth > 4 || (!json_is_array(v) && !json_is_object(v)))
        return json_deep_copy(v);
    if (mr_json_text(v, "class_name")) {
        out = wrapped_function(v);
        return out ? out : plain_object(v);
    }
    out = json_is_array(v) ? json_array() : json_object();
    json_array_foreach (v, i, member)
        json_array_append_new(out, plain(member, depth + 1));
    json_object_foreach ((json_t *)v, key, member)
        json_object_set_new(out, key, plain(member, depth + 1));
    return out;
}

static json_t *optimizer_of(const json_t *found, int era)
{
    const json_t *optimizer = json_object_get(found, "optimizer_config");
    optimizer = unwrapped(optimizer ? optimizer : json_object_get(found, "optimizer"));
    const json_t *class = json_object_get(optimizer, "class_name");
    if (json_is_string(optimizer)) /* compile(optimizer="adam") as Keras 3 may keep it */
        return json_pack("{s:s, s:{}}", "class_name", optimizer_class(json_string_value(optimizer)),
                         "config");
    return json_is_string(class) ? optimizer_config(class, json_object_get(optimizer, "config"), era) : NULL;
}

json_t *mr_keras_training(const json_t *found, int era)
{
    const char *key;
    json_t *v, *optimizer = optimizer_of(found, era), *training;
    if (!json_is_object(found) || (!optimizer && !json_object_get(found, "loss")))
        return NULL;
    training = json_object();
    if (optimizer)
        json_object_set_new(training, "optimizer_config", optimizer);
    json_object_foreach ((json_t *)found, key, v)
        if (strcmp(key, "optimizer_config") != 0 && strcmp(key, "optimizer") != 0 &&
            strcmp(key, "sample_weight_mode") != 0)
            json_object_set_new(training, key, plain(v, 0));
    return training;
}

void mr_keras_training_set_rate(json_t *training, double rate)
{
    json_t *config = json_object_get(json_object_get(training, "optimizer_config"), "config");
    const json_t *have = json_object_get(config, "learning_rate");
    char text[MR_NUMBER_SIZE];
    if (!json_is_object(config) || json_is_object(have) || !isfinite(rate) || rate < 0 ||
        (json_is_number(have) && (float)json_number_value(have) == (float)rate))
        return;
    mr_format_float(text, (float)rate); /* 1e-4, not 9.99999974737875e-05 */
    json_object_set_new(config, "learning_rate", json_real(strtod(text, NULL)));
}

/* --- writing -------------------------------------------------------------- */

/* Keras 3's InverseTimeDecay per step is Keras 2's decay. */
static bool is_plain_decay(const json_t *rate)
{
    const json_t *config = json_object_get(rate, "config");
    return mr_json_is(json_object_get(rate, "class_name"), "InverseTimeDecay") &&
           number_at(config, "decay_steps") == 1 && !json_is_true(json_object_get(config, "staircase"));
}

/* Whether KEY may be left out because both Keras 2.3 and 3 take this for granted: 2.3 refuses keys that it
 * does not know. */
static bool is_default(const char *class, const char *key, const json_t *v)
{
    static const struct {
        const char *class, *key;
        double value;
    } defaults[] = {{NULL, "ema_momentum", .99},
                    {"RMSprop", "momentum", 0},
                    {"Adagrad", "initial_accumulator_value", .1}};
    if (!strcmp(key, "name") || json_is_null(v) ||
        (json_is_false(v) && (!strcmp(key, "use_ema") || !strcmp(key, "centered"))))
        return true;
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
        if (!strcmp(key, defaults[i].key) && (!defaults[i].class || !strcmp(class, defaults[i].class)))
            return json_is_number(v) && json_number_value(v) == defaults[i].value;
    return false;
}

static json_t *old_optimizer(const json_t *optimizer)
{
    const char *class = mr_json_text(optimizer, "class_name"), *key;
    const json_t *config = json_object_get(optimizer, "config"),
                 *rate = json_object_get(config, "learning_rate");
    json_t *out = json_object(), *v;
    if (is_plain_decay(rate)) {
        const json_t *c = json_object_get(rate, "config");
        json_object_set_new(out, "learning_rate", json_real(number_at(c, "initial_learning_rate")));
        json_object_set_new(out, "decay", json_real(number_at(c, "decay_rate")));
    } else if (rate) {
        json_object_set_new(out, "learning_rate", json_deep_copy(rate));
    }
    json_object_foreach ((json_t *)config, key, v)
        if (strcmp(key, "learning_rate") != 0 && !is_default(class ? class : "", key, v))
            json_object_set(out, key, v);
    return json_pack("{s:s, s:o}", "class_name", class ? class : "", "config", out);
}

/* Whether KEY may stand among the arguments of Keras 3's compile(), which refuses what it does not know; null
 * is what some of them may not be and all are where they are left out. */
static bool is_argument(const char *key, const json_t *v)
{
    static const char *const keys[] = {
        "loss",        "loss_weights",        "metrics",     "weighted_metrics",
        "run_eagerly", "steps_per_execution", "jit_compile", "auto_scale_loss"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!strcmp(key, keys[i]))
            return !json_is_null(v);
    return false;
}

/* Keras 2.3 looks for all of these and stumbles where one is missing. */
static const char *const expected[] = {"loss", "metrics", "loss_weights", "sample_weight_mode"};

json_t *mr_keras_training_h5(const json_t *training)
{
    const json_t *optimizer = json_object_get(training, "optimizer_config");
    json_t *out, *v;
    const char *key;
    if (!optimizer)
        return NULL;
    out = json_object();
    json_object_foreach ((json_t *)training, key, v)
        if (is_argument(key, v))
            json_object_set_new(out, key, json_deep_copy(v));
    json_object_set_new(out, "optimizer_config", old_optimizer(optimizer));
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        if (!json_object_get(out, expected[i]))
            json_object_set_new(out, expected[i], json_null());
    return out;
}

/* The same with the module that Keras 3 looks in. */
static json_t *with_module(const json_t *v, const char *module)
{
    const char *key;
    json_t *member, *out;
    size_t i;
    if (mr_json_text(v, "class_name"))
        return json_pack("{s:s, s:O, s:O, s:n}", "module", module, "class_name",
                         json_object_get(v, "class_name"), "config", json_object_get(v, "config"),
                         "registered_name");
    if (!json_is_array(v) && !json_is_object(v))
        return json_deep_copy(v);
    out = json_is_array(v) ? json_array() : json_object();
    json_array_foreach (v, i, member)
        json_array_append_new(out, with_module(member, module));
    json_object_foreach ((json_t *)v, key, member)
        json_object_set_new(out, key, with_module(member, module));
    return out;
}

json_t *mr_keras_training_zip(const json_t *training)
{
    const json_t *optimizer = json_object_get(training, "optimizer_config");
    json_t *out = json_object(), *v;
    const char *key;
    if (!optimizer) /* an empty one: not compiled */
        return out;
    json_object_set_new(out, "optimizer", with_module(optimizer, "keras.optimizers"));
    json_object_foreach ((json_t *)training, key, v)
        if (is_argument(key, v))
            json_object_set_new(out, key,
                                with_module(v, strstr(key, "metrics") ? "keras.metrics" : "keras.losses"));
    return out;
}
