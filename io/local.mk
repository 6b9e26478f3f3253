# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += libio.la
libio_la_SOURCES =
io_present_sources = \
  io/axis.c io/axis.h \
  io/canvas.c io/canvas.h \
  io/cell.c io/cell.h \
  io/csv.c io/csv.h \
  io/jpeg_write.c io/jpeg_write.h \
  io/json.c io/json.h \
  io/montage.c io/montage.h \
  io/plot.c io/plot.h \
  io/sample.c io/sample.h
libio_la_SOURCES += $(io_present_sources)
io_image_sources = \
  io/preprocess.c io/preprocess.h \
  io/image.c io/image.h \
  io/decoder.h io/pixels.c \
  io/jpeg.c \
  io/png.c io/png_chunks.c io/png_chunks.h \
  io/resize.c io/resize.h \
  io/taps.c \
  io/resize_plain.c \
  io/resize_x86.c
io_file_sources = \
  io/reader.c io/reader.h io/reader_backend.h \
  io/buffer_pool.c \
  io/reader_uring.c \
  io/reader_pread.c \
  io/dataset.c io/dataset.h \
  io/folder.c io/folder.h \
  io/strings.c io/strings.h
libio_la_SOURCES += $(io_image_sources) $(io_file_sources)
