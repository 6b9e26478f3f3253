/* SPDX-License-Identifier: Apache-2.0 */
/* Weights between Keras's HDF5 layouts and a graph. Reading goes by name wherever the file has names, by
 * Keras's order where it has none; every array of the file lands in one variable and every variable gets its
 * array, or the load fails and names both. Callers hold mr_hdf5_lock(). */
#ifndef MR_IO_KERAS_WEIGHTS_H
#define MR_IO_KERAS_WEIGHTS_H

#include "io/hdf5/hdf5.h"
#include "io/keras/canonical.h"
#include "nn/graph/graph.h"

/* A variable of one entry (layer or nested model) of a model's layer list. */
typedef struct mr_keras_target {
    mr_param *param;
    const char *path; /* of its layer below the entry: "" for the entry itself, "conv1", "block/conv1" in
                         nested models; the tree's */
    bool taken;
} mr_keras_target;

typedef struct mr_keras_targets {
    size_t count;
    mr_keras_target *target;
} mr_keras_targets;

/* The variables of ENTRY, of the graph's tree or of the one that is written, in the order of Keras's
 * positional rule: the trainable ones of all its layers, then the others, layer by layer. */
int mr_keras_targets_of(mr_keras_targets *out, const mr_graph *g, const mr_tree_entry *entry, mr_error *e);
void mr_keras_targets_free(mr_keras_targets *t);

/* Reads dataset PATH into VALUES, which has the room of P, from the layout that ORIGIN gives P's layer:
 * transposed, flipped or reordered where that is not the canonical one. Errors name dataset, layer, both
 * shapes. */
int mr_keras_read_param(float *values, const mr_param *p, hid_t at, const char *path,
                        const mr_keras_origin *origin, mr_error *e);

/* The other way: writes P's VALUES as dataset PATH, laid out as LAYOUTS (may be NULL) has it. */
int mr_keras_write_param(hid_t at, const char *path, const mr_param *p, const float *values,
                         const json_t *layouts, mr_error *e);

/* Whether that would be the right shape. */
bool mr_keras_param_fits(const mr_param *p, hid_t at, const char *path, const mr_keras_origin *origin);

/* Marks which variables were filled: one flag per g->param. Fails where one was not, or was filled twice. */
typedef struct mr_keras_filled {
    const mr_graph *graph;
    bool *flag;
} mr_keras_filled;
int mr_keras_filled_open(mr_keras_filled *f, const mr_graph *g, mr_error *e);
void mr_keras_filled_close(mr_keras_filled *f);
int mr_keras_filled_mark(mr_keras_filled *f, const mr_param *p, const char *dataset, mr_error *e);
int mr_keras_filled_check(const mr_keras_filled *f, mr_error *e);

/* Reads the group that has @layer_names: /model_weights of a whole model, / of a file of weights.
 * BY_ORDER_TOO: where the names are not this model's, takes layers with weights in their order, as Keras's
 * load_weights does. */
int mr_keras_read_weights_h5(mr_graph *g, hid_t group, const mr_keras_origin *origin, bool by_order_too,
                             mr_error *e);
/* 1: ROOT holds Keras 3's own layout; 0, or an error. */
int mr_keras_has_store(hid_t root, mr_error *e);
/* Reads Keras 3's own layout: ROOT of model.weights.h5, or of a .weights.h5. */
int mr_keras_read_weights_zip(mr_graph *g, hid_t root, const mr_keras_origin *origin, mr_error *e);

/* 1 where the weights below GROUP (see above) are a Theano's: names without ":0" in a Keras 1 file, @backend
 * in others; 0, or an error. */
int mr_keras_weights_by_theano(hid_t group, int era, mr_error *e);

#endif
