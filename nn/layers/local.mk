# SPDX-License-Identifier: Apache-2.0
nn_double_sources += \
  nn/layers/activation.c nn/layers/activation.h \
  nn/layers/activation_functions.c \
  nn/layers/activations.c \
  nn/layers/batch_normalization.c \
  nn/layers/column_sums.c \
  nn/layers/channels.c nn/layers/channels.h \
  nn/layers/concatenate.c \
  nn/layers/conv2d.c \
  nn/layers/conv2d_transpose.c \
  nn/layers/convolution.c nn/layers/convolution.h \
  nn/layers/convolution_gradients.c \
  nn/layers/dense.c \
  nn/layers/depthwise.c nn/layers/depthwise.h \
  nn/layers/depthwise_conv2d.c \
  nn/layers/draw.c nn/layers/draw.h \
  nn/layers/dropout.c \
  nn/layers/global_pooling.c \
  nn/layers/group_normalization.c \
  nn/layers/layer_normalization.c \
  nn/layers/layers.c nn/layers/layers.h \
  nn/layers/margins.c \
  nn/layers/merge.c nn/layers/merge.h \
  nn/layers/moving_statistics.c nn/layers/moving_statistics.h \
  nn/layers/noise.c \
  nn/layers/patches.c nn/layers/patches.h \
  nn/layers/permute.c \
  nn/layers/pooling2d.c \
  nn/layers/prelu.c \
  nn/layers/random_colour.c \
  nn/layers/random_geometry.c \
  nn/layers/resample.c nn/layers/resample.h \
  nn/layers/rescaling.c \
  nn/layers/reshape.c \
  nn/layers/resizing.c \
  nn/layers/separable_conv2d.c \
  nn/layers/warp.c nn/layers/warp.h \
  nn/layers/window.c nn/layers/window.h
