/* SPDX-License-Identifier: Apache-2.0 */
/* Models: Sequential of every form, Model and Functional, one inside the other. Their layers:
 * io/keras/layer.c; calls: io/keras/call.c. */
#include "io/keras/canonical.h"

#include "io/keras/internal.h"
#include "io/keras/layout.h"
#include "nn/graph/graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- who wrote it ------------------------------------------------------------ */

int mr_keras_era(const char *keras_version)
{
    return keras_version && *keras_version >= '1' && *keras_version <= '9'
               ? (*keras_version > '3' ? 3 : *keras_version - '0')
               : 0;
}

bool mr_keras_version_from(const char *keras_version, int major, int minor)
{
    int found[2];
    return keras_version && sscanf(keras_version, "%d.%d", &found[0], &found[1]) == 2 &&
           (found[0] > major || (found[0] == major && found[1] >= minor));
}

bool mr_keras_crops_at_inference(const char *keras_version)
{
    return keras_version && !mr_keras_version_from(keras_version, 3, 8);
}

void mr_keras_origin_clear(mr_keras_origin *origin)
{
    json_decref(origin->layouts);
    json_decref(origin->names);
    memset(origin, 0, sizeof *origin);
}

/* --- models as found ------------------------------------------------------ */

/* As found in a file: "Model" and "Functional" are one, unless a custom class has that name. */
static bool found_model(const json_t *layer)
{
    const char *class = mr_tree_class(layer), *registered = mr_json_text(layer, "registered_name");
    if (registered && strchr(registered, '>'))
        return false;
    return !strcmp(class, "Sequential") || !strcmp(class, "Model") || !strcmp(class, "Functional");
}

/* The list of a model's layers: Keras up to 2.2.2 had a Sequential's in "config" itself. */
static const json_t *found_layers(const json_t *model)
{
    const json_t *config = json_object_get(model, "config");
    return json_is_array(config) ? config : json_object_get(config, "layers");
}

static const json_t *shape_in(const json_t *config)
{
    static const char *const keys[] = {"batch_shape", "batch_input_shape"};
    for (int i = 0; i < 2; i++)
        if (json_array_size(json_object_get(config, keys[i])))
            return json_object_get(config, keys[i]);
    return NULL;
}

static const json_t *find_shape(const json_t *layer, int depth);

/* The InputLayer that a Functional model's first input names. */
static const json_t *first_input(const json_t *config)
{
    const json_t *ends = json_object_get(config, "input_layers"), *layer;
    while (json_is_array(json_array_get(ends, 0)))
        ends = json_array_get(ends, 0);
    size_t i;
    json_array_foreach (json_object_get(config, "layers"), i, layer)
        if (mr_json_is(json_array_get(ends, 0), mr_tree_name(layer)))
            return layer;
    return NULL;
}

/* Where a model says what it takes: its own configuration, its first layer however deep, build_input_shape.
 */
static const json_t *find_model_shape(const json_t *model, int depth)
{
    const json_t *config = json_object_get(model, "config"), *shape = shape_in(config);
    const json_t *first = !strcmp(mr_tree_class(model), "Sequential")
                              ? json_array_get(found_layers(model), 0)
                              : first_input(config);
    if (!shape && depth < MR_MAX_NESTING)
        shape = find_shape(first, depth + 1);
    if (!shape && json_array_size(json_object_get(config, "build_input_shape")))
        shape = json_object_get(config, "build_input_shape");
    return shape;
}

static const json_t *find_shape(const json_t *layer, int depth)
{
    if (!layer)
        return NULL;
    return found_model(layer) ? find_model_shape(layer, depth) : shape_in(json_object_get(layer, "config"));
}

/* --- converting ----------------------------------------------------------- */

static int convert_model(json_t **out, mr_dialect *d, const json_t *model, int depth);

static int convert_entry(json_t **out, mr_dialect *d, const json_t *layer, int depth)
{
    return found_model(layer) ? convert_model(out, d, layer, depth) : mr_keras_layer(out, d, layer);
}

/* The input shape of a nested model that does not state it: it takes what it is called on. The rank is what its
 * first layer works on. */
static json_t *any_shape(const json_t *first)
{
    static const char *const flat[] = {"Dense", "Embedding"};
    for (int i = 0; i < 2; i++)
        if (!strcmp(mr_tree_class(first), flat[i]))
            return json_pack("[n,n]");
    return json_pack("[n,n,n,n]");
}

/* A Sequential without an InputLayer gets the one that newer Keras writes. */
static int add_input(mr_dialect *d, json_t *layers, const json_t *model, int depth)
{
    const json_t *first = json_array_get(found_layers(model), 0), *shape = find_model_shape(model, 0);
    char name[512];
    if (!strcmp(mr_tree_class(first), "InputLayer"))
        return 0;
    if (!json_is_object(first))
        return mr_fail(d->e, MR_EFORMAT, "model configuration: a layer is not an object");
    if (!shape && depth == 0)
        return mr_fail(d->e, MR_EUNSUPPORTED, "model configuration: the input shape of '%s' is missing",
                       mr_tree_name(first));
    snprintf(name, sizeof name, "%s_input", mr_tree_name(first));
    json_t *any = any_shape(first), *made = NULL;
    json_t *input = json_pack("{s:s, s:s, s:{s:O}}", "class_name", "InputLayer", "name", name, "config",
                              "batch_shape", shape ? shape : any);
    int status = input ? mr_keras_layer(&made, d, input)
                       : mr_fail(d->e, MR_EFORMAT, "model configuration: layer names must be UTF-8");
    if (!status)
        mr_keras_append(d, layers, made);
    json_decref(any);
    json_decref(input);
    return status;
}

