# SPDX-License-Identifier: Apache-2.0
libio_la_SOURCES += \
  io/files/buffer_pool.c io/files/buffer_pool.h \
  io/files/class_name.c io/files/class_name.h \
  io/files/dataset.c io/files/dataset.h \
  io/files/dataset_layout.c \
  io/files/extensions.c io/files/extensions.h \
  io/files/folder.c io/files/folder.h \
  io/files/folder_ids.c io/files/folder_ids.h \
  io/files/held_out.c io/files/held_out.h \
  io/files/listing.c io/files/listing.h \
  io/files/name_runs.c io/files/name_runs.h \
  io/files/path_list.c io/files/path_list.h \
  io/files/read.h \
  io/files/reader.c io/files/reader.h \
  io/files/reader_backend.c io/files/reader_backend.h \
  io/files/reader_pread.c \
  io/files/reader_uring.c
