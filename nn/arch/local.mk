# SPDX-License-Identifier: Apache-2.0
nn_double_sources += \
  nn/arch/arch.c nn/arch/arch.h \
  nn/arch/builder.c nn/arch/builder.h \
  nn/arch/cnn.c \
  nn/arch/mobilenet_v2.c \
  nn/arch/resnet.c \
  nn/arch/resnet50.c
