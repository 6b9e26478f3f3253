/* SPDX-License-Identifier: Apache-2.0 */
/* Reading many whole files at once: io_uring with openat → statx → read → close in flight, or the same through
 * pread where the kernel refuses io_uring. One thread owns a reader. */
#ifndef MR_IO_READER_H
#define MR_IO_READER_H

#include "io/files/read.h"

typedef struct mr_reader mr_reader;

mr_reader_options mr_reader_options_default(void);

/* Makes the rings of the readers to come, where the kernel offers io_uring. To be called before the sandbox is entered
 * (cli/process/confine.h), where none can be made; without it readers make their own. */
void mr_reader_reserve(void);
int mr_reader_create(mr_reader **out, mr_reader_options options, mr_error *e);
/* Waits for what is in flight, frees everything. */
void mr_reader_destroy(mr_reader *r);
bool mr_reader_uses_uring(const mr_reader *r);
/* Room for another submit? */
bool mr_reader_has_room(const mr_reader *r);
/* Queues one file. Precondition: has room. */
int mr_reader_submit(mr_reader *r, uint64_t serial, const char *path, mr_error *e);
int mr_reader_pending(const mr_reader *r);
/* Waits for the next finished read, in any order. Precondition: pending > 0. A file that cannot be read is a result
 * with error set, not a failure of this call; a lack of file descriptors is one (MR_EIO). Where the buffers that are
 * not released yet leave no memory for any read under way, it waits for mr_reader_release by another thread, or
 * mr_reader_stop. */
int mr_reader_next(mr_reader *r, mr_read *out, mr_error *e);
/* No more buffers will be released: reads that wait for one fail with MR_ECANCELED. From any thread; NULL is fine. */
void mr_reader_stop(mr_reader *r);
/* Gives a buffer back; from any thread. */
void mr_reader_release(mr_reader *r, uint8_t *bytes);

#endif
