# SPDX-License-Identifier: Apache-2.0
# What is run by hand or by a night job: each target says in its script what it holds to.
EXTRA_DIST += tests/valgrind.sh tests/valgrind.supp tests/dist.sh .clang-tidy tests/cppcheck.txt tests/lint.sh tests/lint.h
.PHONY: check-valgrind check-dist check-reuse lint

# Needs valgrind.
check-valgrind: all
	$(top_srcdir)/tests/valgrind.sh . '$(abs_top_srcdir)'

check-dist:
	$(top_srcdir)/tests/dist.sh '$(abs_top_srcdir)'

# Needs Debian's reuse.
check-reuse:
	cd '$(abs_top_srcdir)' && reuse lint

# FILES='io/hdf5.c …' for some alone.
lint:
	$(top_srcdir)/tests/lint.sh '$(abs_top_srcdir)' '-std=gnu11 -fopenmp-simd $(DEFS) -D_GNU_SOURCE -I. -Iinclude \
	  $(HDF5_CFLAGS) $(URING_CFLAGS) $(JPEG_CFLAGS) $(PNG_CFLAGS) $(BLAS_CFLAGS) $(CAIRO_CFLAGS) $(JANSSON_CFLAGS) $(LIBZIP_CFLAGS) \
	  $(ZLIB_CFLAGS) $(XXHASH_CFLAGS) $(MPI_CFLAGS)' $(FILES)
