# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += libpipeline.la
libpipeline_la_SOURCES =
include $(srcdir)/pipeline/augment/local.mk
include $(srcdir)/pipeline/checkpoint/local.mk
include $(srcdir)/pipeline/load/local.mk
include $(srcdir)/pipeline/predict/local.mk
include $(srcdir)/pipeline/queue/local.mk
include $(srcdir)/pipeline/ranks/local.mk
include $(srcdir)/pipeline/source/local.mk
include $(srcdir)/pipeline/stream/local.mk
include $(srcdir)/pipeline/train/local.mk
include $(srcdir)/pipeline/trainer/local.mk
