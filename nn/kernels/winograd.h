/* SPDX-License-Identifier: Apache-2.0 */
/* 3x3 convolutions with stride 1 in 16 products for each 2x2 pixels of output, where the plain way has 36:
 * Winograd's F(2x2,3x3) (Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2015). Its
 * transforms are sums and halves alone, so its results are as near to the exact ones as the plain way's.
 * Forward alone, in float32: inference. */
#ifndef MR_NN_KERNELS_WINOGRAD_H
#define MR_NN_KERNELS_WINOGRAD_H

#include "nn/kernels/conv.h"

/* Whether it can do the convolution and is faster; depends on the shape of a sample alone, so that batches of
 * any size give the same results. */
bool mr_winograd_pays(const mr_conv *d);

/* Bytes of weights packed, W being [3,3,c,k]; SCALE as in mr_conv_pack. */
size_t mr_winograd_packed(const mr_conv *d);
void mr_winograd_pack(const mr_conv *d, mr_team *team, const float *w, const float *scale, void *packed);

/* Bytes of scratch (64-byte aligned) for a team of THREADS. */
size_t mr_winograd_scratch(const mr_conv *d, int threads);

/* IN->x must be read as it is: no scale, no activation. OUT->sums must be NULL. */
void mr_winograd_run(const mr_conv *d, mr_team *team, const mr_conv_input *in, const void *packed,
                     const mr_conv_output *out, void *scratch);

#endif
