# SPDX-License-Identifier: Apache-2.0
libpipeline_la_SOURCES += \
  pipeline/trainer/agree.c pipeline/trainer/agree.h \
  pipeline/trainer/history.c pipeline/trainer/history.h \
  pipeline/trainer/trainer.c pipeline/trainer/trainer.h
