/* SPDX-License-Identifier: Apache-2.0 */
/* Layers that are put in because an older Keras, or Theano, meant something that Keras 3 says in two layers.
 */
#include "io/keras/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *layers_of(const json_t *model)
{
    return json_object_get(json_object_get(model, "config"), "layers");
}

/* [[[NAME, 0, 0, {}]], [[NAME, 1, 0, {}]], …]: one call for each of CALLS, on the same call of NAME. */
static json_t *follow(mr_dialect *d, const char *name, size_t calls)
{
    json_t *list = json_array();
    for (size_t i = 0; i < calls; i++)
        mr_keras_append(d, list, json_pack("[[s,I,i,{}]]", name, (json_int_t)i, 0));
    return list;
}

/* Adds LAYER to the list at (*LISTS)[NAME]. */
static int note(mr_dialect *d, json_t **lists, const char *name, json_t *layer)
{
    if (!*lists)
        *lists = json_object();
    json_t *list = json_object_get(*lists, name);
    if (!list) {
        list = json_array();
        mr_keras_set(d, *lists, name, list);
    }
    mr_keras_append(d, list, layer);
    return d->failed ? mr_no_memory(d->e, "a model's configuration or weights") : 0;
}

int mr_keras_insert_before(mr_dialect *d, mr_keras_insertions *in, const json_t *layer, json_t *added)
{
    json_t *calls = json_object_get(layer, "inbound_nodes");
    if (calls) {
        mr_keras_set(d, added, "inbound_nodes", json_incref(calls));
        mr_keras_set(d, (json_t *)layer, "inbound_nodes",
                     follow(d, mr_tree_name(added), json_array_size(calls)));
    }
    return note(d, &in->before, mr_tree_name(layer), added);
}

int mr_keras_insert_after(mr_dialect *d, mr_keras_insertions *in, const json_t *layer, json_t *added)
{
    json_t *calls = json_object_get(layer, "inbound_nodes");
    if (calls)
        mr_keras_set(d, added, "inbound_nodes", follow(d, mr_tree_name(layer), json_array_size(calls)));
    if (!in->instead)
        in->instead = json_object();
    mr_keras_set(d, in->instead, mr_tree_name(layer), json_string(mr_tree_name(added)));
    return note(d, &in->after, mr_tree_name(layer), added);
}

/* References in LIST to a layer with others behind it become such to the last of those. */
static void redirect(mr_dialect *d, const mr_keras_insertions *in, json_t *list)
{
    json_t *ref;
    size_t i;
    json_array_foreach (list, i, ref) {
        const char *name = json_string_value(json_array_get(ref, 0)), *next = name;
        while (next && mr_json_text(in->instead, next))
            next = mr_json_text(in->instead, next);
        if (next != name && json_array_set_new(ref, 0, json_string(next)))
            d->failed = true;
    }
}

static void redirect_calls(mr_dialect *d, const mr_keras_insertions *in, const json_t *layer)
{
    json_t *call;
    size_t i;
    json_array_foreach (json_object_get(layer, "inbound_nodes"), i, call)
        redirect(d, in, call);
}

/* Appends to LIST what comes after LAYER, and after that. */
static void append_after(mr_dialect *d, const mr_keras_insertions *in, json_t *list, const json_t *layer)
{
    json_t *added;
    size_t i;
    json_array_foreach (json_object_get(in->after, mr_tree_name(layer)), i, added) {
        mr_keras_append(d, list, json_incref(added));
        append_after(d, in, list, added);
    }
}

int mr_keras_insert_all(mr_dialect *d, mr_keras_insertions *in, json_t *model)
{
    json_t *config = json_object_get(model, "config"), *list = json_array(), *layer, *added;
    size_t i, k;
    json_array_foreach (layers_of(model), i, layer) {
        json_array_foreach (json_object_get(in->before, mr_tree_name(layer)), k, added) {
            redirect_calls(d, in, added);
            mr_keras_append(d, list, json_incref(added));
        }
        redirect_calls(d, in, layer);
        mr_keras_append(d, list, json_incref(layer));
        append_after(d, in, list, layer);
    }
    redirect(d, in, json_object_get(config, "output_layers"));
    mr_keras_set(d, config, "layers", list);
    mr_keras_insertions_free(in);
    return d->failed ? mr_no_memory(d->e, "a model's configuration or weights") : 0;
}

void mr_keras_insertions_free(mr_keras_insertions *in)
{
    json_decref(in->before);
    json_decref(in->after);
    json_decref(in->instead);
    memset(in, 0, sizeof *in);
}

/* A layer named after another one. CONFIG is taken over. */
static json_t *companion(mr_dialect *d, const json_t *layer, const char *class, const char *suffix,
                         json_t *config)
{
    char name[1200];
    snprintf(name, sizeof name, "%s_%s", mr_tree_name(layer), suffix);
    mr_keras_set(d, config, "name", json_string(name));
    mr_keras_set(d, config, "trainable", json_true());
    return json_pack("{s:s, s:s, s:o}", "class_name", class, "name", name, "config", config);
}

