# SPDX-License-Identifier: Apache-2.0
# Each test program is one cmocka group; its cases are counted one by one through TAP.
# A program that looks for ../shared gets its path in MILLRACE_SHARED and skips where it is missing.
TEST_EXTENSIONS = .sh
LOG_DRIVER = $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
SH_LOG_DRIVER = $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
LOG_COMPILER = $(top_builddir)/tests/run-cmocka
SH_LOG_COMPILER = bash
AM_TESTS_ENVIRONMENT = \
  MILLRACE_SHARED="$${MILLRACE_SHARED-$(abs_top_srcdir)/../shared}"; export MILLRACE_SHARED; \
  MILLRACE_SRC='$(abs_top_srcdir)'; export MILLRACE_SRC; \
  MILLRACE_BUILD='$(abs_top_builddir)'; export MILLRACE_BUILD; \
  MILLRACE_LONG="$(MILLRACE_LONG)"; export MILLRACE_LONG; \
  ASAN_OPTIONS="$${ASAN_OPTIONS-detect_leaks=1}"; export ASAN_OPTIONS; \
  LSAN_OPTIONS="$${LSAN_OPTIONS-suppressions=$(abs_top_srcdir)/tests/lsan.supp:print_suppressions=0}"; export LSAN_OPTIONS; \
  TSAN_OPTIONS="$${TSAN_OPTIONS-suppressions=$(abs_top_srcdir)/tests/tsan.supp halt_on_error=1}"; export TSAN_OPTIONS;
EXTRA_DIST += tests/lsan.supp tests/tsan.supp tests/shared.h

CMOCKA_TESTS =
# What runs in one thread, or in the team's tasks of one kernel (test_team, test_fused, test_mixed_kernels and
# test_training have these): the thread sanitizer finds nothing there, and its build leaves them out. So it does with shell
# tests of numbers, options and file contents: the threads of these runs are those of test_checkpoints, test_lost_work,
# test_predict, test_data and others that stay.
SERIAL_TESTS =

# Tests start in the order in which they stand in TESTS: first those of a minute and more with a sanitizer, so that what is
# last is short, and parallel jobs end together.
LONG_TESTS = tests/test_training tests/test_fused
LONG_SERIAL_TESTS = tests/test_keras_models tests/test_hdf5_check
LONG_SERIAL_SHELL_TESTS = tests/test_spin.sh tests/test_keras_training.sh tests/test_train_options.sh
LONG_SHELL_TESTS = tests/test_checkpoints.sh tests/test_predict.sh tests/test_lost_work.sh tests/test_mixed_training.sh tests/test_kill.sh
if HAVE_CMOCKA
check_PROGRAMS += $(LONG_TESTS)
TESTS += $(LONG_TESTS)
if !THREAD_SANITIZER
check_PROGRAMS += $(LONG_SERIAL_TESTS)
TESTS += $(LONG_SERIAL_TESTS)
endif
endif
if !THREAD_SANITIZER
TESTS += $(LONG_SERIAL_SHELL_TESTS)
endif
TESTS += $(LONG_SHELL_TESTS)
EXTRA_DIST += $(LONG_SERIAL_SHELL_TESTS) $(LONG_SHELL_TESTS)
TEST_LIBS = $(CMOCKA_LIBS)

SERIAL_TESTS += tests/test_random
tests_test_random_SOURCES = tests/test_random.c
tests_test_random_LDADD = libnn.la $(MR_LIBS) $(TEST_LIBS)

CMOCKA_TESTS += tests/test_queue tests/test_queue_disturbed
tests_test_queue_SOURCES = tests/test_queue.c tests/queue_stress.c tests/queue_tests.h
tests_test_queue_LDADD = libpipeline.la libnn.la $(MR_LIBS) $(TEST_LIBS)
# The same cases over sources built with a random delay before every shared access.
tests_test_queue_disturbed_SOURCES = tests/test_queue.c tests/queue_stress.c tests/queue_tests.h tests/schedule_shim.h \
  pipeline/queue/eventcount.c pipeline/queue/queue.c pipeline/queue/ring.c pipeline/queue/stats.c
