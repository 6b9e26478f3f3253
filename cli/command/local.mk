# SPDX-License-Identifier: Apache-2.0
libcli_la_SOURCES += \
  cli/command/commands.h \
  cli/command/convert.c \
  cli/command/evaluate.c \
  cli/command/predict.c cli/command/predict.h \
  cli/command/predict_images.c \
  cli/command/predict_ranks.c cli/command/predict_ranks.h \
  cli/command/sample.c \
  cli/command/summary.c \
  cli/command/train.c cli/command/train.h \
  cli/command/train_events.c \
  cli/command/train_setup.c \
  cli/command/verify.c
