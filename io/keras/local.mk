# SPDX-License-Identifier: Apache-2.0
libio_la_SOURCES += \
  io/keras/call.c \
  io/keras/canonical.c io/keras/canonical.h \
  io/keras/config_h5.c \
  io/keras/config_zip.c \
  io/keras/internal.h \
  io/keras/layer.c \
  io/keras/layout.c io/keras/layout.h \
  io/keras/metadata.c io/keras/metadata.h \
  io/keras/object.c \
  io/keras/order.c \
  io/keras/param.c \
  io/keras/rewrite.c \
  io/keras/slots.h \
  io/keras/slots_read.c \
  io/keras/slots_write.c \
  io/keras/store.c io/keras/store.h \
  io/keras/structure.c \
  io/keras/training.c io/keras/training.h \
  io/keras/weights.h \
  io/keras/weights_h5.c \
  io/keras/weights_zip.c \
  io/keras/write.h \
  io/keras/write_h5.c \
  io/keras/write_zip.c \
  io/keras/zip.c io/keras/zip.h
