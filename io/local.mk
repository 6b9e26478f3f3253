# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += libio.la
libio_la_SOURCES =
include $(srcdir)/io/demo/local.mk
include $(srcdir)/io/draw/local.mk
include $(srcdir)/io/files/local.mk
include $(srcdir)/io/hdf5/local.mk
include $(srcdir)/io/image/local.mk
include $(srcdir)/io/keras/local.mk
include $(srcdir)/io/model/local.mk
include $(srcdir)/io/model_file/local.mk
include $(srcdir)/io/output/local.mk