static int convert_layers(mr_dialect *d, json_t *layers, const json_t *model, bool sequential, int depth)
{
    const json_t *list = found_layers(model), *layer;
    size_t i;
    int status =
        json_array_size(list) ? 0 : mr_fail(d->e, MR_EFORMAT, "model configuration: a model without layers");
    if (!status && sequential)
        status = add_input(d, layers, model, depth);
    json_array_foreach (list, i, layer) {
        json_t *made = NULL, *calls = NULL;
        if (!status)
            status = convert_entry(&made, d, layer, depth + 1);
        if (!status && !sequential)
            status = mr_keras_calls(&calls, d, json_object_get(layer, "inbound_nodes"), mr_tree_class(layer),
                                    mr_tree_name(layer));
        if (!status && calls)
            mr_keras_set(d, made, "inbound_nodes", calls);
        if (!status)
            mr_keras_append(d, layers, made);
        else
            json_decref(made);
        if (status)
            break;
    }
    return status;
}

static int convert_ends(mr_dialect *d, json_t *config, const json_t *found)
{
    static const char *const keys[] = {"input_layers", "output_layers"}, *const structures[] = {
                                                                             "input_structure",
                                                                             "output_structure"};
    for (int i = 0; i < 2; i++) {
        json_t *ends;
        int status = mr_keras_ends(&ends, d, json_object_get(found, keys[i]), keys[i]);
        if (status)
            return status;
        mr_keras_set(d, config, keys[i], ends);
        json_t *structure = mr_keras_structure(d, json_object_get(found, keys[i]));
        if (structure)
            mr_keras_set(d, config, structures[i], structure);
    }
    return 0;
}

/* In Keras a model that is not trainable takes its layers with it; written out, that survives every reader.
 */
static void freeze_layers(mr_dialect *d, json_t *layers)
{
    json_t *layer;
    size_t i;
    json_array_foreach (layers, i, layer) {
        json_t *config = json_object_get(layer, "config");
        if (!mr_tree_is_input(layer))
            mr_keras_set(d, config, "trainable", json_false());
        if (mr_tree_is_model(layer))
            freeze_layers(d, json_object_get(config, "layers"));
    }
}

static int convert_model(json_t **out, mr_dialect *d, const json_t *model, int depth)
{
    bool sequential = !strcmp(mr_tree_class(model), "Sequential");
    const json_t *found = json_object_get(model, "config");
    const char *name = mr_tree_name(model);
    *out = NULL;
    if (depth > MR_MAX_NESTING)
        return mr_fail(d->e, MR_ELIMIT, "model configuration: models nested more than %d deep",
                       MR_MAX_NESTING);
    bool trainable = !json_is_false(json_object_get(found, "trainable"));
    if (!*name)
        name = sequential ? "sequential" : "model";
    json_t *config = json_object(), *layers = json_array();
    mr_keras_set(d, config, "name", json_string(name));
    mr_keras_set(d, config, "trainable", json_boolean(trainable));
    mr_keras_set(d, config, "layers", layers);
    json_t *made = json_pack("{s:s, s:s, s:o}", "class_name", sequential ? "Sequential" : "Functional",
                             "name", name, "config", config);
    int status = made ? convert_layers(d, layers, model, sequential, depth)
                      : mr_no_memory(d->e, "a model's configuration or weights");
    if (!status && !sequential)
        status = convert_ends(d, config, found);
    if (!status && !sequential)
        status = mr_keras_renumber(d, made);
    if (!status && !trainable)
        freeze_layers(d, layers);
    if (status)
        json_decref(made);
    else
        *out = made;
    return status;
}

/* --- the whole ------------------------------------------------------------ */

/* The era of a configuration that comes without a version: Keras 3 marks objects with their module and inputs
 * with batch_shape; Keras 1 counted nb_… and output_dim. */
static int era_of(const json_t *v, int depth)
{
    const char *key;
    json_t *member;
    size_t i;
    int era = 0;
    if (json_object_get(v, "module") || json_object_get(v, "registered_name") ||
        json_object_get(v, "batch_shape"))
        return 3;
    if (json_object_get(v, "nb_filter") || json_object_get(v, "output_dim") ||
        json_object_get(v, "border_mode"))
        return 1;
    json_object_foreach ((json_t *)v, key, member)
        if (!era && depth < MR_JSON_MAX_DEPTH)
            era = era_of(member, depth + 1);
    json_array_foreach (v, i, member)
        if (!era && depth < MR_JSON_MAX_DEPTH)
            era = era_of(member, depth + 1);
    return era;
}

