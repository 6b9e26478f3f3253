# SPDX-License-Identifier: Apache-2.0
# Manual pages come out of the program's own --help, so they cannot disagree with it.
examplesdir = $(docdir)/examples
dist_examples_DATA = doc/examples/classify.c
dist_doc_DATA = LICENSE CHANGELOG.md CONTRIBUTING.md doc/architecture.md doc/data_plane.svg doc/performance.md doc/rooms.svg doc/usage.md doc/checkpoints.md doc/concurrency.md doc/dependencies.md doc/montage.png doc/plot.png \
  doc/reliability.md doc/scaling.md doc/slurm.md
# Where it is installed, doc/ is the folder that it lies in itself.
doc_DATA = doc/README.md
CLEANFILES += doc/README.md
doc/README.md: README.md
	$(AM_V_GEN)$(MKDIR_P) doc && sed 's|](doc/|](|g' $(srcdir)/README.md >$@.tmp && mv $@.tmp $@
MAN_COMMANDS = train evaluate predict summary convert verify sample
man_MANS = doc/millrace.1 $(MAN_COMMANDS:%=doc/millrace-%.1)
CLEANFILES += $(man_MANS)
EXTRA_DIST += doc/man.sh doc/rooms.dot doc/data_plane.dot
# Drawn again with Graphviz where the text has changed.
.PHONY: doc-figures
doc-figures:
	dot -Tsvg $(srcdir)/doc/rooms.dot -o $(srcdir)/doc/rooms.svg
	dot -Tsvg $(srcdir)/doc/data_plane.dot -o $(srcdir)/doc/data_plane.svg
doc/millrace.1: millrace$(EXEEXT) doc/man.sh
	$(AM_V_GEN)$(MKDIR_P) doc && $(srcdir)/doc/man.sh ./millrace$(EXEEXT) millrace >$@.tmp && mv $@.tmp $@
doc/millrace-%.1: millrace$(EXEEXT) doc/man.sh
	$(AM_V_GEN)$(MKDIR_P) doc && $(srcdir)/doc/man.sh ./millrace$(EXEEXT) $* >$@.tmp && mv $@.tmp $@
