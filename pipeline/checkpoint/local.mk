# SPDX-License-Identifier: Apache-2.0
libpipeline_la_SOURCES += \
  pipeline/checkpoint/checkpoint.c pipeline/checkpoint/checkpoint.h \
  pipeline/checkpoint/checkpoint_dir.c pipeline/checkpoint/checkpoint_dir.h \
  pipeline/checkpoint/checkpoint_write.c \
  pipeline/checkpoint/fingerprint.c pipeline/checkpoint/fingerprint.h \
  pipeline/checkpoint/resume.c pipeline/checkpoint/resume.h \
  pipeline/checkpoint/run_state.c pipeline/checkpoint/run_state.h \
  pipeline/checkpoint/snapshots.c pipeline/checkpoint/snapshots.h
