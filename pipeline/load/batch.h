/* SPDX-License-Identifier: Apache-2.0 */
/* The loader's pool of batches, and how one is put together by many threads.
 *
 * A batch goes around: free (queue) → filled by the reader thread, sample by sample → decoded by any thread,
 * row by row → ready → the consumer's → free. It is in as many parts as it has samples, and one more, which
 * is the reader's: that one is finished when the batch is sealed and its number of samples is known. Whoever
 * finishes the last part closes the rows up and makes the batch ready. So batches are put together from the
 * same rows in the same way whatever the timing. */
#ifndef MR_PIPELINE_BATCH_H
#define MR_PIPELINE_BATCH_H

#include "io/files/reader.h"
#include "pipeline/load/source.h"
#include <stdatomic.h>

typedef struct mr_loader_batch mr_loader_batch;

/* One sample on its way: written by the reader thread, then handed to one decode thread through the queue. */
typedef struct mr_slot {
    mr_loader_batch *batch;
    int index; /* of the result, and of the row until the rows are closed up */
    uint32_t epoch;
    mr_read file;
    const void *bytes; /* a file that was in memory already, of file.size bytes; else file.bytes */
    mr_source_pixels pixels;
} mr_slot;

struct mr_loader_batch {
    mr_batch
        face; /* first: the consumer has only this. result[i] and row i are the decode thread's of slot i */
    mr_slot *slots;     /* [batch_size] */
    size_t row_size;    /* floats of one sample */
    _Atomic int parts;  /* unfinished: see above */
    _Atomic bool ready; /* set by who finishes the last part, cleared by the reader thread at the begin */
};

typedef struct mr_batch_pool {
    mr_loader_batch *batches;
    int count, batch_size;
} mr_batch_pool;

/* COUNT batches of BATCH_SIZE samples of ROW_SIZE floats. All or nothing. Errors: MR_EINVAL (more bytes than
 * can be addressed), MR_ENOMEM. */
int mr_batch_pool_init(mr_batch_pool *p, int count, int batch_size, size_t row_size, mr_error *e);
/* Accepts a zeroed pool. */
void mr_batch_pool_destroy(mr_batch_pool *p);

/* The reader thread's part. */
void mr_batch_begin(mr_loader_batch *b, uint64_t serial, uint32_t epoch);
/* Precondition: room. What the item does not bring with it is still to be read into the slot's file. */
mr_slot *mr_batch_add(mr_loader_batch *b, const mr_source_item *item);

/* Says why slot S has no pixels. */
void mr_slot_fail_sample(mr_slot *s, const mr_error *why);
/* Where slot S's pixels go. */
float *mr_slot_row(const mr_slot *s);

/* Finishes one part. True for the last one: the batch is ready now, and the consumer is to be told. */
bool mr_batch_finish_part(mr_loader_batch *b);
bool mr_batch_is_ready(mr_loader_batch *b);

#endif
