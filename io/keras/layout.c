/* SPDX-License-Identifier: Apache-2.0 */
/* The first step: follows every tensor from the inputs on, knowing of each how the original has it. */
#include "io/keras/layout.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_TAGS = 4 * MR_MAX_CALLS };

/* How the original holds a tensor that we hold in our way. */
enum order {
    UNKNOWN, /* not computed yet */
    SAME,
    CHW, /* 4-D: original (N,C,H,W), ours (N,H,W,C) */
    FLAT /* 2-D: original flattened from (C,H,W), ours from (H,W,C) */
};

struct tag {
    enum order order;
    const char *flatten; /* FLAT: path of the Flatten that made it (a string in pass.flattens) */
};

struct pass {
    mr_dialect *d;
    json_t *notes;
    json_t *orders;   /* paths of layers that give (N,C,H,W) in the original */
    json_t *flattens; /* paths, to keep the strings of tags alive */
    json_t *unfolded; /* paths of Flattens that get a Permute before them: their order is seen */
    bool again;       /* one more was put there: start over */
};

struct entry {
    json_t *json;
    struct tag *tag; /* [calls] of its output; a nested model's outputs: [calls * outputs] */
    size_t calls, outputs;
    struct tag
        first; /* of its first call's first input: all calls must agree, as the layer is changed once */
    bool changed;
    size_t changed_as; /* which call that was */
};

struct scope {
    struct pass *p;
    json_t *model;
    const char *prefix;
    struct entry *entry;
    size_t entries;
    json_t *index; /* name → number of the entry */
    mr_keras_insertions inserted;
    int depth;
};

static int refuse(struct pass *p, const json_t *layer, const char *what)
{
    return mr_fail(p->d->e, MR_EUNSUPPORTED, "layer '%s' (%s): channels_first, %s", mr_keras_name(layer),
                   mr_keras_class(layer), what);
}

static json_t *config_of(const json_t *layer)
{
    return json_object_get(layer, "config");
}

static bool is_one_of(const char *class, const char *const *list)
{
    for (; *list; list++)
        if (!strcmp(class, *list))
            return true;
    return false;
}

/* --- axes ----------------------------------------------------------------- */

/* Axis of (N,C,H,W) → the same of (N,H,W,C). */
static json_int_t moved_axis(json_int_t axis)
{
    static const json_int_t to[4] = {0, 3, 1, 2};
    if (axis < 0)
        axis += 4;
    return axis >= 0 && axis < 4 ? to[axis] : axis;
}

static void move_axes(struct pass *p, json_t *config, const char *key)
{
    const json_t *v = json_object_get(config, key);
    if (json_is_integer(v)) {
        mr_keras_set(p->d, config, key, json_integer(moved_axis(json_integer_value(v))));
    } else if (json_is_array(v)) {
        json_t *list = json_array();
        for (size_t i = 0; i < json_array_size(v); i++)
            mr_keras_append(p->d, list, json_integer(moved_axis(json_integer_value(json_array_get(v, i)))));
        mr_keras_set(p->d, config, key, list);
    }
}

/* [null, C, H, W] → [null, H, W, C] */
static void move_shape(struct pass *p, json_t *config)
{
    const json_t *s = json_object_get(config, "batch_shape");
    if (json_array_size(s) == 4)
        mr_keras_set(p->d, config, "batch_shape",
                     json_pack("[O,O,O,O]", json_array_get(s, 0), json_array_get(s, 2), json_array_get(s, 3),
                               json_array_get(s, 1)));
}

/* Leaves the key out where channels_last is the default, as the reader of configurations does. */
static void set_channels_last(struct pass *p, const json_t *layer)
{
    json_t *last = json_string("channels_last");
    if (mr_keras_is_default(mr_keras_class(layer), "data_format", last)) {
        json_object_del(config_of(layer), "data_format");
        json_decref(last);
    } else {
        mr_keras_set(p->d, config_of(layer), "data_format", last);
    }
}

