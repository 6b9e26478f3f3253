/* SPDX-License-Identifier: Apache-2.0 */
/* Paths of files, and whether two of them are one file. Thread safe. */
#ifndef MR_BASE_PATH_H
#define MR_BASE_PATH_H

#include <stdbool.h>
#include <sys/stat.h>

/* What follows the last slash of PATH; points into it. */
const char *mr_file_name(const char *path);
/* The folder that PATH lies in with the slash behind it, so that a file in its place is an error; "./" where PATH
 * names none. malloc'ed, NULL when out of memory. */
char *mr_folder_of(const char *path);

/* One file by device and inode, whatever names lead to it. */
bool mr_same_stat(const struct stat *a, const struct stat *b);
/* Both exist and are one file; links are followed. */
bool mr_same_file(const char *a, const char *b);
/* One name in one folder, which exists; the files need not. A file with several names has several of these. */
bool mr_same_entry(const char *a, const char *b);

#endif
