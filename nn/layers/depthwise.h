/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise convolution: each channel with MULTIPLIER kernels of its own. x [n, ih, iw, c], w [kh, kw, c,
 * multiplier], y [n, oh, ow, c*multiplier]. Under DepthwiseConv2D and SeparableConv2D. */
#ifndef MR_NN_LAYERS_DEPTHWISE_H
#define MR_NN_LAYERS_DEPTHWISE_H

#include "nn/layers/convolution.h"

/* cin, cout = cin * multiplier, groups = cin in a mr_convolution; its kernel is [kh, kw, cin, cout/cin] here.
 */
void mr_depthwise_forward(const mr_convolution *g, mr_team *t, const mr_real *x, const mr_real *w,
                          const mr_real *bias, mr_real *y);
void mr_depthwise_input_gradient(const mr_convolution *g, mr_team *t, const mr_real *dy, const mr_real *w,
                                 mr_real *dx, bool add);
/* dw += …; SCRATCH: mr_depthwise_weight_scratch bytes. */
size_t mr_depthwise_weight_scratch(const mr_convolution *g);
void mr_depthwise_weight_gradient(const mr_convolution *g, mr_team *t, const mr_real *x, const mr_real *dy,
                                  mr_real *dw, void *scratch);

#endif
