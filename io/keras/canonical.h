/* SPDX-License-Identifier: Apache-2.0 */
/* From every dialect of Keras's model configuration (Keras 1, 2, tf.keras, 3) to the canonical one of
 * nn/graph/graph.h. Nothing in a configuration is ever executed: a Lambda, a custom object, a class that nn/ does
 * not know are refused by name. Pure functions on JSON; no files here. */
#ifndef MR_IO_KERAS_DIALECT_H
#define MR_IO_KERAS_DIALECT_H

#include "base/error.h"

#include <jansson.h>

/* Who wrote a model, as far as that changes what its configuration and weights mean. */
typedef struct mr_keras_origin {
    int era;         /* 1, 2 (Keras 2 and tf.keras) or 3; 0: to be told from the configuration */
    bool crops;      /* Keras up to 3.7: RandomCrop cuts at inference too, later it passes images unchanged */
    bool sorted;     /* Keras 1 and 2.0: optimizers kept their weights sorted by name */
    bool lists;      /* Keras 3.12 and later: [["x", 0, 0]] is a list of one tensor, and not a tensor alone */
    bool theano;     /* convolution kernels are flipped, 'same' pads symmetrically */
    json_t *layouts; /* object, path of a layer → how its weights lie in the file where that is not as
                        canonical (io/keras/layout.h); owned */
    json_t *names;   /* object, "LAYER/KIND" → what the file calls that weight; owned */
} mr_keras_origin;

void mr_keras_origin_clear(mr_keras_origin *origin);
/* ERA from "keras_version" ("2.2.4-tf"), which may be NULL: 0. */
int mr_keras_era(const char *keras_version);
/* Whether that is version MAJOR.MINOR or a later one. */
bool mr_keras_version_from(const char *keras_version, int major, int minor);
/* KERAS_VERSION is known to be below 3.8. */
bool mr_keras_crops_at_inference(const char *keras_version);

/* ROOT: what stands in model_config, config.json or to_json(). *CANONICAL is a new reference. Fills what
 * ORIGIN leaves open. MR_EUNSUPPORTED: one line naming layer and class; MR_EFORMAT: not a model. */
int mr_keras_canonical(json_t **canonical, mr_keras_origin *origin, const json_t *root, mr_error *e);

/* The same from text: parses, then mr_keras_canonical. WHAT names the text in errors. */
int mr_keras_parse_config(json_t **canonical, mr_keras_origin *origin, const char *text, size_t size,
                          const char *what, mr_error *e);

/* Puts the layers of every Functional model of CANONICAL into Keras's own order (by depth, see
 * io/keras/order.c): the order in which Keras counts layers when it loads weights by position, and in which
 * its optimizers keep their slots. */
int mr_keras_sort_layers(json_t *canonical, mr_error *e);

#endif
