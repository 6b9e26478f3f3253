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
    int *first, *next;    /* per layer its first node, per node the next one of the same layer; -1: none */
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

static int find_nodes(struct writer *w)
{
    const mr_graph *g = w->g;
    w->first = malloc(((size_t)g->layers + 1) * sizeof *w->first);
    w->next = malloc(((size_t)g->nodes + 1) * sizeof *w->next);
    if (!w->first || !w->next)
        return -1;
    for (int i = 0; i < g->layers; i++)
        w->first[i] = -1;
    for (int i = g->nodes - 1; i >= 0; i--) {
        int *first = &w->first[g->node[i].layer->number];
        w->next[i] = *first;
        *first = i;
    }
    return 0;
}

/* Node of call CALL of layer L. A model that is called again repeats its layers' calls; those of its first
 * call come first. NULL for the inputs of nested models, which have no node. */
static const mr_node *node_of(const struct writer *w, const mr_layer *l, int call)
{
    int node = l ? w->first[l->number] : -1;
    while (node >= 0 && call-- > 0)
        node = w->next[node];
    return node < 0 ? NULL : &w->g->node[node];
}

static json_t *tensor_shape(struct writer *w, const mr_tree *t, int tensor)
{
    int call = t->maker[tensor];
    const mr_tree_entry *en = &t->entry[t->call[call].entry];
    if (en->model)
        return tensor_shape(w, en->model, en->model->output[tensor - t->call[call].output]);
    bool turned = w->orders && en->input >= 0; /* which says its shape itself */
    const mr_node *node = turned ? NULL : node_of(w, mr_graph_layer(w->g, en->path), call - en->first_call);
    json_t *shape = node ? node_shape(w, node) : json_deep_copy(json_object_get(en->config, "batch_shape"));
    return shape ? shape : json_null();
}

/* --- calls ---------------------------------------------------------------- */

/* [name, call, tensor]; calls are counted from BASE. */
static json_t *reference(const mr_tree *t, int tensor, int base)
{
    int call = t->maker[tensor];
    const mr_tree_entry *en = &t->entry[t->call[call].entry];
    return json_pack("[s,i,i]", en->name, base + call - en->first_call, tensor - t->call[call].output);
}

static json_t *tensor_json(struct writer *w, const mr_tree *t, int tensor)
{
    return json_pack("{s:s, s:{s:o, s:s, s:o}}", "class_name", "__keras_tensor__", "config", "shape",
                     tensor_shape(w, t, tensor), "dtype", "float32", "keras_history", reference(t, tensor, 0));
}

/* The arguments of a call on TENSORS, which are taken over: merges take one list, whatever is in it; a model
 * takes what it was made for. */
static json_t *arguments(struct writer *w, const mr_tree_entry *en, json_t *tensors)
{
    const mr_layer_class *class = mr_layer_class_find(en->class);
    const json_t *structure = json_object_get(en->config, "input_structure");
    if (json_array_size(tensors) > 1 || (class && class->max_inputs > 1) || structure) {
        json_t *formed = structure ? mr_keras_structured(&w->d, tensors, structure) : json_incref(tensors);
        json_decref(tensors);
        return json_pack("[o]", formed);
    }
    return tensors;
}

