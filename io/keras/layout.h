/* SPDX-License-Identifier: Apache-2.0 */
/* channels_first models as channels_last ones. Every 4-D tensor (N,C,H,W) of such a model is (N,H,W,C) in
 * ours: its inputs and outputs too. What depends on the order is changed along: axes, permutations, shapes of
 * inputs, and, noted for the reader of weights, how arrays lie in the file. What cannot be said in
 * channels_last is refused by name. */
#ifndef MR_IO_KERAS_LAYOUT_H
#define MR_IO_KERAS_LAYOUT_H

#include "io/keras/internal.h"
#include "nn/graph/graph.h"

/* First step, on the canonical configuration, which may still say "channels_first": *MODEL is replaced where
 * it does. NOTES, an object, gets for some paths of layers: {"how": "oihw" | "rows" | "chw", "flatten":
 * path}; ORDERS, another, has the paths of those layers whose outputs are (N,C,H,W) in the original. */
int mr_keras_channels_last(mr_dialect *d, json_t **model, json_t *notes, json_t *orders);

/* Second step, when the graph and so the shapes are there: replaces each note by what io/keras/param.c reads,
 * {"kernel": {"shape": as in the file, "view": …, "perm": …}}. */
int mr_keras_layout_shapes(json_t *notes, const mr_graph *g, mr_error *e);

/* A channels_first model is written as it was. Its canonical configuration keeps, as "original", an object of
 * its own at the root: {"model": the same before the first step, "orders": see above, "layouts": the second
 * step's, as far as they hold for files of Keras 2 and later}. Where other layers stand for what an older Keras meant, they are
 * in it, channels_first as well.
 *
 * What of G is written: the original's configuration, layouts (NULL: all as canonical) and orders (NULL), or
 * its own. */
const json_t *mr_keras_written_config(const mr_graph *g);
const json_t *mr_keras_written_layouts(const mr_graph *g);
const json_t *mr_keras_written_orders(const mr_graph *g);
/* Of LAYOUTS (may be NULL) what does not come from Keras 1. A new reference. */
json_t *mr_keras_later_layouts(const json_t *layouts);
/* Puts them into the original of CONFIG, where it has one. */
int mr_keras_keep_layouts(json_t *config, const json_t *layouts, mr_error *e);

#endif
