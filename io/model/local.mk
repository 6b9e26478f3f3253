# SPDX-License-Identifier: Apache-2.0
libio_la_SOURCES += \
  io/model/model.c io/model/model.h \
  io/model/self_test.c io/model/self_test.h
