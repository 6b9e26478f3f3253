/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are there whole or not at all: written beside their name, fsynced, renamed, the folder fsynced.
 */
#ifndef MR_IO_DURABLE_H
#define MR_IO_DURABLE_H

#include "nn/error.h"

/* Calls WRITE(context, temporary path) to make the file's content, then makes it durable and puts it at PATH
 * in one step. On failure PATH is as it was, the temporary file is gone, and the error names the step. */
int mr_durable_write(const char *path, int (*write)(void *context, const char *temporary, mr_error *e),
                     void *context, mr_error *e);

#endif
