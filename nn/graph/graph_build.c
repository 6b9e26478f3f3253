/* SPDX-License-Identifier: Apache-2.0 */
/* Canonical configuration → tree → graph. Two passes over the tree: the first makes every layer once, in the
 * order of the configuration (which is the order of the weights); the second follows the calls and makes the
 * nodes. A nested model that is called twice is walked twice in the second pass: more nodes, the same layers. */
#include "nn/graph/graph_build.h"

#include "base/json_read.h"
#include "base/list.h"
#include "nn/graph/config.h"

#include <stdlib.h>
#include <string.h>

int mr_build_fail(mr_build *b, const char *name, const char *what)
{
    return mr_fail(b->e, MR_EFORMAT, "model configuration: '%s': %s", *name ? name : "model", what);
}

static bool trainable_of(const json_t *config)
{
    return !json_is_false(json_object_get(config, "trainable"));
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

static int configure_layer(mr_build *b, mr_layer *l, const char *class)
{
    l->class = mr_layer_class_find(class);
    if (!l->class)
        return mr_fail(b->e, MR_EUNSUPPORTED, "layer '%s': unsupported layer class %s", l->name,
                       *class ? class : "(none)");
    l->impl = calloc(1, l->class->size ? l->class->size : 1);
    if (!l->impl)
        return mr_no_memory(b->e, "layer '%s'", l->name);
    return mr_layer_configure(l, b->e);
}

static int make_layer(mr_build *b, mr_tree_entry *en, bool trainable)
{
    mr_layer *l = calloc(1, sizeof *l);
    if (!l)
        return mr_no_memory(b->e, "layer '%s'", en->path);
    l->name = strdup(en->path);
    l->config = json_incref(en->config);
    l->trainable = trainable && trainable_of(en->config);
    int status = l->name ? layer_slot(b, l) : mr_no_memory(b->e, "layer '%s'", en->path);
    if (status) {
        json_decref(l->config);
        free(l->name);
        free(l);
        return status;
    }
    en->layer = l->number = b->g->layers - 1;
    l->local_name = l->name + strlen(l->name) - strlen(en->name);
    if (json_object_get(b->g->index, l->name))
        return mr_build_fail(b, l->name, "two layers have this name");
    if (json_object_set_new(b->g->index, l->name, json_integer(en->layer)))
        return mr_build_fail(b, en->name, "its name is not UTF-8");
    return configure_layer(b, l, en->class);
}

static int make_layers(mr_build *b, mr_tree *t, bool trainable)
{
    int status = 0;
    trainable = trainable && trainable_of(t->config);
    for (int i = 0; i < t->entries && !status; i++)
        status = t->entry[i].model ? make_layers(b, t->entry[i].model, trainable)
                                   : make_layer(b, &t->entry[i], trainable);
    return status;
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

/* Everything of G that its configuration says without the layers. */
static int open_graph(mr_graph *g, json_t *config, mr_error *e)
{
    const char *policy = mr_json_text(json_object_get(config, "config"), "dtype");
    g->config = json_incref(config);
    g->index = json_object();
    int status = g->index ? mr_tree_create(&g->tree, config, e) : mr_no_memory(e, "a model's graph");
    if (status)
        return status;
    g->name = strdup(*g->tree->name ? g->tree->name : "model");
    g->mixed = policy && !strcmp(policy, "mixed_bfloat16");
    return g->name ? 0 : mr_no_memory(e, "a model's graph");
}

int mr_graph_create(mr_graph **out, json_t *config, const mr_shape *shape, mr_error *e)
{
    mr_build b = {.g = calloc(1, sizeof(mr_graph)), .input_shape = shape, .e = e};
    int status = b.g ? open_graph(b.g, config, e) : mr_no_memory(e, "a model's graph");
    if (!status)
        status = make_layers(&b, b.g->tree, true);
    if (!status)
        status = mr_build_calls(&b);
    if (!status)
        status = find_inputs(&b);
    if (!status)
        status = place_params(&b);
    if (status)
        mr_graph_free(b.g);
    *out = status ? NULL : b.g;
    return status;
}
