/* SPDX-License-Identifier: Apache-2.0 */
/* Class folders → an index of samples. Class order and file order are by byte value of the names, so the index is
 * the same on every machine. */
#ifndef MR_IO_DATASET_H
#define MR_IO_DATASET_H

#include "io/files/folder.h"
#include <stddef.h>
#include <stdint.h>

typedef struct mr_sample {
    const char *path; /* belongs to the dataset's string arena */
    int32_t label;    /* class index, or -1 where unknown */
} mr_sample;

typedef struct mr_dataset {
    mr_sample *samples;
    size_t count;
    char **class_names;      /* UTF-8 (io/files/class_name.h) */
    int classes;
    size_t *class_counts;    /* samples per class */
    mr_folder_counts passed; /* over */
    size_t prefix;           /* length of what stands in front of "FOLDER/FILE" in each path */
    mr_strings *arena;       /* owner of the strings */
} mr_dataset;

/* Indexes DIR, a folder of class folders. Image files are those named .jpg .jpeg .jpe .png (any case) and also
 * .gif .bmp .webp .tif .tiff (counted as samples: reading them reports them as unsupported by content).
 * Class folders are walked recursively; symbolic links are followed, but not to a folder above.
 * With CLASS_NAMES (CLASSES of them; may be NULL/0) labels follow that order, folders are found by their names, and a class
 * may lack its folder or its images, but not all may; there may be no other folders.
 * Errors name the folder: none such (MR_ENOTFOUND), no class folders, one class only when MIN_CLASSES is 2, a class
 * without images, a folder that belongs to two classes (MR_EINVAL). */
int mr_dataset_scan(mr_dataset **out, const char *dir, char *const *class_names, int classes, int min_classes, mr_error *e);

/* How many classes have no images; appends their names, the first of many, to NAMES. */
int mr_dataset_empty_classes(const mr_dataset *d, mr_text *names);

/* Splits off the last share FRACTION (0..1) of each class after a seeded shuffle (Philox, MR_DRAW_SPLIT) into
 * *VALIDATION; ALL keeps the rest, of each class at least one. Both stay in index order. */
int mr_dataset_split(mr_dataset *all, double fraction, uint64_t seed, mr_dataset **validation, mr_error *e);

/* Takes the samples for which OUT [all->count] is set from ALL into *TAKEN, in index order. */
int mr_dataset_take(mr_dataset *all, const bool *out, mr_dataset **taken, mr_error *e);
void mr_dataset_free(mr_dataset *d);

/* Finds the parts of a data folder: training, validation, testing. Each of the three is a malloc'ed path or NULL.
 * Folders are taken for parts by their names in any letter case (train, Training, train_set, seg_train; val, valid,
 * validation_data, dev; test, Testing, test_images, eval …) where they hold folders in turn. A single folder that holds the
 * parts is passed through, as is one of a part's own kind within it (train/train). When there are no parts DIR holds the
 * class folders itself: then *TRAINING is DIR.
 * MR_EINVAL where two folders are the same part, where parts hold no class folders, and where a folder might be a part or a
 * class. */
int mr_dataset_layout(const char *dir, char **training, char **validation, char **testing, mr_error *e);

/* DIR's folders are to be classes, by mr_dataset_layout: MR_EINVAL where they look like parts whose names nobody knows, for all
 * of them hold folders, of nearly the same names in each. */
int mr_dataset_check_classes(const char *dir, mr_error *e);
/* The folders beside TRAINING that neither it nor the other parts (or NULL) are or hold: "data/a, data/b" into OUT. */
int mr_dataset_passed_over(mr_text *out, const char *training, const char *validation, const char *testing, mr_error *e);

#endif
