# SPDX-License-Identifier: Apache-2.0
# What the commands show: no command's own code, so that tests link it without a main.
noinst_LTLIBRARIES += libdisplay.la
libdisplay_la_SOURCES = \
  cli/progress.c cli/progress.h \
  cli/progress_line.c cli/progress_line.h \
  cli/table.c cli/table.h \
  cli/terminal.c cli/terminal.h
