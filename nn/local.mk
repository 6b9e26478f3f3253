# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += libnn.la
libnn_la_SOURCES =
# What is built a second time in double.
nn_double_sources =
include $(srcdir)/nn/arch/local.mk
include $(srcdir)/nn/compute/local.mk
include $(srcdir)/nn/graph/local.mk
include $(srcdir)/nn/kernels/local.mk
include $(srcdir)/nn/layers/local.mk
include $(srcdir)/nn/learn/local.mk
include $(srcdir)/nn/plan/local.mk
libnn_la_SOURCES += $(nn_double_sources)
libnn_la_LIBADD = libbase.la

# The network once more in double, for the tests alone: gradients against central differences.
check_LTLIBRARIES += libnn_double.la
libnn_double_la_SOURCES = $(nn_double_sources)
libnn_double_la_CPPFLAGS = $(AM_CPPFLAGS) -DMR_REAL_DOUBLE
libnn_double_la_LIBADD = libbase.la
