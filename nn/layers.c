/* SPDX-License-Identifier: Apache-2.0 */
/* The table of layer classes. */
#include "nn/layers/layers.h"

#include <string.h>

const mr_layer_class *const mr_layer_classes[] = {
    &mr_layer_input,
    /* with kernels */
    &mr_layer_conv2d,
    &mr_layer_conv1d,
    &mr_layer_dense,
    &mr_layer_depthwise_conv2d,
    /* normalisation */
    &mr_layer_batch_normalization,
    /* activations */
    &mr_layer_activation,
    &mr_layer_relu,
    &mr_layer_leaky_relu,
    &mr_layer_thresholded_relu,
    &mr_layer_elu,
    &mr_layer_softmax,
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
    &mr_layer_flatten,
    &mr_layer_reshape,
    &mr_layer_zero_padding2d,
    &mr_layer_cropping2d,
    /* noise */
    &mr_layer_dropout,
    &mr_layer_spatial_dropout1d,
    &mr_layer_spatial_dropout2d,
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
