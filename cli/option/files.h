/* SPDX-License-Identifier: Apache-2.0 */
/* The files and folders that a command line names, by the marks of its options and operands. */
#ifndef MR_CLI_FILES_H
#define MR_CLI_FILES_H

#include "cli/option/options.h"

typedef struct mr_cli_file {
    const char *path;   /* as given; may be empty */
    const char *option; /* without the dashes; NULL: an operand */
    unsigned marks;     /* MR_READS … of cli/option/options.h */
} mr_cli_file;

/* 0 to see the next file. */
typedef int mr_cli_visit(void *context, const mr_cli_file *file);

/* Shows VISIT each file that C names by an option or operand that has one of MARKS; ends with the first result that is
 * not 0, and returns it. */
int mr_cli_each_file(const mr_cli *c, unsigned marks, mr_cli_visit *visit, void *context);

/* "--OPTION FILE", or the operand FILE alone; valid until the next call. */
const char *mr_cli_file_text(const mr_cli_file *file);

#endif
