/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are there whole or not at all: written beside their name, fsynced, renamed, the folder fsynced. Where the name
 * is a symbolic link, all that happens to the file that it leads to; a stream (base/output.h) gets the whole content at the
 * end. Temporary files are made with O_EXCL and O_NOFOLLOW and with the permissions of the file that they replace. */
#ifndef MR_IO_DURABLE_H
#define MR_IO_DURABLE_H

#include "base/output.h"

/* Calls WRITE(context, temporary path) to make the file's content, then makes it durable and puts it at PATH
 * in one step. On failure PATH is as it was, the temporary file is gone, and the error names the step. */
int mr_durable_write(const char *path, int (*write)(void *context, const char *temporary, mr_error *e),
                     void *context, mr_error *e);

/* The same for a file that is written over a long time: into TEMPORARY, which exists and is empty. */
typedef struct mr_durable {
    const char *path; /* borrowed */
    char *temporary;
    mr_output output;
} mr_durable;

int mr_durable_begin(mr_durable *d, const char *path, mr_error *e);
/* Both free what D holds. On failure PATH is as it was. */
int mr_durable_commit(mr_durable *d, mr_error *e);
void mr_durable_abandon(mr_durable *d);

/* The last step alone: makes TEMPORARY durable and renames it to PATH. On failure TEMPORARY stays. */
int mr_durable_publish(const char *temporary, const char *path, mr_error *e);

/* Has mr_durable_discard remove the file PATH, malloc'ed, until it is forgotten, which frees it. PATH may be NULL. */
void mr_durable_note(char *path);
void mr_durable_forget(char *path);

/* Removes all temporary files that are in use: for a handler of a signal that ends the process. Async-signal-safe. */
void mr_durable_discard(void);

#endif
