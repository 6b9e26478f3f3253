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

/* The last step alone, for a file that was written beside PATH over a long time: makes TEMPORARY durable and
 * renames it to PATH. On failure TEMPORARY stays. */
int mr_durable_publish(const char *temporary, const char *path, mr_error *e);

#endif
