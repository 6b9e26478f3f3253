/* SPDX-License-Identifier: Apache-2.0 */
/* The checksums of datasets say nothing about the rest of a file: names, order, configuration. That is
 * sealed: the root's attribute "millrace_seal" is the XXH3-64 of everything of Keras's and ours that readers
 * go by. What others add to the file later (attributes, groups, datasets of other names) does not break it.
 * Callers hold mr_hdf5_lock(). */
#ifndef MR_IO_SEAL_H
#define MR_IO_SEAL_H

#include "io/hdf5/hdf5.h"

/* When all else is in FILE. */
int mr_seal_write(hid_t file, mr_error *e);
/* 1, 0, or an error. */
int mr_seal_exists(hid_t file, mr_error *e);
/* MR_EFORMAT where FILE has a seal and it does not fit. Looks at no dataset's numbers. */
int mr_seal_check(hid_t file, mr_error *e);

typedef struct mr_dataset_check {
    char *path;
    bool has_checksum, intact;
} mr_dataset_check;

typedef struct mr_file_check {
    size_t count;
    mr_dataset_check *dataset;
} mr_file_check;

/* Reads every dataset and holds it against its checksum. What does not match is no error here, but in OUT. */
int mr_seal_check_datasets(mr_file_check *out, hid_t file, mr_error *e);
void mr_file_check_clear(mr_file_check *c);

#endif
