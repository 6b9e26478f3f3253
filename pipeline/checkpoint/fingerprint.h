/* SPDX-License-Identifier: Apache-2.0 */
/* By what a resumed run knows that its data are still those it began with. */
#ifndef MR_PIPELINE_FINGERPRINT_H
#define MR_PIPELINE_FINGERPRINT_H

#include "io/hdf5/arrays.h"
#include "io/files/dataset.h"

#include <jansson.h>

typedef struct mr_data { /* one of the two is set, or neither */
    const mr_dataset *set;
    const mr_array *x, *y;
} mr_data;

size_t mr_data_count(mr_data d);

/* {"count": samples, "xxh3": "16 hexadecimal digits"}, of arrays' shapes and numbers; of a folder's file
 * names below what all have in common, and classes (contents and times are not looked at, and the folder may
 * be moved). null: no data. */
int mr_data_fingerprint(json_t **out, mr_data d, mr_error *e);
/* MR_EINVAL that says what differs where NOW is not as BEFORE (NULL: nothing was kept). WHAT: "training",
 * "validation". */
int mr_data_compare(const json_t *before, const json_t *now, const char *what, mr_error *e);

#endif
