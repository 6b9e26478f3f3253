/* SPDX-License-Identifier: Apache-2.0 */
/* Passes over a whole tensor of ROWS pixels of C channels, where nothing could be fused. */
#ifndef MR_NN_KERNELS_ELEMENTWISE_H
#define MR_NN_KERNELS_ELEMENTWISE_H

#include "nn/kernels/conv.h"

/* In float32. SUMS [2][c]: sum of a, sum of a*(b - mean) over the rows (MEAN NULL: 0; b may be a). Float
 * within a piece of some hundred rows, double between pieces, in a fixed order. */
size_t mr_channel_sums_scratch(size_t rows, size_t c);
void mr_channel_sums(mr_team *team, const float *a, const float *b, const float *mean, size_t rows, size_t c,
                     double *sums, void *scratch);

/* out = a*dy + b*x + c + add: the gradient that G stands for (g->store is not looked at), of G's type or not.
 * May be dy or add. */
void mr_materialise_gradient(mr_team *team, const mr_conv_gradient *g, size_t rows, size_t c, mr_numbers out);

#endif
