/* SPDX-License-Identifier: Apache-2.0 */
/* The fast kernels once more as plain loops in double precision, on float32 tensors: what the tests hold them
 * against. One thread. */
#ifndef MR_NN_KERNELS_REFERENCE_H
#define MR_NN_KERNELS_REFERENCE_H

#include "nn/kernels/pool.h"

/* As mr_conv_forward, from weights as Keras stores them. */
void mr_conv_reference_forward(const mr_conv *d, const mr_conv_input *in, const float *w,
                               const mr_conv_output *out);

/* As mr_conv_backward. */
void mr_conv_reference_backward(const mr_conv *d, const mr_conv_gradient *gradient, const mr_conv_input *in,
                                const float *w, float *dw, float *dbias, const mr_conv_input_gradient *dx);

/* As mr_pool_forward and mr_pool_backward; the maxima are found again. */
void mr_pool_reference_forward(const mr_pool *p, const mr_conv_input *in, float *y, double *sums);
void mr_pool_reference_backward(const mr_pool *p, const mr_conv_gradient *gradient, const mr_conv_input *in,
                                const mr_conv_input_gradient *dx);

#endif
