/* SPDX-License-Identifier: Apache-2.0 */
/* Class folders → an index of samples. Class order and file order are by byte value of the names, so the index is
 * the same on every machine. */
#ifndef MR_IO_DATASET_H
#define MR_IO_DATASET_H

#include "nn/error.h"
#include <stddef.h>
#include <stdint.h>

typedef struct mr_sample {
    const char *path; /* belongs to the dataset's string arena */
    int32_t label;    /* class index, or -1 where unknown */
} mr_sample;

typedef struct mr_dataset {
    mr_sample *samples;
    size_t count;
    char **class_names;
    int classes;
    size_t *class_counts;    /* samples per class */
    size_t hidden, not_images; /* files passed over: names starting with '.', names that are no image's */
    void *arena;             /* owner of the strings */
} mr_dataset;

/* Indexes DIR, a folder of class folders. Image files are those named .jpg .jpeg .jpe .png (any case) and also
 * .gif .bmp .webp .tif .tiff (counted as samples: reading them reports them as unsupported by content).
 * Class folders are walked recursively; symbolic links are followed, loops are cut.
 * With CLASS_NAMES (CLASSES of them; may be NULL/0) the folders must be exactly those, and labels follow that order.
 * Errors name the folder: none such (MR_ENOTFOUND), no class folders, one class only when MIN_CLASSES is 2, a class
 * without images (MR_EINVAL). */
int mr_dataset_scan(mr_dataset **out, const char *dir, char *const *class_names, int classes, int min_classes, mr_error *e);

/* Splits off the last share FRACTION (0..1) of each class after a seeded shuffle (Philox, MR_DRAW_SPLIT) into
 * *VALIDATION; ALL keeps the rest. Both stay in index order. */
int mr_dataset_split(mr_dataset *all, double fraction, uint64_t seed, mr_dataset **validation, mr_error *e);
void mr_dataset_free(mr_dataset *d);

/* Finds the parts of --data DIR: training/ or train/; validation/, val/ or valid/; testing/ or test/.
 * Each of the three is a malloc'ed path or NULL. When there is none of them DIR holds the class folders itself:
 * then *TRAINING is DIR. */
int mr_dataset_layout(const char *dir, char **training, char **validation, char **testing, mr_error *e);

#endif
