/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the loader: what its stages share. Of the data plane's files only. */
#ifndef MR_PIPELINE_STAGES_H
#define MR_PIPELINE_STAGES_H

#include "io/image/image.h"
#include "pipeline/load/batch.h"
#include "pipeline/load/loader_options.h"
#include "pipeline/queue/queue.h"
#include "pipeline/queue/stats.h"
#include <pthread.h>

typedef struct mr_loader mr_loader;

/* One decode thread's own things. */
typedef struct mr_decode_worker {
    mr_stage_counters counters;
    struct mr_loader *loader;
    mr_decoder *decoder;
    uint8_t *bytes; /* one resized image before augmentation; NULL where there is none */
    float *floats;  /* the same for tf-bilinear, which has no 8-bit result */
    pthread_t thread;
    bool started;
} mr_decode_worker;

struct mr_loader {
    mr_loader_options options; /* read only once the threads run, like augmentation, augments, and source */
    mr_augmentation augmentation;
    bool augments;
    mr_source source;
    mr_batch_pool pool;

    mr_queue free;      /* mr_loader_batch: consumer → reader thread */
    mr_queue to_decode; /* mr_slot, its file read or failed: reader thread → decode threads */
    mr_queue in_order;  /* mr_loader_batch, sealed, perhaps not ready yet: reader thread → consumer */
    mr_eventcount ready; /* a batch became ready, or (unordered) was sealed, or all ends: anyone → consumer */

    mr_reader *reader; /* the reader thread's; buffers are given back by decode threads */
    pthread_t reader_thread;
    bool reader_started;
    mr_stage_counters scan, read; /* the reader thread's, like unplaced until it has ended */
    const char *unplaced;         /* a path taken from the source that has come into no batch, or NULL */

    mr_decode_worker *workers; /* [options.decode_threads] */
    mr_allowance *decode_memory; /* the workers' */

    mr_stage_counters batch;   /* the consumer's, like all below */
    int held;                  /* batches in the consumer's hands */
    mr_loader_batch **waiting; /* unordered: [waiting_count] sealed batches that were not ready, in order */
    int waiting_count;
};

/* Thread functions; the argument is the mr_loader and the mr_decode_worker. */
void *mr_read_stage(void *loader);
void *mr_decode_stage(void *worker);

/* What a worker decodes with. Destroy accepts a zeroed or half made one. */
int mr_decode_worker_init(mr_decode_worker *w, mr_loader *l, mr_error *e);
void mr_decode_worker_destroy(mr_decode_worker *w);

#endif
