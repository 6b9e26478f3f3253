/* SPDX-License-Identifier: Apache-2.0 */
/* The coefficients of one axis of a resize, in fixed point, as Pillow has them (libImaging/Resample.c). */
#ifndef MR_IO_TAPS_H
#define MR_IO_TAPS_H

#include "io/image/preprocess.h"

#include <stddef.h>
#include <stdint.h>

/* Pillow's PRECISION_BITS: an 8-bit result and two bits for filters that go below 0 and above 1. */
enum { MR_TAP_BITS = 32 - 8 - 2 };
/* Taps are stored in groups of this many, filled up with zeros; rows are readable that far. */
enum { MR_TAP_GROUP = 16 };
/* Memory for one tap, in all forms. */
enum { MR_TAP_BYTES = 4 + 2 * 2 + 3 };
/* One axis of a convolution: output i is the sum of weight[t] * input[first[i] + t], t < count[i], weight =
 * weights + i*stride + lead[i]. In front of an output's weights stand lead[i] zeros, so that the row of
 * weights begins at an input index that is a multiple of four; behind them zeros up to the stride. Rows of
 * zeros fill up OUT to a multiple of four. */
typedef struct mr_taps {
    int in, out;
    mr_interpolation filter;
    int stride; /* of weights: a multiple of MR_TAP_GROUP, at least most + 3 */
    int most;   /* the largest lead + count */
    int *first, *count, *lead;
    int32_t *weights; /* MR_TAP_BITS fraction bits */
    /* The same in two 16-bit halves, weight = high * 2^15 + low with 0 <= low < 2^15, and in three signed
     * digits, weight = digit[2] * 2^16 + digit[1] * 2^8 + digit[0]: what vector units multiply exactly. */
    int16_t *high, *low;
    int8_t *digit[3];
} mr_taps;

/* Where output I's weights begin. */
static inline size_t mr_taps_at(const mr_taps *t, int i)
{
    return (size_t)i * (size_t)t->stride + (size_t)t->lead[i];
}

/* Scratch of the horizontal pass: two rows of four bytes a pixel, in groups of four pixels. */
static inline size_t mr_taps_scratch(const mr_taps *t)
{
    return 32 * (size_t)((t->in + 3) / 4 + (t->most + 3) / 4);
}

/* The coefficients of one axis, as Pillow's precompute_coeffs and normalize_coeffs_8bpc. Errors: MR_ENOMEM,
 * MR_ELIMIT. */
int mr_taps_create(mr_taps *taps, int in, int out, mr_interpolation filter, mr_error *e);
void mr_taps_free(mr_taps *taps);

#endif
