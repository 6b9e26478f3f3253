/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the file reader: the two ways to read (io_uring, pread) behind one table, and what they share. */
#ifndef MR_IO_READER_BACKEND_H
#define MR_IO_READER_BACKEND_H

#include "io/files/buffer_pool.h"
#include "io/files/read.h"

#include <sys/stat.h>

/* One read under way. */
typedef struct mr_read_slot {
    mr_read read;
    int fd;                    /* -1: not open */
    bool unopened;             /* there was no descriptor left for it: to be opened later */
    size_t want;               /* size by fstat */
    struct mr_read_slot *next; /* in a list of the backend */
} mr_read_slot;

typedef struct mr_reader_backend {
    const char *name;
    /* NULL where the system does not offer this way (with *REASON, an errno) or memory is short. */
    void *(*create)(mr_buffer_pool *pool, mr_reader_options options, int *reason);
    void (*destroy)(void *backend); /* nothing is under way */
    /* Starts SLOT, whose read.serial and read.path are set. */
    int (*start)(void *backend, mr_read_slot *slot, mr_error *e);
    /* Waits for a slot to be through: read.bytes, or read.error. At least one is under way. */
    int (*wait)(void *backend, mr_read_slot **slot, mr_error *e);
    /* Nothing is under way, perhaps for long: no file that was read may stay open. NULL: none ever does. */
    void (*idle)(void *backend);
} mr_reader_backend;

extern const mr_reader_backend mr_reader_uring, mr_reader_pread;

/* What both ways share: the judgement of an open file (read.error set where it will not be read). */
void mr_slot_size_up(mr_read_slot *slot, mr_buffer_pool *pool, mr_reader_options options);
/* Its buffer. False: there is none yet (never with WAIT). */
bool mr_slot_take_buffer(mr_read_slot *slot, mr_buffer_pool *pool, bool wait);
/* The file could not be opened. */
void mr_slot_fail_open(mr_read_slot *slot, mr_buffer_pool *pool, int sys_errno);
/* Whether SYS_ERRNO is a lack of descriptors, which says nothing of the file. */
bool mr_is_out_of_files(int sys_errno);
/* Ends SLOT with a failure: gives its buffer back. SYS_ERRNO may be 0. */
void mr_slot_fail(mr_read_slot *slot, mr_buffer_pool *pool, int code, int sys_errno);
/* Reads what is missing of an open file with pread, until SIZE or the end. */
void mr_slot_pread(mr_read_slot *slot, mr_buffer_pool *pool);

/* Non-blocking, so that opening a FIFO cannot hang; it means nothing to regular files. */
#define MR_OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

#endif
