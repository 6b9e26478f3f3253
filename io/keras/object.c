/* SPDX-License-Identifier: Apache-2.0 */
/* Initializers, regularizers, activations and other objects inside a layer's configuration, of every era, in
 * the form
 * {"class_name": Keras 3's name, "config": …}. Reading what was written here gives the same again. */
#include "io/keras/internal.h"

#include "base/text.h"
#include <string.h>
#include <strings.h>

void mr_keras_set(mr_dialect *d, json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value))
        d->failed = true;
}

void mr_keras_append(mr_dialect *d, json_t *array, json_t *value)
{
    if (json_array_append_new(array, value))
        d->failed = true;
}

static json_t *make_object(mr_dialect *d, const char *class, json_t *config)
{
    json_t *object = json_object();
    mr_keras_set(d, object, "class_name", json_string(class));
    mr_keras_set(d, object, "config", config);
    return object;
}

/* A custom class has a registered_name ("Custom>Foo"); the built-in ones have null
 * there. Keeping that name makes sure that no built-in class of the same name is taken for it. */
static const char *class_of(const json_t *v)
{
    const char *registered = mr_json_text(v, "registered_name");
    if (registered && strchr(registered, '>'))
        return registered;
    const char *class = mr_json_text(v, "class_name");
    return class ? class : "";
}

static json_t *copy(mr_dialect *d, const json_t *v)
{
    json_t *c = json_deep_copy(v);
    if (v && !c)
        d->failed = true;
    return c;
}

json_t *mr_keras_object(mr_dialect *d, const json_t *v)
{
    if (!json_is_object(v) || !mr_json_text(v, "class_name"))
        return copy(d, v);
    const json_t *config = json_object_get(v, "config");
    return make_object(d, class_of(v), config ? copy(d, config) : json_object());
}

static const char *module_of(const char *key)
{
    return mr_ends_with(key, "_initializer")   ? "keras.initializers"
           : mr_ends_with(key, "_regularizer") ? "keras.regularizers"
           : mr_ends_with(key, "_constraint")  ? "keras.constraints"
                                                     : "keras.layers";
}

json_t *mr_keras_serialized(const char *key, json_t *v)
{
    if (!json_is_object(v) || !mr_json_text(v, "class_name"))
        return json_deep_copy(v);
    return json_pack("{s:s, s:O, s:O, s:n}", "module", module_of(key), "class_name",
                     json_object_get(v, "class_name"), "config", json_object_get(v, "config"),
                     "registered_name");
}

/* --- initializers --------------------------------------------------------- */

static const struct {
    const char *snake, *class, *mode; /* mode: where it is a VarianceScaling of SCALE */
    double scale;
    const char *distribution;
} initializers[] = {
    {"glorot_uniform", "GlorotUniform", "fan_avg", 1, "uniform"},
    {"glorot_normal", "GlorotNormal", "fan_avg", 1, "truncated_normal"},
    {"he_uniform", "HeUniform", "fan_in", 2, "uniform"},
    {"he_normal", "HeNormal", "fan_in", 2, "truncated_normal"},
    {"lecun_uniform", "LecunUniform", "fan_in", 1, "uniform"},
    {"lecun_normal", "LecunNormal", "fan_in", 1, "truncated_normal"},
    {"zero", "Zeros", NULL, 0, NULL},
    {"zeros", "Zeros", NULL, 0, NULL},
    {"one", "Ones", NULL, 0, NULL},
    {"ones", "Ones", NULL, 0, NULL},
    {"constant", "Constant", NULL, 0, NULL},
    {"uniform", "RandomUniform", NULL, 0, NULL},
    {"random_uniform", "RandomUniform", NULL, 0, NULL},
    {"normal", "RandomNormal", NULL, 0, NULL},
    {"random_normal", "RandomNormal", NULL, 0, NULL},
    {"truncated_normal", "TruncatedNormal", NULL, 0, NULL},
    {"variance_scaling", "VarianceScaling", NULL, 0, NULL},
    {"orthogonal", "Orthogonal", NULL, 0, NULL},
    {"OrthogonalInitializer", "Orthogonal", NULL, 0, NULL},
    {"identity", "Identity", NULL, 0, NULL},
    {"IdentityInitializer", "Identity", NULL, 0, NULL},
};
enum { INITIALIZERS = sizeof initializers / sizeof *initializers };

static bool takes_seed_alone(const char *class)
{
    for (size_t i = 0; i < INITIALIZERS && initializers[i].mode; i++)
        if (!strcmp(class, initializers[i].class))
            return true;
    return false;
}

static const char *initializer_class(const char *name)
{
    for (size_t i = 0; i < INITIALIZERS; i++)
        if (!strcmp(name, initializers[i].snake))
            return initializers[i].class;
    return name;
}

/* Keras 2 wrote he_normal and its like as the VarianceScaling that they are: the short name of one, or NULL.
 */
