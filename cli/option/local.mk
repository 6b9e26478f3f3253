# SPDX-License-Identifier: Apache-2.0
libcli_la_SOURCES += \
  cli/option/command.c cli/option/command.h \
  cli/option/files.c cli/option/files.h \
  cli/option/keep.c cli/option/keep.h \
  cli/option/names.c cli/option/names.h \
  cli/option/options.c cli/option/options.h \
  cli/option/options_table.c \
  cli/option/run_options.c cli/option/run_options.h \
  cli/option/schedules.c cli/option/schedules.h
