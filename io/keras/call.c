/* SPDX-License-Identifier: Apache-2.0 */
/* Who is called on what: "inbound_nodes", "input_layers", "output_layers" of every era → [[["layer", call,
 * tensor, {}]…]…]. Keras 2 writes that form itself; Keras 3 writes the arguments of each call as it
 * serialises anything. */
#include "io/keras/internal.h"

#include <stdlib.h>
#include <string.h>

struct call {
    mr_dialect *d;
    const char *class, *name; /* of the called layer */
    json_t *tensors;          /* [[name, call, tensor, {}]…] so far */
    json_t *options;          /* what goes into the {}: "training": false */
};

static int refuse(const struct call *c, const char *what, const char *detail)
{
    return mr_fail(c->d->e, MR_EUNSUPPORTED, "layer '%s' (%s): called with %s%s", c->name, c->class, what,
                   detail);
}

/* Layers that do otherwise when they are told that this is training; Random… ones carry that argument as
 * their default. */
static bool heeds_training(const char *class)
{
    return strstr(class, "Dropout") || strstr(class, "Gaussian") || strstr(class, "BatchNormalization") ||
           !strcmp(class, "Functional") || !strcmp(class, "Model") || !strcmp(class, "Sequential");
}

static bool all_null(const json_t *v)
{
    for (size_t i = 0; i < json_array_size(v); i++)
        if (!json_is_null(json_array_get(v, i)))
            return false;
    return json_is_null(v) || json_is_array(v);
}

static int take_options(struct call *c, const json_t *kwargs)
{
    const char *key;
    json_t *v;
    json_object_foreach ((json_t *)kwargs, key, v) {
        if (all_null(v))
            continue;
        if (strcmp(key, "training") != 0)
            return refuse(c, "the argument ", key);
        if (json_is_false(v) || (json_is_integer(v) && json_integer_value(v) == 0))
            mr_keras_set(c->d, c->options, "training", json_false());
        else if (heeds_training(c->class))
            return refuse(c, "training=True", "");
    }
    return 0;
}

static int take_tensor(struct call *c, const json_t *name, const json_t *node, const json_t *tensor)
{
    if (!json_is_string(name) || !json_is_integer(node) || !json_is_integer(tensor))
        return mr_fail(c->d->e, MR_EFORMAT, "layer '%s' (%s): malformed call", c->name, c->class);
    mr_keras_append(c->d, c->tensors, json_pack("[O,O,O]", name, node, tensor));
    return 0;
}

/* --- Keras 1 and 2 -------------------------------------------------------- */

static bool is_reference(const json_t *v)
{
    return json_is_string(json_array_get(v, 0)) && json_array_size(v) >= 3;
}

static int take_reference(struct call *c, const json_t *ref)
{
    if (!is_reference(ref))
        return mr_fail(c->d->e, MR_EFORMAT, "layer '%s' (%s): malformed call", c->name, c->class);
    int status = take_tensor(c, json_array_get(ref, 0), json_array_get(ref, 1), json_array_get(ref, 2));
    return status ? status : take_options(c, json_array_get(ref, 3));
}

static int take_list(struct call *c, const json_t *node)
{
    if (is_reference(node)) /* tf.keras writes a single one without the list around it */
        return take_reference(c, node);
    int status = 0;
    for (size_t i = 0; i < json_array_size(node) && !status; i++)
        status = take_reference(c, json_array_get(node, i));
    return status;
}

/* --- Keras 3 -------------------------------------------------------------- */

static bool is_tensor(const json_t *v)
{
    return mr_json_is(json_object_get(v, "class_name"), "__keras_tensor__");
}

static int take_argument(struct call *c, const json_t *v)
{
    if (is_tensor(v)) {
        const json_t *history = json_object_get(json_object_get(v, "config"), "keras_history");
        return take_tensor(c, json_array_get(history, 0), json_array_get(history, 1),
                           json_array_get(history, 2));
    }
    if (json_is_array(v)) {
        int status = 0;
        for (size_t i = 0; i < json_array_size(v) && !status; i++)
            status = is_tensor(json_array_get(v, i)) ? take_argument(c, json_array_get(v, i))
                                                     : refuse(c, "something that is not a tensor", "");
        return status;
    }
    return json_is_null(v) ? 0 : refuse(c, "a constant or a structure of tensors", "");
}

static int take_node(struct call *c, const json_t *node)
{
    const json_t *args = json_object_get(node, "args");
    int status = 0;
    for (size_t i = 0; i < json_array_size(args) && !status; i++)
        status = take_argument(c, json_array_get(args, i));
    return status ? status : take_options(c, json_object_get(node, "kwargs"));
}

/* --- the list of calls ---------------------------------------------------- */

/* The options of a call stand, as in Keras 2, with its first tensor; the others get empty ones. */
static void close_call(struct call *c, json_t *calls)
{
    for (size_t i = 0; i < json_array_size(c->tensors); i++)
        mr_keras_append(c->d, json_array_get(c->tensors, i), i ? json_object() : json_incref(c->options));
    mr_keras_append(c->d, calls, json_incref(c->tensors));
}

int mr_keras_calls(json_t **out, mr_dialect *d, const json_t *nodes, const char *class, const char *name)
{
    json_t *calls = json_array();
    int status = 0;
    for (size_t i = 0; i < json_array_size(nodes) && !status; i++) {
        const json_t *node = json_array_get(nodes, i);
        struct call c = {d, class, name, json_array(), json_object()};
        status = json_is_object(node) ? take_node(&c, node) : take_list(&c, node);
        if (!status)
            close_call(&c, calls);
        json_decref(c.tensors);
        json_decref(c.options);
    }
    if (status) {
        json_decref(calls);
        calls = NULL;
    }
    *out = calls;
    return status;
}

