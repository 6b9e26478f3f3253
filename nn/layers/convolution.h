/* SPDX-License-Identifier: Apache-2.0 */
/* The convolution under Conv2D, Conv2DTranspose, SeparableConv2D and Dense, and its two gradients, as
 * products of matrices over blocks of rows: a block of windows is gathered into memory that stays in the
 * cache and multiplied by the kernel at once (never the whole im2col matrix). The plain path: any stride,
 * dilation, padding, groups. */
#ifndef MR_NN_LAYERS_CONVOLUTION_H
#define MR_NN_LAYERS_CONVOLUTION_H

#include "nn/layers/activation.h"
#include "nn/layers/window.h"
#include "nn/layers/patches.h"
#include "nn/compute/real.h"
#include "base/team.h"

/* x [n, ih, iw, cin], w [kh, kw, cin/groups, cout], y [n, oh, ow, cout];
 * y[n,i,j,:] = sum over p,q of x[n, i*sh + p*dh - top, j*sw + q*dw - left, :] * w[p,q]; x is zero outside. */
typedef struct mr_convolution {
    size_t n, ih, iw, cin, oh, ow, cout, kh, kw, groups;
    int64_t sh, sw, dh, dw, top, left;
} mr_convolution;

/* What follows the product on the way to y, while a block of it is still in the cache. */
typedef struct mr_convolution_end {
    const mr_real *bias;             /* [cout] or NULL */
    const mr_activation *activation; /* NULL: none */
    mr_real *sum;                    /* keeps the sums before the activation, like y; NULL: not wanted */
} mr_convolution_end;

/* Bytes of scratch, for a team of THREADS. */
size_t mr_convolution_forward_scratch(const mr_convolution *g, int threads);
size_t mr_convolution_input_scratch(const mr_convolution *g, int threads);
size_t mr_convolution_weight_scratch(const mr_convolution *g, int threads);

void mr_convolution_forward(const mr_convolution *g, mr_team *t, const mr_real *x, const mr_real *w,
                            mr_real *y, mr_convolution_end end, void *scratch);
/* dx = (or +=, with ADD) the gradient by x. */
void mr_convolution_input_gradient(const mr_convolution *g, mr_team *t, const mr_real *dy, const mr_real *w,
                                   mr_real *dx, bool add, void *scratch);
/* dw += the gradient by w. */
void mr_convolution_weight_gradient(const mr_convolution *g, mr_team *t, const mr_real *x, const mr_real *dy,
                                    mr_real *dw, void *scratch);

/* Scratch and backward of a layer that is the convolution G with kernel w[0], an optional bias w[1], the
 * activation A. */
size_t mr_convolution_layer_scratch(const mr_call *c, const mr_activation *a, mr_convolution g);
void mr_convolution_layer_backward(const mr_call *c, const mr_activation *a, mr_convolution g);

/* The depthwise convolution of IN (with its batch) by a WINDOW; see nn/layers/depthwise.h. */
mr_convolution mr_depthwise_geometry(const mr_window *w, int64_t multiplier, const mr_shape *in);

/* ---- shared by convolution.c and convolution_gradients.c */

/* A product of ROWS x LENGTH by LENGTH x COLUMNS, cut into blocks of rows and, where rows are few, of
 * columns. */
typedef struct mr_product_blocks {
    size_t rows, row_blocks, columns, column_blocks;
} mr_product_blocks;
mr_product_blocks mr_choose_blocks(size_t rows, size_t length, size_t columns);

/* A 1x1 kernel on every pixel: the input itself is the left factor. */
bool mr_is_pointwise(const mr_convolution *g);
/* The windows of the input under each output pixel. */
mr_patches mr_forward_patches(const mr_convolution *g, const mr_real *x, size_t group);

#endif
