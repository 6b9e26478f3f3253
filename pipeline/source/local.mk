# SPDX-License-Identifier: Apache-2.0
libpipeline_la_SOURCES += \
  pipeline/source/count.c pipeline/source/count.h \
  pipeline/source/path_bag.c pipeline/source/path_bag.h \
  pipeline/source/path_set.c pipeline/source/path_set.h \
  pipeline/source/selection.c pipeline/source/selection.h \
  pipeline/source/walk.c pipeline/source/walk.h \
  pipeline/source/watch.c pipeline/source/watch.h
