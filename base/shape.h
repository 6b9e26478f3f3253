/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes. dim[0] is the batch (0 in a graph's static shapes, where it is not known yet); images are N,H,W,C.
 */
#ifndef MR_NN_SHAPE_H
#define MR_NN_SHAPE_H

#include "base/error.h"
#include <stddef.h>
#include <stdint.h>

enum { MR_MAX_RANK = 6 };

typedef struct mr_shape {
    int rank;
    int64_t dim[MR_MAX_RANK];
} mr_shape;

/* Elements of one sample: the product of dim[1…]; 1 for rank 1. */
static inline size_t mr_shape_sample(const mr_shape *s)
{
    size_t n = 1;
    for (int i = 1; i < s->rank; i++)
        n *= (size_t)s->dim[i];
    return n;
}

/* Elements of all of it, dim[0] too (for weights, which have no batch). */
static inline size_t mr_shape_count(const mr_shape *s)
{
    size_t n = 1;
    for (int i = 0; i < s->rank; i++)
        n *= (size_t)s->dim[i];
    return n;
}

bool mr_shape_equal(const mr_shape *a, const mr_shape *b);

/* Every dimension from FIRST on is >= 1 and the product of them fits LIMIT elements: 0, else MR_ELIMIT naming
 * WHAT. */
int mr_shape_check(const mr_shape *s, int first, size_t limit, const char *what, mr_error *e);

/* "(None, 64, 64, 3)" with FIRST_NONE, else "(3, 3, 16, 32)" and "(8,)". Returns TEXT. */
const char *mr_shape_text(const mr_shape *s, bool first_none, char *text, size_t size);

/* No tensor of one sample, and no weight, is larger than this many elements (8 GiB of float32). */
#define MR_MAX_ELEMENTS ((size_t)1 << 31)

#endif
