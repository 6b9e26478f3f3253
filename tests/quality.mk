# SPDX-License-Identifier: Apache-2.0
# What is run by hand or by a night job: each target says in its script what it holds to.
EXTRA_DIST += tests/valgrind.sh tests/valgrind.supp tests/dist.sh tests/coverage.py .clang-tidy tests/cppcheck.txt tests/lint.sh tests/lint.h tests/lint_fault.c tests/cppcheck.h
.PHONY: check-valgrind check-dist check-reuse coverage lint

# Needs valgrind.
check-valgrind: all
	$(top_srcdir)/tests/valgrind.sh . '$(abs_top_srcdir)'

check-dist:
	$(top_srcdir)/tests/dist.sh '$(abs_top_srcdir)'

# Needs Debian's reuse.
check-reuse:
	cd '$(abs_top_srcdir)' && reuse lint

# FILES='io/hdf5/file.c …' for some alone.
lint:
	$(top_srcdir)/tests/lint.sh '$(abs_top_srcdir)' '-std=gnu11 -fopenmp-simd $(DEFS) -D_GNU_SOURCE -I. -Iinclude \
	  $(HDF5_CFLAGS) $(URING_CFLAGS) $(JPEG_CFLAGS) $(PNG_CFLAGS) $(BLAS_CFLAGS) $(CAIRO_CFLAGS) $(JANSSON_CFLAGS) $(LIBZIP_CFLAGS) \
	  $(ZLIB_CFLAGS) $(XXHASH_CFLAGS) $(MPI_CFLAGS)' $(FILES)

# A build of its own in coverage/. The programs that are tested write only where they may: what they count goes to the
# folder of temporary files and is moved beside the objects in the end. Fails where a test fails, and where less than
# LEAST percent of a folder's lines ran.
LEAST = 90
coverage:
	$(MKDIR_P) coverage
	cd coverage && { test -f Makefile || $(abs_top_srcdir)/configure -q CC='$(CC)' CFLAGS='-O1 -g --coverage -fprofile-update=atomic'; }
	rm -rf coverage/tmp; $(MKDIR_P) coverage/tmp
	find coverage -name '*.gcda' -exec rm {} +
	status=0; \
	TMPDIR='$(abs_builddir)/coverage/tmp' GCOV_PREFIX='$(abs_builddir)/coverage/tmp/counts' $(MAKE) -s -C coverage check || status=$$?; \
	cp -r 'coverage/tmp/counts$(abs_builddir)/coverage/.' coverage/ && \
	  $(top_srcdir)/tests/coverage.py coverage '$(abs_top_srcdir)' $(LEAST) && exit $$status
