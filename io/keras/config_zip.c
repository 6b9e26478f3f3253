/* SPDX-License-Identifier: Apache-2.0 */
/* The canonical configuration as Keras 3 serialises it: every object with its module, calls with the tensors
 * that they were given. Keys that not every Keras 3 knows were left out by the reader (io/keras/layer.c).
 */
#include "io/keras/internal.h"
#include "io/keras/layout.h"
#include "io/keras/write.h"

#include <stdlib.h>
#include <string.h>

struct writer {
    mr_dialect d;
    const mr_graph *g;
    const json_t *orders; /* mr_keras_written_orders */
};

/* --- shapes --------------------------------------------------------------- */

static json_t *shape_json(struct writer *w, const mr_shape *s)
{
    json_t *list = json_array();
    mr_keras_append(&w->d, list, json_null());
    for (int i = 1; i < s->rank; i++)
        mr_keras_append(&w->d, list, json_integer(s->dim[i]));
    return list;
}

/* What NODE gives, in the original's order of axes. */
static json_t *node_shape(struct writer *w, const mr_node *node)
{
    const mr_shape *s = &node->shape;
    if (s->rank != 4 || !json_object_get(w->orders, node->layer->name))
        return shape_json(w, s);
    const mr_shape turned = {4, {0, s->dim[3], s->dim[1], s->dim[2]}};
    return shape_json(w, &turned);
}

/* Node of call CALL of layer PATH. A model that is called again repeats its layers' calls; those of its first
 * call come first. NULL for the inputs of nested models, which have no node. */
static const mr_node *node_of(const struct writer *w, const char *path, json_int_t call)
{
    for (int i = 0; i < w->g->nodes; i++)
        if (!strcmp(w->g->node[i].layer->name, path) && call-- == 0)
            return &w->g->node[i];
    return NULL;
}

static const json_t *find_layer(const json_t *model, const char *name)
{
    const json_t *layer;
    size_t i;
    json_array_foreach (json_object_get(json_object_get(model, "config"), "layers"), i, layer)
        if (!strcmp(mr_keras_name(layer), name))
            return layer;
    return NULL;
}

static json_t *tensor_shape(struct writer *w, const json_t *model, const char *prefix, const json_t *ref);

/* Shape of output TENSOR of a nested model. */
static json_t *model_shape(struct writer *w, const json_t *model, const char *path, size_t tensor)
{
    const json_t *config = json_object_get(model, "config"), *layers = json_object_get(config, "layers");
    if (!mr_keras_is_sequential(model))
        return tensor_shape(w, model, path, json_array_get(json_object_get(config, "output_layers"), tensor));
    const json_t *last = json_array_get(layers, json_array_size(layers) - 1);
    json_t *ref = json_pack("[s,i,I]", mr_keras_name(last), 0, (json_int_t)tensor);
    json_t *shape = tensor_shape(w, model, path, ref);
    json_decref(ref);
    return shape;
}

/* Shape of [name, call, tensor] within MODEL, which is at PREFIX in the graph. */
static json_t *tensor_shape(struct writer *w, const json_t *model, const char *prefix, const json_t *ref)
{
    const char *name = json_string_value(json_array_get(ref, 0));
    const json_t *layer = find_layer(model, name ? name : "");
    char *path = mr_keras_path(prefix, name ? name : "");
    json_t *shape = NULL;
    if (!path || !layer) {
        w->d.failed = true;
    } else if (mr_keras_is_model(layer)) {
        shape = model_shape(w, layer, path, (size_t)json_integer_value(json_array_get(ref, 2)));
    } else {
        bool turned = w->orders && mr_keras_is_input(layer); /* which says its shape itself */
        const mr_node *node = turned ? NULL : node_of(w, path, json_integer_value(json_array_get(ref, 1)));
        shape = node ? node_shape(w, node)
                     : json_deep_copy(json_object_get(json_object_get(layer, "config"), "batch_shape"));
    }
    free(path);
    return shape ? shape : json_null();
}

/* --- calls ---------------------------------------------------------------- */

