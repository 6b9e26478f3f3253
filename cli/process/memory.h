/* SPDX-License-Identifier: Apache-2.0 */
/* Limits on memory. The kernel kills whom it finds over a cgroup's, without a word: so this process takes no more
 * than is left, and the allocation that would be too much fails, with its error. */
#ifndef MR_CLI_MEMORY_H
#define MR_CLI_MEMORY_H

#include "base/error.h"

/* Before any thread is started: bounds what this process can allocate (RLIMIT_DATA) to its part of what the
 * cgroups left, and readies OpenBLAS, which may not run out of memory, for THREADS threads. Nothing where there
 * is no limit. MR_ENOMEM. May start the program anew, with ARGV. */
int mr_cli_bound_memory(char **argv, int threads, mr_error *e);

enum { MR_MEMORY_NOTE = 768 };
/* TEXT: for an error for want of memory, who limits it; "" for other errors. */
const char *mr_cli_memory_note(char text[MR_MEMORY_NOTE], const mr_error *e);

#endif
