/* SPDX-License-Identifier: Apache-2.0 */
/* What a training run remembers of its epochs, and how it is kept in a checkpoint. */
#ifndef MR_PIPELINE_HISTORY_H
#define MR_PIPELINE_HISTORY_H

#include "base/error.h"

#include <jansson.h>
#include <stdint.h>

enum { MR_HISTORY_CLASSES = 1000 }; /* with more of them single classes are not kept */

typedef struct mr_class_tally {      /* of one class, in one validation */
    int64_t truth, predicted, right; /* samples that are of it, that are taken for it, that are both */
} mr_class_tally;

typedef struct mr_epoch_record { /* a row of the history; NAN where there is nothing */
    int epoch;                   /* 1, 2, … */
    double loss, accuracy, val_loss, val_accuracy;
    double top, val_top;      /* top-k accuracy, for the k of the run */
    double learning_rate;     /* after the epoch's last update */
    double seconds;           /* of the epoch, validation included */
    double images_per_second; /* of its training part */
    int classes;
    mr_class_tally *of_class; /* [classes] of the validation, or NULL */
} mr_epoch_record;

typedef struct mr_history {
    int count, capacity;
    mr_epoch_record *record;
    int classes;           /* of the records that have tallies */
    mr_class_tally *tally; /* [capacity][classes]: where the records' of_class point */
} mr_history;

/* R is copied with all that it points to. MR_EINVAL where it has other classes than those before. */
int mr_history_append(mr_history *h, const mr_epoch_record *r, mr_error *e);
/* TO is overwritten, not freed. */
int mr_history_copy(mr_history *to, const mr_history *from, mr_error *e);
void mr_history_free(mr_history *h);
/* Some epoch has a val_loss. */
bool mr_history_validated(const mr_history *h);
/* The first epoch of lowest val_loss, or of lowest loss where nothing was validated; 0: there is none. */
int mr_history_best(const mr_history *h);

/* A checkpoint holds a history as a table of doubles, to the last bit, a row for each record; of ten thousand
 * epochs JSON would be megabytes, and many times that while it is made. Its columns are said by a
 * description:
 * {"columns": [names of the records' numbers], "classes": K, for each of which truth, predicted and right
 * follow}. json: a new reference, NULL out of memory. */
json_t *mr_history_description(const mr_history *h);
int mr_history_width(const mr_history *h);                 /* columns */
void mr_history_table(double *table, const mr_history *h); /* [count][width] */
/* From a table of ROWS rows and WIDTH columns. */
int mr_history_from_table(mr_history *out, const json_t *description, const double *table, size_t rows,
                          size_t width, mr_error *e);
/* From the list of objects, one for each record, of checkpoints of version 1. */
int mr_history_from_json(mr_history *out, const json_t *v, mr_error *e);

/* What a history shows beside its fixed columns. */
typedef struct mr_history_columns {
    const char *accuracy;     /* another name for what is counted: "binary_accuracy"; NULL: accuracy */
    bool no_accuracy;         /* there is none: its columns are empty */
    int top;                  /* k of the top-k accuracy; 0: none */
    int classes;              /* 0: nothing of single classes */
    char *const *class_names; /* [classes], borrowed; NULL: their numbers are their names */
} mr_history_columns;
/* Calls VISIT for every number of R (NULL: all are NAN) under the name of its column, always the same ones in
 * the same order: loss, accuracy (by its name), val_loss, val_accuracy, learning_rate, seconds, images_per_second; with
 * TOP K top_K_accuracy, val_top_K_accuracy; for each class val_precision/NAME, val_recall/NAME, val_f1/NAME.
 * NAME is valid during the call. */
void mr_history_visit(const mr_history_columns *c, const mr_epoch_record *r,
                      void (*visit)(void *context, const char *name, double value), void *context);

/* Any double as JSON: NAN is null, infinities are "inf" and "-inf". json: a new reference. */
json_t *mr_number_json(double v);
/* And back; what is no number at all is NAN. */
double mr_number_from_json(const json_t *v);

#endif
