/* SPDX-License-Identifier: Apache-2.0 */
/* What training, evaluation and prediction take their batches from: folders of images through the loader, or
 * arrays. */
#ifndef MR_PIPELINE_FEED_H
#define MR_PIPELINE_FEED_H

#include "io/hdf5/arrays.h"
#include "pipeline/load/epochs.h"
#include "pipeline/load/loader.h"

enum { MR_MAX_INPUTS = 16 };

typedef struct mr_examples {
    int count; /* rows with data; 0 where every sample of the batch failed */
    int inputs;
    const float *x[MR_MAX_INPUTS]; /* [count, …], one per input of the model */
    const int32_t *labels;         /* [count] class indices, or NULL */
    const float *targets;          /* [count, target_width], or NULL (then labels count) */
    int target_width;
    bool last_of_epoch;
    uint32_t epoch;
    int taken;       /* samples taken from the source, failed ones too */
    int all;         /* rows with data of all ranks; 0: there are no others */
    mr_batch *batch; /* behind it when it came from the loader, else NULL */
} mr_examples;

typedef struct mr_feed mr_feed;

typedef struct mr_feed_order { /* which epochs, and in what order within each */
    uint64_t seed;
    bool shuffle;
    uint32_t first_epoch, last_epoch; /* epochs first … last-1 */
    uint64_t start_sample;            /* of the first epoch: that many are passed over unread */
    mr_shard shard;                   /* its part of each batch; batches of which it has none are not given out */
} mr_feed_order;

/* SET and OPTIONS' augmentation must outlive the feed. Batch sizes are those of all shards together, here and below. */
int mr_feed_folder(mr_feed **out, const mr_dataset *set, const mr_loader_options *options,
                   mr_feed_order order, mr_error *e);

/* X: INPUTS arrays of equal length, Y may be NULL; all must outlive the feed. uint8 arrays are turned into
 * v * rescale + offset. Labels [N] or [N,1] of class indices, targets [N,width]. */
int mr_feed_arrays(mr_feed **out, const mr_array *x, int inputs, const mr_array *y, int batch_size,
                   double rescale, double offset, mr_feed_order order, mr_error *e);

/* 1 and the next batch, 0 at the end, negative on failure. One consumer; the batch is valid until
 * mr_feed_release. */
int mr_feed_next(mr_feed *f, mr_examples *out, mr_error *e);
void mr_feed_release(mr_feed *f, mr_examples *examples);
void mr_feed_close(mr_feed *f);
/* Stage counters of the loader behind it; 0 where there is none. */
int mr_feed_stats(const mr_feed *f, mr_stage_stats *out, int max);
const char *mr_feed_reader_kind(const mr_feed *f); /* NULL where there is none */

#endif
