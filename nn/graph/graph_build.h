/* SPDX-License-Identifier: Apache-2.0 */
/* What the two passes from a configuration to a graph share: nn/graph/graph_build.c makes the layers,
 * nn/graph/graph_calls.c follows their calls and makes the nodes. */
#ifndef MR_NN_GRAPH_BUILD_H
#define MR_NN_GRAPH_BUILD_H

#include "nn/graph/graph.h"

typedef struct mr_build {
    mr_graph *g;
    const mr_shape *input_shape;
    bool inference; /* within a call that is made with training=False */
    size_t entries; /* of models walked through, nested ones each time that they are called */
    mr_error *e;
} mr_build;

/* "model configuration: 'NAME': WHAT" as MR_EFORMAT. */
int mr_build_fail(mr_build *b, const char *name, const char *what);

/* Questions about canonical configurations. */
bool mr_build_is_model(const json_t *layer);
bool mr_build_is_sequential(const json_t *model);
const char *mr_build_class(const json_t *layer); /* NULL where missing, as the name */
const char *mr_build_name(const json_t *layer);
/* "prefix/name" in a malloc'ed string. */
char *mr_build_path(const char *prefix, const char *name);

/* Makes a node for every call of MODEL's layers, inputs first, and sets the graph's outputs. */
int mr_build_calls(mr_build *b, const json_t *model);

#endif
