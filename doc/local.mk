# SPDX-License-Identifier: Apache-2.0
# Manual pages come out of the program's own --help, so they cannot disagree with it.
examplesdir = $(docdir)/examples
dist_examples_DATA = doc/examples/classify.c
MAN_COMMANDS = train evaluate predict summary convert verify sample
man_MANS = doc/millrace.1 $(MAN_COMMANDS:%=doc/millrace-%.1)
CLEANFILES += $(man_MANS)
EXTRA_DIST += doc/man.sh doc/architecture.md doc/plot.png doc/montage.png doc/reliability.md doc/concurrency.md doc/checkpoints.md doc/slurm.md doc/scaling.md
doc/millrace.1: millrace$(EXEEXT) doc/man.sh
	$(AM_V_GEN)$(MKDIR_P) doc && $(srcdir)/doc/man.sh ./millrace$(EXEEXT) millrace >$@.tmp && mv $@.tmp $@
doc/millrace-%.1: millrace$(EXEEXT) doc/man.sh
	$(AM_V_GEN)$(MKDIR_P) doc && $(srcdir)/doc/man.sh ./millrace$(EXEEXT) $* >$@.tmp && mv $@.tmp $@