static json_t *calls_json(struct writer *w, const mr_tree *t, const mr_tree_entry *en)
{
    json_t *out = json_array(), *found;
    size_t k;
    json_array_foreach (json_object_get(en->json, "inbound_nodes"), k, found) {
        const mr_tree_call *c = &t->call[en->first_call + (int)k];
        json_t *tensors = json_array();
        for (int i = 0; i < c->inputs; i++)
            mr_keras_append(&w->d, tensors, tensor_json(w, t, c->input[i]));
        json_t *options = json_deep_copy(json_array_get(json_array_get(found, 0), 3));
        mr_keras_append(&w->d, out,
                        json_pack("{s:o, s:o}", "args", arguments(w, en, tensors), "kwargs",
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

static json_t *layer_config(struct writer *w, const mr_tree_entry *en, const mr_layer *l)
{
    const char *key;
    json_t *out = json_object(), *v;
    mr_keras_set(&w->d, out, "name", json_string(en->name));
    if (mr_keras_takes_trainable(en->class))
        mr_keras_set(&w->d, out, "trainable", json_boolean(!l || l->trainable));
    mr_keras_set(&w->d, out, "dtype", json_string(mr_graph_policy(w->g, l)));
    json_object_foreach (en->config, key, v)
        if (strcmp(key, "name") != 0 && strcmp(key, "trainable") != 0 && strcmp(key, "dtype") != 0 &&
            !mr_keras_is_default(en->class, key, v))
            mr_keras_set(&w->d, out, key, mr_keras_serialized(key, v));
    return out;
}

/* Layers with variables are built when they are read, before they are called: they are told on what shape.
 * Those of a model in another order of axes are built by their calls. */
static void add_build_config(struct writer *w, json_t *out, const mr_layer *l)
{
    const mr_node *node = l && l->params && !w->orders ? node_of(w, l, 0) : NULL;
    if (node && node->inputs == 1)
        mr_keras_set(&w->d, out, "build_config",
                     json_pack("{s:o}", "input_shape", shape_json(w, &w->g->node[node->input[0]].shape)));
}

static json_t *model_json(struct writer *w, const mr_tree *t);

static json_t *layer_json(struct writer *w, const mr_tree_entry *en)
{
    if (en->model)
        return model_json(w, en->model);
    const mr_layer *l = mr_graph_layer(w->g, en->path);
    json_t *config = en->input >= 0 ? input_config(en->config) : layer_config(w, en, l);
    json_t *out = json_pack("{s:s, s:s, s:o, s:n}", "module", "keras.layers", "class_name", en->class, "config",
                            config, "registered_name");
    add_build_config(w, out, l);
    return out;
}

/* Keras 3 counts a nested Functional model's calls from 1 here, and here alone. */
static json_t *output_layers(struct writer *w, const mr_tree *t)
{
    json_t *ends = json_array();
    for (int i = 0; i < t->outputs; i++) {
        const mr_tree *made_by = t->entry[t->call[t->maker[t->output[i]]].entry].model;
        mr_keras_append(&w->d, ends, reference(t, t->output[i], made_by && !made_by->sequential));
    }
    json_t *formed = mr_keras_structured(&w->d, ends, json_object_get(t->config, "output_structure"));
    json_decref(ends);
    return formed;
}

static json_t *layers_json(struct writer *w, const mr_tree *t)
{
    json_t *out = json_array();
    for (int i = 0; i < t->entries; i++) {
        json_t *made = layer_json(w, &t->entry[i]);
        if (!t->sequential) {
            mr_keras_set(&w->d, made, "name", json_string(t->entry[i].name));
            mr_keras_set(&w->d, made, "inbound_nodes", calls_json(w, t, &t->entry[i]));
        }
        mr_keras_append(&w->d, out, made);
    }
    return out;
}

static json_t *first_shape(const mr_tree *t)
{
    return json_deep_copy(json_object_get(t->entry[0].config, "batch_shape"));
}

static json_t *model_json(struct writer *w, const mr_tree *t)
{
    json_t *inner = json_object(), *out;
    mr_keras_set(&w->d, inner, "name", json_string(t->name));
    mr_keras_set(&w->d, inner, "trainable",
                 json_boolean(!json_is_false(json_object_get(t->config, "trainable"))));
    if (t->sequential)
        mr_keras_set(&w->d, inner, "dtype", json_string("float32"));
    mr_keras_set(&w->d, inner, "layers", layers_json(w, t));
    if (t->sequential) {
        mr_keras_set(&w->d, inner, "build_input_shape", first_shape(t));
        out =
            json_pack("{s:s, s:s, s:o, s:n, s:{s:o}}", "module", "keras", "class_name", "Sequential",
                      "config", inner, "registered_name", "build_config", "input_shape", first_shape(t));
    } else {
        mr_keras_set(&w->d, inner, "input_layers",
                     mr_keras_structured(&w->d, json_object_get(t->config, "input_layers"),
                                         json_object_get(t->config, "input_structure")));
        mr_keras_set(&w->d, inner, "output_layers", output_layers(w, t));
        out = json_pack("{s:s, s:s, s:o, s:s, s:{s:n}}", "module", "keras.src.models.functional",
                        "class_name", "Functional", "config", inner, "registered_name", "Functional",
                        "build_config", "input_shape");
    }
    if (!out)
        w->d.failed = true;
    return out;
}

int mr_keras_config_zip(json_t **out, const mr_keras_output *o, mr_error *e)
{
    const mr_graph *g = o->model->graph;
    struct writer w = {.d = {.era = 3, .e = e}, .g = g, .orders = mr_keras_written_orders(g)};
    w.d.failed = find_nodes(&w) != 0;
    *out = w.d.failed ? NULL : model_json(&w, o->tree);
    free(w.first);
    free(w.next);
    if (!w.d.failed)
        return 0;
    json_decref(*out);
    *out = NULL;
    return mr_no_memory(e, "writing the model's configuration");
}