tests_test_queue_disturbed_CPPFLAGS = $(AM_CPPFLAGS) -DMR_SCHEDULE_SHIM='"tests/schedule_shim.h"'
tests_test_queue_disturbed_LDADD = libnn.la $(MR_LIBS) $(TEST_LIBS)

# The same sources under a model checker: every order, every value that C11 allows.
SERIAL_TESTS += tests/test_model
tests_test_model_SOURCES = tests/test_model.c tests/model/shim.h tests/model/checker.h tests/model/internal.h \
  tests/model/coroutine.c tests/model/memory.c tests/model/operations.c tests/model/search.c \
  tests/model/queue_programs.c tests/model/queue_programs.h \
  pipeline/queue/eventcount.c pipeline/queue/queue.c pipeline/queue/ring.c pipeline/queue/stats.c
tests_test_model_CPPFLAGS = $(AM_CPPFLAGS) -DMR_SCHEDULE_SHIM='"tests/model/shim.h"'
tests_test_model_LDADD = libnn.la $(MR_LIBS) $(TEST_LIBS)

# And the team.
CMOCKA_TESTS += tests/test_team_model
tests_test_team_model_SOURCES = tests/test_team_model.c tests/model/shim.h tests/model/checker.h tests/model/internal.h \
  tests/model/coroutine.c tests/model/memory.c tests/model/operations.c tests/model/search.c \
  tests/model/team_programs.c tests/model/team_programs.h
tests_test_team_model_CPPFLAGS = $(AM_CPPFLAGS) -DMR_SCHEDULE_SHIM='"tests/model/shim.h"'
tests_test_team_model_LDADD = libnn.la $(MR_LIBS) $(TEST_LIBS)

# Their protocol, as a model for Spin.
SERIAL_SHELL_TESTS =
EXTRA_DIST += tests/model/queue.pml

CMOCKA_TESTS += tests/test_augment
tests_test_augment_SOURCES = tests/test_augment.c tests/golden.h
tests_test_augment_LDADD = libpipeline.la libnn.la $(MR_LIBS) $(TEST_LIBS)
EXTRA_DIST += tests/data/augment.h5 tests/data/augment.py

CMOCKA_TESTS += tests/test_loader
tests_test_loader_SOURCES = tests/test_loader.c tests/image_files.h tests/list_source.h
tests_test_loader_LDADD = libpipeline.la libio.la libnn.la $(MR_LIBS) $(TEST_LIBS)

CMOCKA_TESTS += tests/test_walk
tests_test_walk_SOURCES = tests/test_walk.c tests/files.h
tests_test_walk_LDADD = libpipeline.la libio.la libnn.la $(MR_LIBS) $(TEST_LIBS)

SERIAL_TESTS += tests/test_placing
tests_test_placing_SOURCES = tests/test_placing.c tests/files.h
tests_test_placing_LDADD = libpipeline.la libio.la libnn.la $(MR_LIBS) $(TEST_LIBS)

SERIAL_TESTS += tests/test_watch
tests_test_watch_SOURCES = tests/test_watch.c tests/files.h tests/list_source.h
tests_test_watch_LDADD = libpipeline.la libio.la libnn.la $(MR_LIBS) $(TEST_LIBS)

SERIAL_TESTS += tests/test_budget
tests_test_budget_SOURCES = tests/test_budget.c
tests_test_budget_LDADD = libpipeline.la libio.la libnn.la $(MR_LIBS) $(TEST_LIBS)

SERIAL_TESTS += tests/test_initializer
tests_test_initializer_SOURCES = tests/test_initializer.c
tests_test_initializer_LDADD = libnn.la $(MR_LIBS) $(TEST_LIBS)

