/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the file reader: the pool of file buffers. */
#ifndef MR_IO_BUFFER_POOL_H
#define MR_IO_BUFFER_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Buffers in classes of powers of two. Taken by the reader's thread, given back from any; those of up to
 * MR_POOLED_BYTES are kept for the next file, so that the steady state allocates nothing. */
typedef struct mr_buffer_pool mr_buffer_pool;
#define MR_POOLED_BYTES ((size_t)4 << 20)

/* Of at most MEMORY bytes, unless a single buffer in use is larger. */
mr_buffer_pool *mr_buffer_pool_create(size_t memory);
/* Frees all buffers, those that were not given back too. */
void mr_buffer_pool_destroy(mr_buffer_pool *p);
/* 1 and at least SIZE bytes, 64-byte aligned. 0: the buffers in use leave no room; with WAIT, waits for it. Errors:
 * MR_ENOMEM; MR_ECANCELED once stopped. */
int mr_buffer_take(mr_buffer_pool *p, size_t size, bool wait, uint8_t **bytes);
/* Ends all waiting, from any thread. */
void mr_buffer_pool_stop(mr_buffer_pool *p);
void mr_buffer_give(mr_buffer_pool *p, uint8_t *bytes);
/* Buffers that the pool holds, those in use included. For tests. */
size_t mr_buffer_pool_count(mr_buffer_pool *p);

#endif
