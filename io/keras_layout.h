/* SPDX-License-Identifier: Apache-2.0 */
/* channels_first models as channels_last ones. Every 4-D tensor (N,C,H,W) of such a model is (N,H,W,C) in
 * ours: its inputs and outputs too. What depends on the order is changed along: axes, permutations, shapes of
 * inputs, and, noted for the reader of weights, how arrays lie in the file. What cannot be said in
 * channels_last is refused by name. */
#ifndef MR_IO_KERAS_LAYOUT_H
#define MR_IO_KERAS_LAYOUT_H

#include "io/keras_internal.h"
#include "nn/graph.h"

/* First step, on the canonical configuration, which may still say "channels_first": *MODEL is replaced where
 * it does. NOTES, an object, gets for some paths of layers: {"how": "oihw" | "rows" | "chw", "flatten":
 * path}. */
int mr_keras_channels_last(mr_dialect *d, json_t **model, json_t *notes);

/* Second step, when the graph and so the shapes are there: replaces each note by what io/keras_param.c reads,
 * {"kernel": {"shape": as in the file, "view": …, "perm": …}}. */
int mr_keras_layout_shapes(json_t *notes, const mr_graph *g, mr_error *e);

#endif
