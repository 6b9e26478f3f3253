# SPDX-License-Identifier: Apache-2.0
libio_la_SOURCES += \
  io/image/decoder.h \
  io/image/image.c io/image/image.h \
  io/image/jpeg.c \
  io/image/pixels.c \
  io/image/png.c \
  io/image/png_chunks.c io/image/png_chunks.h \
  io/image/preprocess.c io/image/preprocess.h \
  io/image/resize.c io/image/resize.h \
  io/image/resize_avx2.c \
  io/image/resize_plain.c \
  io/image/resize_vnni.c \
  io/image/taps.c io/image/taps.h \
  io/image/types.h
