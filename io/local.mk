# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += libio.la
libio_la_SOURCES =
io_present_sources = \
  io/csv.c io/csv.h \
  io/json.c io/json.h
libio_la_SOURCES += $(io_present_sources)
