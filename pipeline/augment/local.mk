# SPDX-License-Identifier: Apache-2.0
libpipeline_la_SOURCES += \
  pipeline/augment/augment.c pipeline/augment/augment.h \
  pipeline/augment/warp.c pipeline/augment/warp.h \
  pipeline/augment/warp_avx2.c \
  pipeline/augment/warp_avx512.c \
  pipeline/augment/warp_lanes.h
