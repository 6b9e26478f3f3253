# SPDX-License-Identifier: Apache-2.0
libio_la_SOURCES += \
  io/model_file/load.c \
  io/model_file/model_file.h \
  io/model_file/model_task.c io/model_file/model_task.h \
  io/model_file/read.h \
  io/model_file/read_h5.c \
  io/model_file/read_zip.c \
  io/model_file/save.c \
  io/model_file/verify.c io/model_file/verify.h