SERIAL_TESTS += tests/test_task
tests_test_task_SOURCES = tests/test_task.c
tests_test_task_LDADD = libnn.la $(MR_LIBS) $(TEST_LIBS)

CMOCKA_TESTS += tests/test_base
tests_test_base_SOURCES = tests/test_base.c
tests_test_base_LDADD = libnn.la $(MR_LIBS) $(TEST_LIBS)

SERIAL_TESTS += tests/test_text
tests_test_text_SOURCES = tests/test_text.c
tests_test_text_LDADD = libnn.la $(MR_LIBS) $(TEST_LIBS)

SERIAL_TESTS += tests/test_report
tests_test_report_SOURCES = tests/test_report.c
tests_test_report_LDADD = libnn.la $(MR_LIBS) $(TEST_LIBS)
EXTRA_DIST += tests/data/report.txt

SERIAL_TESTS += tests/test_rows
tests_test_rows_SOURCES = tests/test_rows.c
tests_test_rows_LDADD = libio.la libnn.la $(MR_LIBS) $(TEST_LIBS)

SERIAL_TESTS += tests/test_sinks
tests_test_sinks_SOURCES = tests/test_sinks.c tests/files.h
tests_test_sinks_LDADD = libio.la libnn.la $(MR_LIBS) $(TEST_LIBS)

IMAGE_TESTS = tests/test_image tests/test_png tests/test_resize tests/test_odd tests/test_buffer_pool tests/test_reader tests/test_processors tests/test_dataset tests/test_listing
SERIAL_TESTS += $(IMAGE_TESTS)
IO_TEST_LIBS = libio.la libnn.la $(MR_LIBS) $(TEST_LIBS)
tests_test_image_SOURCES = tests/test_image.c
tests_test_image_LDADD = $(IO_TEST_LIBS)
tests_test_png_SOURCES = tests/test_png.c
tests_test_png_LDADD = $(IO_TEST_LIBS)
tests_test_resize_SOURCES = tests/test_resize.c
tests_test_resize_LDADD = $(IO_TEST_LIBS)
tests_test_odd_SOURCES = tests/test_odd.c
tests_test_odd_LDADD = $(IO_TEST_LIBS)
tests_test_processors_SOURCES = tests/test_processors.c
tests_test_processors_LDADD = $(IO_TEST_LIBS)
tests_test_buffer_pool_SOURCES = tests/test_buffer_pool.c
tests_test_buffer_pool_LDADD = $(IO_TEST_LIBS)
tests_test_reader_SOURCES = tests/test_reader.c
tests_test_reader_LDADD = $(IO_TEST_LIBS)
tests_test_dataset_SOURCES = tests/test_dataset.c
tests_test_dataset_LDADD = $(IO_TEST_LIBS)
tests_test_listing_SOURCES = tests/test_listing.c
tests_test_listing_LDADD = $(IO_TEST_LIBS)
EXTRA_DIST += tests/files.h tests/odd_table.py tests/data/odd.tsv tests/data/scan_bomb.jpg

# Keras's files.
KERAS_TESTS = tests/test_tree tests/test_json tests/test_keras_dialect tests/test_keras_files tests/test_keras_written \
  tests/test_keras_layout tests/test_keras_mutation tests/test_hdf5
