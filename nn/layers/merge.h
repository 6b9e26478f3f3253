/* SPDX-License-Identifier: Apache-2.0 */
/* What a fused plan must know of a layer to do its work by another way. Each function returns false (NULL) where the
 * layer is of another class. */
#ifndef MR_NN_LAYERS_PARTS_H
#define MR_NN_LAYERS_PARTS_H

#include "nn/layers/activation.h"
#include "nn/layers/window.h"
#include "nn/layers/convolution.h"

/* Conv2D, Conv1D (an image of one row) and DepthwiseConv2D reading IN (with its batch). Variable 0 is the kernel, 1
 * the bias where there is one. */
bool mr_conv2d_parts(const mr_layer *l, const mr_shape *in, mr_convolution *g, const mr_activation **a);
bool mr_depthwise_parts(const mr_layer *l, const mr_shape *in, mr_convolution *g, const mr_activation **a);

/* BatchNormalization: INDEX of gamma, beta, moving mean and moving variance among its variables, -1: not there. */
bool mr_batch_normalization_parts(const mr_layer *l, double *epsilon, int index[4]);
/* The momentum of its moving statistics; setting it changes the configuration too. */
bool mr_batch_normalization_momentum(const mr_layer *l, double *momentum);
int mr_batch_normalization_set_momentum(mr_layer *l, double momentum, mr_error *e);

/* Max- and AveragePooling: the window. */
bool mr_pooling_parts(const mr_layer *l, mr_window *w, bool *mean);
/* Global pooling of images. */
bool mr_global_pooling_parts(const mr_layer *l, bool *mean);

/* ZeroPadding2D: rows above and below, columns left and right. */
bool mr_zero_padding_parts(const mr_layer *l, int64_t margin[4]);

/* The activation of a layer that is one alone. */
const mr_activation *mr_activation_part(const mr_layer *l);

#endif
