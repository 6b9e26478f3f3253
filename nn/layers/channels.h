/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers per channel, and sums over the rows of a matrix. */
#ifndef MR_NN_LAYERS_CHANNELS_H
#define MR_NN_LAYERS_CHANNELS_H

#include "nn/layers/window.h"

/* ---- numbers per channel */

/* Element-wise passes over rows of CHANNELS take COUNT arrays of numbers per channel, each repeated to a
 * WIDTH of whole rows that is long enough for vectors. Ranges start at multiples of WIDTH. */
size_t mr_per_channel_width(size_t channels);
size_t mr_per_channel_size(size_t channels, size_t arrays); /* bytes */
/* K [arrays][width]: the first CHANNELS of each are there; repeats them. */
void mr_per_channel_repeat(mr_real *k, size_t arrays, size_t channels);
/* RANGE over ELEMENTS (a multiple of channels), cut at multiples of WIDTH. */
void mr_per_channel_ranges(mr_team *t, size_t elements, size_t channels, mr_range *range, void *argument);

/* ---- sums over rows */

/* SUM_A[c] = sum of A[r][c] over ROWS rows of COLUMNS, SUM_AB[c] the same of A*B (B NULL: only the first),
 * accumulated in double by a fixed partition. SCRATCH: mr_column_sums_scratch bytes. */
size_t mr_column_sums_scratch(size_t rows, size_t columns);
void mr_column_sums(mr_team *t, const mr_real *a, const mr_real *b, size_t rows, size_t columns,
                    double *sum_a, double *sum_ab, void *scratch);

/* BIAS_GRADIENT[c] += sum of dy[r][c]. SCRATCH: mr_bias_gradient_scratch bytes. */
size_t mr_bias_gradient_scratch(size_t rows, size_t columns);
void mr_bias_gradient(mr_team *t, const mr_real *dy, size_t rows, size_t columns, mr_real *bias_gradient,
                      void *scratch);

#endif