static void note(struct scope *s, const json_t *layer, const char *how, const char *flatten)
{
    char *path = mr_keras_path(s->prefix, mr_keras_name(layer));
    json_t *v =
        flatten ? json_pack("{s:s, s:s}", "how", how, "flatten", flatten) : json_pack("{s:s}", "how", how);
    mr_keras_set(s->p->d, path ? s->p->notes : NULL, path ? path : "", v);
    free(path);
}

/* --- layers --------------------------------------------------------------- */

static json_t *permute(struct pass *p, const json_t *layer, const char *suffix, int a, int b, int c)
{
    json_t *name = json_sprintf("%s_%s", mr_keras_name(layer), suffix);
    json_t *made = json_pack("{s:s, s:O, s:{s:O, s:b, s:[i,i,i]}}", "class_name", "Permute", "name", name,
                             "config", "name", name, "trainable", 1, "dims", a, b, c);
    json_decref(name);
    if (!made)
        p->d->failed = true;
    return made;
}

/* A layer that looks at the order of a vector's elements: the next walk gives the Flatten that made it the
 * original's order, by a Permute before it. This one goes on only to find more of them. */
static int unfold(struct pass *p, const char *flatten)
{
    mr_keras_set(p->d, p->unfolded, flatten, json_true());
    p->again = true;
    return 0;
}

static int flatten(struct scope *s, const json_t *layer, struct tag *out)
{
    struct pass *p = s->p;
    bool turns = mr_json_is(json_object_get(config_of(layer), "data_format"),
                            "channels_first"); /* to (H,W,C) by itself */
    char *path = mr_keras_path(s->prefix, mr_keras_name(layer));
    int status = path ? 0 : mr_no_memory(p->d->e, "a model's configuration or weights");
    set_channels_last(p, layer);
    if (!status && turns) {
        *out = (struct tag){SAME, NULL};
    } else if (!status && json_object_get(p->unfolded, path)) {
        status =
            mr_keras_insert_before(p->d, &s->inserted, layer, permute(p, layer, "channels_first", 3, 1, 2));
        *out = (struct tag){SAME, NULL};
    } else if (!status) {
        mr_keras_append(p->d, p->flattens, json_string(path));
        *out = (struct tag){FLAT,
                            json_string_value(json_array_get(p->flattens, json_array_size(p->flattens) - 1))};
    }
    free(path);
    return status;
}

/* Reshape: the numbers must be in the original's order before and are so after. */
static int reshape(struct scope *s, const json_t *layer, enum order in, struct tag *out)
{
    struct pass *p = s->p;
    int status = 0;
    if (in == CHW)
        status =
            mr_keras_insert_before(p->d, &s->inserted, layer, permute(p, layer, "channels_first", 3, 1, 2));
    *out = (struct tag){SAME, NULL};
    if (!status && json_array_size(json_object_get(config_of(layer), "target_shape")) == 3) {
        status =
            mr_keras_insert_after(p->d, &s->inserted, layer, permute(p, layer, "channels_last", 2, 3, 1));
        out->order = CHW;
    }
    return status;
}

static int permute_dims(struct pass *p, const json_t *layer, struct tag *out)
{
    json_t *dims = json_object_get(config_of(layer), "dims"), *list = json_array();
    for (size_t i = 0; i < json_array_size(dims); i++)
        mr_keras_append(p->d, list, json_integer(moved_axis(json_integer_value(json_array_get(dims, i)))));
    mr_keras_set(p->d, config_of(layer), "dims", list);
    *out = (struct tag){SAME, NULL};
    return 0;
}

