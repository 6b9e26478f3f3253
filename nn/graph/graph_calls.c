/* SPDX-License-Identifier: Apache-2.0 */
/* The second pass: follows the calls of a configuration's layers and makes a node for each. Every walk takes
 * time in proportion to the model's calls and their inputs: names are looked up in an index, and a call that
 * cannot be made yet waits for the one call whose output it lacks. */
#include "nn/graph/graph_build.h"

#include "base/list.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ENTRIES = 4 * MR_MAX_CALLS };

/* One entry of a model's layer list while its calls are followed. */
struct entry {
    const json_t *json, *calls;
    const char *name;
    bool nested;
    size_t made;            /* calls made so far */
    int **outputs, *counts; /* per call: node numbers of its outputs */
    size_t total;           /* calls there are */
    int *input;             /* of the next call: the first KNOWN ones */
    size_t known;
    struct entry **waiting; /* per call: the entries that wait for it, linked by NEXT */
    struct entry *next;
};

struct scope { /* one walk through one model */
    const json_t *config;
    const char *prefix;
    struct entry *entry;
    size_t entries;
    json_t *index; /* name → number of the entry */
    size_t *ready; /* heap of entries to look at: round * entries + number */
    size_t readies;
    int depth;
};

static int make_node(mr_build *b, mr_layer *l, const int *input, int inputs, int *number)
{
    mr_graph *g = b->g;
    if (g->nodes >= MR_MAX_CALLS)
        return mr_fail(b->e, MR_ELIMIT, "model configuration: more than %d calls of layers", MR_MAX_CALLS);
    if (!mr_list_grow(&g->node, (size_t)g->nodes, sizeof *g->node))
        return mr_no_memory(b->e, "%d calls of layers", g->nodes + 1);
    mr_node *n = &g->node[g->nodes];
    memset(n, 0, sizeof *n);
    n->layer = l;
    n->inputs = inputs;
    n->inference = b->inference;
    n->input = malloc(((size_t)inputs + 1) * sizeof *n->input);
    if (!n->input)
        return mr_no_memory(b->e, "a call of '%s'", l->name);
    if (inputs)
        memcpy(n->input, input, (size_t)inputs * sizeof *input);
    *number = g->nodes++;
    return 0;
}

