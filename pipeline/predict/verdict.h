/* SPDX-License-Identifier: Apache-2.0 */
/* From probabilities to a class, with thresholds. What makes probabilities of a network's output: nn/learn/task.h. Pure;
 * thread safe. */
#ifndef MR_PIPELINE_VERDICT_H
#define MR_PIPELINE_VERDICT_H

#include <stddef.h>

/* When a class is predicted. */
typedef struct mr_thresholds {
    float least;           /* a class less probable is not predicted; 0: none */
    const float *of_class; /* [classes]; a class is predicted if and only if it is that probable at least,
                              whatever the others are; NaN: no threshold of its own. NULL: none has */
} mr_thresholds;

typedef struct mr_verdict {
    int predicted;    /* class index, the first where several are equal; -1: none is probable enough */
    float confidence; /* its probability; where none is predicted, that of the most probable class */
} mr_verdict;

/* The most probable class among those that reach a threshold of their own; else among those that have none. T
 * NULL: simply the most probable one, where for two classes of a single output above .5 is the second. */
mr_verdict mr_judge(const float *probability, int classes, const mr_thresholds *t);
/* The K most probable of CLASSES into OUT [k], most probable first; equal ones in the order of their index.
 */
void mr_top_classes(const float *probability, int classes, int k, int *out);

#endif
