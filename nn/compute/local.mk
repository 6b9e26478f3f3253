# SPDX-License-Identifier: Apache-2.0
nn_double_sources += \
  nn/compute/gemm.c nn/compute/gemm.h \
  nn/compute/peers.h \
  nn/compute/real.h \
  nn/compute/simd.h \
  nn/compute/vector_math.h
