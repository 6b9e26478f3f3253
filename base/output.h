/* SPDX-License-Identifier: Apache-2.0 */
/* The places that results go to. A symbolic link is followed: the file that it leads to is written or replaced, the link
 * stays. A device, a pipe or a descriptor of this process (/dev/stdout, /dev/fd/N) is a stream: it is written in order
 * and never replaced by a file. */
#ifndef MR_IO_OUTPUT_H
#define MR_IO_OUTPUT_H

#include "base/error.h"

#include <stddef.h>

typedef struct mr_output {
    char *path;     /* what links lead to: a regular file, or none yet; of a stream the name as given. Owned */
    bool stream;
    int descriptor; /* of a stream that this process has open already; else -1 */
} mr_output;

/* Looks at PATH, which need not exist, and opens nothing. Errors: MR_EIO (a folder, a loop of links, a folder that cannot be
 * searched), MR_ENOTFOUND (its folder does not exist), MR_ENOMEM. */
int mr_output_resolve(mr_output *out, const char *path, mr_error *e);
void mr_output_clear(mr_output *o);

/* Opens a stream for writing; *FD is the caller's to close. Waits for a reader of a named pipe. Errors: MR_EIO,
 * MR_ECANCELED (the run is to end, and no reader has opened the pipe). */
int mr_output_open_stream(int *fd, const mr_output *o, mr_error *e);

/* Writes all of BYTES. 0 or errno: ECANCELED where the run is to end and the reader does not read. */
int mr_output_write(int fd, const void *bytes, size_t size);

/* What asks whether the run is to end, while a pipe's reader is waited for. For the whole process; set before any thread
 * writes. */
void mr_output_on_stop(int (*stop)(void));

#endif
