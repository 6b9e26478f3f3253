/* SPDX-License-Identifier: Apache-2.0 */
/* A list of paths, one after the other, from a descriptor: ended by NUL or by line feed. */
#ifndef MR_IO_PATH_LIST_H
#define MR_IO_PATH_LIST_H

#include "nn/error.h"

typedef struct mr_path_list mr_path_list;

/* Reads from FD, which stays the caller's. What is ended by what is seen by the first bytes that come: a NUL
 * among them means that names are ended by NUL. */
int mr_path_list_create(mr_path_list **out, int fd, mr_error *e);
/* 1 and the next path (valid until the next call), 0 at the end. Empty ones are passed over. Errors: MR_EIO,
 * MR_ELIMIT (a name of over a MiB). */
int mr_path_list_next(mr_path_list *l, const char **path, mr_error *e);
void mr_path_list_free(mr_path_list *l);

#endif