SERIAL_TESTS += $(KERAS_TESTS)
tests_test_keras_models_SOURCES = tests/test_keras_models.c tests/keras.c tests/keras.h
tests_test_keras_models_LDADD = $(IO_TEST_LIBS)
tests_test_keras_files_SOURCES = tests/test_keras_files.c tests/keras.c tests/keras.h
tests_test_keras_files_LDADD = $(IO_TEST_LIBS)
tests_test_keras_written_SOURCES = tests/test_keras_written.c tests/keras.c tests/keras.h
tests_test_keras_written_LDADD = $(IO_TEST_LIBS)
tests_test_keras_layout_SOURCES = tests/test_keras_layout.c tests/keras.c tests/keras.h
tests_test_keras_layout_LDADD = $(IO_TEST_LIBS)
tests_test_keras_mutation_SOURCES = tests/test_keras_mutation.c
tests_test_keras_mutation_LDADD = $(IO_TEST_LIBS)
tests_test_hdf5_SOURCES = tests/test_hdf5.c tests/keras.c tests/keras.h
tests_test_hdf5_LDADD = $(IO_TEST_LIBS)
tests_test_tree_SOURCES = tests/test_tree.c
tests_test_tree_LDADD = $(IO_TEST_LIBS)
tests_test_json_SOURCES = tests/test_json.c tests/shared.h
tests_test_json_LDADD = $(IO_TEST_LIBS)
tests_test_keras_dialect_SOURCES = tests/test_keras_dialect.c
tests_test_keras_dialect_LDADD = $(IO_TEST_LIBS)
EXTRA_DIST += tests/keras_rules.py

SERIAL_TESTS += tests/test_plot
tests_test_plot_SOURCES = tests/test_plot.c
tests_test_plot_LDADD = libio.la libnn.la $(MR_LIBS) $(TEST_LIBS)

SERIAL_TESTS += tests/test_montage
tests_test_montage_SOURCES = tests/test_montage.c
tests_test_montage_LDADD = libio.la libnn.la $(MR_LIBS) $(TEST_LIBS)

SERIAL_TESTS += tests/test_sample
tests_test_sample_SOURCES = tests/test_sample.c
tests_test_sample_LDADD = libio.la libnn.la $(MR_LIBS) $(TEST_LIBS)

SERIAL_TESTS += tests/test_progress tests/test_table
tests_test_progress_SOURCES = tests/test_progress.c
tests_test_progress_LDADD = libcli.la libpipeline.la libio.la libnn.la $(MR_LIBS) $(TEST_LIBS)
tests_test_table_SOURCES = tests/test_table.c
tests_test_table_LDADD = libcli.la libpipeline.la libio.la libnn.la $(MR_LIBS) $(TEST_LIBS)
CMOCKA_TESTS += tests/test_team
tests_test_team_SOURCES = tests/test_team.c
tests_test_team_LDADD = libnn.la $(MR_LIBS) $(TEST_LIBS)

# In double, where differences are exact enough to hold gradients against.
DOUBLE_TESTS = tests/test_loss tests/test_plan tests/test_optimizer tests/test_schedule
SERIAL_TESTS += $(DOUBLE_TESTS)
tests_test_loss_SOURCES = tests/test_loss.c
tests_test_loss_CPPFLAGS = $(AM_CPPFLAGS) -DMR_REAL_DOUBLE
tests_test_loss_LDADD = libnn_double.la $(MR_LIBS) $(TEST_LIBS)
tests_test_plan_SOURCES = tests/test_plan.c tests/decorate.h
tests_test_plan_CPPFLAGS = $(AM_CPPFLAGS) -DMR_REAL_DOUBLE
tests_test_plan_LDADD = libnn_double.la $(MR_LIBS) $(TEST_LIBS)
tests_test_optimizer_SOURCES = tests/test_optimizer.c
tests_test_optimizer_CPPFLAGS = $(AM_CPPFLAGS) -DMR_REAL_DOUBLE
tests_test_optimizer_LDADD = libnn_double.la $(MR_LIBS) $(TEST_LIBS)
tests_test_schedule_SOURCES = tests/test_schedule.c
tests_test_schedule_CPPFLAGS = $(AM_CPPFLAGS) -DMR_REAL_DOUBLE
tests_test_schedule_LDADD = libnn_double.la $(MR_LIBS) $(TEST_LIBS)

SERIAL_TESTS += tests/test_history
tests_test_history_SOURCES = tests/test_history.c
tests_test_history_LDADD = libpipeline.la libio.la libnn.la $(MR_LIBS) $(TEST_LIBS)

