# SPDX-License-Identifier: Apache-2.0
libio_la_SOURCES += \
  io/draw/axis.c io/draw/axis.h \
  io/draw/canvas.c io/draw/canvas.h \
  io/draw/montage.c io/draw/montage.h \
  io/draw/plot.c io/draw/plot.h
