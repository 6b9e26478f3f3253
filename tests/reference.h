/* SPDX-License-Identifier: Apache-2.0 */
/* The plain form of the kernels in nn/layers/: loops over the definition, sums in double. */
#ifndef MR_TESTS_REFERENCE_H
#define MR_TESTS_REFERENCE_H

#include "nn/layers/convolution.h"

/* A depthwise convolution is one with as many groups as input channels; its kernel [kh, kw, cin, multiplier]
 * lies in memory as [kh, kw, 1, cin*multiplier] does. */
void reference_convolution(const mr_convolution *g, const mr_real *x, const mr_real *w, double *y);
void reference_input_gradient(const mr_convolution *g, const mr_real *dy, const mr_real *w, double *dx);
void reference_weight_gradient(const mr_convolution *g, const mr_real *x, const mr_real *dy, double *dw);

/* sum_a[c], sum_ab[c] over ROWS. */
void reference_column_sums(const mr_real *a, const mr_real *b, size_t rows, size_t columns, double *sum_a,
                           double *sum_ab);

/* Pooling with the window, stride and padding of G (cin = cout, groups and dilation unused). */
void reference_pooling(const mr_convolution *g, bool maximum, const mr_real *x, double *y);

/* Bilinear resizing with half-pixel centres: x [n, ih, iw, cin] to y [n, oh, ow, cin]. */
void reference_bilinear(const mr_convolution *g, const mr_real *x, double *y);

#endif
