/* SPDX-License-Identifier: Apache-2.0 */
/* Pooling, NHWC, reading what it pools through the normalisation and activation in front of it, and with the
 * same epilogues as a convolution. Letters and types as in conv.h, K being C; in mixed precision
 * (window.half) a row at a time is widened into the cache, pooled there as float32, and rounded. */
#ifndef MR_NN_KERNELS_POOL_H
#define MR_NN_KERNELS_POOL_H

#include "nn/kernels/conv.h"

#include <stdint.h>

typedef struct mr_pool {
    mr_conv window; /* k = c; dilation 1 */
    bool mean;      /* else the maximum */
    bool zeros; /* what lies outside is 0 and takes part (a ZeroPadding2D in front), else it takes no part */
} mr_pool;

/* False: windows beyond 255 pixels, or a mean whose padding takes no part. */
bool mr_pool_supported(const mr_pool *p);

size_t mr_pool_scratch(const mr_pool *p, int threads);

/* Y [n,p,q,c]; PLACES [n,p,q,c] for backward (maximum only; NULL: not wanted); SUMS as in mr_conv_output. */
void mr_pool_forward(const mr_pool *p, mr_team *team, const mr_conv_input *in, mr_numbers y, uint8_t *places,
                     double *sums, void *scratch);

/* The gradient by the input, as mr_conv_backward's DX. Of equal maxima the first of the window gets it. */
void mr_pool_backward(const mr_pool *p, mr_team *team, const mr_conv_gradient *gradient,
                      const uint8_t *places, const mr_conv_input_gradient *dx, void *scratch);

#endif