/* Convolutions, pooling, padding …: all that has a data_format. */
static int spatial(struct scope *s, const json_t *layer, struct tag *out)
{
    const char *class = mr_keras_class(layer);
    json_t *config = config_of(layer);
    set_channels_last(s->p, layer);
    if (s->p->d->era == 1 && strstr(class, "Conv"))
        note(s, layer, "oihw", NULL);
    bool vector = !strncmp(class, "Global", 6) && !json_is_true(json_object_get(config, "keepdims"));
    *out = (struct tag){vector ? SAME : CHW, NULL};
    return 0;
}

/* Layers that work on each element alike, or along an axis that moves. */
static int elementwise(struct scope *s, const json_t *layer, struct tag in, struct tag *out)
{
    const char *class = mr_keras_class(layer);
    json_t *config = config_of(layer);
    *out = in;
    if (in.order == CHW && mr_json_is(json_object_get(config, "activation"), "softmax"))
        return refuse(s->p, layer, "softmax along the width");
    if (in.order == CHW) {
        move_axes(s->p, config, !strcmp(class, "PReLU") ? "shared_axes" : "axis");
        if (!strcmp(class, "PReLU"))
            note(s, layer, "chw", NULL);
    } else if (!strcmp(class, "PReLU") || !strcmp(class, "BatchNormalization")) {
        note(s, layer, "rows", in.flatten);
    }
    return 0;
}

static int merge(struct scope *s, const json_t *layer, const struct tag *in, size_t inputs, struct tag *out)
{
    bool concatenate = !strcmp(mr_keras_class(layer), "Concatenate");
    enum order first = in[0].order == FLAT ? SAME : in[0].order; /* as in the walk that counts */
    *out = (struct tag){first, NULL};
    for (size_t i = 0; i < inputs; i++) {
        if (in[i].order == FLAT)
            unfold(s->p, in[i].flatten);
        if ((in[i].order == FLAT ? SAME : in[i].order) != first)
            return refuse(s->p, layer, "merged with a tensor that is not");
    }
    if (concatenate && in[0].order == CHW)
        move_axes(s->p, config_of(layer), "axis");
    return 0;
}

/* Changes LAYER for its input and tells how its output lies. */
static int change_layer(struct scope *s, const json_t *layer, const struct tag *in, size_t inputs,
                        struct tag *out)
{
    static const char *const each[] = {"Activation",      "ReLU",
                                       "LeakyReLU",       "ELU",
                                       "PReLU",           "Softmax",
                                       "Dropout",         "GaussianNoise",
                                       "GaussianDropout", "AlphaDropout",
                                       "Rescaling",       "BatchNormalization",
                                       "Identity",        NULL};
    static const char *const merges[] = {"Add",     "Subtract", "Multiply",    "Average",
                                         "Maximum", "Minimum",  "Concatenate", NULL};
    const char *class = mr_keras_class(layer);
    bool first = mr_json_is(json_object_get(config_of(layer), "data_format"), "channels_first");
    *out = (struct tag){SAME, NULL};
    if (is_one_of(class, merges))
        return merge(s, layer, in, inputs, out);
    if (!strcmp(class, "Flatten"))
        return in[0].order == CHW ? flatten(s, layer, out) : 0;
    if (!strcmp(class, "Reshape"))
        return in[0].order == FLAT ? unfold(s->p, in[0].flatten) : reshape(s, layer, in[0].order, out);
    if (first)
        return in[0].order == CHW ? spatial(s, layer, out) : refuse(s->p, layer, "on a tensor that is not");
    if (in[0].order == SAME)
        return 0;
    if (is_one_of(class, each))
        return elementwise(s, layer, in[0], out);
    if (!strcmp(class, "Permute") && in[0].order == CHW)
        return permute_dims(s->p, layer, out);
    if (!strcmp(class, "Dense") && in[0].order == FLAT) {
        note(s, layer, "rows", in[0].flatten);
        return 0;
    }
    return in[0].order == FLAT ? unfold(s->p, in[0].flatten)
                               : refuse(s->p, layer, "where it depends on the order of axes");
}

/* --- models --------------------------------------------------------------- */

