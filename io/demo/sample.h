/* SPDX-License-Identifier: Apache-2.0 */
/* A labelled set of drawn cell images in folders, as `millrace sample` writes it: something to train on
 * before one's own data is at hand. What the images show is in io/demo/cell.h. */
#ifndef MR_IO_SAMPLE_H
#define MR_IO_SAMPLE_H

#include "base/error.h"
#include <stdint.h>

#define MR_SAMPLE_MIN_COUNT 6
#define MR_SAMPLE_MAX_COUNT 10000000
#define MR_SAMPLE_QUALITY 90

/* How many images of COUNT go where: the last 15 % each to validation and testing, at least one per class. */
typedef struct mr_sample_split {
    int64_t training, validation, testing;
} mr_sample_split;
mr_sample_split mr_sample_split_of(int64_t count);

/* Called after each image; false stops the writing. */
typedef bool (*mr_sample_progress)(void *context, int64_t done, int64_t count);

/* Writes COUNT images to DIRECTORY/training|validation|testing/Parasitized|Uninfected/cell_NNNNNN.jpg, making
 * the folders (not DIRECTORY's parents). Classes take turns; image k is a function of (SEED, k). Files of an
 * earlier run are written over; a directory that holds anything else is refused before a byte is written.
 * PROGRESS may be NULL. Errors: MR_EINVAL (count; other content), MR_EIO, MR_ENOTFOUND, MR_ENOMEM,
 * MR_ECANCELED. */
int mr_sample_write(const char *directory, int64_t count, uint64_t seed, mr_sample_progress progress,
                    void *context, mr_error *e);

#endif