static json_t *tensor_json(struct writer *w, const json_t *model, const char *prefix, const json_t *ref)
{
    json_t *history =
        json_pack("[O,O,O]", json_array_get(ref, 0), json_array_get(ref, 1), json_array_get(ref, 2));
    return json_pack("{s:s, s:{s:o, s:s, s:o}}", "class_name", "__keras_tensor__", "config", "shape",
                     tensor_shape(w, model, prefix, ref), "dtype", "float32", "keras_history", history);
}

/* The arguments of a call on TENSORS, which are taken over: merges take one list, whatever is in it; a model
 * takes what it was made for. */
static json_t *arguments(struct writer *w, const json_t *layer, json_t *tensors)
{
    const mr_layer_class *class = mr_layer_class_find(mr_keras_class(layer));
    const json_t *structure = json_object_get(json_object_get(layer, "config"), "input_structure");
    if (json_array_size(tensors) > 1 || (class && class->max_inputs > 1) || structure) {
        json_t *formed = structure ? mr_keras_structured(&w->d, tensors, structure) : json_incref(tensors);
        json_decref(tensors);
        return json_pack("[o]", formed);
    }
    return tensors;
}

static json_t *calls_json(struct writer *w, const json_t *model, const char *prefix, const json_t *layer)
{
    json_t *out = json_array(), *call, *ref;
    size_t i, k;
    json_array_foreach (json_object_get(layer, "inbound_nodes"), i, call) {
        json_t *tensors = json_array();
        json_array_foreach (call, k, ref)
            mr_keras_append(&w->d, tensors, tensor_json(w, model, prefix, ref));
        json_t *options = json_deep_copy(json_array_get(json_array_get(call, 0), 3));
        mr_keras_append(&w->d, out,
                        json_pack("{s:o, s:o}", "args", arguments(w, layer, tensors), "kwargs",
                                  options ? options : json_object()));
    }
    return out;
}

/* --- layers and models ---------------------------------------------------- */

static json_t *input_config(const json_t *config)
{
    return json_pack("{s:O, s:s, s:b, s:O}", "batch_shape", json_object_get(config, "batch_shape"), "dtype",
                     "float32", "sparse", 0, "name", json_object_get(config, "name"));
}

static json_t *layer_config(struct writer *w, const json_t *layer, const mr_layer *l)
{
    const char *key;
    json_t *out = json_object(), *v;
    mr_keras_set(&w->d, out, "name", json_string(mr_keras_name(layer)));
    if (mr_keras_takes_trainable(mr_keras_class(layer)))
        mr_keras_set(&w->d, out, "trainable", json_boolean(!l || l->trainable));
    mr_keras_set(&w->d, out, "dtype", json_string(mr_graph_policy(w->g, l)));
    json_object_foreach (json_object_get(layer, "config"), key, v)
        if (strcmp(key, "name") != 0 && strcmp(key, "trainable") != 0 && strcmp(key, "dtype") != 0 &&
            !mr_keras_is_default(mr_keras_class(layer), key, v))
            mr_keras_set(&w->d, out, key, mr_keras_serialized(key, v));
    return out;
}

/* Layers with variables are built when they are read, before they are called: they are told on what shape.
 * Those of a model in another order of axes are built by their calls. */
static void add_build_config(struct writer *w, json_t *out, const mr_layer *l)
{
    const mr_node *node = l && l->params && !w->orders ? node_of(w, l->name, 0) : NULL;
    if (node && node->inputs == 1)
        mr_keras_set(&w->d, out, "build_config",
                     json_pack("{s:o}", "input_shape", shape_json(w, &w->g->node[node->input[0]].shape)));
}

static json_t *model_json(struct writer *w, const json_t *model, const char *prefix);

static json_t *layer_json(struct writer *w, const json_t *layer, const char *path)
{
    if (mr_keras_is_model(layer))
        return model_json(w, layer, path);
    const mr_layer *l = mr_graph_layer(w->g, path);
    json_t *config =
        mr_keras_is_input(layer) ? input_config(json_object_get(layer, "config")) : layer_config(w, layer, l);
    json_t *out = json_pack("{s:s, s:s, s:o, s:n}", "module", "keras.layers", "class_name",
                            mr_keras_class(layer), "config", config, "registered_name");
    add_build_config(w, out, l);
    return out;
}

