/* SPDX-License-Identifier: Apache-2.0 */
/* A model's configuration as typed entries: the layers of a model and the models nested in it, what each is called
 * on, and the order of the calls. The graph builder and all of io/keras/ walk it. In goes the canonical
 * configuration (see nn/graph/graph.h), which the tree borrows from; every reference in it is checked, so
 * that a tree has no cycles and refers to nothing that is not there. */
#ifndef MR_NN_GRAPH_TREE_H
#define MR_NN_GRAPH_TREE_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>

enum {
    MR_MAX_LAYERS = 20000, /* of one model, nested ones counted in */
    MR_MAX_CALLS = 60000,
    MR_MAX_TENSORS = 4 * MR_MAX_CALLS,
    MR_MAX_NESTING = 16
};

typedef struct mr_tree mr_tree;

/* One call of an entry. Tensors are numbered within their model. */
typedef struct mr_tree_call {
    int entry; /* whose call it is */
    int inputs;
    const int *input; /* [inputs] tensors that it is made on */
    int output;       /* its first output; those of one call follow each other */
    bool inference;   /* made with training=False */
} mr_tree_call;

typedef struct mr_tree_entry {
    json_t *json, *config;
    const char *class, *name;
    char *path;     /* in the outermost model: "conv1", or "base/conv1" in a nested model */
    mr_tree *model; /* of a nested model; NULL: a layer */
    int layer;      /* a layer's number in mr_graph.layer, once the graph is made */
    int input;      /* an InputLayer: which of the model's inputs; others: -1 */
    int first_call, calls; /* number of its first call, and how many it has; an InputLayer has one */
    int outputs;           /* tensors that each call gives */
} mr_tree_entry;

struct mr_tree {
    json_t *json, *config;
    const char *name; /* its own, without a path */
    const char *path; /* "" for the outermost model; of its entry */
    bool sequential;
    int entries;
    mr_tree_entry *entry; /* in the order of the configuration */
    int calls;
    mr_tree_call *call;
    int *order; /* [calls] inputs first: the InputLayers, in the order of the model's inputs, then the others */
    int tensors;
    int *maker; /* [tensors] the call that gives it */
    int inputs, outputs;
    int *output;   /* [outputs] tensors */
    int *argument; /* the inputs of all calls */
    json_t *index; /* name → number of the entry; the first one counts */
};

/* MR_EFORMAT, MR_ELIMIT with a line that names the entry. CONFIG must outlive the tree. */
int mr_tree_create(mr_tree **out, json_t *config, mr_error *e);
void mr_tree_free(mr_tree *t);

/* The entry called NAME (may be NULL) in T itself, or NULL. */
mr_tree_entry *mr_tree_find(const mr_tree *t, const char *name);

/* --- a depth-first walk over the calls of one model ------------------------------ */

typedef struct mr_tree_walk {
    const mr_tree *tree;
    bool in_sequence; /* a call also needs the calls of the same entry before it */
    int *entered, *finished; /* calls as they were met, and as they were left: inputs first */
    int entered_count, finished_count;
    int *stack, *next;
    char *state;
} mr_tree_walk;

int mr_tree_walk_open(mr_tree_walk *w, const mr_tree *t, mr_error *e);
/* Visits CALL and all that it needs, once. MR_EFORMAT where that is the call itself. */
int mr_tree_walk_from(mr_tree_walk *w, int call, mr_error *e);
void mr_tree_walk_close(mr_tree_walk *w);

/* --- questions about an entry's JSON, also before it is canonical ----------------- */

const char *mr_tree_class(const json_t *layer); /* class_name, "" where missing */
const char *mr_tree_name(const json_t *layer);  /* name, or config.name; "" where missing */
bool mr_tree_is_sequential(const json_t *model);
bool mr_tree_is_model(const json_t *layer); /* canonical: class Functional or Sequential */
bool mr_tree_is_input(const json_t *layer);
json_t *mr_tree_layers(const json_t *model); /* config.layers */
/* "PREFIX/NAME", or NAME where PREFIX is empty; malloc'ed, NULL when out of memory. */
char *mr_tree_path(const char *prefix, const char *name);

/* name → number of each entry of LAYERS; the first one counts where a name stands twice. A new reference, NULL
 * when out of memory or where a name is not UTF-8. */
json_t *mr_tree_index(const json_t *layers);
/* The number that INDEX has for NAME (may be NULL), or -1. */
int mr_tree_index_find(const json_t *index, const char *name);

#endif
