/* SPDX-License-Identifier: Apache-2.0 */
/* What a command is, and how it ends. */
#ifndef MR_CLI_COMMAND_H
#define MR_CLI_COMMAND_H

#include "cli/option/options.h"

/* Exit statuses of cli.md. */
enum { MR_EXIT_DONE = 0, MR_EXIT_FAILED = 1, MR_EXIT_USAGE = 2, MR_EXIT_SKIPPED = 3 };

enum { MR_ANY_OPERANDS = 1 << 30 };

/* A command runs with the parsed options and returns an exit status; on failure it has filled E, which main prints. */
typedef struct mr_command {
    const char *name;
    unsigned options;        /* MR_FOR_… : its bit in the table of options */
    const char *operands;    /* "MODEL", "IN OUT", "" */
    int least, most;         /* operands */
    const char *description; /* one line */
    const char *details;     /* some lines of --help */
    int (*run)(mr_cli *c, mr_error *e);
} mr_command;

/* Exit status for a negative MR_E… code: wrong usage or failed. */
int mr_exit_status(int code);

#endif
