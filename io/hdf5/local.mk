# SPDX-License-Identifier: Apache-2.0
libio_la_SOURCES += \
  io/hdf5/array_stream.c io/hdf5/array_stream.h \
  io/hdf5/arrays.c io/hdf5/arrays.h \
  io/hdf5/attribute.c \
  io/hdf5/checksum.c io/hdf5/checksum.h \
  io/hdf5/cursor.c io/hdf5/cursor.h \
  io/hdf5/dataset.c \
  io/hdf5/driver.c io/hdf5/driver.h \
  io/hdf5/file.c \
  io/hdf5/hdf5.h \
  io/hdf5/index.h \
  io/hdf5/library.c \
  io/hdf5/lookup.c \
  io/hdf5/open_files.c io/hdf5/open_files.h \
  io/hdf5/parse.c \
  io/hdf5/parse_btree2.c \
  io/hdf5/parse_data.c \
  io/hdf5/parse_dense.c \
  io/hdf5/parse_filter.c \
  io/hdf5/parse_group.c \
  io/hdf5/parse_heap.c \
  io/hdf5/parse_index.c \
  io/hdf5/parse_internal.h \
  io/hdf5/parse_message.c \
  io/hdf5/parse_object.c \
  io/hdf5/parse_type.c \
  io/hdf5/seal.c io/hdf5/seal.h \
  io/hdf5/tree.c
