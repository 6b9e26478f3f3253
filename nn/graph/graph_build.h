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

/* Makes a node for every call of the layers of the graph's tree, inputs first, and sets the graph's outputs. */
int mr_build_calls(mr_build *b);

#endif
