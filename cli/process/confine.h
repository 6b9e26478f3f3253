/* SPDX-License-Identifier: Apache-2.0 */
/* What the process gives up before it reads files from strangers: Landlock for the file system (and TCP), a
 * seccomp filter for system calls that no run needs (exec, sockets, signals to others, ptrace, mount and their like).
 * Both hold for all threads, and neither can be taken back. io_uring's operations pass seccomp by: no ring can be made
 * inside, and those made before take the reader's operations only (mr_reader_reserve). Landlock: kernel documentation,
 * userspace-api/landlock; ABI 2 (Linux 5.19) is the least that is used, since renames between folders would fail before. */
#ifndef MR_IO_SANDBOX_H
#define MR_IO_SANDBOX_H

#include "base/error.h"

enum { MR_SANDBOX_PATHS = 128 };

typedef struct mr_sandbox_path {
    const char *path; /* borrowed; what does not exist is passed over */
    bool writable;    /* a folder: and all below it */
} mr_sandbox_path;

typedef struct mr_sandbox {
    mr_sandbox_path path[MR_SANDBOX_PATHS];
    int paths;
    bool reads_anything;  /* reading is not restricted, only writing */
    bool writes_anything; /* and permissions, times and attributes of files may be changed */
    bool keeps_uring;     /* rings that were made before may be used */
} mr_sandbox;

enum { MR_SANDBOX_FILES = 1, MR_SANDBOX_CALLS = 2, MR_SANDBOX_THREADS = 4 };

/* Adds PATH; too many lift the restriction that it would be an exception of. */
void mr_sandbox_allow(mr_sandbox *s, const char *path, bool writable);
/* Gives up what the kernel can take; *HELD gets MR_SANDBOX_… bits. A kernel that has neither is no error:
 * *HELD is 0. MR_SANDBOX_THREADS: no thread that ran already has kept its rights to files; one that blocks all signals
 * does. Errors: MR_EIO where a restriction that the kernel offers cannot be set up. */
int mr_sandbox_enter(const mr_sandbox *s, unsigned *held, mr_error *e);

#endif
