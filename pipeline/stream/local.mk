# SPDX-License-Identifier: Apache-2.0
libpipeline_la_SOURCES += \
  pipeline/stream/internal.h \
  pipeline/stream/push.c \
  pipeline/stream/receive.c \
  pipeline/stream/stream.c
