/* SPDX-License-Identifier: Apache-2.0 */
/* Canonical configuration → graph. Two passes over the tree: the first makes every layer once, in the order
 * of the configuration (which is the order of the weights); the second follows the calls and makes the nodes.
 * A nested model that is called twice is walked twice in the second pass: more nodes, the same layers. */
#include "nn/graph/graph_build.h"

#include "base/list.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 16, MAX_NAME = 1024 };

/* --- what both passes ask ---------------------------------------------------- */

int mr_build_fail(mr_build *b, const char *name, const char *what)
{
    return mr_fail(b->e, MR_EFORMAT, "model configuration: '%s': %s", *name ? name : "model", what);
}

static const char *text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

const char *mr_build_class(const json_t *layer)
{
    return text(layer, "class_name");
}

bool mr_build_is_model(const json_t *layer)
{
    const char *class = mr_build_class(layer);
    return class && (!strcmp(class, "Functional") || !strcmp(class, "Sequential"));
}

bool mr_build_is_sequential(const json_t *model)
{
    const char *class = mr_build_class(model);
    return class && !strcmp(class, "Sequential");
}

const char *mr_build_name(const json_t *layer)
{
    const char *name = text(layer, "name");
    return name ? name : text(json_object_get(layer, "config"), "name");
}

static bool trainable_of(const json_t *layer)
{
    return !json_is_false(json_object_get(json_object_get(layer, "config"), "trainable"));
}

char *mr_build_path(const char *prefix, const char *name)
{
    size_t size = strlen(prefix) + strlen(name) + 2;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s%s%s", prefix, *prefix ? "/" : "", name);
    return path;
}

/* --- first pass: layers ------------------------------------------------------ */

static int layer_slot(mr_build *b, mr_layer *l)
{
    mr_graph *g = b->g;
    if (g->layers >= MR_MAX_LAYERS)
        return mr_fail(b->e, MR_ELIMIT, "model configuration: more than %d layers", MR_MAX_LAYERS);
    if (!mr_list_grow(&g->layer, (size_t)g->layers, sizeof *g->layer))
        return mr_no_memory(b->e, "%d layers", g->layers + 1);
    g->layer[g->layers++] = l;
    return 0;
}

static int configure_layer(mr_build *b, mr_layer *l, const json_t *json)
{
    const char *class = mr_build_class(json);
    l->class = mr_layer_class_find(class ? class : "");
    if (!l->class)
        return mr_fail(b->e, MR_EUNSUPPORTED, "layer '%s': class %s is not one that millrace can run",
                       l->name, class ? class : "(none)");
    l->impl = calloc(1, l->class->size ? l->class->size : 1);
    if (!l->impl)
        return mr_no_memory(b->e, "layer '%s'", l->name);
    return l->class->configure ? l->class->configure(l, l->config, b->e) : 0;
}

static int make_layer(mr_build *b, const json_t *json, const char *prefix, const char *name, bool trainable)
{
    mr_layer *l = calloc(1, sizeof *l);
    if (!l)
        return mr_no_memory(b->e, "layer '%s'", name);
    l->name = mr_build_path(prefix, name);
    l->config = json_incref(json_object_get(json, "config"));
    l->trainable = trainable && trainable_of(json);
    int status = l->name ? layer_slot(b, l) : mr_no_memory(b->e, "layer '%s'", name);
    if (status) {
        json_decref(l->config);
        free(l->name);
        free(l);
        return status;
    }
    l->local_name = l->name + strlen(l->name) - strlen(name);
    if (json_object_get(b->g->index, l->name))
        return mr_build_fail(b, l->name, "two layers have this name");
    if (json_object_set_new(b->g->index, l->name, json_integer(b->g->layers - 1)))
        return mr_build_fail(b, name, "its name is not UTF-8");
    return configure_layer(b, l, json);
}

