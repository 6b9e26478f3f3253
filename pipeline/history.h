/* SPDX-License-Identifier: Apache-2.0 */
/* What a training run remembers of its epochs, and how it is kept in a checkpoint. */
#ifndef MR_PIPELINE_HISTORY_H
#define MR_PIPELINE_HISTORY_H

#include "nn/error.h"

#include <jansson.h>

typedef struct mr_epoch_record { /* a row of the history; NAN where there is nothing */
    int epoch;                   /* 1, 2, … */
    double loss, accuracy, val_loss, val_accuracy;
    double learning_rate;     /* after the epoch's last update */
    double seconds;           /* of the epoch, validation included */
    double images_per_second; /* of its training part */
} mr_epoch_record;

typedef struct mr_history {
    int count, capacity;
    mr_epoch_record *record;
} mr_history;

int mr_history_append(mr_history *h, const mr_epoch_record *r, mr_error *e);
/* TO is overwritten, not freed. */
int mr_history_copy(mr_history *to, const mr_history *from, mr_error *e);
void mr_history_free(mr_history *h);

/* A list of objects, one per record, numbers to the last bit. json: a new reference, NULL out of memory. */
json_t *mr_history_json(const mr_history *h);
int mr_history_from_json(mr_history *out, const json_t *v, mr_error *e);

/* Any double as JSON: NAN is null, infinities are "inf" and "-inf". json: a new reference. */
json_t *mr_number_json(double v);
/* And back; what is no number at all is NAN. */
double mr_number_from_json(const json_t *v);

#endif
