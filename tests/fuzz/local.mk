# SPDX-License-Identifier: Apache-2.0
# Every target is built against the mutating driver in each build, and against libFuzzer with --enable-fuzzing.
FUZZ_LIBS = libpipeline.la libio.la libnn.la $(MR_LIBS)
FUZZ_COMMON = tests/fuzz/fuzz.h tests/fuzz/fuzz.c tests/fuzz/forward.c
FUZZ_PLAIN = $(FUZZ_COMMON) tests/fuzz/mutate.c
FUZZ_OPTIONS = tests/fuzz/options.c
FUZZ_SUMS = tests/fuzz/hdf5_sums.c tests/fuzz/hdf5_sums.h

mutate_targets = tests/fuzz/mutate_image tests/fuzz/mutate_geometry tests/fuzz/mutate_config \
  tests/fuzz/mutate_model tests/fuzz/mutate_arrays tests/fuzz/mutate_options tests/fuzz/mutate_state
tests_fuzz_mutate_image_SOURCES = tests/fuzz/image.c $(FUZZ_PLAIN)
tests_fuzz_mutate_image_LDADD = $(FUZZ_LIBS)
tests_fuzz_mutate_geometry_SOURCES = tests/fuzz/geometry.c $(FUZZ_PLAIN)
tests_fuzz_mutate_geometry_LDADD = $(FUZZ_LIBS)
tests_fuzz_mutate_config_SOURCES = tests/fuzz/config.c $(FUZZ_PLAIN)
tests_fuzz_mutate_config_LDADD = $(FUZZ_LIBS)
tests_fuzz_mutate_model_SOURCES = tests/fuzz/model.c $(FUZZ_SUMS) $(FUZZ_PLAIN)
tests_fuzz_mutate_model_LDADD = $(FUZZ_LIBS)
tests_fuzz_mutate_arrays_SOURCES = tests/fuzz/arrays.c $(FUZZ_SUMS) $(FUZZ_PLAIN)
tests_fuzz_mutate_arrays_LDADD = $(FUZZ_LIBS)
tests_fuzz_mutate_options_SOURCES = $(FUZZ_OPTIONS) $(FUZZ_PLAIN)
tests_fuzz_mutate_options_LDADD = libcli.la $(FUZZ_LIBS)
tests_fuzz_mutate_state_SOURCES = tests/fuzz/state.c $(FUZZ_PLAIN)
tests_fuzz_mutate_state_LDADD = $(FUZZ_LIBS)

FUZZ_ENTRY = $(FUZZ_COMMON) tests/fuzz/libfuzzer.c
fuzz_targets = tests/fuzz/fuzz_image tests/fuzz/fuzz_geometry tests/fuzz/fuzz_config \
  tests/fuzz/fuzz_model tests/fuzz/fuzz_arrays tests/fuzz/fuzz_options tests/fuzz/fuzz_state
tests_fuzz_fuzz_image_SOURCES = tests/fuzz/image.c $(FUZZ_ENTRY)
tests_fuzz_fuzz_image_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_image_LDFLAGS = $(MR_FUZZER)
tests_fuzz_fuzz_geometry_SOURCES = tests/fuzz/geometry.c $(FUZZ_ENTRY)
tests_fuzz_fuzz_geometry_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_geometry_LDFLAGS = $(MR_FUZZER)
tests_fuzz_fuzz_config_SOURCES = tests/fuzz/config.c $(FUZZ_ENTRY)
tests_fuzz_fuzz_config_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_config_LDFLAGS = $(MR_FUZZER)
tests_fuzz_fuzz_model_SOURCES = tests/fuzz/model.c $(FUZZ_SUMS) $(FUZZ_ENTRY)
tests_fuzz_fuzz_model_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_model_LDFLAGS = $(MR_FUZZER)
tests_fuzz_fuzz_arrays_SOURCES = tests/fuzz/arrays.c $(FUZZ_SUMS) $(FUZZ_ENTRY)
tests_fuzz_fuzz_arrays_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_arrays_LDFLAGS = $(MR_FUZZER)
tests_fuzz_fuzz_options_SOURCES = $(FUZZ_OPTIONS) $(FUZZ_ENTRY)
tests_fuzz_fuzz_options_LDADD = libcli.la $(FUZZ_LIBS)
tests_fuzz_fuzz_options_LDFLAGS = $(MR_FUZZER)
tests_fuzz_fuzz_state_SOURCES = tests/fuzz/state.c $(FUZZ_ENTRY)
tests_fuzz_fuzz_state_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_state_LDFLAGS = $(MR_FUZZER)

# What stands before libhdf5.
SERIAL_TESTS += tests/test_hdf5_read
tests_test_hdf5_check_SOURCES = tests/test_hdf5_check.c
tests_test_hdf5_check_LDADD = libio.la libnn.la $(MR_LIBS) $(TEST_LIBS)
tests_test_hdf5_read_SOURCES = tests/test_hdf5_read.c tests/files.h
tests_test_hdf5_read_LDADD = libio.la libnn.la $(MR_LIBS) $(TEST_LIBS)
EXTRA_DIST += tests/data/hdf5/filter2.h5 tests/data/hdf5/h5wasm_many.h5 tests/data/hdf5/matlab73.h5 tests/data/hdf5/nc_many.h5 \
  tests/data/hdf5/prealloc2.h5

if !THREAD_SANITIZER
check_PROGRAMS += $(mutate_targets)
endif
EXTRA_PROGRAMS += $(fuzz_targets)
SERIAL_SHELL_TESTS += tests/fuzz/test_mutations.sh
EXTRA_DIST += tests/fuzz/test_fuzz.sh tests/fuzz/test_mutations.sh tests/fuzz/ignore.txt tests/fuzz/corpus

.PHONY: fuzz-check fuzz-long
# In a build with --enable-fuzzing: each target for some seconds, or FUZZ_SECONDS=N.
# The other tests, which check-TESTS would build, are not needed.
fuzz-check: $(fuzz_targets)
	$(MAKE) check-TESTS TESTS=tests/fuzz/test_fuzz.sh check_PROGRAMS= check_LTLIBRARIES=
# An hour each.
fuzz-long:
	FUZZ_SECONDS=$${FUZZ_SECONDS-3600} $(MAKE) fuzz-check