static int input_shape(mr_build *b, const mr_layer *l, mr_shape *out)
{
    const json_t *shape = json_object_get(l->config, "batch_shape");
    size_t rank = json_array_size(shape);
    if (rank < 1 || rank > MR_MAX_RANK)
        return mr_build_fail(b, l->name, "an input without a batch_shape of 1 to 6 dimensions");
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

static int make_input(mr_build *b, mr_layer *l, int *number)
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
static int check_rebuild(mr_build *b, mr_layer *l, const mr_shape *in, int inputs)
{
    mr_layer probe = *l;
    probe.params = 0;
    int status = l->class->build(&probe, in, inputs, b->e);
    for (int i = 0; !status && i < l->params; i++)
        if (i >= probe.params || !mr_shape_equal(&probe.param[i].shape, &l->param[i].shape))
            status = mr_layer_invalid(l, b->e, "shared between inputs of different shapes");
    return status;
}

static int call_layer(mr_build *b, mr_layer *l, const int *input, int inputs, int *number)
{
    if (inputs > l->class->max_inputs && l->class->max_inputs > 1)
        return mr_fail(b->e, MR_EUNSUPPORTED,
                       "layer '%s' (%s): called on %d tensors, more than %d are not supported", l->name,
                       l->class->name, inputs, l->class->max_inputs);
    if (inputs < 1 || inputs > l->class->max_inputs)
        return mr_layer_invalid(l, b->e, "called on %d tensors", inputs);
    mr_shape *in = malloc((size_t)inputs * sizeof *in), out;
    if (!in)
        return mr_no_memory(b->e, "a call of '%s'", l->name);
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

static int walk_model(mr_build *b, const json_t *model, const char *prefix, const int *input, int inputs,
                      int **output, int *outputs, int depth);

/* Whether ENTRY's next call says training=False, among the options that stand with its first tensor. */
static bool says_inference(const struct entry *en)
{
    const json_t *tensor = json_array_get(json_array_get(en->calls, en->made), 0);
    return json_is_false(json_object_get(json_array_get(tensor, 3), "training"));
}

static int make_call(mr_build *b, struct scope *s, struct entry *en, const int *input, int inputs)
{
    char *path = mr_build_path(s->prefix, en->name);
    int *out = NULL, outs = 1, status;
    if (!path)
        return mr_no_memory(b->e, "a model's graph");
    if (en->nested) {
        status = walk_model(b, en->json, path, input, inputs, &out, &outs, s->depth + 1);
    } else {
        json_int_t number = json_integer_value(json_object_get(b->g->index, path));
        out = malloc(sizeof *out);
        status = out ? call_layer(b, b->g->layer[number], input, inputs, out)
                     : mr_no_memory(b->e, "a model's graph");
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
static int call_entry(mr_build *b, struct scope *s, struct entry *en, const int *input, int inputs)
{
    bool outer = b->inference;
    b->inference = outer || says_inference(en);
    int status = make_call(b, s, en, input, inputs);
    b->inference = outer;
    return status;
}

static struct entry *find_entry(const struct scope *s, const char *name)
{
    const json_t *number = name ? json_object_get(s->index, name) : NULL;
    return number ? &s->entry[json_integer_value(number)] : NULL;
}

struct source { /* what [name, call, tensor, …] refers to */
    struct entry *entry;
    size_t call, tensor;
};

static bool find_source(struct source *out, const struct scope *s, const json_t *reference)
{
    json_int_t call = json_integer_value(json_array_get(reference, 1));
    json_int_t tensor = json_integer_value(json_array_get(reference, 2));
    *out = (struct source){find_entry(s, json_string_value(json_array_get(reference, 0))), (size_t)call,
                           (size_t)tensor};
    return out->entry && call >= 0 && tensor >= 0 && out->call < out->entry->total;
}

static bool is_made(const struct source *o)
{
    return o->call < o->entry->made;
}

/* Node number, -1 where there is no such output. */
static int output_of(const struct source *o)
{
    const struct entry *en = o->entry;
    return o->tensor < (size_t)en->counts[o->call] ? en->outputs[o->call][o->tensor] : -1;
}

/* --- the order of calls ------------------------------------------------------
 * Rounds over all entries, each making as many of its calls as it can; entries that wait for another's call
 * are left out until that is made. */

static void push_ready(struct scope *s, size_t key)
{
    size_t at = s->readies++;
    for (; at && s->ready[(at - 1) / 2] > key; at = (at - 1) / 2)
        s->ready[at] = s->ready[(at - 1) / 2];
    s->ready[at] = key;
}

static size_t pop_ready(struct scope *s)
{
    size_t first = s->ready[0], last = s->ready[--s->readies], at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < s->readies && s->ready[child + 1] < s->ready[child])
            child++;
        if (child >= s->readies || s->ready[child] >= last)
            break;
        s->ready[at] = s->ready[child];
        at = child;
    }
    s->ready[at] = last;
    return first;
}

/* The latest call of EN, which is looked at as NOW, was made: those behind it get their turn in the same
 * round, those before it in the next one. */
static void wake(struct scope *s, struct entry *en, size_t now)
{
    size_t round = now / s->entries;
    for (struct entry *w = en->waiting[en->made - 1], *next; w; w = next) {
        next = w->next;
        push_ready(s, (round + (w < en)) * s->entries + (size_t)(w - s->entry));
    }
}

/* Finds the inputs of EN's next call: 1, 0 where it waits for one of them, or an error. */
static int find_call_inputs(mr_build *b, const struct scope *s, struct entry *en)
{
    const json_t *list = json_array_get(en->calls, en->made);
    size_t count = json_array_size(list);
    struct source from;
    if (count == 0)
        return mr_build_fail(b, en->name, "a call without inputs");
    if (!en->input && !(en->input = malloc(count * sizeof *en->input)))
        return mr_no_memory(b->e, "a model's graph");
    for (; en->known < count; en->known++) {
        bool found = find_source(&from, s, json_array_get(list, en->known));
        if (found && !is_made(&from)) {
            en->next = from.entry->waiting[from.call];
            from.entry->waiting[from.call] = en;
            return 0;
        }
        int input = found ? output_of(&from) : -1;
        if (input < 0)
            return mr_build_fail(b, en->name, "it refers to a layer or call that does not exist");
        en->input[en->known] = input;
    }
    return 1;
}

/* Makes the calls of EN whose inputs are there. */
static int make_calls(mr_build *b, struct scope *s, struct entry *en, size_t now)
{
    int status = 1;
    while (en->made < en->total && status == 1) {
        status = find_call_inputs(b, s, en);
        if (status == 1) {
            int failed = call_entry(b, s, en, en->input, (int)en->known);
            status = failed ? failed : 1;
            free(en->input);
            en->input = NULL;
            en->known = 0;
        }
        if (status == 1)
            wake(s, en, now);
    }
    return status < 0 ? status : 0;
}

static int follow_calls(mr_build *b, struct scope *s)
{
    int status = 0;
    for (size_t i = 0; i < s->entries; i++)
        push_ready(s, i);
    while (s->readies && !status) {
        size_t now = pop_ready(s);
        status = make_calls(b, s, &s->entry[now % s->entries], now);
    }
    for (size_t i = s->entries; i-- > 0 && !status;)
        if (s->entry[i].made < s->entry[i].total)
            status = mr_build_fail(b, s->entry[i].name, "its inputs depend on its own output");
    return status;
}

static int follow_sequence(mr_build *b, struct scope *s)
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
static int bind_input(mr_build *b, struct scope *s, struct entry *en, const int *input)
{
    int *out = malloc(sizeof *out), status = 0;
    if (!out)
        return mr_no_memory(b->e, "a model's graph");
    if (input) {
        *out = *input;
    } else {
        json_int_t number = json_integer_value(json_object_get(b->g->index, en->name));
        status = make_input(b, b->g->layer[number], out);
    }
    if (status || en->made) {
        free(out);
        return status ? status : mr_build_fail(b, s->prefix, "an input is listed twice");
    }
    en->outputs[0] = out;
    en->counts[0] = 1;
    en->made = 1;
    return 0;
}

static bool is_input(const json_t *layer)
{
    const char *class = mr_build_class(layer);
    return class && !strcmp(class, "InputLayer");
}

static int bind_inputs(mr_build *b, struct scope *s, bool sequential, const int *input, int inputs)
{
    const json_t *list = json_object_get(s->config, "input_layers");
    size_t expected = sequential ? 1 : json_array_size(list);
    if (expected == 0 || (input && (size_t)inputs != expected))
        return mr_build_fail(b, s->prefix,
                             input ? "called on a wrong number of tensors" : "a model without inputs");
    for (size_t i = 0; i < expected; i++) {
        const char *name = json_string_value(json_array_get(json_array_get(list, i), 0));
        struct entry *en = sequential ? &s->entry[0] : find_entry(s, name);
        if (!en || !is_input(en->json))
            return mr_build_fail(b, name ? name : s->prefix, "no InputLayer of this name");
        int status = bind_input(b, s, en, input ? &input[i] : NULL);
        if (status)
            return status;
    }
    return 0;
}

static int open_entry(mr_build *b, struct scope *s, const json_t *layer, bool sequential)
{
    size_t number = s->entries++;
    struct entry *en = &s->entry[number];
    en->json = layer;
    en->name = mr_build_name(layer);
    en->nested = mr_build_is_model(layer);
    en->calls = json_object_get(layer, "inbound_nodes");
    en->total = sequential || is_input(layer) ? 1 : json_array_size(en->calls);
    en->outputs = calloc(en->total + 1, sizeof *en->outputs);
    en->counts = calloc(en->total + 1, sizeof *en->counts);
    en->waiting = sequential ? NULL : calloc(en->total + 1, sizeof *en->waiting);
    if (!en->outputs || !en->counts || (!sequential && !en->waiting))
        return mr_no_memory(b->e, "a model's graph");
    if (is_input(layer) && sequential && number)
        return mr_build_fail(b, en->name, "an InputLayer in the middle of a Sequential model");
    if (!sequential && !json_object_get(s->index, en->name) &&
        json_object_set_new(s->index, en->name, json_integer((json_int_t)number)))
        return mr_no_memory(b->e, "a model's graph");
    return 0;
}

/* Calls of calls of calls multiply, even where they make no node. */
static int too_many(mr_build *b)
{
    return mr_fail(b->e, MR_ELIMIT, "model configuration: too many calls of nested models");
}

static int open_scope(mr_build *b, struct scope *s, bool sequential)
{
    const json_t *list = json_object_get(s->config, "layers"), *layer;
    size_t i, count = json_array_size(list);
    int status = 0;
    b->entries += count;
    if (b->entries > MAX_ENTRIES)
        return too_many(b);
    s->entry = calloc(count, sizeof *s->entry);
    s->ready = sequential ? NULL : malloc(count * sizeof *s->ready);
    s->index = sequential ? NULL : json_object();
    if (!s->entry || (!sequential && (!s->ready || !s->index)))
        return mr_no_memory(b->e, "a model's graph");
    json_array_foreach (list, i, layer)
        if (!status)
            status = open_entry(b, s, layer, sequential);
    return status;
}

static void close_scope(struct scope *s)
{
    for (size_t i = 0; i < s->entries; i++) {
        for (size_t k = 0; k < s->entry[i].made; k++)
            free(s->entry[i].outputs[k]);
        free(s->entry[i].outputs);
        free(s->entry[i].counts);
        free(s->entry[i].waiting);
        free(s->entry[i].input);
    }
    free(s->entry);
    free(s->ready);
    json_decref(s->index);
}

static int named_output(mr_build *b, struct scope *s, const json_t *reference, int *number)
{
    struct source from;
    *number = find_source(&from, s, reference) && is_made(&from) ? output_of(&from) : -1;
    return *number < 0 ? mr_build_fail(b, s->prefix, "an output refers to a layer that does not exist") : 0;
}

/* What the model gives: its output_layers, or the last layer of a Sequential. */
static int collect_outputs(mr_build *b, struct scope *s, bool sequential, int **output, int *outputs)
{
    const json_t *list = json_object_get(s->config, "output_layers");
    const struct entry *last = &s->entry[s->entries - 1];
    *outputs = sequential ? last->counts[0] : (int)json_array_size(list);
    *output = malloc(((size_t)*outputs + 1) * sizeof **output);
    if (!*output)
        return mr_no_memory(b->e, "a model's graph");
    if (*outputs == 0)
        return mr_build_fail(b, s->prefix, "a model without outputs");
    if ((b->entries += (size_t)*outputs) > MAX_ENTRIES)
        return too_many(b);
    for (int i = 0; i < *outputs; i++) {
        int status = 0;
        if (sequential)
            (*output)[i] = last->outputs[0][i];
        else
            status = named_output(b, s, json_array_get(list, (size_t)i), &(*output)[i]);
        if (status)
            return status;
    }
    return 0;
}

static int walk_model(mr_build *b, const json_t *model, const char *prefix, const int *input, int inputs,
                      int **output, int *outputs, int depth)
{
    bool sequential = mr_build_is_sequential(model);
    struct scope s = {.config = json_object_get(model, "config"), .prefix = prefix, .depth = depth};
    *output = NULL;
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

int mr_build_calls(mr_build *b, const json_t *model)
{
    return walk_model(b, model, "", NULL, 0, &b->g->output, &b->g->outputs, 0);
}