static int make_layers(mr_build *b, const json_t *model, const char *prefix, bool trainable, int depth)
{
    const json_t *config = json_object_get(model, "config"), *list = json_object_get(config, "layers"),
                 *layer;
    size_t i;
    if (depth > MAX_DEPTH)
        return mr_fail(b->e, MR_ELIMIT, "model configuration: models nested more than %d deep", MAX_DEPTH);
    if (!json_is_array(list) || json_array_size(list) == 0)
        return mr_build_fail(b, prefix, "no list of layers");
    trainable = trainable && trainable_of(model);
    json_array_foreach (list, i, layer) {
        const char *name = mr_build_name(layer);
        if (!name || !*name || strlen(name) > MAX_NAME)
            return mr_build_fail(b, prefix, "a layer without a name");
        if (!json_is_object(json_object_get(layer, "config")))
            return mr_build_fail(b, name, "a layer without a configuration");
        int status;
        if (mr_build_is_model(layer)) {
            char *path = mr_build_path(prefix, name);
            status = path ? make_layers(b, layer, path, trainable, depth + 1)
                          : mr_no_memory(b->e, "a model's graph");
            free(path);
        } else {
            status = make_layer(b, layer, prefix, name, trainable);
        }
        if (status)
            return status;
    }
    return 0;
}

/* --- the whole --------------------------------------------------------------- */

static int place_params(mr_build *b)
{
    mr_graph *g = b->g;
    int count = 0;
    for (int i = 0; i < g->layers; i++)
        count += g->layer[i]->params;
    g->param = calloc((size_t)count + 1, sizeof *g->param);
    if (!g->param)
        return mr_no_memory(b->e, "a model's graph");
    for (int i = 0; i < g->layers; i++)
        for (int k = 0; k < g->layer[i]->params; k++) {
            mr_param *p = &g->layer[i]->param[k];
            int status = mr_shape_check(&p->shape, 0, MR_MAX_ELEMENTS, g->layer[i]->name, b->e);
            if (status)
                return status;
            p->count = mr_shape_count(&p->shape);
            p->offset = g->weights;
            p->trainable = !p->statistic && g->layer[i]->trainable;
            g->weights += (p->count + 15) / 16 * 16;
            g->param[g->params++] = p;
        }
    g->state_size = g->weights;
    g->state = mr_state_alloc(g->state_size);
    if (!g->state)
        return mr_no_memory(b->e, "%zu weights", g->weights);
    memset(g->state, 0, g->state_size * sizeof *g->state);
    return 0;
}

static int find_inputs(mr_build *b)
{
    mr_graph *g = b->g;
    g->input = malloc(((size_t)g->nodes + 1) * sizeof *g->input);
    if (!g->input)
        return mr_no_memory(b->e, "a model's graph");
    for (int i = 0; i < g->nodes; i++)
        if (g->node[i].inputs == 0)
            g->input[g->inputs++] = i;
    return 0;
}

int mr_graph_create(mr_graph **out, json_t *config, const mr_shape *shape, mr_error *e)
{
    *out = NULL;
    mr_build b = {.g = calloc(1, sizeof(mr_graph)), .input_shape = shape, .e = e};
    if (b.g)
        b.g->index = json_object();
    int status = b.g && b.g->index ? 0 : mr_no_memory(e, "a model's graph");
    if (!status) {
        const char *name = text(json_object_get(config, "config"), "name");
        b.g->config = json_incref(config);
        b.g->name = strdup(name ? name : "model");
        const char *policy = text(json_object_get(config, "config"), "dtype");
        b.g->mixed = policy && !strcmp(policy, "mixed_bfloat16");
        status =
            mr_build_is_model(config)
                ? make_layers(&b, config, "", true, 0)
                : mr_fail(e, MR_EFORMAT, "model configuration: neither a Functional nor a Sequential model");
    }
    if (!status)
        status = mr_build_calls(&b, config);
    if (!status)
        status = find_inputs(&b);
    if (!status)
        status = place_params(&b);
    if (status) {
        mr_graph_free(b.g);
        return status;
    }
    *out = b.g;
    return 0;
}
