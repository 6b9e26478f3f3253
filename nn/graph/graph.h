/* SPDX-License-Identifier: Apache-2.0 */
/* A model: the configuration tree as Keras has it (nested models and all), flattened into layers and their
 * calls.
 *
 * Canonical configuration (what mr_graph_create takes; io/ brings every dialect into it, built-in
 * architectures make it):
 *   {"class_name": "Functional" | "Sequential", "config": {"name", "trainable"?, "layers": [LAYER…],
 *     Functional: "input_layers": [[name,0,0]…], "output_layers": [[name,call,tensor]…]}}
 *   LAYER: {"class_name", "name", "config": {… keys of Keras 3; "name" …}, "inbound_nodes": CALLS}; a nested
 * model is a LAYER whose class_name is Functional or Sequential and whose config is that of a model. CALLS
 * (Functional only): [[["layer", call, tensor, {}], …], …]: one list per call of the layer, in Keras 2's
 * form, whose {} holds {"training": false} where the call has it; the first call of anything, of a nested model too, is number 0. Every model starts from InputLayers
 * with config.batch_shape [null, …]; a Sequential's first layer is one. */
#ifndef MR_NN_GRAPH_H
#define MR_NN_GRAPH_H

#include "nn/graph/layer.h"
#include "nn/graph/tree.h"

typedef struct mr_node { /* one call of a layer; it has one output tensor, of the same number */
    mr_layer *layer;
    int inputs;
    int *input;     /* [inputs] node numbers, each lower than this one's */
    mr_shape shape; /* of the output; dim[0] = 0 */
    bool inference; /* called with training=False, or inside a model that is: always behaves as in inference */
} mr_node;

typedef struct mr_graph {
    json_t *config; /* canonical, a reference of ours */
    char *name;
    mr_tree *tree; /* of the configuration */
    json_t *index; /* path of a layer → its number: a hash table */
    int layers;
    mr_layer *
        *layer; /* in Keras's order: that of the configuration, nested models expanded in place; each once */
    int nodes;
    mr_node *node; /* topological order */
    int inputs, outputs;
    int *input, *output; /* node numbers, in the model's order */
    int params;
    mr_param **param;  /* all variables: those of each layer in the order of the layers */
    size_t weights;    /* reals in the state that belong to the variables (offsets padded to 16 reals) */
    size_t state_size; /* reals in the state: the variables, then what the optimizer keeps
                          (mr_graph_extend_state) */
    mr_real *state;    /* the current state, 64-byte aligned. A checkpoint swaps this pointer between
                          updates: keep no addresses into it from one step to the next. */
    uint64_t seed;
    bool mixed; /* Keras's policy mixed_bfloat16, else float32. Plans made from now on: activations and products of
                   convolutions and pools in bf16; weights, statistics, losses, inputs and outputs in float32 */
} mr_graph;

/* Builds the graph from a canonical configuration: layers, calls, shapes, variables; the state is zeroed.
 * INPUT_SHAPE, when not NULL, replaces unknown (null) sizes of a single input.
 * Errors name the layer and its class: unknown class, wrong shapes, cycles, too large. */
int mr_graph_create(mr_graph **out, json_t *config, const mr_shape *input_shape, mr_error *e);
void mr_graph_free(mr_graph *g);

/* Fills every variable from its Keras initializer, drawn from (seed, layer, variable). */
int mr_graph_initialize(mr_graph *g, uint64_t seed, mr_error *e);
/* The same for the variables of layer L alone. */
int mr_graph_initialize_layer(mr_graph *g, const mr_layer *l, uint64_t seed, mr_error *e);

/* Room for COUNT more reals (optimizer state) behind the variables, zeroed. Returns its offset through
 * *OFFSET. */
int mr_graph_extend_state(mr_graph *g, size_t count, size_t *offset, mr_error *e);

/* A state buffer of this graph's size, aligned, not initialised; free with mr_state_free. */
mr_real *mr_state_alloc(size_t reals);
void mr_state_free(mr_real *state);

mr_layer *mr_graph_layer(const mr_graph *g, const char *name); /* by path; NULL */
static inline mr_real *mr_param_value(const mr_graph *g, const mr_param *p)
{
    return g->state + p->offset;
}

/* Sets the policy: mixed_bfloat16 or float32, in the graph and in its configuration. Before plans are made. */
int mr_graph_set_mixed(mr_graph *g, bool mixed, mr_error *e);
/* The policy of layer L as Keras names it: layers whose results are the model's stay in float32. NULL: another layer. */
const char *mr_graph_policy(const mr_graph *g, const mr_layer *l);

/* Re-reads `trainable` after a change of layer->trainable: sets it for the layer's variables. */
void mr_layer_set_trainable(mr_layer *l, bool trainable);

#endif