static const char *short_name(const json_t *config)
{
    const char *mode = mr_json_text(config, "mode"), *distribution = mr_json_text(config, "distribution");
    double scale = json_number_value(json_object_get(config, "scale"));
    for (size_t i = 0; mode && distribution && i < INITIALIZERS && initializers[i].mode; i++)
        if (!strcmp(mode, initializers[i].mode) && !strcmp(distribution, initializers[i].distribution) &&
            scale == initializers[i].scale)
            return initializers[i].class;
    return NULL;
}

static json_t *seed_alone(mr_dialect *d, const json_t *config)
{
    json_t *seed = json_object_get(config, "seed"), *c = json_object();
    mr_keras_set(d, c, "seed", json_is_integer(seed) ? json_incref(seed) : json_null());
    return c;
}

json_t *mr_keras_initializer(mr_dialect *d, const json_t *v)
{
    if (json_is_string(v)) {
        const char *class = initializer_class(json_string_value(v));
        return make_object(d, class, takes_seed_alone(class) ? seed_alone(d, NULL) : json_object());
    }
    json_t *object = mr_keras_object(d, v), *config = json_object_get(object, "config");
    const char *class = mr_json_text(object, "class_name");
    if (!class || !json_is_object(config))
        return object;
    mr_keras_set(d, object, "class_name", json_string(initializer_class(class)));
    json_object_del(config, "dtype");
    for (int i = 0; i < 2; i++) { /* new in Keras 3.15, always null in its files */
        const char *key = i ? "output_axes" : "input_axes";
        if (json_is_null(json_object_get(config, key)))
            json_object_del(config, key);
    }
    if (mr_json_is(json_object_get(config, "distribution"),
                   "normal")) /* Keras 2's word for the truncated one */
        mr_keras_set(d, config, "distribution", json_string("truncated_normal"));
    const char *name =
        mr_json_is(json_object_get(object, "class_name"), "VarianceScaling") ? short_name(config) : NULL;
    if (name) {
        json_t *seed = seed_alone(d, config);
        json_decref(object);
        return make_object(d, name, seed);
    }
    return object;
}

/* --- regularizers --------------------------------------------------------- */

static json_t *penalty(mr_dialect *d, double l1, double l2)
{
    json_t *config = json_object();
    if (l1 == 0 && l2 == 0) {
        json_decref(config);
        return json_null();
    }
    if (l1 != 0)
        mr_keras_set(d, config, "l1", json_real(l1));
    if (l2 != 0)
        mr_keras_set(d, config, "l2", json_real(l2));
    return make_object(d, l1 != 0 && l2 != 0 ? "L1L2" : l1 != 0 ? "L1" : "L2", config);
}

/* A penalty may stand as a number or, where numpy had its hand in, as a list of one. */
static double amount(const json_t *config, const char *key, double fallback)
{
    const json_t *v = json_object_get(config, key);
    if (json_array_size(v) == 1)
        v = json_array_get(v, 0);
    return json_is_number(v) ? json_number_value(v) : fallback;
}

json_t *mr_keras_regularizer(mr_dialect *d, const json_t *v)
{
    const json_t *config = json_object_get(v, "config");
    const char *class = json_is_string(v) ? json_string_value(v) : json_is_object(v) ? class_of(v) : "";
    double standard = 0.01;             /* of l1 and l2 where they are not given */
    if (json_is_object(v) && !*class) { /* Keras 1: {"name": "WeightRegularizer", "l1": …, "l2": …} */
        const char *name = mr_json_text(v, "name");
        if (name && (strstr(name, "WeightRegularizer") || strstr(name, "ActivityRegularizer") ||
                     strstr(name, "L1L2")))
            return penalty(d, amount(v, "l1", 0), amount(v, "l2", 0));
    } else if (!strcmp(class, "L1L2")) {
        return penalty(d, amount(config, "l1", 0), amount(config, "l2", 0));
    } else if (!strcasecmp(class, "l1_l2")) {
        return penalty(d, amount(config, "l1", standard), amount(config, "l2", standard));
    } else if (!strcasecmp(class, "L2")) {
        return penalty(d, 0, amount(config, "l2", amount(config, "l", standard)));
    } else if (!strcasecmp(class, "L1")) {
        return penalty(d, amount(config, "l1", amount(config, "l", standard)), 0);
    }
    return mr_keras_object(d, v);
}

/* --- activations ---------------------------------------------------------- */

static json_t *activation_name(const char *name)
{
    if (!strcmp(name, "swish"))
        name = "silu";
    else if (!strcmp(name, "hard_swish"))
        name = "hard_silu";
    return json_string(name);
}

json_t *mr_keras_activation(mr_dialect *d, const json_t *v)
{
    if (!v || json_is_null(v))
        return json_string("linear");
    if (json_is_string(v))
        return activation_name(json_string_value(v));
    /* A function: {"class_name": "function", "config": "relu6"}. A layer used as one keeps its configuration.
     */
    const char *function = mr_json_text(v, "config"), *registered = mr_json_text(v, "registered_name");
    if (function)
        return registered && strchr(registered, '>') ? json_string(registered) : activation_name(function);
    return mr_keras_object(d, v);
}
