/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/graph/tree.h"

#include "base/json_read.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NAME = 1024 };

/* --- JSON -------------------------------------------------------------------- */

const char *mr_tree_class(const json_t *layer)
{
    const char *class = mr_json_text(layer, "class_name");
    return class ? class : "";
}

const char *mr_tree_name(const json_t *layer)
{
    const char *name = mr_json_text(layer, "name");
    if (!name)
        name = mr_json_text(json_object_get(layer, "config"), "name");
    return name ? name : "";
}

bool mr_tree_is_sequential(const json_t *model)
{
    return !strcmp(mr_tree_class(model), "Sequential");
}

bool mr_tree_is_model(const json_t *layer)
{
    return mr_tree_is_sequential(layer) || !strcmp(mr_tree_class(layer), "Functional");
}

bool mr_tree_is_input(const json_t *layer)
{
    return !strcmp(mr_tree_class(layer), "InputLayer");
}

json_t *mr_tree_layers(const json_t *model)
{
    return json_object_get(json_object_get(model, "config"), "layers");
}

char *mr_tree_path(const char *prefix, const char *name)
{
    size_t size = strlen(prefix) + strlen(name) + 2;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s%s%s", prefix, *prefix ? "/" : "", name);
    return path;
}

json_t *mr_tree_index(const json_t *layers)
{
    json_t *index = json_object(), *layer;
    size_t i;
    json_array_foreach (layers, i, layer)
        if (index && !json_object_get(index, mr_tree_name(layer)) &&
            json_object_set_new(index, mr_tree_name(layer), json_integer((json_int_t)i))) {
            json_decref(index);
            index = NULL;
        }
    return index;
}

int mr_tree_index_find(const json_t *index, const char *name)
{
    const json_t *number = name ? json_object_get(index, name) : NULL;
    return number ? (int)json_integer_value(number) : -1;
}

/* --- entries ----------------------------------------------------------------- */

static int fail(mr_error *e, const char *name, const char *what)
{
    return mr_fail(e, MR_EFORMAT, "model configuration: '%s': %s", *name ? name : "model", what);
}

static int no_memory(mr_error *e)
{
    return mr_no_memory(e, "a model's configuration");
}

mr_tree_entry *mr_tree_find(const mr_tree *t, const char *name)
{
    int number = mr_tree_index_find(t->index, name);
    return number < 0 ? NULL : &t->entry[number];
}

static int read_model(mr_tree **out, json_t *json, const char *path, int depth, mr_error *e);

/* Calls, and what they give, as far as the entry itself says it. */
static int read_entry(mr_tree *t, json_t *json, int depth, mr_error *e)
{
    mr_tree_entry *en = &t->entry[t->entries++];
    *en = (mr_tree_entry){.json = json,
                          .config = json_object_get(json, "config"),
                          .class = mr_tree_class(json),
                          .name = mr_tree_name(json),
                          .layer = -1,
                          .input = -1,
                          .first_call = t->calls,
                          .outputs = 1};
    if (!*en->name || strlen(en->name) > MAX_NAME)
        return fail(e, t->path, "a layer without a name");
    if (!json_is_object(en->config))
        return fail(e, en->name, "a layer without a configuration");
    en->path = mr_tree_path(t->path, en->name);
    int status = en->path ? 0 : no_memory(e);
    if (!status && mr_tree_is_model(json))
        status = read_model(&en->model, json, en->path, depth + 1, e);
    if (status)
        return status;
    size_t calls = t->sequential || mr_tree_is_input(json)
                       ? 1
                       : json_array_size(json_object_get(json, "inbound_nodes"));
    if (en->model)
        en->outputs = en->model->outputs;
    if (calls > (size_t)(MR_MAX_CALLS - t->calls))
        return mr_fail(e, MR_ELIMIT, "model configuration: more than %d calls of layers", MR_MAX_CALLS);
    en->calls = (int)calls;
    t->calls += en->calls;
    if (calls && en->outputs > (MR_MAX_TENSORS - t->tensors) / en->calls)
        return mr_fail(e, MR_ELIMIT, "model configuration: '%s': too many calls of a model with too many outputs",
                       en->path);
    t->tensors += en->calls * en->outputs;
    return 0;
}

