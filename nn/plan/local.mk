# SPDX-License-Identifier: Apache-2.0
nn_double_sources += \
  nn/plan/arena.c nn/plan/arena.h \
  nn/plan/gradients.c \
  nn/plan/internal.h \
  nn/plan/layer_op.c \
  nn/plan/operations.c \
  nn/plan/plan.h \
  nn/plan/program.c
# Fused operations, in float alone.
libnn_la_SOURCES += \
  nn/plan/conv_op.c \
  nn/plan/depthwise_op.c \
  nn/plan/fuse.c \
  nn/plan/lazy.c \
  nn/plan/norm_op.c \
  nn/plan/pool_op.c \
  nn/plan/roles.c nn/plan/roles.h
