/* SPDX-License-Identifier: Apache-2.0 */
/* The table of layer classes. */
#include "nn/layers/layers.h"

#include <string.h>

const mr_layer_class *const mr_layer_classes[] = {
    &mr_layer_input,
    /* with kernels */
    &mr_layer_conv2d,
    &mr_layer_conv1d,
    &mr_layer_conv2d_transpose,
    &mr_layer_depthwise_conv2d,
    &mr_layer_separable_conv2d,
    &mr_layer_dense,
    /* normalisation */
    &mr_layer_batch_normalization,
    &mr_layer_layer_normalization,
    &mr_layer_group_normalization,
    /* activations */
    &mr_layer_activation,
    &mr_layer_relu,
    &mr_layer_leaky_relu,
    &mr_layer_thresholded_relu,
    &mr_layer_elu,
    &mr_layer_softmax,
    &mr_layer_prelu,
    /* pooling */
    &mr_layer_max_pooling2d,
    &mr_layer_max_pooling1d,
    &mr_layer_average_pooling2d,
    &mr_layer_average_pooling1d,
    &mr_layer_global_average_pooling1d,
    &mr_layer_global_average_pooling2d,
    &mr_layer_global_average_pooling3d,
    &mr_layer_global_max_pooling1d,
    &mr_layer_global_max_pooling2d,
    &mr_layer_global_max_pooling3d,
    /* shapes */
    &mr_layer_identity,
    &mr_layer_flatten,
    &mr_layer_reshape,
    &mr_layer_permute,
    &mr_layer_zero_padding2d,
    &mr_layer_cropping2d,
    &mr_layer_up_sampling2d,
    /* preparing images */
    &mr_layer_resizing,
    &mr_layer_center_crop,
    &mr_layer_rescaling,
    &mr_layer_normalization,
    /* noise */
    &mr_layer_dropout,
    &mr_layer_spatial_dropout1d,
    &mr_layer_spatial_dropout2d,
    &mr_layer_gaussian_noise,
    &mr_layer_gaussian_dropout,
    &mr_layer_alpha_dropout,
    &mr_layer_activity_regularization,
    /* augmentation */
    &mr_layer_random_flip,
    &mr_layer_random_rotation,
    &mr_layer_random_zoom,
    &mr_layer_random_translation,
    &mr_layer_random_crop,
    &mr_layer_random_contrast,
    &mr_layer_random_brightness,
    /* merging */
    &mr_layer_add,
    &mr_layer_subtract,
    &mr_layer_multiply,
    &mr_layer_average,
    &mr_layer_maximum,
    &mr_layer_minimum,
    &mr_layer_concatenate,
    NULL,
};

const mr_layer_class *mr_layer_class_find(const char *name)
{
    for (int i = 0; mr_layer_classes[i]; i++)
        if (!strcmp(mr_layer_classes[i]->name, name))
            return mr_layer_classes[i];
    return NULL;
}
