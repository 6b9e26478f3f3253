/* SPDX-License-Identifier: Apache-2.0 */
/* 2-D convolutions in float32, NHWC, kernels HWIO: forward, and backward by data and by weights in one pass.
 *
 * Letters (Chetlur et al., cuDNN, 2014): N images; H, W, C: input rows, columns, channels; P, Q, K: output
 * rows, columns, channels; R, S: kernel rows, columns. out[n,p,q,k] = sum over r,s,c of in[n, p*stride_h +
 * r*dilation_h - pad_top, q*stride_w + s*dilation_w - pad_left, c] * w[r,s,c,k], zero outside.
 *
 * An implicit GEMM: a block of input (some rows of an image, some images, or some pixels of a 1x1
 * convolution) is copied to a scratch buffer that stays in the L1/L2 cache, with its zero border, and on the
 * way normalised and activated; register tiles (table.h) then read it in place: there is no im2col matrix.
 * What follows the convolution (bias, activation, residual sum, statistics) is done on the tile while it is
 * still in registers.
 *
 * Blocks and tasks are cut by the shape alone, and partial sums are added in the order of the tasks: results
 * do not depend on the number of threads. All functions are thread safe as far as their buffers are not
 * shared. */
#ifndef MR_NN_KERNELS_CONV_H
#define MR_NN_KERNELS_CONV_H

#include "base/team.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct mr_conv {
    int n, h, w, c;
    int p, q, k;
    int r, s;
    int stride_h, stride_w, dilation_h, dilation_w;
    int pad_top, pad_left; /* the other sides follow from p and q */
} mr_conv;

/* What the convolution reads: clamp(scale*x + shift, low, high) by channel (the BatchNormalization and the
 * activation in front of it), zero outside of the image. SCALE NULL: no normalisation. */
typedef struct mr_conv_input {
    const float *x;             /* [n,h,w,c] */
    const float *scale, *shift; /* [c], both or none */
    float low, high;            /* -INFINITY, INFINITY: no activation; 0, INFINITY: ReLU; 0, 6: ReLU6 */
} mr_conv_input;

/* What becomes of the products: y = clamp(products + bias + add, low, high). */
typedef struct mr_conv_output {
    float *y;          /* [n,p,q,k] */
    const float *bias; /* [k] or NULL */
    const float *add;  /* [n,p,q,k], a residual; may be y; or NULL */
    float low, high;
    double *sums; /* [2][k]: sum of y, sum of y*y over n,p,q (for the next normalisation); or NULL */
} mr_conv_output;

/* The gradient by the convolution's output: a*dy + b*x + c (by channel; A NULL: just dy) + add. With a, b, c
 * it is the backward pass of the BatchNormalization behind, X being the convolution's own output. STORE,
 * where not NULL, gets it too (1x1 kernels with stride 1 only; it may be dy or add). */
typedef struct mr_conv_gradient {
    const float *dy;        /* [n,p,q,k] */
    const float *x;         /* [n,p,q,k], with a */
    const float *a, *b, *c; /* [k] */
    const float *add;       /* [n,p,q,k] or NULL */
    float *store;           /* [n,p,q,k] or NULL */
} mr_conv_gradient;

/* The gradient by the convolution's input: products + add; with SCALE it is zero where the activation in
 * front let nothing through, which is decided by low < scale*x + shift < high. */
typedef struct mr_conv_input_gradient {
    float *dx;                  /* [n,h,w,c] */
    const float *add;           /* [n,h,w,c], may be dx; or NULL */
    const float *x;             /* [n,h,w,c]: the raw input, with scale */
    const float *scale, *shift; /* [c] or NULL */
    float low, high;
    const float *mean; /* [c], with sums */
    double *sums;      /* [2][c]: sum of dx, sum of dx*(x - mean) over n,h,w; with scale only; or NULL */
} mr_conv_input_gradient;

/* Whether these functions can do the convolution (they do all but absurd sizes: kernels above 256 positions).
 */
bool mr_conv_supported(const mr_conv *d);

/* Floats of weights packed for forward / for backward by data, and the packing, W being [r,s,c,k]. SCALE [k],
 * where not NULL, multiplies the weights of each output channel (a BatchNormalization folded in). */
size_t mr_conv_packed(const mr_conv *d);
void mr_conv_pack(const mr_conv *d, mr_team *team, const float *w, const float *scale, float *packed);
size_t mr_conv_packed_backward(const mr_conv *d);
void mr_conv_pack_backward(const mr_conv *d, mr_team *team, const float *w, float *packed);

/* Bytes of scratch (64-byte aligned) for a team of THREADS. */
size_t mr_conv_scratch(const mr_conv *d, int threads);
size_t mr_conv_backward_scratch(const mr_conv *d, int threads);

/* Y from X and weights of mr_conv_pack. */
void mr_conv_forward(const mr_conv *d, mr_team *team, const mr_conv_input *in, const float *packed,
                     const mr_conv_output *out, void *scratch);

/* In one pass over the gradient: DW [r,s,c,k] and DBIAS [k] (added to; NULL: not wanted), and DX from weights
 * of mr_conv_pack_backward (NULL: not wanted). IN is what forward read. */
void mr_conv_backward(const mr_conv *d, mr_team *team, const mr_conv_gradient *gradient,
                      const mr_conv_input *in, const float *packed, float *dw, float *dbias,
                      const mr_conv_input_gradient *dx, void *scratch);

#endif
