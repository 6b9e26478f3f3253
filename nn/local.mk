# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += libnn.la
libnn_la_SOURCES = \
  nn/error.c nn/error.h \
  nn/random.c nn/random.h
