# SPDX-License-Identifier: Apache-2.0
libio_la_SOURCES += \
  io/demo/cell.c io/demo/cell.h \
  io/demo/jpeg_write.c io/demo/jpeg_write.h \
  io/demo/sample.c io/demo/sample.h
