/* SPDX-License-Identifier: Apache-2.0 */
/* Canonical configuration → graph. Two passes over the tree: the first makes every layer once, in the order
 * of the configuration (which is the order of the weights); the second follows the calls and makes the nodes.
 * A nested model that is called twice is walked twice in the second pass: more nodes, the same layers. */
#include "nn/graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LAYERS = 20000, MAX_NODES = 60000, MAX_DEPTH = 16, MAX_NAME = 1024 };

struct build {
    mr_graph *g;
    const mr_shape *input_shape;
    int layer_capacity, node_capacity;
    bool inference; /* within a call that is made with training=False */
    int walks; /* through models, nested ones each time that they are called */
    json_t *index; /* path → number of the layer */
    mr_error *e;
};

/* One entry of a model's layer list while its calls are followed. */
struct entry {
    const json_t *json, *calls;
    const char *name;
    bool nested;
    size_t made;            /* calls made so far */
    int **outputs, *counts; /* per call: node numbers of its outputs */
    size_t total;           /* calls there are */
};

struct scope { /* one walk through one model */
    const json_t *config;
    const char *prefix;
    struct entry *entry;
    size_t entries;
    int depth;
};

static int fail(struct build *b, const char *name, const char *what)
{
    return mr_fail(b->e, MR_EFORMAT, "model configuration: '%s': %s", *name ? name : "model", what);
}

static const char *text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static bool is_model(const json_t *layer)
{
    const char *class = text(layer, "class_name");
    return class && (!strcmp(class, "Functional") || !strcmp(class, "Sequential"));
}

static bool is_sequential(const json_t *model)
{
    const char *class = text(model, "class_name");
    return class && !strcmp(class, "Sequential");
}

static const char *name_of(const json_t *layer)
{
    const char *name = text(layer, "name");
    return name ? name : text(json_object_get(layer, "config"), "name");
}

static bool trainable_of(const json_t *layer)
{
    return !json_is_false(json_object_get(json_object_get(layer, "config"), "trainable"));
}

/* "prefix/name" in a malloc'ed string. */
static char *path_of(const char *prefix, const char *name)
{
    size_t size = strlen(prefix) + strlen(name) + 2;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s%s%s", prefix, *prefix ? "/" : "", name);
    return path;
}

/* --- first pass: layers ------------------------------------------------------ */

static int layer_slot(struct build *b, mr_layer *l)
{
    mr_graph *g = b->g;
    if (g->layers >= MAX_LAYERS)
        return mr_fail(b->e, MR_ELIMIT, "model configuration: more than %d layers", MAX_LAYERS);
    if (g->layers == b->layer_capacity) {
        int capacity = b->layer_capacity ? 2 * b->layer_capacity : 64;
        mr_layer **larger = realloc(g->layer, (size_t)capacity * sizeof *larger);
        if (!larger)
            return mr_fail(b->e, MR_ENOMEM, "out of memory for %d layers", capacity);
        g->layer = larger;
        b->layer_capacity = capacity;
    }
    g->layer[g->layers++] = l;
    return 0;
}

static int configure_layer(struct build *b, mr_layer *l, const json_t *json)
{
    const char *class = text(json, "class_name");
    l->class = mr_layer_class_find(class ? class : "");
    if (!l->class)
        return mr_fail(b->e, MR_EUNSUPPORTED, "layer '%s': class %s is not one that millrace can run",
                       l->name, class ? class : "(none)");
    l->impl = calloc(1, l->class->size ? l->class->size : 1);
    if (!l->impl)
        return mr_fail(b->e, MR_ENOMEM, "out of memory for layer '%s'", l->name);
    return l->class->configure ? l->class->configure(l, l->config, b->e) : 0;
}

static int make_layer(struct build *b, const json_t *json, const char *prefix, const char *name,
                      bool trainable)
{
    mr_layer *l = calloc(1, sizeof *l);
    if (!l)
        return mr_fail(b->e, MR_ENOMEM, "out of memory for layer '%s'", name);
    l->name = path_of(prefix, name);
    l->config = json_incref(json_object_get(json, "config"));
    l->trainable = trainable && trainable_of(json);
    int status = l->name ? layer_slot(b, l) : mr_fail(b->e, MR_ENOMEM, "out of memory for layer '%s'", name);
    if (status) {
        json_decref(l->config);
        free(l->name);
        free(l);
        return status;
    }
    l->local_name = l->name + strlen(l->name) - strlen(name);
    if (json_object_get(b->index, l->name))
        return fail(b, l->name, "two layers have this name");
    if (json_object_set_new(b->index, l->name, json_integer(b->g->layers - 1)))
        return fail(b, name, "its name is not UTF-8");
    return configure_layer(b, l, json);
}