SERIAL_TESTS += tests/test_callbacks
tests_test_callbacks_SOURCES = tests/test_callbacks.c
tests_test_callbacks_LDADD = libpipeline.la libio.la libnn.la $(MR_LIBS) $(TEST_LIBS)

SERIAL_TESTS += tests/test_arch
tests_test_arch_SOURCES = tests/test_arch.c
tests_test_arch_LDADD = libio.la libnn.la $(MR_LIBS) $(TEST_LIBS)

SERIAL_TESTS += tests/test_fine_tune
tests_test_fine_tune_SOURCES = tests/test_fine_tune.c tests/files.h
tests_test_fine_tune_LDADD = libpipeline.la libio.la libnn.la $(MR_LIBS) $(TEST_LIBS)

tests_test_training_SOURCES = tests/test_training.c
tests_test_training_LDADD = libpipeline.la libio.la libnn.la $(MR_LIBS) $(TEST_LIBS)

CMOCKA_TESTS += tests/test_stream tests/test_stream_threads
tests_test_stream_SOURCES = tests/test_stream.c tests/stream_files.h tests/files.h
tests_test_stream_LDADD = libpipeline.la libio.la libnn.la $(MR_LIBS) $(TEST_LIBS)
tests_test_stream_threads_SOURCES = tests/test_stream_threads.c tests/stream_files.h tests/files.h
tests_test_stream_threads_LDADD = libpipeline.la libio.la libnn.la $(MR_LIBS) $(TEST_LIBS)

# Through the program itself, in TAP.
SHELL_TESTS = tests/test_cli.sh
SHELL_TESTS += tests/test_quickstart.sh
SERIAL_SHELL_TESTS += tests/test_fine_tuning.sh tests/test_includes.sh
SHELL_TESTS += tests/test_stopping_options.sh
SERIAL_SHELL_TESTS += tests/test_tensorboard.sh
SHELL_TESTS += tests/test_arrays.sh
SHELL_TESTS += tests/test_data.sh
SHELL_TESTS += tests/test_outputs.sh
SERIAL_SHELL_TESTS += tests/test_provenance.sh
TESTS += $(SHELL_TESTS)
EXTRA_DIST += tests/tap.sh tests/include_graph.py tests/read_events.py tests/keras_training.py $(SHELL_TESTS) $(SERIAL_SHELL_TESTS)

CMOCKA_TESTS += tests/test_sandbox
tests_test_sandbox_SOURCES = tests/test_sandbox.c
tests_test_sandbox_LDADD = libcli.la libpipeline.la libio.la libnn.la $(MR_LIBS) $(TEST_LIBS)

# Faults on purpose: a library to preload, built as a module (-rpath: libtool makes no shared library without one).
check_LTLIBRARIES += tests/faults.la
tests_faults_la_SOURCES = tests/faults.c
tests_faults_la_CFLAGS = $(AM_CFLAGS) -Wno-missing-prototypes
tests_faults_la_LDFLAGS = -module -avoid-version -shared -rpath /nowhere
TESTS += tests/test_faults.sh
TESTS += tests/test_long_run.sh
EXTRA_DIST += tests/test_faults.sh tests/test_long_run.sh

# The long forms: all tests, with every fault, ten thousand epochs, many kills, billions of items; some hours.
.PHONY: check-long
check-long: all
	MILLRACE_KILLS=$${MILLRACE_KILLS-200} MILLRACE_QUEUE_ITEMS=$${MILLRACE_QUEUE_ITEMS-2e9} $(MAKE) $(AM_MAKEFLAGS) check MILLRACE_LONG=1

