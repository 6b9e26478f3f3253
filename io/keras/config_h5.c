/* SPDX-License-Identifier: Apache-2.0 */
/* The canonical configuration in the words of Keras 2, as far as it has them: see io/keras/write.h for who
 * reads that. */
#include "io/keras/internal.h"
#include "base/text.h"
#include "io/keras/write.h"

#include <string.h>

struct writer {
    mr_dialect d; /* era: 2 or 3 */
    const mr_graph *g;
};

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
    const char *class = mr_tree_class(v);
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
    const char *class = mr_tree_class(v);
    const json_t *config = json_object_get(v, "config");
    if (strcmp(class, "L1") != 0 && strcmp(class, "L2") != 0 && strcmp(class, "L1L2") != 0)
        return json_deep_copy(v);
    return json_pack("{s:s, s:{s:f, s:f}}", "class_name", "L1L2", "config", "l1",
                     json_number_value(json_object_get(config, "l1")), "l2",
                     json_number_value(json_object_get(config, "l2")));
}

/* tf.keras knew silu as "swish" first, and Keras 3 still does. A layer as activation: Keras 3 finds its class
 * by the module alone, in the .h5 as well, and Keras 2 by its name. */
static json_t *old_activation(const mr_dialect *d, json_t *v)
{
    if (mr_json_is(v, "silu"))
        return json_string("swish");
    return d->era == 2 ? json_deep_copy(v) : mr_keras_serialized("activation", v);
}

static json_t *old_value(mr_dialect *d, const char *key, json_t *v)
{
    if (mr_ends_with(key, "_initializer") && json_is_object(v))
        return old_initializer(d, v);
    if (mr_ends_with(key, "_regularizer") && json_is_object(v))
        return old_regularizer(v);
    if (!strcmp(key, "activation"))
        return old_activation(d, v);
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

static json_t *layer_config(struct writer *w, const mr_tree_entry *en)
{
    mr_dialect *d = &w->d;
    const char *key;
    const mr_layer *l = mr_graph_layer(w->g, en->path);
    json_t *out = json_object(), *v;
    mr_keras_set(d, out, "name", json_string(en->name));
    if (mr_keras_takes_trainable(en->class)) /* as it is now: training may have frozen it */
        mr_keras_set(d, out, "trainable", json_boolean(!l || l->trainable));
    mr_keras_set(d, out, "dtype", json_string(mr_graph_policy(w->g, l)));
    json_object_foreach (en->config, key, v)
        if (strcmp(key, "name") != 0 && strcmp(key, "trainable") != 0 && strcmp(key, "dtype") != 0 &&
            !mr_keras_is_default(en->class, key, v))
            mr_keras_set(d, out, old_key(en->class, key), old_value(d, key, v));
    return out;
}

static json_t *model_json(struct writer *w, const mr_tree *model);

static json_t *layer_json(struct writer *w, const mr_tree_entry *en)
{
    if (en->model)
        return model_json(w, en->model);
    json_t *config = en->input >= 0 ? input_config(en->config) : layer_config(w, en);
    json_t *out = json_pack("{s:s, s:o}", "class_name", en->class, "config", config);
    if (!out)
        w->d.failed = true;
    return out;
}

/* Adds 1 to the number of the call in each of REFS that refers to a nested model whose calls are counted from
 * 1: Keras 2 counts all so, Keras 3 those of Functional ones, and in output_layers alone. */
static void count_from_one(struct writer *w, json_t *refs, const mr_tree *t, bool all)
{
    json_t *ref;
    size_t i;
    json_array_foreach (refs, i, ref) {
        const mr_tree_entry *en = mr_tree_find(t, json_string_value(json_array_get(ref, 0)));
        if (en && en->model && (all || !en->model->sequential) &&
            json_array_set_new(ref, 1, json_integer(1 + json_integer_value(json_array_get(ref, 1)))))
            w->d.failed = true;
    }
}

static json_t *calls_json(struct writer *w, const mr_tree *t, const mr_tree_entry *en)
{
    json_t *found = json_object_get(en->json, "inbound_nodes"),
           *calls = found ? json_deep_copy(found) : json_array(), *call;
    size_t i;
    json_array_foreach (calls, i, call)
        if (w->d.era == 2)
            count_from_one(w, call, t, true);
    return calls;
}

/* input_layers or output_layers: Keras 2 knows lists of references alone. */
static json_t *ends_json(struct writer *w, const mr_tree *t, const char *key, const char *structure)
{
    json_t *ends = json_deep_copy(json_object_get(t->config, key));
    if (!strcmp(key, "output_layers"))
        count_from_one(w, ends, t, w->d.era == 2);
    if (w->d.era == 2)
        return ends;
    json_t *formed = mr_keras_structured(&w->d, ends, json_object_get(t->config, structure));
    json_decref(ends);
    return formed;
}

static json_t *model_json(struct writer *w, const mr_tree *t)
{
    json_t *layers = json_array(), *out = json_object();
    for (int i = 0; i < t->entries; i++) {
        json_t *made = layer_json(w, &t->entry[i]);
        if (!t->sequential) {
            mr_keras_set(&w->d, made, "name", json_string(t->entry[i].name));
            mr_keras_set(&w->d, made, "inbound_nodes", calls_json(w, t, &t->entry[i]));
        }
        mr_keras_append(&w->d, layers, made);
    }
    mr_keras_set(&w->d, out, "name", json_string(t->name));
    if (json_is_false(json_object_get(t->config, "trainable")))
        mr_keras_set(&w->d, out, "trainable", json_false());
    mr_keras_set(&w->d, out, "layers", layers);
    if (!t->sequential) {
        mr_keras_set(&w->d, out, "input_layers", ends_json(w, t, "input_layers", "input_structure"));
        mr_keras_set(&w->d, out, "output_layers", ends_json(w, t, "output_layers", "output_structure"));
    }
    json_t *whole = json_pack("{s:s, s:o}", "class_name", t->sequential ? "Sequential" : "Model", "config", out);
    if (!whole)
        w->d.failed = true;
    return whole;
}

/* --- what Keras 2 has ----------------------------------------------------- */

static bool keras_2_has(const char *activation)
{
    static const char *const names[] = {"elu",      "exponential", "gelu", "linear",  "mish",
                                        "relu",     "selu",        "silu", "sigmoid", "softmax",
                                        "softplus", "softsign",    "tanh"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(activation, names[i]))
            return true;
    return false;
}

static int check_keras_2(const mr_graph *g, mr_error *e)
{
    for (int i = 0; i < g->layers; i++) {
        const mr_layer *l = g->layer[i];
        const char *activation = mr_json_text(l->config, "activation");
        if (activation && !keras_2_has(activation))
            return mr_hint(e,
                           mr_fail(e, MR_EUNSUPPORTED,
                                   "layer '%s' (%s): Keras 2 has no activation '%s' as in Keras 3", l->name,
                                   l->class->name, activation),
                           "write the file for Keras 3, without --dialect keras2");
    }
    return 0;
}

int mr_keras_config_h5(json_t **out, const mr_keras_output *o, mr_error *e)
{
    const mr_graph *g = o->model->graph;
    bool old = o->dialect == MR_DIALECT_KERAS_2;
    struct writer w = {.d = {.era = old ? 2 : 3, .e = e}, .g = g};
    int status = old ? check_keras_2(g, e) : 0;
    *out = status ? NULL : model_json(&w, o->tree);
    if (status || !w.d.failed)
        return status;
    json_decref(*out);
    *out = NULL;
    return mr_no_memory(e, "writing the model's configuration");
}