static int make_layers(struct build *b, const json_t *model, const char *prefix, bool trainable, int depth)
{
    const json_t *config = json_object_get(model, "config"), *list = json_object_get(config, "layers"),
                 *layer;
    size_t i;
    if (depth > MAX_DEPTH)
        return mr_fail(b->e, MR_ELIMIT, "model configuration: models nested more than %d deep", MAX_DEPTH);
    if (!json_is_array(list) || json_array_size(list) == 0)
        return fail(b, prefix, "no list of layers");
    trainable = trainable && trainable_of(model);
    json_array_foreach(list, i, layer)
    {
        const char *name = name_of(layer);
        if (!name || !*name || strlen(name) > MAX_NAME)
            return fail(b, prefix, "a layer without a name");
        if (!json_is_object(json_object_get(layer, "config")))
            return fail(b, name, "a layer without a configuration");
        int status;
        if (is_model(layer)) {
            char *path = path_of(prefix, name);
            status = path ? make_layers(b, layer, path, trainable, depth + 1)
                          : mr_fail(b->e, MR_ENOMEM, "out of memory");
            free(path);
        } else {
            status = make_layer(b, layer, prefix, name, trainable);
        }
        if (status)
            return status;
    }
    return 0;
}

/* --- second pass: calls ------------------------------------------------------ */

static int make_node(struct build *b, mr_layer *l, const int *input, int inputs, int *number)
{
    mr_graph *g = b->g;
    if (g->nodes >= MAX_NODES)
        return mr_fail(b->e, MR_ELIMIT, "model configuration: more than %d calls of layers", MAX_NODES);
    if (g->nodes == b->node_capacity) {
        int capacity = b->node_capacity ? 2 * b->node_capacity : 64;
        mr_node *larger = realloc(g->node, (size_t)capacity * sizeof *larger);
        if (!larger)
            return mr_fail(b->e, MR_ENOMEM, "out of memory for %d calls", capacity);
        g->node = larger;
        b->node_capacity = capacity;
    }
    mr_node *n = &g->node[g->nodes];
    memset(n, 0, sizeof *n);
    n->layer = l;
    n->inputs = inputs;
    n->inference = b->inference;
    n->input = malloc(((size_t)inputs + 1) * sizeof *n->input);
    if (!n->input)
        return mr_fail(b->e, MR_ENOMEM, "out of memory for a call of '%s'", l->name);
    if (inputs)
        memcpy(n->input, input, (size_t)inputs * sizeof *input);
    *number = g->nodes++;
    return 0;
}

static int input_shape(struct build *b, const mr_layer *l, mr_shape *out)
{
    const json_t *shape = json_object_get(l->config, "batch_shape");
    size_t rank = json_array_size(shape);
    if (rank < 1 || rank > MR_MAX_RANK)
        return fail(b, l->name, "an input without a batch_shape of 1 to 6 dimensions");
    out->rank = (int)rank;
    out->dim[0] = 0;
    for (size_t i = 1; i < rank; i++) {
        const json_t *d = json_array_get(shape, i);
        if (json_is_integer(d))
            out->dim[i] = json_integer_value(d);
        else if (b->input_shape && b->input_shape->rank == out->rank)
            out->dim[i] = b->input_shape->dim[i];
        else
            return mr_hint(
                b->e, mr_fail(b->e, MR_EINVAL, "input '%s': its size is not fixed by the model", l->name),
                "give --image-size HxW");
    }
    return mr_shape_check(out, 1, MR_MAX_ELEMENTS, l->name, b->e);
}

static int make_input(struct build *b, mr_layer *l, int *number)
{
    mr_shape shape;
    int status = input_shape(b, l, &shape);
    if (!status)
        status = make_node(b, l, NULL, 0, number);
    if (!status)
        b->g->node[*number].shape = shape;
    return status;
}