# The layers: their kernels in float; their gradients in the network that is compiled in double.
LAYER_TESTS = tests/test_activations tests/test_kernels tests/test_layers tests/test_noise tests/test_normalisation
SERIAL_TESTS += $(LAYER_TESTS) tests/test_gradients
tests_test_activations_SOURCES = tests/test_activations.c tests/call.c tests/call.h
tests_test_activations_LDADD = libnn.la $(MR_LIBS) $(TEST_LIBS)
tests_test_kernels_SOURCES = tests/test_kernels.c tests/call.c tests/call.h tests/reference.c tests/reference.h
tests_test_kernels_LDADD = libnn.la $(MR_LIBS) $(TEST_LIBS)
tests_test_layers_SOURCES = tests/test_layers.c tests/call.c tests/call.h
tests_test_layers_LDADD = libnn.la $(MR_LIBS) $(TEST_LIBS)
tests_test_noise_SOURCES = tests/test_noise.c tests/call.c tests/call.h
tests_test_noise_LDADD = libnn.la $(MR_LIBS) $(TEST_LIBS)
tests_test_normalisation_SOURCES = tests/test_normalisation.c tests/call.c tests/call.h
tests_test_normalisation_LDADD = libnn.la $(MR_LIBS) $(TEST_LIBS)
tests_test_gradients_SOURCES = tests/test_gradients.c tests/call.c tests/call.h
tests_test_gradients_CPPFLAGS = $(AM_CPPFLAGS) -DMR_REAL_DOUBLE
tests_test_gradients_LDADD = libnn_double.la $(MR_LIBS) $(TEST_LIBS)
EXTRA_DIST += tests/data/activations.tsv tests/data/activations.py

tests_test_fused_SOURCES = tests/test_fused.c tests/decorate.h
tests_test_fused_LDADD = libnn.la $(MR_LIBS) $(TEST_LIBS)

CMOCKA_TESTS += tests/test_mixed_kernels
tests_test_mixed_kernels_SOURCES = tests/test_mixed_kernels.c
tests_test_mixed_kernels_LDADD = libnn.la $(MR_LIBS) $(TEST_LIBS)
SERIAL_TESTS += tests/test_fast_kernels
tests_test_fast_kernels_SOURCES = tests/test_fast_kernels.c
tests_test_fast_kernels_LDADD = libnn.la $(MR_LIBS) $(TEST_LIBS)

# Inference through the program. check-long (above) kills many more runs than check does.
TESTS += tests/test_output_files.sh
EXTRA_DIST += tests/test_output_files.sh
SERIAL_SHELL_TESTS += tests/test_meaning.sh tests/test_keras_reading.sh
EXTRA_DIST += tests/keras_file.py tests/keras_store.py
# Checkpoints: runs that are killed, disks that fail.
check_LTLIBRARIES += tests/fault_shim.la
tests_fault_shim_la_SOURCES = tests/fault_shim.c
tests_fault_shim_la_CFLAGS = -std=gnu11 $(MR_CFLAGS)
tests_fault_shim_la_LDFLAGS = -module -avoid-version -rpath /nowhere -shared
tests_fault_shim_la_LIBADD = -ldl

# Several processes: skipped where mpirun is not there.
TESTS += tests/test_mpi.sh
EXTRA_DIST += tests/test_mpi.sh

# The installed program, library, header and .pc file, with the example client.
installcheck-local:
	DESTDIR='$(DESTDIR)' bash $(srcdir)/tests/installcheck.sh '$(CC)' 'c++' '$(bindir)' '$(libdir)' '$(pkgconfigdir)' '$(srcdir)/doc/examples' '$(examplesdir)'
EXTRA_DIST += tests/installcheck.sh

SERIAL_TESTS += tests/test_inference_kernels
tests_test_inference_kernels_SOURCES = tests/test_inference_kernels.c
tests_test_inference_kernels_LDADD = libnn.la $(MR_LIBS) $(TEST_LIBS)

if HAVE_CMOCKA
check_PROGRAMS += $(CMOCKA_TESTS)
TESTS += $(CMOCKA_TESTS)
if !THREAD_SANITIZER
check_PROGRAMS += $(SERIAL_TESTS)
TESTS += $(SERIAL_TESTS)
endif
endif
if !THREAD_SANITIZER
TESTS += $(SERIAL_SHELL_TESTS)
endif