static int walk_model(struct pass *p, json_t *model, const char *prefix, const struct tag *in, size_t inputs,
                      struct tag **out, size_t *outputs, int depth);

static int call_model(struct scope *s, struct entry *en, size_t call, const struct tag *in, size_t inputs)
{
    char *path = mr_keras_path(s->prefix, mr_keras_name(en->json));
    struct tag *out = NULL;
    size_t outputs = 0;
    int status = path ? 0 : mr_no_memory(s->p->d->e, "a model's configuration or weights");
    if (!status)
        status = walk_model(s->p, en->json, path, in, inputs, &out, &outputs, s->depth + 1);
    if (!status && outputs > MAX_TAGS / en->calls)
        status = mr_fail(s->p->d->e, MR_ELIMIT, "layer '%s': too many calls of a model with too many outputs",
                         mr_keras_name(en->json));
    struct tag *larger = status ? NULL : calloc(en->calls * outputs + 1, sizeof *larger);
    if (!status && !larger)
        status = mr_no_memory(s->p->d->e, "a model's configuration or weights");
    if (!status) {
        memcpy(larger + call * outputs, out, outputs * sizeof *larger);
        free(en->tag);
        en->tag = larger;
        en->outputs = outputs;
    }
    free(out);
    free(path);
    return status;
}

/* A Reshape gives the original's order; what follows turns it. */
static void note_order(struct scope *s, const json_t *layer, enum order order)
{
    if (order != CHW || mr_keras_is_model(layer) || !strcmp(mr_keras_class(layer), "Reshape"))
        return;
    char *path = mr_keras_path(s->prefix, mr_keras_name(layer));
    mr_keras_set(s->p->d, path ? s->p->orders : NULL, path ? path : "", json_true());
    free(path);
}

static int call_entry(struct scope *s, struct entry *en, size_t call, const struct tag *in, size_t inputs)
{
    int status = 0;
    if (en->changed && (in[0].order != en->first.order || in[0].flatten != en->first.flatten))
        return refuse(s->p, en->json, "called on tensors of both kinds");
    if (en->changed) /* for another call: this one is like it */
        memcpy(&en->tag[call * en->outputs], &en->tag[en->changed_as * en->outputs],
               en->outputs * sizeof *en->tag);
    else if (mr_keras_is_model(en->json))
        status = call_model(s, en, call, in, inputs);
    else
        status = change_layer(s, en->json, in, inputs, &en->tag[call]);
    if (!en->changed)
        en->changed_as = call;
    if (!status)
        note_order(s, en->json, en->tag[call * en->outputs].order);
    en->first = in[0];
    en->changed = true;
    return status;
}

static struct entry *find_entry(struct scope *s, const json_t *name)
{
    ptrdiff_t number = mr_keras_index_find(s->index, json_string_value(name));
    return number < 0 ? NULL : &s->entry[number];
}

/* The tag that [name, call, tensor] refers to; UNKNOWN where it is not there, or not yet. */
static struct tag tag_of(struct scope *s, const json_t *ref)
{
    struct entry *en = find_entry(s, json_array_get(ref, 0));
    json_int_t call = json_integer_value(json_array_get(ref, 1)),
               tensor = json_integer_value(json_array_get(ref, 2));
    if (!en || call < 0 || tensor < 0 || (size_t)call >= en->calls || (size_t)tensor >= en->outputs)
        return (struct tag){UNKNOWN, NULL};
    return en->tag[(size_t)call * en->outputs + (size_t)tensor];
}

