/* SPDX-License-Identifier: Apache-2.0 */
/* One file read whole, and the limits of reading: what the file reader and its backends share. */
#ifndef MR_IO_READ_H
#define MR_IO_READ_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

typedef struct mr_read {
    uint64_t serial;   /* the caller's number, given back */
    const char *path;  /* must stay valid until the read comes back */
    uint8_t *bytes;    /* the file; from the reader's pool, to be given back with mr_reader_release */
    size_t size;
    int error;         /* 0 or a negative MR_E… code; then bytes is NULL */
    int sys_errno;     /* the system's number behind it, or 0 */
} mr_read;

typedef struct mr_reader_options {
    int depth;            /* reads in flight, default 32 */
    size_t max_file_size; /* over this: MR_ELIMIT; default 256 MiB */
    size_t memory;        /* bytes of all buffers, those in the caller's hands included; default 512 MiB. A file
                             that is larger is read when no other is in memory */
    bool force_pread;     /* for tests: as if the kernel refused io_uring */
} mr_reader_options;

#endif
