# SPDX-License-Identifier: Apache-2.0
# What is run by hand or by a night job: each target says in its script what it holds to.
EXTRA_DIST += tests/valgrind.sh tests/valgrind.supp
.PHONY: check-valgrind

# Needs valgrind.
check-valgrind: all
	$(top_srcdir)/tests/valgrind.sh . '$(abs_top_srcdir)'
