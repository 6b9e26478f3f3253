# SPDX-License-Identifier: Apache-2.0
libio_la_SOURCES += \
  io/output/claim.c io/output/claim.h \
  io/output/event_file.c io/output/event_file.h \
  io/output/row.h \
  io/output/row_file.c \
  io/output/row_reader.c \
  io/output/sink.c io/output/sink.h \
  io/output/sink_csv.c \
  io/output/sink_hdf5.c \
  io/output/sink_internal.h \
  io/output/sink_journal.c \
  io/output/sink_jsonl.c