static int read_entries(mr_tree *t, int depth, mr_error *e)
{
    json_t *layers = mr_tree_layers(t->json), *layer;
    size_t i;
    if (json_array_size(layers) == 0)
        return fail(e, t->path, "no list of layers");
    if (json_array_size(layers) > MR_MAX_LAYERS)
        return mr_fail(e, MR_ELIMIT, "model configuration: more than %d layers", MR_MAX_LAYERS);
    t->entry = calloc(json_array_size(layers), sizeof *t->entry);
    t->index = mr_tree_index(layers);
    if (!t->entry)
        return no_memory(e);
    if (!t->index)
        return fail(e, t->path, "out of memory, or names that are not UTF-8");
    int status = 0;
    json_array_foreach (layers, i, layer)
        if (!status)
            status = read_entry(t, layer, depth, e);
    return status;
}

/* --- calls ------------------------------------------------------------------- */

static const json_t *arguments_of(const mr_tree_entry *en, int call)
{
    return json_array_get(json_object_get(en->json, "inbound_nodes"), (size_t)call);
}

/* The number of the tensor that [name, call, tensor, …] refers to, or -1. */
static int find_tensor(const mr_tree *t, const json_t *reference)
{
    const mr_tree_entry *en = mr_tree_find(t, json_string_value(json_array_get(reference, 0)));
    json_int_t call = json_integer_value(json_array_get(reference, 1)),
               tensor = json_integer_value(json_array_get(reference, 2));
    if (!en || call < 0 || call >= en->calls || tensor < 0 || tensor >= en->outputs)
        return -1;
    return t->call[en->first_call + (int)call].output + (int)tensor;
}

/* The calls and their outputs; the inputs come after, as they refer to those. */
static int place_calls(mr_tree *t, mr_error *e)
{
    size_t arguments = 0;
    int tensor = 0;
    t->call = calloc((size_t)t->calls + 1, sizeof *t->call);
    t->order = calloc((size_t)t->calls + 1, sizeof *t->order);
    t->maker = calloc((size_t)t->tensors + 1, sizeof *t->maker);
    if (!t->call || !t->order || !t->maker)
        return no_memory(e);
    for (int i = 0; i < t->entries; i++) {
        const mr_tree_entry *en = &t->entry[i];
        for (int k = 0; k < en->calls; k++) {
            mr_tree_call *c = &t->call[en->first_call + k];
            *c = (mr_tree_call){.entry = i, .output = tensor};
            for (int n = 0; n < en->outputs; n++)
                t->maker[tensor++] = en->first_call + k;
            arguments += t->sequential ? (i ? (size_t)t->entry[i - 1].outputs : 0)
                                       : json_array_size(arguments_of(en, k));
        }
    }
    t->argument = calloc(arguments + 1, sizeof *t->argument);
    return t->argument ? 0 : no_memory(e);
}

/* What the calls of EN are made on. AT: the next place among the arguments. */
static int find_arguments(mr_tree *t, const mr_tree_entry *en, int **at, mr_error *e)
{
    for (int k = 0; k < en->calls; k++) {
        mr_tree_call *c = &t->call[en->first_call + k];
        const json_t *list = arguments_of(en, k);
        c->input = *at;
        c->inputs = (int)json_array_size(list);
        c->inference = json_is_false(json_object_get(json_array_get(json_array_get(list, 0), 3), "training"));
        if (c->inputs == 0)
            return fail(e, en->name, "a call without inputs");
        for (int i = 0; i < c->inputs; i++)
            if ((*(*at)++ = find_tensor(t, json_array_get(list, (size_t)i))) < 0)
                return fail(e, en->name, "it refers to a layer or call that does not exist");
        if (en->model && c->inputs != en->model->inputs)
            return fail(e, en->path, "called on a wrong number of tensors");
    }
    return 0;
}

static int bind_input(mr_tree *t, mr_tree_entry *en, const char *name, mr_error *e)
{
    if (!en || !mr_tree_is_input(en->json))
        return fail(e, name ? name : t->path, "no InputLayer of this name");
    if (en->input >= 0)
        return fail(e, t->path, "an input is listed twice");
    en->input = t->inputs++;
    return 0;
}

