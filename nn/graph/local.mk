# SPDX-License-Identifier: Apache-2.0
nn_double_sources += \
  nn/graph/config.c nn/graph/config.h \
  nn/graph/graph.c nn/graph/graph.h \
  nn/graph/graph_build.c nn/graph/graph_build.h \
  nn/graph/graph_calls.c \
  nn/graph/initializer.c nn/graph/initializer.h \
  nn/graph/layer.c nn/graph/layer.h \
  nn/graph/tree.c nn/graph/tree.h
