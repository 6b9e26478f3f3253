# SPDX-License-Identifier: Apache-2.0
# What is run by hand or by a night job: each target says in its script what it holds to.
EXTRA_DIST += tests/valgrind.sh tests/valgrind.supp tests/dist.sh
.PHONY: check-valgrind check-dist check-reuse

# Needs valgrind.
check-valgrind: all
	$(top_srcdir)/tests/valgrind.sh . '$(abs_top_srcdir)'

check-dist:
	$(top_srcdir)/tests/dist.sh '$(abs_top_srcdir)'

# Needs Debian's reuse.
check-reuse:
	cd '$(abs_top_srcdir)' && reuse lint
