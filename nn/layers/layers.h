/* SPDX-License-Identifier: Apache-2.0 */
/* The layer classes, for the table in nn/layers/layers.c. */
#ifndef MR_NN_LAYERS_LAYERS_H
#define MR_NN_LAYERS_LAYERS_H

#include "nn/layers/activation.h"
#include "nn/layers/channels.h"
#include "nn/layers/window.h"
#include "nn/layers/convolution.h"

extern const mr_layer_class mr_layer_conv2d, mr_layer_conv1d, mr_layer_conv2d_transpose,
    mr_layer_depthwise_conv2d, mr_layer_separable_conv2d, mr_layer_dense;
extern const mr_layer_class mr_layer_batch_normalization, mr_layer_layer_normalization,
    mr_layer_group_normalization;
extern const mr_layer_class mr_layer_activation, mr_layer_relu, mr_layer_leaky_relu,
    mr_layer_thresholded_relu, mr_layer_elu, mr_layer_softmax, mr_layer_prelu;
extern const mr_layer_class mr_layer_max_pooling2d, mr_layer_max_pooling1d, mr_layer_average_pooling2d,
    mr_layer_average_pooling1d;
extern const mr_layer_class mr_layer_global_average_pooling1d, mr_layer_global_average_pooling2d,
    mr_layer_global_average_pooling3d, mr_layer_global_max_pooling1d, mr_layer_global_max_pooling2d,
    mr_layer_global_max_pooling3d;
extern const mr_layer_class mr_layer_input, mr_layer_identity, mr_layer_flatten, mr_layer_reshape,
    mr_layer_permute;
extern const mr_layer_class mr_layer_zero_padding2d, mr_layer_cropping2d, mr_layer_up_sampling2d;
extern const mr_layer_class mr_layer_resizing, mr_layer_center_crop, mr_layer_rescaling,
    mr_layer_normalization;
extern const mr_layer_class mr_layer_dropout, mr_layer_spatial_dropout1d, mr_layer_spatial_dropout2d,
    mr_layer_gaussian_noise, mr_layer_gaussian_dropout, mr_layer_alpha_dropout,
    mr_layer_activity_regularization;
extern const mr_layer_class mr_layer_random_flip, mr_layer_random_rotation, mr_layer_random_zoom,
    mr_layer_random_translation, mr_layer_random_crop, mr_layer_random_contrast, mr_layer_random_brightness;
extern const mr_layer_class mr_layer_add, mr_layer_subtract, mr_layer_multiply, mr_layer_average,
    mr_layer_maximum, mr_layer_minimum, mr_layer_concatenate;

/* Refuses to train a RandomCrop whose output has another size in training than at inference; 0 for all other layers. */
int mr_random_crop_check_training(const mr_layer *l, const mr_shape *in, mr_error *e);

#endif
