/* SPDX-License-Identifier: Apache-2.0 */
/* Keras's order of a Functional model's layers. Keras (2.0 to 3.15, `map_graph`) forgets the order in which
 * layers were made: it sorts them by depth, the longest way to an output, deepest first, and those of one
 * depth by when a depth-first walk from the outputs first meets them. When weights are loaded, the k-th layer
 * with weights of that order takes the k-th group of the file; so what we write, and what we count slots by,
 * must be in it. */
#include "io/keras/canonical.h"
#include "io/keras/internal.h"
#include "nn/graph/graph.h"

#include <stdlib.h>
#include <string.h>

struct call_node {
    int layer;
    int depth;
    const json_t *inputs; /* [[name, call, tensor, …]…] */
    size_t next;          /* input that the walk takes next */
    bool finished, open;
};

struct order {
    json_t *layers; /* the model's list */
    json_t *index;  /* name → number in the list */
    int count, calls;
    int *first_call; /* [count + 1] number of each layer's call 0 */
    struct call_node *node;
    int *finished, finished_count; /* calls, inputs first */
    int *stack;
    int *depth, *met; /* per layer; -1: not reached */
    int met_count;
    mr_error *e;
};

static void order_close(struct order *o)
{
    json_decref(o->index);
    free(o->first_call);
    free(o->node);
    free(o->finished);
    free(o->stack);
    free(o->depth);
    free(o->met);
}

static int count_calls(struct order *o)
{
    json_t *layer;
    size_t i;
    json_array_foreach (o->layers, i, layer) {
        size_t calls =
            mr_keras_is_input(layer) ? 1 : json_array_size(json_object_get(layer, "inbound_nodes"));
        if (json_object_set_new(o->index, mr_keras_name(layer), json_integer((json_int_t)i)))
            return mr_no_memory(o->e, "a model's configuration or weights");
        o->first_call[i] = o->calls;
        if (calls > MR_MAX_CALLS - (size_t)o->calls)
            return mr_fail(o->e, MR_ELIMIT, "model configuration: more than %d calls of layers",
                           MR_MAX_CALLS);
        o->calls += (int)calls;
    }
    o->first_call[o->count] = o->calls;
    return 0;
}

static int order_open(struct order *o, json_t *layers, mr_error *e)
{
    *o = (struct order){
        .layers = layers, .index = json_object(), .count = (int)json_array_size(layers), .e = e};
    size_t count = (size_t)o->count + 1;
    o->first_call = calloc(count, sizeof *o->first_call);
    o->depth = calloc(count, sizeof *o->depth);
    o->met = calloc(count, sizeof *o->met);
    if (!o->index || !o->first_call || !o->depth || !o->met)
        return mr_no_memory(e, "a model's configuration or weights");
    int status = count_calls(o);
    if (status)
        return status;
    o->node = calloc((size_t)o->calls + 1, sizeof *o->node);
    o->finished = calloc((size_t)o->calls + 1, sizeof *o->finished);
    o->stack = calloc((size_t)o->calls + 1, sizeof *o->stack);
    if (!o->node || !o->finished || !o->stack)
        return mr_no_memory(e, "a model's configuration or weights");
    for (int i = 0; i < o->count; i++) {
        const json_t *calls = json_object_get(json_array_get(layers, (size_t)i), "inbound_nodes");
        o->depth[i] = o->met[i] = -1;
        for (int k = o->first_call[i]; k < o->first_call[i + 1]; k++)
            o->node[k] = (struct call_node){.layer = i,
                                            .inputs = json_array_get(calls, (size_t)(k - o->first_call[i]))};
    }
    return 0;
}

/* The call that [name, call, …] refers to, or -1. */
static int resolve(const struct order *o, const json_t *ref)
{
    const char *name = json_string_value(json_array_get(ref, 0));
    json_int_t call = json_integer_value(json_array_get(ref, 1));
    const json_t *number = name ? json_object_get(o->index, name) : NULL;
    if (!number)
        return -1;
    int layer = (int)json_integer_value(number);
    return call >= 0 && call < o->first_call[layer + 1] - o->first_call[layer]
               ? o->first_call[layer] + (int)call
               : -1;
}

static void meet(struct order *o, int call, int *top)
{
    struct call_node *n = &o->node[call];
    if (o->met[n->layer] < 0)
        o->met[n->layer] = o->met_count++;
    n->open = true;
    o->stack[(*top)++] = call;
}

static int broken(struct order *o, int call)
{
    return mr_fail(
        o->e, MR_EFORMAT,
        "model configuration: '%s': it refers to a layer or call that does not exist, or to itself",
        mr_keras_name(json_array_get(o->layers, (size_t)o->node[call].layer)));
}

