/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise convolution in float32, NHWC: each channel with a kernel of its own, as conv.h otherwise (K is C,
 * the kernel is [r,s,c]). Direct: the products are few, so what counts is that every number is read once and
 * that what follows (bias, residual, activation) is done in the store. Forward alone: inference. */
#ifndef MR_NN_KERNELS_DEPTHWISE_H
#define MR_NN_KERNELS_DEPTHWISE_H

#include "nn/kernels/conv.h"

bool mr_depthwise_supported(const mr_conv *d);

/* Bytes of scratch (64-byte aligned) for a team of THREADS. */
size_t mr_depthwise_scratch(const mr_conv *d, int threads);

/* OUT's bias is added before SCALE and SHIFT [c] (a BatchNormalization behind; NULL: none), what else it asks
 * for after them; its sums must be NULL. */
void mr_depthwise_run(const mr_conv *d, mr_team *team, const mr_conv_input *in, const float *w,
                      const float *scale, const float *shift, const mr_conv_output *out, void *scratch);

#endif