/* A layer that is called again must have the variables that it has. */
static int check_rebuild(struct build *b, mr_layer *l, const mr_shape *in, int inputs)
{
    mr_layer probe = *l;
    probe.params = 0;
    int status = l->class->build(&probe, in, inputs, b->e);
    for (int i = 0; !status && i < l->params; i++)
        if (i >= probe.params || !mr_shape_equal(&probe.param[i].shape, &l->param[i].shape))
            status = mr_layer_invalid(l, b->e, "shared between inputs of different shapes");
    return status;
}

static int call_layer(struct build *b, mr_layer *l, const int *input, int inputs, int *number)
{
    if (inputs < 1 || inputs > l->class->max_inputs)
        return mr_layer_invalid(l, b->e, "called on %d tensors", inputs);
    mr_shape *in = malloc((size_t)inputs * sizeof *in), out;
    if (!in)
        return mr_fail(b->e, MR_ENOMEM, "out of memory for a call of '%s'", l->name);
    for (int i = 0; i < inputs; i++)
        in[i] = b->g->node[input[i]].shape;
    int status = l->class->output_shape(l, in, inputs, &out, b->e);
    out.dim[0] = 0;
    if (!status)
        status = mr_shape_check(&out, 1, MR_MAX_ELEMENTS, l->name, b->e);
    if (!status && l->class->build && l->built)
        status = check_rebuild(b, l, in, inputs);
    else if (!status && l->class->build)
        status = l->class->build(l, in, inputs, b->e);
    l->built = true;
    if (!status)
        status = make_node(b, l, input, inputs, number);
    if (!status)
        b->g->node[*number].shape = out;
    free(in);
    return status;
}

static int walk_model(struct build *b, const json_t *model, const char *prefix, const int *input, int inputs,
                      int **output, int *outputs, int depth);

/* Whether ENTRY's next call says training=False, among the options that stand with its first tensor. */
static bool says_inference(const struct entry *en)
{
    const json_t *tensor = json_array_get(json_array_get(en->calls, en->made), 0);
    return json_is_false(json_object_get(json_array_get(tensor, 3), "training"));
}

static int make_call(struct build *b, struct scope *s, struct entry *en, const int *input, int inputs)
{
    char *path = path_of(s->prefix, en->name);
    int *out = NULL, outs = 1, status;
    if (!path)
        return mr_fail(b->e, MR_ENOMEM, "out of memory");
    if (en->nested) {
        status = walk_model(b, en->json, path, input, inputs, &out, &outs, s->depth + 1);
    } else {
        json_int_t number = json_integer_value(json_object_get(b->index, path));
        out = malloc(sizeof *out);
        status = out ? call_layer(b, b->g->layer[number], input, inputs, out)
                     : mr_fail(b->e, MR_ENOMEM, "out of memory");
    }
    free(path);
    if (status) {
        free(out);
        return status;
    }
    en->outputs[en->made] = out;
    en->counts[en->made++] = outs;
    return 0;
}

/* Calls ENTRY on INPUT and records its outputs as its next call's. */
static int call_entry(struct build *b, struct scope *s, struct entry *en, const int *input, int inputs)
{
    bool outer = b->inference;
    b->inference = outer || says_inference(en);
    int status = make_call(b, s, en, input, inputs);
    b->inference = outer;
    return status;
}

static struct entry *find_entry(struct scope *s, const char *name)
{
    for (size_t i = 0; name && i < s->entries; i++)
        if (!strcmp(s->entry[i].name, name))
            return &s->entry[i];
    return NULL;
}

/* [name, call, tensor, …] → node number, -1 while that call has not been made, -2 where it cannot be. */
static int resolve(struct scope *s, const json_t *reference)
{
    struct entry *en = find_entry(s, json_string_value(json_array_get(reference, 0)));
    json_int_t call = json_integer_value(json_array_get(reference, 1));
    json_int_t tensor = json_integer_value(json_array_get(reference, 2));
    if (!en || call < 0 || tensor < 0 || (size_t)call >= en->total)
        return -2;
    if ((size_t)call >= en->made)
        return -1;
    return tensor < en->counts[call] ? en->outputs[call][tensor] : -2;
}

/* Makes ENTRY's next call if all of its inputs are there: 1, 0 when they are not yet. */
static int try_call(struct build *b, struct scope *s, struct entry *en)
{
    const json_t *list = json_array_get(en->calls, en->made);
    size_t count = json_array_size(list);
    if (count == 0 || count > 1024)
        return fail(b, en->name, "a call without inputs");
    int *input = malloc(count * sizeof *input), status = 1;
    if (!input)
        return mr_fail(b->e, MR_ENOMEM, "out of memory");
    for (size_t i = 0; i < count && status > 0; i++) {
        input[i] = resolve(s, json_array_get(list, i));
        if (input[i] == -2)
            status = fail(b, en->name, "it refers to a layer or call that does not exist");
        else if (input[i] == -1)
            status = 0;
    }
    if (status > 0) {
        status = call_entry(b, s, en, input, (int)count);
        status = status ? status : 1;
    }
    free(input);
    return status;
}