static void fill_origin(mr_keras_origin *origin, const json_t *root)
{
    if (!origin->era)
        origin->era = mr_keras_era(mr_json_text(root, "keras_version"));
    if (mr_keras_version_from(mr_json_text(root, "keras_version"), 3, 12))
        origin->lists = true;
    if (!origin->era)
        origin->era = era_of(root, 0);
    if (!origin->era)
        origin->era = 2;
    if (mr_json_is(json_object_get(root, "backend"), "theano"))
        origin->theano = true;
}

/* {"class_name": "DTypePolicy" or "Policy", "config": {"name": …}}, or its name alone. */
static bool is_mixed_policy(const json_t *dtype)
{
    const json_t *config = json_object_get(dtype, "config");
    return mr_json_is(json_is_object(config) ? json_object_get(config, "name") : dtype, "mixed_bfloat16");
}

/* Whether some layer computes in mixed precision: then the whole model does, as far as it can. */
static bool says_mixed(const json_t *model, int depth)
{
    const json_t *layer;
    size_t i;
    json_array_foreach (found_layers(model), i, layer)
        if (is_mixed_policy(json_object_get(json_object_get(layer, "config"), "dtype")) ||
            (depth < MR_MAX_NESTING && found_model(layer) && says_mixed(layer, depth + 1)))
            return true;
    return false;
}

/* Rewrites MADE as Keras 3 has it, then as channels_last. What it was between the two is kept as "original":
 * it is complete in either order of axes, whatever version it came from. */
static int bring_up_to_date(mr_dialect *d, json_t **made, json_t *layouts)
{
    json_t *orders = json_object();
    int status = mr_keras_modernize(d, *made);
    json_t *found = json_incref(*made);
    if (!status)
        status = mr_keras_channels_last(d, made, layouts, orders);
    if (!status && *made != found) {
        json_object_del(found, "name");
        status = mr_keras_sort_layers(found, d->e);
        if (!status)
            mr_keras_set(d, *made, "original", json_pack("{s:O, s:O}", "model", found, "orders", orders));
    }
    json_decref(orders);
    json_decref(found);
    return status;
}

/* Adds the layers of MODEL and of the models in it: before anything is made of them. */
static void count_layers(const json_t *model, int depth, size_t *count)
{
    const json_t *layer;
    size_t i;
    *count += json_array_size(found_layers(model));
    if (depth < MR_MAX_NESTING && *count <= MR_MAX_LAYERS)
        json_array_foreach (found_layers(model), i, layer)
            if (found_model(layer))
                count_layers(layer, depth + 1, count);
}

int mr_keras_canonical(json_t **canonical, mr_keras_origin *origin, const json_t *root, mr_error *e)
{
    size_t layers = 0;
    *canonical = NULL;
    if (!json_is_object(root) || !*mr_tree_class(root))
        return mr_fail(e, MR_EFORMAT, "model configuration: not an object with a class_name");
    if (!found_model(root))
        return mr_fail(e, MR_EUNSUPPORTED, "model '%s' (%s): neither a Sequential nor a Functional model",
                       mr_tree_name(root), mr_tree_class(root));
    count_layers(root, 0, &layers);
    if (layers > MR_MAX_LAYERS)
        return mr_fail(e, MR_ELIMIT, "model configuration: more than %d layers", MR_MAX_LAYERS);
    fill_origin(origin, root);
    mr_dialect d = {.era = origin->era,
                    .theano = origin->theano,
                    .crops = origin->crops || origin->era < 3,
                    .lists = origin->lists,
                    .e = e};
    json_t *made = NULL;
    int status = convert_model(&made, &d, root, 0);
    if (!status && !origin->layouts && !(origin->layouts = json_object()))
        status = mr_no_memory(e, "a model's configuration or weights");
    if (!status)
        status = bring_up_to_date(&d, &made, origin->layouts);
    if (!status && says_mixed(root, 0))
        mr_keras_set(&d, json_object_get(made, "config"), "dtype", json_string("mixed_bfloat16"));
    if (!status)
        json_object_del(made, "name"); /* the outermost has no name beside its configuration */
    if (!status)
        status = mr_keras_sort_layers(made, e);
    if (!status && d.failed)
        status = mr_fail(e, MR_ENOMEM, "model configuration: out of memory, or names that are not UTF-8");
    if (status)
        json_decref(made);
    else
        *canonical = made;
    return status;
}

int mr_keras_parse_config(json_t **canonical, mr_keras_origin *origin, const char *text, size_t size,
                          const char *what, mr_error *e)
{
    json_t *root, *inner;
    *canonical = NULL;
    int status = mr_json_parse(&root, text, size, what, e);
    if (!status && json_is_string(root)) { /* json.dump(model.to_json()): JSON in a string of JSON */
        status = mr_json_parse(&inner, json_string_value(root), json_string_length(root), what, e);
        json_decref(root);
        root = inner;
    }
    if (!status)
        status = mr_keras_canonical(canonical, origin, root, e);
    json_decref(root);
    return status;
}
