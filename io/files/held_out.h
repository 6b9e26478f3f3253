/* SPDX-License-Identifier: Apache-2.0 */
/* What a model file remembers of images that were held out of training for validation: so that an evaluation
 * on the same folder can leave out those that the model was trained on.
 *
 * The files themselves are remembered, as a checksum of each one's class, name and size, and not the rule
 * that chose them: so files that are added later, which would change what the rule chooses, do no harm. They
 * count as training images; a file that was changed or renamed does, too. Moving or copying the whole folder
 * changes nothing.
 *
 * A record: {"fraction", "seed", "images": before the split, "held_out": 16 hexadecimal digits for each file,
 * ascending}. A model has a list of them, the latest last: one for each data set that it was trained on. */
#ifndef MR_IO_HELD_OUT_H
#define MR_IO_HELD_OUT_H

#include "io/files/dataset.h"

#include <jansson.h>

/* Adds to *RECORDS (NULL: none yet) that VALIDATION was held out of its folder when TRAINING was what
 * remained. */
int mr_held_out_add(json_t **records, const mr_dataset *validation, const mr_dataset *training,
                    double fraction, uint64_t seed, mr_error *e);
/* Strikes from RECORDS the files that are in TRAINING, and the records that are empty then. */
int mr_held_out_strike(json_t *records, const mr_dataset *training, mr_error *e);
/* What RECORD says for people and programs: {"validation_split", "seed", "images": before the split, "held_out": how many of
 * them}. NULL without memory. */
json_t *mr_held_out_facts(const json_t *record);
/* 0 where RECORDS are such as these functions make; MR_EFORMAT. */
int mr_held_out_check(const json_t *records, mr_error *e);

typedef struct mr_held_out {
    const json_t *record; /* NULL: no file of the set was held out */
    size_t files, found;  /* of the record; those of them that are in the set */
    double fraction;
    uint64_t seed;
    bool *held; /* [set->count], to be freed by the caller; NULL without a record */
} mr_held_out;

/* Which files of SET were held out, by the record of which most are there. */
int mr_held_out_find(mr_held_out *out, const json_t *records, const mr_dataset *set, mr_error *e);

#endif