/* Keras 3 counts a nested Functional model's calls from 1 here, and here alone. */
static json_t *output_layers(struct writer *w, const json_t *model)
{
    const json_t *config = json_object_get(model, "config");
    json_t *ends = json_deep_copy(json_object_get(config, "output_layers")), *ref, *formed;
    size_t i;
    json_array_foreach (ends, i, ref) {
        const json_t *layer = find_layer(model, json_string_value(json_array_get(ref, 0)));
        if (layer && !strcmp(mr_keras_class(layer), "Functional") &&
            json_array_set_new(ref, 1, json_integer(1 + json_integer_value(json_array_get(ref, 1)))))
            w->d.failed = true;
    }
    formed = mr_keras_structured(&w->d, ends, json_object_get(config, "output_structure"));
    json_decref(ends);
    return formed;
}

static json_t *layers_json(struct writer *w, const json_t *model, const char *prefix)
{
    const json_t *layer;
    json_t *out = json_array();
    size_t i;
    json_array_foreach (json_object_get(json_object_get(model, "config"), "layers"), i, layer) {
        char *path = mr_keras_path(prefix, mr_keras_name(layer));
        json_t *made = path ? layer_json(w, layer, path) : NULL;
        if (!mr_keras_is_sequential(model)) {
            mr_keras_set(&w->d, made, "name", json_string(mr_keras_name(layer)));
            mr_keras_set(&w->d, made, "inbound_nodes", calls_json(w, model, prefix, layer));
        }
        mr_keras_append(&w->d, out, made);
        free(path);
    }
    return out;
}

static json_t *first_shape(const json_t *model)
{
    const json_t *first = json_array_get(json_object_get(json_object_get(model, "config"), "layers"), 0);
    return json_deep_copy(json_object_get(json_object_get(first, "config"), "batch_shape"));
}

static json_t *model_json(struct writer *w, const json_t *model, const char *prefix)
{
    const json_t *config = json_object_get(model, "config");
    bool sequential = mr_keras_is_sequential(model);
    json_t *inner = json_object(), *out;
    mr_keras_set(&w->d, inner, "name", json_string(mr_keras_name(model)));
    mr_keras_set(&w->d, inner, "trainable",
                 json_boolean(!json_is_false(json_object_get(config, "trainable"))));
    if (sequential)
        mr_keras_set(&w->d, inner, "dtype", json_string("float32"));
    mr_keras_set(&w->d, inner, "layers", layers_json(w, model, prefix));
    if (sequential) {
        mr_keras_set(&w->d, inner, "build_input_shape", first_shape(model));
        out =
            json_pack("{s:s, s:s, s:o, s:n, s:{s:o}}", "module", "keras", "class_name", "Sequential",
                      "config", inner, "registered_name", "build_config", "input_shape", first_shape(model));
    } else {
        mr_keras_set(&w->d, inner, "input_layers",
                     mr_keras_structured(&w->d, json_object_get(config, "input_layers"),
                                         json_object_get(config, "input_structure")));
        mr_keras_set(&w->d, inner, "output_layers", output_layers(w, model));
        out = json_pack("{s:s, s:s, s:o, s:s, s:{s:n}}", "module", "keras.src.models.functional",
                        "class_name", "Functional", "config", inner, "registered_name", "Functional",
                        "build_config", "input_shape");
    }
    if (!out)
        w->d.failed = true;
    return out;
}

int mr_keras_config_zip(json_t **out, const mr_graph *g, mr_error *e)
{
    struct writer w = {.d = {.era = 3, .e = e}, .g = g, .orders = mr_keras_written_orders(g)};
    *out = model_json(&w, mr_keras_written_config(g), "");
    if (!w.d.failed)
        return 0;
    json_decref(*out);
    *out = NULL;
    return mr_no_memory(e, "writing the model's configuration");
}