static int link_functional(mr_tree *t, mr_error *e)
{
    const json_t *inputs = json_object_get(t->config, "input_layers"), *ref;
    int *at = t->argument, status = 0;
    size_t i;
    json_array_foreach (inputs, i, ref) {
        const char *name = json_string_value(json_array_get(ref, 0));
        if (!status)
            status = bind_input(t, mr_tree_find(t, name), name, e);
    }
    for (int k = 0; k < t->entries && !status; k++)
        if (t->entry[k].input < 0)
            status = find_arguments(t, &t->entry[k], &at, e);
    return status;
}

/* Each entry is called on all that the one before it gives. */
static int link_sequence(mr_tree *t, mr_error *e)
{
    int *at = t->argument, status = bind_input(t, &t->entry[0], t->entry[0].name, e);
    for (int i = 1; i < t->entries && !status; i++) {
        const mr_tree_entry *en = &t->entry[i];
        mr_tree_call *c = &t->call[i], *before = &t->call[i - 1];
        c->input = at;
        c->inputs = t->entry[i - 1].outputs;
        c->inference =
            json_is_false(json_object_get(json_array_get(json_array_get(arguments_of(en, 0), 0), 3), "training"));
        for (int k = 0; k < c->inputs; k++)
            *at++ = before->output + k;
        if (mr_tree_is_input(en->json))
            status = fail(e, en->name, "an InputLayer in the middle of a Sequential model");
        else if (en->model && c->inputs != en->model->inputs)
            status = fail(e, en->path, "called on a wrong number of tensors");
    }
    return status;
}

static int find_outputs(mr_tree *t, mr_error *e)
{
    const json_t *list = json_object_get(t->config, "output_layers");
    const mr_tree_call *last = &t->call[t->calls - 1];
    size_t outputs = t->sequential ? (size_t)t->entry[t->entries - 1].outputs : json_array_size(list);
    if (outputs == 0)
        return fail(e, t->path, "a model without outputs");
    if (outputs > MR_MAX_TENSORS)
        return mr_fail(e, MR_ELIMIT, "model configuration: more than %d outputs", MR_MAX_TENSORS);
    t->outputs = (int)outputs;
    t->output = calloc(outputs, sizeof *t->output);
    if (!t->output)
        return no_memory(e);
    for (int i = 0; i < t->outputs; i++) {
        t->output[i] = t->sequential ? last->output + i : find_tensor(t, json_array_get(list, (size_t)i));
        if (t->output[i] < 0)
            return fail(e, t->path, "an output refers to a layer that does not exist");
    }
    return 0;
}

/* --- the walk ---------------------------------------------------------------- */

enum { UNSEEN, OPEN, FINISHED };

int mr_tree_walk_open(mr_tree_walk *w, const mr_tree *t, mr_error *e)
{
    size_t calls = (size_t)t->calls + 1;
    *w = (mr_tree_walk){.tree = t};
    w->entered = calloc(calls, sizeof *w->entered);
    w->finished = calloc(calls, sizeof *w->finished);
    w->stack = calloc(calls, sizeof *w->stack);
    w->next = calloc(calls, sizeof *w->next);
    w->state = calloc(calls, 1);
    return w->entered && w->finished && w->stack && w->next && w->state ? 0 : no_memory(e);
}

void mr_tree_walk_close(mr_tree_walk *w)
{
    free(w->entered);
    free(w->finished);
    free(w->stack);
    free(w->next);
    free(w->state);
}

/* The next call that CALL needs, -1 where all were looked at. */
static int next_needed(mr_tree_walk *w, int call)
{
    const mr_tree_call *c = &w->tree->call[call];
    int i = w->next[call]++;
    if (i < c->inputs)
        return w->tree->maker[c->input[i]];
    return i == c->inputs && w->in_sequence && call > w->tree->entry[c->entry].first_call ? call - 1 : -1;
}

static void enter(mr_tree_walk *w, int call, int *top)
{
    w->entered[w->entered_count++] = call;
    w->state[call] = OPEN;
    w->stack[(*top)++] = call;
}

int mr_tree_walk_from(mr_tree_walk *w, int call, mr_error *e)
{
    int top = 0;
    if (w->state[call] == UNSEEN)
        enter(w, call, &top);
    while (top) {
        int at = w->stack[top - 1], needed = next_needed(w, at);
        if (needed < 0) {
            w->state[at] = FINISHED;
            w->finished[w->finished_count++] = at;
            top--;
        } else if (w->state[needed] == OPEN) {
            return fail(e, w->tree->entry[w->tree->call[at].entry].name, "its inputs depend on its own output");
        } else if (w->state[needed] == UNSEEN) {
            enter(w, needed, &top);
        }
    }
    return 0;
}

