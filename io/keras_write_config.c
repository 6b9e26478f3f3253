/* SPDX-License-Identifier: Apache-2.0 */
/* The canonical configuration in the words of Keras 2, as far as it has them: see io/keras_write.h for who
 * reads that. */
#include "io/keras_internal.h"
#include "io/keras_write.h"

#include <string.h>

/* --- objects -------------------------------------------------------------- */

static const struct {
    const char *class, *mode;
    double scale;
    const char *distribution;
} scaled[] = {
    {"GlorotUniform", "fan_avg", 1, "uniform"}, {"GlorotNormal", "fan_avg", 1, "normal"},
    {"HeUniform", "fan_in", 2, "uniform"},      {"HeNormal", "fan_in", 2, "normal"},
    {"LecunUniform", "fan_in", 1, "uniform"},   {"LecunNormal", "fan_in", 1, "normal"},
};

/* Keras 2.3 has these names for functions only; the VarianceScaling that they are opens everywhere. "normal"
 * is Keras 2's word for the truncated one, and Keras 3 takes it so. */
static json_t *old_initializer(mr_dialect *d, const json_t *v)
{
    const char *class = mr_keras_class(v);
    json_t *config = json_object_get(v, "config"), *seed = json_object_get(config, "seed");
    for (size_t i = 0; i < sizeof scaled / sizeof *scaled; i++)
        if (!strcmp(class, scaled[i].class))
            return json_pack("{s:s, s:{s:f, s:s, s:s, s:O?}}", "class_name", "VarianceScaling", "config",
                             "scale", scaled[i].scale, "mode", scaled[i].mode, "distribution",
                             scaled[i].distribution, "seed", seed);
    json_t *copy = json_deep_copy(v);
    json_object_del(copy, "module"); /* Keras 3's ways of naming where a class comes from */
    json_object_del(copy, "registered_name");
    json_t *distribution = json_object_get(json_object_get(copy, "config"), "distribution");
    if (mr_json_is(distribution, "truncated_normal"))
        mr_keras_set(d, json_object_get(copy, "config"), "distribution", json_string("normal"));
    return copy;
}

static json_t *old_regularizer(const json_t *v)
{
    const char *class = mr_keras_class(v);
    const json_t *config = json_object_get(v, "config");
    if (strcmp(class, "L1") != 0 && strcmp(class, "L2") != 0 && strcmp(class, "L1L2") != 0)
        return json_deep_copy(v);
    return json_pack("{s:s, s:{s:f, s:f}}", "class_name", "L1L2", "config", "l1",
                     json_number_value(json_object_get(config, "l1")), "l2",
                     json_number_value(json_object_get(config, "l2")));
}

/* tf.keras knew silu as "swish" first, and Keras 3 still does. A layer as activation: Keras 3 finds its class by the
 * module alone, in the .h5 as well. */
static json_t *old_activation(json_t *v)
{
    return mr_json_is(v, "silu") ? json_string("swish") : mr_keras_serialized("activation", v);
}

static json_t *old_value(mr_dialect *d, const char *key, json_t *v)
{
    if (mr_keras_ends_with(key, "_initializer") && json_is_object(v))
        return old_initializer(d, v);
    if (mr_keras_ends_with(key, "_regularizer") && json_is_object(v))
        return old_regularizer(v);
    if (!strcmp(key, "activation"))
        return old_activation(v);
    return json_deep_copy(v);
}

/* --- layers and models ---------------------------------------------------- */

static json_t *input_config(const json_t *config)
{
    return json_pack("{s:O, s:s, s:b, s:O}", "batch_input_shape", json_object_get(config, "batch_shape"),
                     "dtype", "float32", "sparse", 0, "name", json_object_get(config, "name"));
}

/* LeakyReLU's slope was "alpha", and Keras 3 still takes it. */
static const char *old_key(const char *class, const char *key)
{
    return !strcmp(class, "LeakyReLU") && !strcmp(key, "negative_slope") ? "alpha" : key;
}