/* Follows the calls of a Functional model. Configurations list layers so that one or a few rounds are enough.
 */
static int follow_calls(struct build *b, struct scope *s)
{
    for (;;) {
        bool progress = false;
        const char *waiting = NULL;
        for (size_t i = 0; i < s->entries; i++) {
            struct entry *en = &s->entry[i];
            while (en->made < en->total) {
                int status = try_call(b, s, en);
                if (status < 0)
                    return status;
                if (status == 0) {
                    waiting = en->name;
                    break;
                }
                progress = true;
            }
        }
        if (!waiting)
            return 0;
        if (!progress)
            return fail(b, waiting, "its inputs depend on its own output");
    }
}

static int follow_sequence(struct build *b, struct scope *s)
{
    int *previous = s->entry[0].outputs[0], count = s->entry[0].counts[0];
    for (size_t i = 1; i < s->entries; i++) {
        int status = call_entry(b, s, &s->entry[i], previous, count);
        if (status)
            return status;
        previous = s->entry[i].outputs[0];
        count = s->entry[i].counts[0];
    }
    return 0;
}

/* An InputLayer stands for INPUT when this is a nested model; at the top it becomes a node of its own. */
static int bind_input(struct build *b, struct scope *s, struct entry *en, const int *input)
{
    int *out = malloc(sizeof *out), status = 0;
    if (!out)
        return mr_fail(b->e, MR_ENOMEM, "out of memory");
    if (input) {
        *out = *input;
    } else {
        json_int_t number = json_integer_value(json_object_get(b->index, en->name));
        status = make_input(b, b->g->layer[number], out);
    }
    if (status || en->made) {
        free(out);
        return status ? status : fail(b, s->prefix, "an input is listed twice");
    }
    en->outputs[0] = out;
    en->counts[0] = 1;
    en->made = 1;
    return 0;
}

static bool is_input(const json_t *layer)
{
    const char *class = text(layer, "class_name");
    return class && !strcmp(class, "InputLayer");
}

static int bind_inputs(struct build *b, struct scope *s, bool sequential, const int *input, int inputs)
{
    const json_t *list = json_object_get(s->config, "input_layers");
    size_t expected = sequential ? 1 : json_array_size(list);
    if (expected == 0 || (input && (size_t)inputs != expected))
        return fail(b, s->prefix, input ? "called on a wrong number of tensors" : "a model without inputs");
    for (size_t i = 0; i < expected; i++) {
        const char *name = json_string_value(json_array_get(json_array_get(list, i), 0));
        struct entry *en = sequential ? &s->entry[0] : find_entry(s, name);
        if (!en || !is_input(en->json))
            return fail(b, name ? name : s->prefix, "no InputLayer of this name");
        int status = bind_input(b, s, en, input ? &input[i] : NULL);
        if (status)
            return status;
    }
    return 0;
}

static int open_scope(struct build *b, struct scope *s, bool sequential)
{
    const json_t *list = json_object_get(s->config, "layers"), *layer;
    size_t i;
    s->entry = calloc(json_array_size(list), sizeof *s->entry);
    if (!s->entry)
        return mr_fail(b->e, MR_ENOMEM, "out of memory");
    json_array_foreach(list, i, layer)
    {
        struct entry *en = &s->entry[s->entries++];
        en->json = layer;
        en->name = name_of(layer);
        en->nested = is_model(layer);
        en->calls = json_object_get(layer, "inbound_nodes");
        en->total = sequential || is_input(layer) ? 1 : json_array_size(en->calls);
        en->outputs = calloc(en->total + 1, sizeof *en->outputs);
        en->counts = calloc(en->total + 1, sizeof *en->counts);
        if (!en->outputs || !en->counts)
            return mr_fail(b->e, MR_ENOMEM, "out of memory");
        if (is_input(layer) && sequential && i)
            return fail(b, en->name, "an InputLayer in the middle of a Sequential model");
    }
    return 0;
}