/* --- the order of calls ------------------------------------------------------
 * In rounds over all entries: each round makes, entry by entry, all calls whose inputs are there. Random draws
 * count calls in this order, so it must not change. */

/* The first round in which CALL can be made, when those of all that it needs are known. */
static int round_of(const mr_tree *t, const int *round, int call)
{
    const mr_tree_call *c = &t->call[call];
    int first = call > t->entry[c->entry].first_call ? round[call - 1] : 0;
    for (int i = 0; i < c->inputs; i++) {
        int needed = t->maker[c->input[i]], other = t->call[needed].entry;
        int there = t->entry[other].input >= 0 ? 0 : round[needed] + (other > c->entry);
        first = there > first ? there : first;
    }
    return first;
}

/* Sorts the calls by round; calls are numbered entry by entry. */
static int sort_by_round(mr_tree *t, const int *round, mr_error *e)
{
    int *start = calloc((size_t)t->calls + 2, sizeof *start);
    if (!start)
        return no_memory(e);
    for (int i = 0; i < t->calls; i++)
        if (t->entry[t->call[i].entry].input < 0)
            start[round[i] + 1]++;
    start[0] = t->inputs;
    for (int i = 1; i <= t->calls; i++)
        start[i] += start[i - 1];
    for (int i = 0; i < t->calls; i++) {
        int input = t->entry[t->call[i].entry].input;
        t->order[input >= 0 ? input : start[round[i]]++] = i;
    }
    free(start);
    return 0;
}

static int find_order(mr_tree *t, mr_error *e)
{
    mr_tree_walk w;
    int *round = calloc((size_t)t->calls + 1, sizeof *round);
    int status = mr_tree_walk_open(&w, t, e);
    if (!status && !round)
        status = no_memory(e);
    w.in_sequence = true;
    for (int i = 0; i < t->calls && !status; i++)
        status = mr_tree_walk_from(&w, i, e);
    for (int i = 0; i < w.finished_count && !status; i++)
        round[w.finished[i]] = round_of(t, round, w.finished[i]);
    if (!status)
        status = sort_by_round(t, round, e);
    mr_tree_walk_close(&w);
    free(round);
    return status;
}

/* --- the whole --------------------------------------------------------------- */

static int read_model(mr_tree **out, json_t *json, const char *path, int depth, mr_error *e)
{
    if (depth > MR_MAX_NESTING)
        return mr_fail(e, MR_ELIMIT, "model configuration: models nested more than %d deep", MR_MAX_NESTING);
    mr_tree *t = *out = calloc(1, sizeof *t);
    if (!t)
        return no_memory(e);
    *t = (mr_tree){.json = json,
                   .config = json_object_get(json, "config"),
                   .name = mr_tree_name(json),
                   .path = path,
                   .sequential = mr_tree_is_sequential(json)};
    int status = read_entries(t, depth, e);
    if (!status)
        status = place_calls(t, e);
    if (!status)
        status = t->sequential ? link_sequence(t, e) : link_functional(t, e);
    if (!status && t->inputs == 0)
        status = fail(e, path, "a model without inputs");
    if (!status)
        status = find_outputs(t, e);
    return status ? status : find_order(t, e);
}

int mr_tree_create(mr_tree **out, json_t *config, mr_error *e)
{
    *out = NULL;
    if (!mr_tree_is_model(config))
        return mr_fail(e, MR_EFORMAT, "model configuration: neither a Functional nor a Sequential model");
    int status = read_model(out, config, "", 0, e);
    if (status) {
        mr_tree_free(*out);
        *out = NULL;
    }
    return status;
}

void mr_tree_free(mr_tree *t)
{
    if (!t)
        return;
    for (int i = 0; i < t->entries; i++) {
        free(t->entry[i].path);
        mr_tree_free(t->entry[i].model);
    }
    free(t->entry);
    free(t->call);
    free(t->order);
    free(t->maker);
    free(t->output);
    free(t->argument);
    json_decref(t->index);
    free(t);
}
