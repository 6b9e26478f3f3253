/* SPDX-License-Identifier: Apache-2.0 */
/* The data plane: samples → read → decode → augment → batches, in order, the same bytes for any number of
 * threads. Stages are threads joined by bounded queues; buffers come from fixed pools, and the steady state
 * allocates nothing.
 *
 *     source ─ reader thread ─(files)→ decode threads ─(rows of the batch)→ consumer
 *                    ↑                                                          │
 *                    └──────────────────── free batches ←───────────────────────┘ */
#ifndef MR_PIPELINE_LOADER_H
#define MR_PIPELINE_LOADER_H

#include "io/files/dataset.h"
#include "io/image/image.h"
#include "pipeline/augment/augment.h"
#include "pipeline/load/shard.h"
#include "pipeline/queue/stats.h"

/* Where the samples come from. next() is called by one thread (the loader's reader), in order; it fills PATH
 * (valid until the batch that holds the sample is released), LABEL (-1: unknown) and ID (the sample's number
 * in its set: the augmentation's draw and error reports use it). Returns 1 for a sample, MR_SOURCE_FLUSH to
 * end the current batch here (end of an epoch), 0 at the end, negative on failure. It is asked one sample
 * ahead, to know whether a full batch is the epoch's last; closing the loader waits for a call that is under
 * way. */
enum { MR_SOURCE_FLUSH = 2 };

/* A sample that is decoded already: 8-bit pixels, rows packed, gray (1 channel) or RGB (3). */
typedef struct mr_source_pixels {
    const uint8_t *bytes;
    int width, height, channels;
} mr_source_pixels;

typedef struct mr_source_item {
    const char *path;
    int32_t label;
    uint64_t id;
    uint32_t epoch;
    /* Set where PATH is not to be read but is a name only; bytes and pixels are borrowed until the release.
     */
    const void *bytes; /* the file, SIZE bytes */
    size_t size;
    mr_source_pixels pixels; /* not with augmentation */
    const mr_error *failure; /* there is no such sample, and why; borrowed until the next call of next() */
} mr_source_item;

typedef struct mr_source {
    int (*next)(void *context, mr_source_item *out, mr_error *e);
    /* For a source that may have to wait for its next sample; NULL: it never does. Waits up to so many
     * milliseconds and says whether next() has something to say at once, be it the end. Then batches that are
     * begun are not held back for samples that may never come. Called by the thread that calls next(). */
    bool (*ready)(void *context, int milliseconds);
    /* May be NULL. The path is no longer used. Called by the consumer's thread, in mr_loader_release and
     * mr_loader_close, while next() may be running. */
    void (*release)(void *context, const char *path);
    void *context;
} mr_source;

/* The epochs FIRST_EPOCH … LAST_EPOCH-1 over a dataset, each in the order of its own Philox permutation
 * (SHUFFLE) or in index order, with a flush after each. START_SAMPLE samples of the first epoch are passed
 * over without being read: that is how a resumed run starts at the right place. SET must outlive the source.
 * An item's id is its index in SET. Errors: MR_EINVAL (START_SAMPLE or the epochs out of range), MR_ELIMIT,
 * MR_ENOMEM. */
typedef struct mr_epoch_source mr_epoch_source;
int mr_epoch_source_create(mr_epoch_source **out, const mr_dataset *set, uint64_t seed, bool shuffle,
                           uint32_t first_epoch, uint32_t last_epoch, uint64_t start_sample, mr_error *e);
/* Before the first sample is taken: gives out SHARD's part of each batch of BATCH samples alone. */
void mr_epoch_source_shard(mr_epoch_source *s, mr_shard shard, int batch);
mr_source mr_epoch_source_face(mr_epoch_source *s);
void mr_epoch_source_free(mr_epoch_source *s);

/* What became of one sample. */
typedef struct mr_sample_result {
    const char *path;
    int32_t label;
    uint64_t id;
    int error;         /* 0, or why there are no pixels: a negative MR_E… code */
    char message[160]; /* the reason in words where error is set */
} mr_sample_result;

/* The loader's until mr_loader_next gives it out, the consumer's until mr_loader_release. */
typedef struct mr_batch {
    uint64_t serial;    /* 0, 1, 2, … since the loader was opened */
    uint32_t epoch;     /* of its first sample */
    bool last_of_epoch; /* a flush or the source's end came after it */
    int count;          /* samples with pixels: rows 0 … count-1 of x */
    float *x;        /* [count, H, W, C], contiguous, 64-byte aligned: rows of failed samples are closed up */
    int32_t *labels; /* [count] */
    int *row_result; /* [count]: index into results of each row */
    int results;     /* samples taken, failed ones too; never 0 */
    mr_sample_result *result; /* [results], in input order */
} mr_batch;

typedef struct mr_loader_options {
    int batch_size;     /* default 32 */
    int decode_threads; /* >= 1; default 1 */
    int batches_ahead;  /* batches decoded ahead of the one in the consumer's hands, >= 1; default 3 */
    mr_preprocess preprocess;
    const mr_augmentation *augmentation; /* NULL (default): none. Copied */
    uint64_t seed;                       /* of the augmentation */
    int64_t max_pixels;                  /* of one image; default 178956970, where Pillow refuses too */
    /* Bytes that all threads share; what needs more has it alone. */
    size_t read_memory;   /* for files that are read and not decoded yet; default 512 MiB */
    size_t decode_memory; /* for images that are kept whole while they are decoded; default 1 GiB */
    bool force_pread;
    bool unordered; /* give out batches as they become whole instead of in order; default false */
    int linger;     /* milliseconds that a batch is kept open for a source that has to wait; default 100 */
} mr_loader_options;
mr_loader_options mr_loader_options_default(void);

typedef struct mr_loader mr_loader;
/* Starts the threads. SOURCE must outlive the loader. Errors: MR_EINVAL for impossible options, MR_ENOMEM,
 * MR_EIO. */
int mr_loader_open(mr_loader **out, mr_source source, const mr_loader_options *options, mr_error *e);
/* The next batch in order: 1 and *BATCH, 0 at the end, negative when the source or the system failed (a
 * failed source: after the whole batches before the failure). One consumer thread, which may hold several
 * batches, but not all batches_ahead+1 of them when it asks for another: MR_EINVAL. A batch in which every
 * sample failed comes with count 0. */
int mr_loader_next(mr_loader *l, mr_batch **batch, mr_error *e);
/* Gives the batch's buffers back to the pool. */
void mr_loader_release(mr_loader *l, mr_batch *batch);
/* Ends all queues now, with WHY or (NULL) as cancelled: every thread comes to its end, a consumer that waits
 * wakes. From any thread. */
void mr_loader_stop(mr_loader *l, const mr_error *why);
/* Stops the threads wherever they are, frees everything. Safe at any time, batches not released included;
 * NULL is fine. */
void mr_loader_close(mr_loader *l);
/* Counters of the stages so far: scan, read, decode, batch. Thread safe. Fills up to MAX entries, returns how
 * many. */
int mr_loader_stats(const mr_loader *l, mr_stage_stats *out, int max);
/* "io_uring" or "pread". */
const char *mr_loader_reader_kind(const mr_loader *l);

#endif
