/* SPDX-License-Identifier: Apache-2.0 */
/* How a loader works; shared by the loader and its stages. */
#ifndef MR_PIPELINE_LOADER_OPTIONS_H
#define MR_PIPELINE_LOADER_OPTIONS_H

#include "io/image/image.h"
#include "pipeline/augment/augment.h"

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

#endif
