# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += libbase.la
libbase_la_SOURCES = \
  base/allowance.c base/allowance.h \
  base/atomic.h \
  base/cgroup.c base/cgroup.h \
  base/checksum.c base/checksum.h \
  base/csv.c base/csv.h \
  base/durable.c base/durable.h \
  base/error.c base/error.h \
  base/file_lock.c base/file_lock.h \
  base/json_python.c base/json_python.h \
  base/json_read.c base/json_read.h \
  base/json_write.c base/json_write.h \
  base/list.c base/list.h \
  base/number.c base/number.h \
  base/output.c base/output.h \
  base/path.c base/path.h \
  base/permissions.c base/permissions.h \
  base/processors.c base/processors.h \
  base/random.c base/random.h \
  base/shape.c base/shape.h \
  base/strings.c base/strings.h \
  base/team.c base/team.h \
  base/text.c base/text.h \
  base/thread.c base/thread.h \
  base/utf8.c base/utf8.h \
  base/version.c
