/* SPDX-License-Identifier: Apache-2.0 */
/* From a network's output to a class: what evaluate and predict both mean by "predicted". Pure; thread safe.
 */
#ifndef MR_PIPELINE_VERDICT_H
#define MR_PIPELINE_VERDICT_H

#include <stddef.h>

typedef struct mr_verdict {
    int predicted;    /* class index; the first one where several are equal */
    float confidence; /* its probability */
} mr_verdict;

/* Classes that an output of WIDTH numbers tells apart: a single one is the probability of the second of two.
 */
int mr_classes_of_width(size_t width);
/* OUTPUT [width] → PROBABILITY [classes], and the verdict by it. A width of 1: above .5 is the second class.
 */
mr_verdict mr_judge(const float *output, size_t width, float *probability);
/* The K most probable of CLASSES into OUT [k], most probable first; equal ones in the order of their index.
 */
void mr_top_classes(const float *probability, int classes, int k, int *out);

#endif
