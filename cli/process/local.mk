# SPDX-License-Identifier: Apache-2.0
libcli_la_SOURCES += \
  cli/process/confine.c cli/process/confine.h \
  cli/process/interrupt.c cli/process/interrupt.h \
  cli/process/memory.c cli/process/memory.h \
  cli/process/ranks.c cli/process/ranks.h \
  cli/process/sandbox.c cli/process/sandbox.h \
  cli/process/terminal.c cli/process/terminal.h
