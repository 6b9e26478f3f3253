# SPDX-License-Identifier: Apache-2.0
libpipeline_la_SOURCES += \
  pipeline/load/batch.c pipeline/load/batch.h \
  pipeline/load/budget.c pipeline/load/budget.h \
  pipeline/load/decode_stage.c \
  pipeline/load/epochs.c pipeline/load/epochs.h \
  pipeline/load/feed.c pipeline/load/feed.h \
  pipeline/load/loader.c pipeline/load/loader.h \
  pipeline/load/loader_options.h \
  pipeline/load/read_stage.c \
  pipeline/load/shard.c pipeline/load/shard.h \
  pipeline/load/source.h \
  pipeline/load/stages.h
