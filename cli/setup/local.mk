# SPDX-License-Identifier: Apache-2.0
libcli_la_SOURCES += \
  cli/setup/callbacks.c cli/setup/callbacks.h \
  cli/setup/checkpoints.c cli/setup/checkpoints.h \
  cli/setup/claims.c cli/setup/claims.h \
  cli/setup/class_weight.c cli/setup/class_weight.h \
  cli/setup/data.c cli/setup/data.h \
  cli/setup/fine_tune.c cli/setup/fine_tune.h \
  cli/setup/finished.c cli/setup/finished.h \
  cli/setup/model.c cli/setup/model.h \
  cli/setup/moving_statistics.c cli/setup/moving_statistics.h \
  cli/setup/opened_data.h \
  cli/setup/optimizer.c cli/setup/optimizer.h \
  cli/setup/outputs.c cli/setup/outputs.h \
  cli/setup/part.c cli/setup/part.h \
  cli/setup/preprocess.c cli/setup/preprocess.h \
  cli/setup/provenance.c cli/setup/provenance.h \
  cli/setup/results.c cli/setup/results.h \
  cli/setup/schedule.c cli/setup/schedule.h \
  cli/setup/schedule_end.c cli/setup/schedule_end.h \
  cli/setup/thresholds.c cli/setup/thresholds.h
