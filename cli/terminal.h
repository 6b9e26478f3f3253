/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of the terminal that a stream leads to. */
#ifndef MR_CLI_TERMINAL_H
#define MR_CLI_TERMINAL_H

#include <stdbool.h>
#include <stdio.h>

/* Columns of the terminal behind FILE; 0 where there is none (a file, a pipe). COLUMNS in the environment is
 * not asked: it is not kept up to date while a program runs. */
int mr_terminal_columns(FILE *file);

/* Whether FILE is a terminal and the environment (LC_ALL, LC_CTYPE, LANG: the first that is set) says UTF-8.
 */
bool mr_terminal_is_utf8(FILE *file);

#endif
