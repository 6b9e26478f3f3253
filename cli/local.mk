# SPDX-License-Identifier: Apache-2.0
# What the commands show: no command's own code, so that tests link it without a main.
noinst_LTLIBRARIES += libdisplay.la
libdisplay_la_SOURCES = \
  cli/interrupt.c cli/interrupt.h \
  cli/progress.c cli/progress.h \
  cli/progress_line.c cli/progress_line.h \
  cli/table.c cli/table.h \
  cli/terminal.c cli/terminal.h

bin_PROGRAMS += millrace
millrace_SOURCES = \
  cli/checkpoints.c cli/checkpoints.h \
  cli/class_weight.c cli/class_weight.h \
  cli/commands.h \
  cli/contract.c cli/contract.h \
  cli/convert.c \
  cli/bad_inputs.c cli/bad_inputs.h cli/part.c cli/part.h cli/data.c cli/data.h \
  cli/evaluate.c \
  cli/callbacks.c cli/callbacks.h \
  cli/fine_tune.c cli/fine_tune.h \
  cli/gallery.c cli/gallery.h \
  cli/history.c cli/history.h \
  cli/keep.c cli/keep.h \
  cli/main.c \
  cli/model.c cli/model.h \
  cli/moving_statistics.c cli/moving_statistics.h \
  cli/names.c cli/names.h \
  cli/optimizer.c cli/optimizer.h \
  cli/options.c cli/options.h \
  cli/options_table.c \
  cli/outputs.c cli/outputs.h \
  cli/predict.c cli/predict.h \
  cli/predict_images.c \
  cli/predict_ranks.c cli/predict_ranks.h \
  cli/provenance.c cli/provenance.h \
  cli/ranks.c cli/ranks.h \
  cli/results.c cli/results.h \
  cli/run_options.c cli/run_options.h \
  cli/sample.c \
  cli/memory.c cli/memory.h \
  cli/sandbox.c cli/sandbox.h \
  cli/schedule.c cli/schedule.h \
  cli/schedule_end.c cli/schedule_end.h \
  cli/stats.c cli/stats.h \
  cli/step_log.c cli/step_log.h \
  cli/summary.c \
  cli/tally.c cli/tally.h \
  cli/tensorboard.c cli/tensorboard.h \
  cli/thresholds.c \
  cli/train.c \
  cli/train_outputs.c cli/train_outputs.h \
  cli/verify.c
millrace_LDADD = libdisplay.la libpipeline.la libio.la libnn.la $(MR_LIBS)