static void close_scope(struct scope *s)
{
    for (size_t i = 0; i < s->entries; i++) {
        for (size_t k = 0; k < s->entry[i].made; k++)
            free(s->entry[i].outputs[k]);
        free(s->entry[i].outputs);
        free(s->entry[i].counts);
    }
    free(s->entry);
}

/* What the model gives: its output_layers, or the last layer of a Sequential. */
static int collect_outputs(struct build *b, struct scope *s, bool sequential, int **output, int *outputs)
{
    const json_t *list = json_object_get(s->config, "output_layers");
    const struct entry *last = &s->entry[s->entries - 1];
    *outputs = sequential ? last->counts[0] : (int)json_array_size(list);
    *output = malloc(((size_t)*outputs + 1) * sizeof **output);
    if (!*output)
        return mr_fail(b->e, MR_ENOMEM, "out of memory");
    if (*outputs == 0)
        return fail(b, s->prefix, "a model without outputs");
    for (int i = 0; i < *outputs; i++) {
        (*output)[i] = sequential ? last->outputs[0][i] : resolve(s, json_array_get(list, (size_t)i));
        if ((*output)[i] < 0)
            return fail(b, s->prefix, "an output refers to a layer that does not exist");
    }
    return 0;
}

static int walk_model(struct build *b, const json_t *model, const char *prefix, const int *input, int inputs,
                      int **output, int *outputs, int depth)
{
    bool sequential = is_sequential(model);
    struct scope s = {.config = json_object_get(model, "config"), .prefix = prefix, .depth = depth};
    *output = NULL;
    if (++b->walks > MAX_NODES) /* calls of calls of calls multiply, even where they make no node */
        return mr_fail(b->e, MR_ELIMIT, "model configuration: more than %d calls of models", MAX_NODES);
    int status = open_scope(b, &s, sequential);
    if (!status)
        status = bind_inputs(b, &s, sequential, input, inputs);
    if (!status)
        status = sequential ? follow_sequence(b, &s) : follow_calls(b, &s);
    if (!status)
        status = collect_outputs(b, &s, sequential, output, outputs);
    close_scope(&s);
    if (status) {
        free(*output);
        *output = NULL;
    }
    return status;
}

/* --- the whole --------------------------------------------------------------- */

static int place_params(struct build *b)
{
    mr_graph *g = b->g;
    int count = 0;
    for (int i = 0; i < g->layers; i++)
        count += g->layer[i]->params;
    g->param = calloc((size_t)count + 1, sizeof *g->param);
    if (!g->param)
        return mr_fail(b->e, MR_ENOMEM, "out of memory");
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
        return mr_fail(b->e, MR_ENOMEM, "out of memory for %zu weights", g->weights);
    memset(g->state, 0, g->state_size * sizeof *g->state);
    return 0;
}

static int find_inputs(struct build *b)
{
    mr_graph *g = b->g;
    g->input = malloc(((size_t)g->nodes + 1) * sizeof *g->input);
    if (!g->input)
        return mr_fail(b->e, MR_ENOMEM, "out of memory");
    for (int i = 0; i < g->nodes; i++)
        if (g->node[i].inputs == 0)
            g->input[g->inputs++] = i;
    return 0;
}

int mr_graph_create(mr_graph **out, json_t *config, const mr_shape *shape, mr_error *e)
{
    *out = NULL;
    struct build b = {.g = calloc(1, sizeof(mr_graph)), .input_shape = shape, .index = json_object(), .e = e};
    int status = b.g && b.index ? 0 : mr_fail(e, MR_ENOMEM, "out of memory");
    if (!status) {
        const char *name = text(json_object_get(config, "config"), "name");
        b.g->config = json_incref(config);
        b.g->name = strdup(name ? name : "model");
        const char *policy = text(json_object_get(config, "config"), "dtype");
        b.g->mixed = policy && !strcmp(policy, "mixed_bfloat16");
        status =
            is_model(config)
                ? make_layers(&b, config, "", true, 0)
                : mr_fail(e, MR_EFORMAT, "model configuration: neither a Functional nor a Sequential model");
    }
    if (!status)
        status = walk_model(&b, config, "", NULL, 0, &b.g->output, &b.g->outputs, 0);
    if (!status)
        status = find_inputs(&b);
    if (!status)
        status = place_params(&b);
    json_decref(b.index);
    if (status) {
        mr_graph_free(b.g);
        return status;
    }
    *out = b.g;
    return 0;
}