/* --- hard_sigmoid: clip(0.2 x + 0.5) up to Keras 2, relu6(x + 3) / 6 in Keras 3
 * The old one of x is the new one of 1.2 x; so LAYER becomes linear, and a Rescaling and an Activation
 * follow. */
static int split_hard_sigmoid(mr_dialect *d, mr_keras_insertions *in, json_t *layer)
{
    json_t *config = json_object_get(layer, "config");
    mr_keras_set(d, config, "activation", json_string("linear"));
    json_t *scale =
        companion(d, layer, "Rescaling", "rescaling", json_pack("{s:f, s:f}", "scale", 1.2, "offset", 0.0));
    json_t *sigmoid =
        companion(d, layer, "Activation", "hard_sigmoid", json_pack("{s:s}", "activation", "hard_sigmoid"));
    int status = mr_keras_insert_after(d, in, layer, scale);
    return status ? status : mr_keras_insert_after(d, in, scale, sigmoid);
}

/* --- Theano's 'same' ------------------------------------------------------
 * Theano pads kernel/2 on both sides (and cuts what is too much at the end); everybody else pads so that both
 * sides differ by at most one, the end getting more. They agree for odd kernels without strides. */

static int pair(const json_t *config, const char *key, json_int_t fallback, json_int_t out[2])
{
    const json_t *v = json_object_get(config, key);
    for (size_t i = 0; i < 2; i++) {
        const json_t *n = json_is_array(v) ? json_array_get(v, i) : v;
        out[i] = json_is_integer(n) ? json_integer_value(n) : fallback;
    }
    return out[0] > 0 && out[1] > 0 && out[0] < 4096 && out[1] < 4096 ? 0 : -1;
}

/* FORMAT: as that of the layer that it is for. */
static json_t *theano_padding(const json_int_t kernel[2], const json_int_t dilation[2], const char *format)
{
    json_int_t k[2];
    for (int i = 0; i < 2; i++)
        k[i] = (kernel[i] - 1) * dilation[i] + 1;
    return json_pack("{s:[[I,I],[I,I]], s:s}", "padding", k[0] / 2, (k[0] - 1) / 2, k[1] / 2, (k[1] - 1) / 2,
                     "data_format", format);
}

static int pad_as_theano(mr_dialect *d, mr_keras_insertions *in, json_t *layer)
{
    json_t *config = json_object_get(layer, "config");
    const char *class = mr_tree_class(layer);
    json_int_t kernel[2], strides[2], dilation[2];
    bool pool = strstr(class, "Pooling2D") != NULL;
    if (!mr_json_is(json_object_get(config, "padding"), "same") || (!pool && !strstr(class, "Conv2D")))
        return 0;
    if (pair(config, pool ? "pool_size" : "kernel_size", 1, kernel) || pair(config, "strides", 1, strides) ||
        pair(config, "dilation_rate", 1, dilation))
        return 0; /* nn/ says what is wrong with them */
    bool agree = kernel[0] % 2 && kernel[1] % 2 && strides[0] == 1 && strides[1] == 1;
    if (agree && !pool)
        return 0;
    if (strcmp(class, "Conv2D") != 0 && strcmp(class, "DepthwiseConv2D") != 0 &&
        strcmp(class, "SeparableConv2D") != 0)
        return mr_fail(d->e, MR_EUNSUPPORTED, "layer '%s' (%s): Theano's \"same\" padding is not supported",
                       mr_tree_name(layer), class);
    const char *format =
        mr_json_is(json_object_get(config, "data_format"), "channels_first") ? "channels_first" : "channels_last";
    mr_keras_set(d, config, "padding", json_string("valid"));
    return mr_keras_insert_before(
        d, in, layer, companion(d, layer, "ZeroPadding2D", "padding", theano_padding(kernel, dilation, format)));
}

int mr_keras_modernize(mr_dialect *d, json_t *model)
{
    mr_keras_insertions in = {0};
    json_t *layer;
    size_t i;
    int status = 0;
    json_array_foreach (layers_of(model), i, layer) {
        const json_t *activation = json_object_get(json_object_get(layer, "config"), "activation");
        if (mr_tree_is_model(layer))
            status = mr_keras_modernize(d, layer);
        else if (d->theano && d->era < 3)
            status = pad_as_theano(d, &in, layer);
        if (!status && d->era < 3 && mr_json_is(activation, "hard_sigmoid"))
            status = split_hard_sigmoid(d, &in, layer);
        if (status)
            break;
    }
    if (!status && (in.before || in.after))
        status = mr_keras_insert_all(d, &in, model);
    mr_keras_insertions_free(&in);
    return status;
}