static int open_scope(struct scope *s)
{
    json_t *layers = json_object_get(config_of(s->model), "layers"), *layer;
    size_t i;
    s->entry = calloc(json_array_size(layers) + 1, sizeof *s->entry);
    s->index = mr_keras_index(layers);
    if (!s->entry || !s->index)
        return mr_no_memory(s->p->d->e, "a model's configuration or weights");
    json_array_foreach (layers, i, layer) {
        struct entry *en = &s->entry[s->entries++];
        size_t calls = json_array_size(json_object_get(layer, "inbound_nodes"));
        *en = (struct entry){.json = json_incref(layer), .calls = calls ? calls : 1, .outputs = 1};
        en->tag = calloc(en->calls, sizeof *en->tag);
        if (!en->tag)
            return mr_no_memory(s->p->d->e, "a model's configuration or weights");
    }
    return 0;
}

static void close_scope(struct scope *s)
{
    for (size_t i = 0; i < s->entries; i++) {
        json_decref(s->entry[i].json);
        free(s->entry[i].tag);
    }
    free(s->entry);
    json_decref(s->index);
    mr_keras_insertions_free(&s->inserted);
}

/* An image input of the outermost model is channels_first as the model is. */
static void bind_input(struct scope *s, struct entry *en, const struct tag *in)
{
    json_t *config = config_of(en->json);
    bool image = json_array_size(json_object_get(config, "batch_shape")) == 4;
    /* NOLINTNEXTLINE(clang-analyzer-core.*): every entry that is found has its tags */
    en->tag[0] = in ? *in : (struct tag){image ? CHW : SAME, NULL};
    en->changed = true;
    if (en->tag[0].order == CHW)
        move_shape(s->p, config);
}

static int bind_inputs(struct scope *s, const struct tag *in, size_t inputs)
{
    const json_t *ends = json_object_get(config_of(s->model), "input_layers");
    size_t count = mr_keras_is_sequential(s->model) ? 1 : json_array_size(ends);
    for (size_t i = 0; i < count; i++) {
        struct entry *en = mr_keras_is_sequential(s->model)
                               ? &s->entry[0]
                               : find_entry(s, json_array_get(json_array_get(ends, i), 0));
        if (!en || (in && i >= inputs))
            return mr_fail(s->p->d->e, MR_EFORMAT, "model configuration: inputs of '%s'",
                           mr_keras_name(s->model));
        bind_input(s, en, in ? &in[i] : NULL);
    }
    return 0;
}

static int walk_sequence(struct scope *s)
{
    int status = 0;
    for (size_t i = 1; i < s->entries && !status; i++)
        status = call_entry(s, &s->entry[i], 0, s->entry[i - 1].tag, s->entry[i - 1].outputs);
    return status;
}

static int make_call(struct scope *s, struct entry *en, size_t call, const json_t *refs)
{
    size_t inputs = json_array_size(refs);
    struct tag *in = calloc(inputs + 1, sizeof *in);
    int status = in && inputs ? 0
                              : mr_fail(s->p->d->e, in ? MR_EFORMAT : MR_ENOMEM,
                                        "model configuration: a call without inputs");
    for (size_t i = 0; i < inputs && !status; i++) {
        in[i] = tag_of(s, json_array_get(refs, i));
        if (in[i].order == UNKNOWN)
            status = mr_fail(s->p->d->e, MR_EFORMAT, "layer '%s': it refers to an output that does not exist",
                             mr_keras_name(en->json));
    }
    if (!status)
        status = call_entry(s, en, call, in, inputs);
    free(in);
    return status;
}

/* The calls as they were: layers that are to be put in lead some of them elsewhere. */
static int walk_calls(struct scope *s)
{
    json_t *layers = json_object_get(config_of(s->model), "layers"), *calls = json_array();
    mr_keras_call *order = NULL;
    size_t count = 0;
    for (size_t i = 0; i < s->entries; i++) {
        json_t *found = json_object_get(s->entry[i].json, "inbound_nodes");
        mr_keras_append(s->p->d, calls, found ? json_incref(found) : json_null());
    }
    int status = mr_keras_call_order(&order, &count, layers, s->p->d->e);
    for (size_t i = 0; i < count && !status; i++) {
        struct entry *en = &s->entry[order[i].layer];
        if (!mr_keras_is_input(en->json))
            status = make_call(s, en, order[i].call,
                               json_array_get(json_array_get(calls, order[i].layer), order[i].call));
    }
    free(order);
    json_decref(calls);
    return status;
}

