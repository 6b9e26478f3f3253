# SPDX-License-Identifier: Apache-2.0
libpipeline_la_SOURCES += \
  pipeline/ranks/ranks.h \
  pipeline/ranks/reducer.c pipeline/ranks/reducer.h
if HAVE_MPI
libpipeline_la_SOURCES += pipeline/ranks/ranks_mpi.c
else
libpipeline_la_SOURCES += pipeline/ranks/ranks_alone.c
endif
EXTRA_DIST += pipeline/ranks/ranks_mpi.c pipeline/ranks/ranks_alone.c
