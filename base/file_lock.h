/* SPDX-License-Identifier: Apache-2.0 */
/* Locks of open file descriptions: they hold for all threads and over network file systems, and end with the process,
 * however that ends. */
#ifndef MR_IO_FILE_LOCK_H
#define MR_IO_FILE_LOCK_H

/* What mr_file_lock found. */
typedef enum mr_lock { MR_LOCK_HELD, MR_LOCK_TAKEN, MR_LOCK_NONE } mr_lock;

/* Locks the file FD, open for writing, until FD is closed. A process that was killed holds its lock until its last write is
 * through, which is waited for so many MILLISECONDS. MR_LOCK_TAKEN: another process has it; MR_LOCK_NONE: the file system has no locks. */
mr_lock mr_file_lock(int fd, int milliseconds);

#endif