static int collect_ends(mr_dialect *d, json_t *list, const json_t *v, const char *key, int depth)
{
    const char *name;
    json_t *member;
    if (is_reference(v) && json_is_integer(json_array_get(v, 1)) && json_is_integer(json_array_get(v, 2))) {
        mr_keras_append(
            d, list, json_pack("[O,O,O]", json_array_get(v, 0), json_array_get(v, 1), json_array_get(v, 2)));
        return 0;
    }
    int status = (json_is_array(v) || json_is_object(v)) && depth < 4
                     ? 0
                     : mr_fail(d->e, MR_EFORMAT, "model configuration: malformed '%s'", key);
    for (size_t i = 0; i < json_array_size(v) && !status; i++)
        status = collect_ends(d, list, json_array_get(v, i), key, depth + 1);
    json_object_foreach ((json_t *)v, name, member) /* a model that takes or gives a dictionary */
        if (!status)
            status = collect_ends(d, list, member, key, depth + 1);
    return status;
}

int mr_keras_ends(json_t **out, mr_dialect *d, const json_t *ends, const char *key)
{
    *out = json_array();
    int status = collect_ends(d, *out, ends, key, 0);
    if (!status && json_array_size(*out) == 0)
        status = mr_fail(d->e, MR_EFORMAT, "model configuration: '%s' is empty", key);
    if (status) {
        json_decref(*out);
        *out = NULL;
    }
    return status;
}

/* --- numbering ------------------------------------------------------------
 * Keras 2 and tf.keras count the calls of a nested model from 1: call 0 is the model's own making. Keras 3
 * counts them from 0 in inbound_nodes, but still from 1 in output_layers where the nested model is a
 * Functional one. */

struct target { /* how a layer is referred to */
    json_int_t calls, base, output_base, highest;
    bool counted; /* from 0 and more than once: its numbers are right */
};

struct numbering {
    json_t *model, *index; /* name of a layer → its number among the targets */
    struct target *target;
};

static struct target *target_of(const struct numbering *n, const json_t *ref)
{
    ptrdiff_t number = mr_tree_index_find(n->index, json_string_value(json_array_get(ref, 0)));
    return number < 0 ? NULL : &n->target[number];
}

/* Calls VISIT on every reference of the model, as input or as output. */
static void each_reference(const struct numbering *n,
                           void (*visit)(struct target *t, json_t *ref, bool output))
{
    json_t *config = json_object_get(n->model, "config"), *layer, *call, *ref;
    size_t i, k, m;
    json_array_foreach (json_object_get(config, "layers"), i, layer)
        json_array_foreach (json_object_get(layer, "inbound_nodes"), k, call)
            json_array_foreach (call, m, ref)
                if (target_of(n, ref))
                    visit(target_of(n, ref), ref, false);
    json_array_foreach (json_object_get(config, "output_layers"), i, ref)
        if (target_of(n, ref))
            visit(target_of(n, ref), ref, true);
}

static json_int_t number_in(const json_t *ref)
{
    return json_integer_value(json_array_get(ref, 1));
}

static void find_highest(struct target *t, json_t *ref, bool output)
{
    (void)output;
    if (number_in(ref) > t->highest)
        t->highest = number_in(ref);
}

/* A new number each: json_pack shares its arguments. */
static void subtract_base(struct target *t, json_t *ref, bool output)
{
    json_int_t number = number_in(ref) - (output ? t->output_base : t->base);
    if (t->calls <= 1) /* whatever the writer counted, there is only one */
        number = 0;
    if (!t->counted)
        json_array_set_new(ref, 1, json_integer(number));
}

static int numbering_open(struct numbering *n, mr_dialect *d, json_t *model)
{
    json_t *layers = json_object_get(json_object_get(model, "config"), "layers"), *layer;
    size_t i;
    *n = (struct numbering){model, mr_tree_index(layers),
                            calloc(json_array_size(layers) + 1, sizeof *n->target)};
    if (!n->index || !n->target)
        return mr_no_memory(d->e, "a model's configuration or weights");
    json_array_foreach (layers, i, layer) {
        struct target *t = &n->target[i];
        t->calls = (json_int_t)json_array_size(json_object_get(layer, "inbound_nodes"));
        t->counted = t->calls > 1 && !mr_tree_is_model(layer);
    }
    return 0;
}

static void find_bases(struct numbering *n, int era)
{
    json_t *layer;
    size_t i;
    json_array_foreach (json_object_get(json_object_get(n->model, "config"), "layers"), i, layer) {
        struct target *t = &n->target[i];
        bool nested = mr_tree_is_model(layer);
        if (nested && era < 3)
            t->base = t->output_base = t->highest >= t->calls;
        else if (nested)
            t->output_base = !mr_tree_is_sequential(layer);
    }
}

int mr_keras_renumber(mr_dialect *d, json_t *model)
{
    struct numbering n;
    int status = numbering_open(&n, d, model);
    if (!status) {
        each_reference(&n, find_highest);
        find_bases(&n, d->era);
        each_reference(&n, subtract_base);
    }
    json_decref(n.index);
    free(n.target);
    return status;
}
