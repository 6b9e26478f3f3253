# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += libnn.la
nn_core_sources = \
  nn/arch/arch.c nn/arch/arch.h nn/arch/archs.h \
  nn/arch/builder.c nn/arch/builder.h \
  nn/arch/resnet.c \
  nn/error.c nn/error.h \
  nn/gemm.c nn/gemm.h \
  nn/graph.c nn/graph.h \
  nn/graph_build.c \
  nn/initializer.c nn/initializer.h \
  nn/loss.c nn/loss.h \
  nn/optimizer.c nn/optimizer.h \
  nn/optimizers.c \
  nn/plan.c nn/plan.h nn/plan_internal.h \
  nn/plan_build.c \
  nn/plan_memory.c \
  nn/random.c nn/random.h \
  nn/real.h \
  nn/schedule.c nn/schedule.h \
  nn/shape.c nn/shape.h \
  nn/team.c nn/team.h
libnn_la_SOURCES = $(nn_core_sources)
nn_report_sources = \
  nn/confusion.c \
  nn/report.c nn/report.h \
  nn/text.c nn/text.h \
  nn/utf8.c
libnn_la_SOURCES += $(nn_report_sources)