/* What the model gives. A vector whose elements are in another order than the original's is not what it
 * gives. */
static int collect(struct scope *s, struct tag **out, size_t *outputs)
{
    const json_t *ends = json_object_get(config_of(s->model), "output_layers");
    bool sequential = mr_keras_is_sequential(s->model);
    const struct entry *last = &s->entry[s->entries - 1];
    *outputs = sequential ? last->outputs : json_array_size(ends);
    *out = calloc(*outputs + 1, sizeof **out);
    if (!*out)
        return mr_no_memory(s->p->d->e, "a model's configuration or weights");
    for (size_t i = 0; i < *outputs; i++) {
        (*out)[i] = sequential ? last->tag[i] : tag_of(s, json_array_get(ends, i));
        if (s->depth == 0 && (*out)[i].order == FLAT)
            unfold(s->p, (*out)[i].flatten);
    }
    return 0;
}

static int walk_model(struct pass *p, json_t *model, const char *prefix, const struct tag *in, size_t inputs,
                      struct tag **out, size_t *outputs, int depth)
{
    struct scope s = {.p = p, .model = model, .prefix = prefix, .depth = depth};
    int status = open_scope(&s);
    if (!status)
        status = bind_inputs(&s, in, inputs);
    if (!status)
        status = mr_keras_is_sequential(model) ? walk_sequence(&s) : walk_calls(&s);
    if (!status)
        status = collect(&s, out, outputs);
    if (!status)
        status = mr_keras_insert_all(p->d, &s.inserted, model);
    close_scope(&s);
    return status;
}

static bool says_channels_first(const json_t *v, int depth)
{
    const char *key;
    json_t *member;
    size_t i;
    if (mr_json_is(json_object_get(v, "data_format"), "channels_first"))
        return true;
    json_object_foreach ((json_t *)v, key, member)
        if (depth < MR_JSON_MAX_DEPTH && says_channels_first(member, depth + 1))
            return true;
    json_array_foreach (v, i, member)
        if (depth < MR_JSON_MAX_DEPTH && says_channels_first(member, depth + 1))
            return true;
    return false;
}

static int walk_once(struct pass *p, json_t **changed, const json_t *original)
{
    struct tag *out = NULL;
    size_t outputs;
    p->again = false;
    json_object_clear(p->notes);
    json_object_clear(p->orders);
    *changed = json_deep_copy(original);
    int status = *changed ? walk_model(p, *changed, "", NULL, 0, &out, &outputs, 0)
                          : mr_no_memory(p->d->e, "a model's configuration or weights");
    free(out);
    return status;
}

int mr_keras_channels_last(mr_dialect *d, json_t **model, json_t *notes, json_t *orders)
{
    enum { MOST_WALKS = 50 };
    struct pass p = {
        .d = d, .notes = notes, .orders = orders, .flattens = json_array(), .unfolded = json_object()};
    json_t *changed = NULL;
    int status = 0;
    if (says_channels_first(*model, 0)) {
        status = walk_once(&p, &changed, *model);
        for (int walks = 1; p.again && !d->failed && walks < MOST_WALKS; walks++) {
            json_decref(changed);
            if (d->e && status != MR_ENOMEM) /* what a walk refuses that was given up is no refusal yet */
                mr_error_clear(d->e);
            status = walk_once(&p, &changed, *model);
        }
        if (!status && p.again)
            status = mr_fail(d->e, MR_ELIMIT, "model configuration: channels_first, too many Flatten layers");
        if (!status) {
            json_decref(*model);
            *model = changed;
        } else {
            json_decref(changed);
        }
    }
    json_decref(p.flattens);
    json_decref(p.unfolded);
    return status;
}
