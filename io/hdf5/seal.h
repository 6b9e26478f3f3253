/* SPDX-License-Identifier: Apache-2.0 */
/* The checksums of datasets do not cover the rest of a file: names, order, configuration. The root's
 * attribute "millrace_seal" does: it is the XXH3-64 of everything of Keras's and ours that readers use. What
 * others add to the file later (attributes, groups, datasets of other names) does not break it. Callers hold
 * mr_hdf5_lock(). */
#ifndef MR_IO_SEAL_H
#define MR_IO_SEAL_H

#include "io/hdf5/hdf5.h"

/* To be called when all else is in FILE. */
int mr_seal_write(hid_t file, mr_error *e);
/* 1, 0, or an error. */
int mr_seal_exists(hid_t file, mr_error *e);
/* MR_EFORMAT where FILE has a seal that does not match. Does not read the numbers of datasets. */
int mr_seal_check(hid_t file, mr_error *e);

typedef struct mr_dataset_check {
    char *path;
    bool has_checksum, intact;
} mr_dataset_check;

typedef struct mr_file_check {
    size_t count;
    mr_dataset_check *dataset;
} mr_file_check;

/* Reads every dataset and compares it with its checksum. A mismatch is not an error, but reported in OUT. */
int mr_seal_check_datasets(mr_file_check *out, hid_t file, mr_error *e);
void mr_file_check_clear(mr_file_check *c);

#endif
