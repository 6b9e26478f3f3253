# SPDX-License-Identifier: Apache-2.0
nn_double_sources += \
  nn/learn/activity.c nn/learn/activity.h \
  nn/learn/confusion.c \
  nn/learn/loss.c nn/learn/loss.h \
  nn/learn/optimizer.c nn/learn/optimizer.h \
  nn/learn/optimizers.c \
  nn/learn/report.c nn/learn/report.h \
  nn/learn/schedule.c nn/learn/schedule.h \
  nn/learn/task.c nn/learn/task.h