/* Depth-first from one output; every call is finished after all that it needs. */
static int walk_from(struct order *o, int output)
{
    int top = 0;
    if (o->node[output].finished)
        return 0;
    meet(o, output, &top);
    while (top) {
        int call = o->stack[top - 1];
        struct call_node *n = &o->node[call];
        if (n->next < json_array_size(n->inputs)) {
            int input = resolve(o, json_array_get(n->inputs, n->next++));
            if (input < 0 || o->node[input].open)
                return broken(o, call);
            if (!o->node[input].finished)
                meet(o, input, &top);
        } else {
            n->finished = true;
            n->open = false;
            o->finished[o->finished_count++] = call;
            top--;
        }
    }
    return 0;
}

static void find_depths(struct order *o)
{
    for (int i = o->finished_count - 1; i >= 0; i--) {
        struct call_node *n = &o->node[o->finished[i]];
        if (o->depth[n->layer] > n->depth)
            n->depth = o->depth[n->layer];
        o->depth[n->layer] = n->depth;
        for (size_t k = 0; k < json_array_size(n->inputs); k++) {
            struct call_node *input = &o->node[resolve(o, json_array_get(n->inputs, k))];
            if (input->depth < n->depth + 1)
                input->depth = n->depth + 1;
        }
    }
}

int mr_keras_call_order(mr_keras_call **out, size_t *count, json_t *layers, mr_error *e)
{
    struct order o;
    *out = NULL;
    *count = 0;
    int status = order_open(&o, layers, e);
    for (int i = 0; !status && i < o.calls; i++)
        status = walk_from(&o, i);
    if (!status && !(*out = calloc((size_t)o.calls + 1, sizeof **out)))
        status = mr_no_memory(e, "a model's configuration or weights");
    for (int i = 0; !status && i < o.finished_count; i++) {
        int layer = o.node[o.finished[i]].layer;
        (*out)[i] = (mr_keras_call){(size_t)layer, (size_t)(o.finished[i] - o.first_call[layer])};
    }
    *count = status ? 0 : (size_t)o.finished_count;
    order_close(&o);
    return status;
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

static int rearrange(struct order *o, json_t *config)
{
    struct place *place = calloc((size_t)o->count + 1, sizeof *place);
    json_t *sorted = json_array();
    int status = place && sorted ? 0 : mr_no_memory(o->e, "a model's configuration or weights");
    for (int i = 0; i < o->count && !status; i++) {
        const json_t *layer = json_array_get(o->layers, (size_t)i);
        /* An input that nothing uses stands, as in Keras, at depth 0 before all others; what else no output
         * needs, last. */
        int depth = o->met[i] < 0 && mr_keras_is_input(layer) ? 0 : o->depth[i];
        place[i] = (struct place){depth, o->met[i], i};
    }
    if (!status)
        qsort(place, (size_t)o->count, sizeof *place, compare_places);
    for (int i = 0; i < o->count && !status; i++)
        if (json_array_append(sorted, json_array_get(o->layers, (size_t)place[i].layer)))
            status = mr_no_memory(o->e, "a model's configuration or weights");
    if (!status && json_object_set(config, "layers", sorted))
        status = mr_no_memory(o->e, "a model's configuration or weights");
    json_decref(sorted);
    free(place);
    return status;
}

static int sort_functional(json_t *model, mr_error *e)
{
    json_t *config = json_object_get(model, "config"), *ref;
    struct order o;
    size_t i;
    int status = order_open(&o, json_object_get(config, "layers"), e);
    if (!status)
        json_array_foreach (json_object_get(config, "output_layers"), i, ref) {
            int output = resolve(&o, ref);
            if (!status)
                status = output < 0
                             ? mr_fail(e, MR_EFORMAT,
                                       "model configuration: an output refers to a layer that does not exist")
                             : walk_from(&o, output);
        }
    if (!status) {
        find_depths(&o);
        status = rearrange(&o, config);
    }
    order_close(&o);
    return status;
}

static int sort_model(json_t *model, int depth, mr_error *e)
{
    json_t *layer;
    size_t i;
    if (depth > MR_KERAS_MAX_NESTING)
        return mr_fail(e, MR_ELIMIT, "model configuration: models nested more than %d deep",
                       MR_KERAS_MAX_NESTING);
    json_array_foreach (json_object_get(json_object_get(model, "config"), "layers"), i, layer) {
        int status = mr_keras_is_model(layer) ? sort_model(layer, depth + 1, e) : 0;
        if (status)
            return status;
    }
    return mr_keras_is_sequential(model) ? 0 : sort_functional(model, e);
}

int mr_keras_sort_layers(json_t *canonical, mr_error *e)
{
    if (!mr_keras_is_model(canonical))
        return mr_fail(e, MR_EFORMAT, "model configuration: neither a Functional nor a Sequential model");
    return sort_model(canonical, 0, e);
}
