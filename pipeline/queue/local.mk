# SPDX-License-Identifier: Apache-2.0
libpipeline_la_SOURCES += \
  pipeline/queue/eventcount.c pipeline/queue/eventcount.h \
  pipeline/queue/queue.c pipeline/queue/queue.h \
  pipeline/queue/ring.c pipeline/queue/ring.h \
  pipeline/queue/stats.c pipeline/queue/stats.h
