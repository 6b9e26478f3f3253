# SPDX-License-Identifier: Apache-2.0
libcli_la_SOURCES += \
  cli/show/bad_inputs.c cli/show/bad_inputs.h \
  cli/show/gallery.c cli/show/gallery.h \
  cli/show/history.c cli/show/history.h \
  cli/show/progress.c cli/show/progress.h \
  cli/show/progress_line.c cli/show/progress_line.h \
  cli/show/stats.c cli/show/stats.h \
  cli/show/step_log.c cli/show/step_log.h \
  cli/show/table.c cli/show/table.h \
  cli/show/tally.c cli/show/tally.h \
  cli/show/tensorboard.c cli/show/tensorboard.h
