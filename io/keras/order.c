/* SPDX-License-Identifier: Apache-2.0 */
/* Keras's order of a Functional model's layers. Keras (2.0 to 3.15, `map_graph`) forgets the order in which
 * layers were made: it sorts them by depth, the longest way to an output, deepest first, and those of one
 * depth by when a depth-first walk from the outputs first meets them. When weights are loaded, the k-th layer
 * with weights of that order takes the k-th group of the file; so what we write, and what we count slots by,
 * must be in it. */
#include "io/keras/canonical.h"
#include "nn/graph/tree.h"

#include <stdlib.h>

struct order {
    mr_tree_walk walk; /* from the outputs */
    int *depth, *met;  /* per entry; -1: not reached */
    mr_error *e;
};

static int no_memory(mr_error *e)
{
    return mr_no_memory(e, "a model's configuration or weights");
}

static int order_open(struct order *o, const mr_tree *t, mr_error *e)
{
    *o = (struct order){.e = e};
    int status = mr_tree_walk_open(&o->walk, t, e);
    o->depth = malloc((size_t)t->entries * sizeof *o->depth);
    o->met = malloc((size_t)t->entries * sizeof *o->met);
    if (!status && !(o->depth && o->met))
        status = no_memory(e);
    for (int i = 0; i < t->outputs && !status; i++)
        status = mr_tree_walk_from(&o->walk, t->maker[t->output[i]], e);
    for (int i = 0; i < t->entries && !status; i++)
        o->depth[i] = o->met[i] = -1;
    return status;
}

static void order_close(struct order *o)
{
    mr_tree_walk_close(&o->walk);
    free(o->depth);
    free(o->met);
}

static void find_first_met(struct order *o)
{
    for (int i = 0; i < o->walk.entered_count; i++) {
        int entry = o->walk.tree->call[o->walk.entered[i]].entry;
        if (o->met[entry] < 0)
            o->met[entry] = i;
    }
}

static int find_depths(struct order *o)
{
    const mr_tree *t = o->walk.tree;
    int *depth = calloc((size_t)t->calls + 1, sizeof *depth);
    if (!depth)
        return no_memory(o->e);
    for (int i = o->walk.finished_count - 1; i >= 0; i--) {
        int call = o->walk.finished[i];
        const mr_tree_call *c = &t->call[call];
        if (o->depth[c->entry] > depth[call])
            depth[call] = o->depth[c->entry];
        o->depth[c->entry] = depth[call];
        for (int k = 0; k < c->inputs; k++) {
            int *needed = &depth[t->maker[c->input[k]]];
            if (*needed < depth[call] + 1)
                *needed = depth[call] + 1;
        }
    }
    free(depth);
    return 0;
}

struct place {
    int depth, met, layer;
};

static int compare_places(const void *a, const void *b)
{
    const struct place *p = a, *q = b;
    if (p->depth != q->depth)
        return p->depth > q->depth ? -1 : 1;
    if (p->met != q->met)
        return p->met < q->met ? -1 : 1;
    return p->layer < q->layer ? -1 : 1;
}

static int rearrange(struct order *o)
{
    const mr_tree *t = o->walk.tree;
    struct place *place = calloc((size_t)t->entries + 1, sizeof *place);
    json_t *sorted = json_array();
    int status = place && sorted ? 0 : no_memory(o->e);
    for (int i = 0; i < t->entries && !status; i++) {
        /* An input that nothing uses stands, as in Keras, at depth 0 before all others; what else no output
         * needs, last. */
        int depth = o->met[i] < 0 && t->entry[i].input >= 0 ? 0 : o->depth[i];
        place[i] = (struct place){depth, o->met[i], i};
    }
    if (!status)
        qsort(place, (size_t)t->entries, sizeof *place, compare_places);
    for (int i = 0; i < t->entries && !status; i++)
        if (json_array_append(sorted, t->entry[place[i].layer].json))
            status = no_memory(o->e);
    if (!status && json_object_set(t->config, "layers", sorted))
        status = no_memory(o->e);
    json_decref(sorted);
    free(place);
    return status;
}

static int sort_functional(const mr_tree *t, mr_error *e)
{
    struct order o;
    int status = order_open(&o, t, e);
    if (!status) {
        find_first_met(&o);
        status = find_depths(&o);
    }
    if (!status)
        status = rearrange(&o);
    order_close(&o);
    return status;
}

static int sort_model(const mr_tree *t, mr_error *e)
{
    int status = 0;
    for (int i = 0; i < t->entries && !status; i++)
        status = t->entry[i].model ? sort_model(t->entry[i].model, e) : 0;
    return status || t->sequential ? status : sort_functional(t, e);
}

int mr_keras_sort_layers(json_t *canonical, mr_error *e)
{
    mr_tree *tree;
    int status = mr_tree_create(&tree, canonical, e);
    if (!status)
        status = sort_model(tree, e);
    mr_tree_free(tree);
    return status;
}
