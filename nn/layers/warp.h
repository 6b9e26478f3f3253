/* SPDX-License-Identifier: Apache-2.0 */
/* Affine warps of the images of a batch, each by a transformation of its own. Under RandomFlip,
 * RandomRotation, RandomZoom and RandomTranslation. */
#ifndef MR_NN_LAYERS_WARP_H
#define MR_NN_LAYERS_WARP_H

#include "nn/layers/resample.h"

typedef enum mr_fill {
    MR_FILL_REFLECTED,
    MR_FILL_WRAPPED,
    MR_FILL_CONSTANT_VALUE,
    MR_FILL_NEAREST_EDGE
} mr_fill;
extern const char *const mr_fill_names[]; /* in that order: "reflect", "wrap", "constant", "nearest", NULL */

/* Output pixel (column X, row Y) reads the input at column x[0]*X + x[1]*Y + x[2], row y[0]*X + y[1]*Y +
 * y[2]. */
typedef struct mr_affine {
    double x[3], y[3];
} mr_affine;

typedef struct mr_layer_warp {
    mr_interpolation interpolation;
    mr_fill fill;
    mr_real fill_value;
    /* The transformation of a sample: a function of the call's seed, node and step. */
    mr_affine (*draw)(const mr_call *c, size_t sample);
} mr_layer_warp;

void mr_warp_forward(const mr_call *c, const mr_layer_warp *w);
void mr_warp_backward(const mr_call *c, const mr_layer_warp *w); /* dx[0] written or added to, as the call says */

#endif
