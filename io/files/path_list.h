/* SPDX-License-Identifier: Apache-2.0 */
/* A list of paths, one after the other, from a descriptor: ended by NUL or by line feed. Of a text from Windows the
 * byte-order mark at its beginning and the carriage returns before line feeds are passed over. */
#ifndef MR_IO_PATH_LIST_H
#define MR_IO_PATH_LIST_H

#include "base/error.h"

typedef struct mr_path_list mr_path_list;

/* Reads from FD, which stays the caller's. Names are ended by NUL where NUL_ENDED, or where there is a NUL
 * among the first bytes that come; else by line feed. */
int mr_path_list_create(mr_path_list **out, int fd, bool nul_ended, mr_error *e);
/* Waits up to so many milliseconds (negative: as long as it takes) for a whole name, the end, or a failure.
 * True where the next call of mr_path_list_next will not wait. */
bool mr_path_list_ready(mr_path_list *l, int milliseconds);
/* 1 and the next path (valid until the next call), 0 at the end. Empty lines are given out too: an endless list of
 * them must not keep the caller from looking whether to stop. Errors: MR_EIO, MR_EFORMAT (UTF-16),
 * MR_ELIMIT (a name of over a MiB). */
int mr_path_list_next(mr_path_list *l, const char **path, mr_error *e);
void mr_path_list_free(mr_path_list *l);

#endif