static json_t *layer_config(mr_dialect *d, const mr_graph *g, const json_t *layer, const char *path)
{
    const char *class = mr_keras_class(layer), *key;
    const json_t *config = json_object_get(layer, "config");
    const mr_layer *l = mr_graph_layer(g, path);
    json_t *out = json_object(), *v;
    mr_keras_set(d, out, "name", json_string(mr_keras_name(layer)));
    mr_keras_set(d, out, "trainable",
                 l ? json_boolean(l->trainable)
                   : json_true()); /* as it is now: training may have frozen it */
    mr_keras_set(d, out, "dtype", json_string(mr_graph_policy(g, l)));
    json_object_foreach ((json_t *)config, key, v)
        if (strcmp(key, "name") != 0 && strcmp(key, "trainable") != 0 && strcmp(key, "dtype") != 0 &&
            !mr_keras_goes_without_saying(class, key, v))
            mr_keras_set(d, out, old_key(class, key), old_value(d, key, v));
    return out;
}

static json_t *model_json(mr_dialect *d, const mr_graph *g, const json_t *model, const char *prefix);

static json_t *layer_json(mr_dialect *d, const mr_graph *g, const json_t *layer, const char *prefix)
{
    char *path = mr_keras_path(prefix, mr_keras_name(layer));
    json_t *out;
    if (!path)
        d->failed = true;
    if (mr_keras_is_model(layer)) {
        out = model_json(d, g, layer, path ? path : "");
    } else {
        json_t *config = mr_keras_is_input(layer) ? input_config(json_object_get(layer, "config"))
                                                  : layer_config(d, g, layer, path ? path : "");
        out = json_pack("{s:s, s:o}", "class_name", mr_keras_class(layer), "config", config);
    }
    free(path);
    if (!out)
        d->failed = true;
    return out;
}

/* Keras 3, too, counts a nested Functional model's calls from 1 where it lists a model's outputs. */
static json_t *output_layers(mr_dialect *d, const json_t *config)
{
    json_t *ends = json_deep_copy(json_object_get(config, "output_layers")), *ref, *layer;
    size_t i, k;
    json_array_foreach (ends, i, ref)
        json_array_foreach (json_object_get(config, "layers"), k, layer)
            if (!strcmp(mr_keras_class(layer), "Functional") &&
                mr_json_is(json_array_get(ref, 0), mr_keras_name(layer)) &&
                json_array_set_new(ref, 1, json_integer(1 + json_integer_value(json_array_get(ref, 1)))))
                d->failed = true;
    return ends;
}

static json_t *model_json(mr_dialect *d, const mr_graph *g, const json_t *model, const char *prefix)
{
    const json_t *config = json_object_get(model, "config"), *layer;
    bool sequential = mr_keras_is_sequential(model);
    json_t *layers = json_array(), *out = json_object();
    size_t i;
    json_array_foreach (json_object_get(config, "layers"), i, layer) {
        json_t *made = layer_json(d, g, layer, prefix), *calls = json_object_get(layer, "inbound_nodes");
        if (!sequential) {
            mr_keras_set(d, made, "name", json_string(mr_keras_name(layer)));
            mr_keras_set(d, made, "inbound_nodes", calls ? json_deep_copy(calls) : json_array());
        }
        mr_keras_append(d, layers, made);
    }
    mr_keras_set(d, out, "name", json_string(mr_keras_name(model)));
    if (json_is_false(json_object_get(config, "trainable")))
        mr_keras_set(d, out, "trainable", json_false());
    mr_keras_set(d, out, "layers", layers);
    if (!sequential) {
        mr_keras_set(d, out, "input_layers", json_deep_copy(json_object_get(config, "input_layers")));
        mr_keras_set(d, out, "output_layers", output_layers(d, config));
    }
    json_t *whole = json_pack("{s:s, s:o}", "class_name", sequential ? "Sequential" : "Model", "config", out);
    if (!whole)
        d->failed = true;
    return whole;
}

int mr_keras_config_h5(json_t **out, const mr_graph *g, mr_error *e)
{
    mr_dialect d = {.era = 3, .e = e};
    *out = model_json(&d, g, g->config, "");
    if (!d.failed)
        return 0;
    json_decref(*out);
    *out = NULL;
    return mr_fail(e, MR_ENOMEM, "out of memory while writing the model's configuration");
}
