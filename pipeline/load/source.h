/* SPDX-License-Identifier: Apache-2.0 */
/* What goes into the loader, samples from a source, and what comes out, batches. */
#ifndef MR_PIPELINE_SOURCE_H
#define MR_PIPELINE_SOURCE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

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

#endif
