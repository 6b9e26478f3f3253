# SPDX-License-Identifier: Apache-2.0
pkginclude_HEADERS = include/millrace/millrace.h include/millrace/stream.h
EXTRA_DIST += include/millrace.map

# The library to install: the three inner ones whole, with the public symbols alone to be seen.
lib_LTLIBRARIES += libmillrace.la
libmillrace_la_SOURCES =
libmillrace_la_LIBADD = libpipeline.la libio.la libnn.la $(MR_LIBS)
libmillrace_la_LDFLAGS = $(AM_LDFLAGS) -no-undefined -version-info 1:0:1 \
  -Wl,--version-script=$(srcdir)/include/millrace.map
libmillrace_la_DEPENDENCIES = libpipeline.la libio.la libnn.la include/millrace.map
