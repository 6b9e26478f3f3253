/* SPDX-License-Identifier: Apache-2.0 */
/* What a classifier got right: the confusion matrix and the classification report, whose text equals that of
 * scikit-learn 1.2's classification_report(truth, predicted, labels=range(classes), target_names=names,
 * zero_division=0) to the byte. Numbers are formed in scikit-learn's (and NumPy's) order of operations, since
 * a value like 0.625 sits on the border between two roundings. */
#ifndef MR_NN_REPORT_H
#define MR_NN_REPORT_H

#include "base/text.h"

typedef struct mr_class_scores {
    double precision, recall, f1; /* 0 where they are undefined */
    int64_t support;              /* samples that truly are of the class */
} mr_class_scores;

typedef struct mr_report {
    int classes;
    int64_t samples;
    mr_class_scores *per_class; /* [classes], owned */
    mr_class_scores micro;      /* over all decisions; its f1 is what the text calls accuracy */
    mr_class_scores macro;      /* plain mean over the classes */
    mr_class_scores weighted;   /* mean weighted by support */
    bool every_class_seen;      /* each class occurs in truth or prediction; else scikit-learn's text says
                                   "micro avg" in place of "accuracy", with the same number */
    double accuracy;            /* correct / samples, 0 without samples */
} mr_report;

/* Fills R from N pairs of class indices (0 … classes-1). R is overwritten; free it by mr_report_destroy.
 * Errors: MR_EINVAL for classes < 1 or an index out of range (named with its sample's number), MR_ENOMEM. */
int mr_report_compute(mr_report *r, const int32_t *truth, const int32_t *predicted, size_t n, int classes,
                      mr_error *e);
void mr_report_destroy(mr_report *r);

/* Of one label, over samples that may have several. */
typedef struct mr_label_counts {
    int64_t right, predicted, truth; /* samples that have it and are given it; are given it; have it */
} mr_label_counts;

/* The same for LABELS labels: support counts the samples that have a label, the averages are over the labels, and
 * there is no accuracy (every_class_seen is false). */
int mr_report_labels(mr_report *r, const mr_label_counts *counts, int labels, mr_error *e);

/* Appends the report to OUT; NAMES are r->classes UTF-8 strings. Errors: MR_ENOMEM. */
int mr_report_text(mr_text *out, const mr_report *r, const char *const *names, mr_error *e);

/* Adds N pairs to COUNTS [classes, classes] (row: truth, column: predicted), which the caller owns and
 * zeroes. Errors: MR_EINVAL for an index out of range; COUNTS then holds the pairs before it. */
int mr_confusion_add(int64_t *counts, int classes, const int32_t *truth, const int32_t *predicted, size_t n,
                     mr_error *e);

/* Up to so many classes the text is the whole matrix, above it is a list of the most frequent confusions. */
#define MR_CONFUSION_TABLE_CLASSES 30

/* Appends the matrix as a table with the classes' names: rows are the truth, columns the prediction. Where
 * the names would make it wider than 100 columns, columns carry the classes' numbers. Errors: MR_ENOMEM. */
int mr_confusion_text(mr_text *out, const int64_t *counts, int classes, const char *const *names,
                      mr_error *e);

#endif
