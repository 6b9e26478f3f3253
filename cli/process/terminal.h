/* SPDX-License-Identifier: Apache-2.0 */
/* What is printed for a person, and what is known of the terminal that it goes to. */
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

/* Prints one line for a person. The whole line is cleaned (mr_text_append_clean), so that no name from a file, a
 * model or the command line can move the cursor, change colours or begin a line of its own. The format has no
 * line feed: it is added. Tables, reports and progress clean what they are given themselves. */
void mr_print_line(FILE *file, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
