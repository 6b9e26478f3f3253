# SPDX-License-Identifier: Apache-2.0
# All of the program but its main, so that tests can link it.
noinst_LTLIBRARIES += libcli.la
libcli_la_SOURCES =
include $(srcdir)/cli/command/local.mk
include $(srcdir)/cli/option/local.mk
include $(srcdir)/cli/process/local.mk
include $(srcdir)/cli/setup/local.mk
include $(srcdir)/cli/show/local.mk

bin_PROGRAMS += millrace
millrace_SOURCES = cli/main.c
millrace_LDADD = libcli.la libpipeline.la libio.la libnn.la $(MR_LIBS)
