/* SPDX-License-Identifier: Apache-2.0 */
/* The data that a command has opened: folders or arrays. */
#ifndef MR_CLI_OPENED_DATA_H
#define MR_CLI_OPENED_DATA_H

#include "io/files/dataset.h"
#include "io/hdf5/arrays.h"

#include <jansson.h>

typedef struct mr_cli_data {
    mr_dataset *training, *validation; /* folders */
    mr_array x, y, x_val, y_val;       /* arrays */
    bool from_arrays, has_validation, testing; /* testing: the folder evaluated is the testing one */
    int classes;                       /* by folders, or by y; 0 where unknown (regression) */
    char **class_names;                /* of the folders; NULL for arrays */
    const char *training_dir, *validation_dir; /* the folders trained on and validated on; NULL: none, arrays or a split */
    const char *evaluated;             /* evaluate: the folder it looks at */
    char *note;                        /* evaluate: which part of it, in words; NULL: all */
    const char *part;                  /* evaluate: the same in a word, always: training, validation, testing or all */
    const json_t *split;               /* evaluate: the model's record (io/files/held_out.h) that chose the part; NULL: none did */
    const char *unused_validation;     /* train: a validation folder that --validation-split takes the place of */
    char *owned[4];
} mr_cli_data;

#endif
