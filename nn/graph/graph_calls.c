/* SPDX-License-Identifier: Apache-2.0 */
/* The second pass: makes a node for each call, in the order of nn/graph/tree.h. */
#include "nn/graph/graph_build.h"

#include "base/list.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_ENTRIES = 4 * MR_MAX_CALLS };

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
                b->e, mr_fail(b->e, MR_EINVAL, "input '%s': the model leaves its size open", l->name),
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

/* Calls of calls of calls multiply, even where they make no node. */
static int count_entries(mr_build *b, const mr_tree *t)
{
    b->entries += (size_t)t->entries + (size_t)t->outputs;
    return b->entries <= MAX_ENTRIES
               ? 0
               : mr_fail(b->e, MR_ELIMIT, "model configuration: too many calls of nested models");
}

static int walk_model(mr_build *b, const mr_tree *t, const int *input, int *output);

/* NODE: the number of the node that makes each tensor of the model. */
static int make_call(mr_build *b, const mr_tree_entry *en, const mr_tree_call *c, int *node)
{
    int *input = malloc(((size_t)c->inputs + 1) * sizeof *input);
    if (!input)
        return mr_no_memory(b->e, "a model's graph");
    for (int i = 0; i < c->inputs; i++)
        input[i] = node[c->input[i]];
    int status = en->model ? walk_model(b, en->model, input, node + c->output)
                           : call_layer(b, b->g->layer[en->layer], input, c->inputs, node + c->output);
    free(input);
    return status;
}

static int follow_call(mr_build *b, const mr_tree_entry *en, const mr_tree_call *c, int *node)
{
    bool outer = b->inference;
    b->inference = outer || c->inference;
    int status = make_call(b, en, c, node);
    b->inference = outer;
    return status;
}

/* Calls T on the nodes INPUT and gives OUTPUT, the nodes of its outputs. An InputLayer stands for one of INPUT
 * in a nested model; in the outermost one, where INPUT is NULL, it becomes a node of its own. */
static int walk_model(mr_build *b, const mr_tree *t, const int *input, int *output)
{
    int *node = malloc(((size_t)t->tensors + 1) * sizeof *node);
    int status = node ? count_entries(b, t) : mr_no_memory(b->e, "a model's graph");
    for (int i = 0; i < t->calls && !status; i++) {
        const mr_tree_call *c = &t->call[t->order[i]];
        const mr_tree_entry *en = &t->entry[c->entry];
        if (en->input < 0)
            status = follow_call(b, en, c, node);
        else if (input)
            node[c->output] = input[en->input];
        else
            status = make_input(b, b->g->layer[en->layer], &node[c->output]);
    }
    for (int i = 0; i < t->outputs && !status; i++)
        output[i] = node[t->output[i]];
    free(node);
    return status;
}

int mr_build_calls(mr_build *b)
{
    mr_graph *g = b->g;
    g->outputs = g->tree->outputs;
    g->output = calloc((size_t)g->outputs, sizeof *g->output);
    return g->output ? walk_model(b, g->tree, NULL, g->output) : mr_no_memory(b->e, "a model's graph");
}
