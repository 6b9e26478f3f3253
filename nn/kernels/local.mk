# SPDX-License-Identifier: Apache-2.0
# The fast convolutions, in float32 and mixed precision: what the fused operations are made of.
libnn_la_SOURCES += \
  nn/kernels/bf16.h \
  nn/kernels/conv.h \
  nn/kernels/conv_backward.c \
  nn/kernels/conv_body.h \
  nn/kernels/conv_cut.c \
  nn/kernels/conv_forward.c \
  nn/kernels/conv_internal.h \
  nn/kernels/conv_pack.c \
  nn/kernels/depthwise.c nn/kernels/depthwise.h \
  nn/kernels/depthwise_body.h \
  nn/kernels/elementwise.c nn/kernels/elementwise.h \
  nn/kernels/isa.c nn/kernels/isa.h \
  nn/kernels/mixed_avx512.c \
  nn/kernels/mixed_body.h \
  nn/kernels/mixed_weights.c \
  nn/kernels/pool.c nn/kernels/pool.h \
  nn/kernels/pool_body.h \
  nn/kernels/reference.c nn/kernels/reference.h \
  nn/kernels/simd.h \
  nn/kernels/table.h \
  nn/kernels/table_avx2.c \
  nn/kernels/table_avx512.c \
  nn/kernels/table_narrow.h \
  nn/kernels/table_portable.c \
  nn/kernels/winograd.c nn/kernels/winograd.h \
  nn/kernels/winograd_body.h
