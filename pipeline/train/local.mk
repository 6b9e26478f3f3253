# SPDX-License-Identifier: Apache-2.0
libpipeline_la_SOURCES += \
  pipeline/train/callback.h \
  pipeline/train/callbacks.c pipeline/train/callbacks.h \
  pipeline/train/early_end.c pipeline/train/early_end.h \
  pipeline/train/evaluate.c \
  pipeline/train/fine_tune.c pipeline/train/fine_tune.h \
  pipeline/train/train.c pipeline/train/train.h
