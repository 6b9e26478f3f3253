/* SPDX-License-Identifier: Apache-2.0 */
/* 2-D convolutions, NHWC, kernels HWIO: forward, and backward by data and by weights in one pass.
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
 * In float32, or in mixed precision: products of bf16 numbers, summed in float32; tensors in bf16 or float32,
 * each as its mr_numbers says; factors, statistics, weights and their gradients in float32. What a product
 * reads is rounded to bf16 (to nearest, ties to even) after the normalisation and activation in front of it.
 * With AMX such products cost next to nothing and memory traffic is the limit, which bf16 halves.
 *
 * Blocks and tasks are cut by the shape alone, and partial sums are added in the order of the tasks: results
 * do not depend on the number of threads. All functions are thread safe as far as their buffers are not
 * shared. */
#ifndef MR_NN_KERNELS_CONV_H
#define MR_NN_KERNELS_CONV_H

#include "base/team.h"
#include "nn/kernels/bf16.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct mr_conv {
    int n, h, w, c;
    int p, q, k;
    int r, s;
    int stride_h, stride_w, dilation_h, dilation_w;
    int pad_top, pad_left; /* the other sides follow from p and q */
    bool half;             /* mixed precision */
} mr_conv;

/* A tensor: mr_bf16 where HALF (in mixed precision alone), else float. Not written where it is an input. */
typedef struct mr_numbers {
    void *at; /* NULL: none */
    bool half;
} mr_numbers;

static inline mr_numbers mr_floats(const float *p)
{
    return (mr_numbers){(void *)p, false};
}
static inline size_t mr_numbers_bytes(mr_numbers n, size_t count)
{
    return count * (n.half ? sizeof(mr_bf16) : sizeof(float));
}
/* COUNT numbers further; NULL stays NULL. */
static inline mr_numbers mr_numbers_at(mr_numbers n, ptrdiff_t count)
{
    ptrdiff_t bytes = count * (ptrdiff_t)mr_numbers_bytes(n, 1);
    return (mr_numbers){n.at ? (char *)n.at + bytes : NULL, n.half};
}

/* What the convolution reads: clamp(scale*x + shift, low, high) by channel (the BatchNormalization and the
 * activation in front of it), zero outside of the image. SCALE NULL: no normalisation. */
typedef struct mr_conv_input {
    mr_numbers x;               /* [n,h,w,c] */
    const float *scale, *shift; /* [c], both or none */
    float low, high;            /* -INFINITY, INFINITY: no activation; 0, INFINITY: ReLU; 0, 6: ReLU6 */
} mr_conv_input;

/* What becomes of the products: y = clamp(products + bias + add, low, high). */
typedef struct mr_conv_output {
    mr_numbers y;      /* [n,p,q,k] */
    mr_numbers add;    /* [n,p,q,k], a residual; may be y; or none */
    const float *bias; /* [k] or NULL */
    float low, high;
    double *sums; /* [2][k]: sum of y (as stored), of y*y over n,p,q (for the next normalisation); or NULL */
} mr_conv_output;

/* The gradient by the convolution's output: a*dy + b*x + c (by channel; A NULL: just dy) + add. With a, b, c
 * it is the backward pass of the BatchNormalization behind, X being the convolution's own output. STORE,
 * where there is one, gets it too (1x1 kernels with stride 1 only; it may be dy or add). All four are of one
 * type. */
typedef struct mr_conv_gradient {
    mr_numbers dy;          /* [n,p,q,k] */
    mr_numbers x;           /* [n,p,q,k], with a */
    mr_numbers add, store;  /* [n,p,q,k] or none */
    const float *a, *b, *c; /* [k] */
} mr_conv_gradient;

/* The gradient by the convolution's input: products + add; with SCALE it is zero where the activation in
 * front let nothing through, which is decided by low < scale*x + shift < high. All three are of one type. */
typedef struct mr_conv_input_gradient {
    mr_numbers dx;              /* [n,h,w,c] */
    mr_numbers add;             /* [n,h,w,c], may be dx; or none */
    mr_numbers x;               /* [n,h,w,c]: the raw input, with scale */
    const float *scale, *shift; /* [c] or NULL */
    float low, high;
    const float *mean; /* [c], with sums */
    double *sums;      /* [2][c]: sum of dx, sum of dx*(x - mean) over n,h,w; with scale only; or NULL */
} mr_conv_input_gradient;

/* Whether these functions can do the convolution (they do all but absurd sizes: kernels above 256 positions).
 */
bool mr_conv_supported(const mr_conv *d);

/* Bytes of weights packed for forward / for backward by data, and the packing, W being [r,s,c,k]. SCALE [k],
 * where not NULL, multiplies the weights of each output channel (a BatchNormalization folded in). */
size_t mr_conv_packed(const mr_conv *d);
void mr_conv_pack(const mr_conv *d, mr_team *team, const float *w, const float *scale, void *packed);
size_t mr_conv_packed_backward(const mr_conv *d);
void mr_conv_pack_backward(const mr_conv *d, mr_team *team, const float *w, void *packed);

/* Bytes of scratch (64-byte aligned) for a team of THREADS. */
size_t mr_conv_scratch(const mr_conv *d, int threads);
size_t mr_conv_backward_scratch(const mr_conv *d, int threads);

/* Y from X and weights of mr_conv_pack. */
void mr_conv_forward(const mr_conv *d, mr_team *team, const mr_conv_input *in, const void *packed,
                     const mr_conv_output *out, void *scratch);

/* In one pass over the gradient: DW [r,s,c,k] and DBIAS [k] (added to; NULL: not wanted), and DX from weights
 * of mr_conv_pack_backward (NULL: not wanted). IN is what forward read. */
void mr_conv_backward(const mr_conv *d, mr_team *team, const mr_conv_gradient *gradient,
                      const mr_conv_input *in, const void *packed, float *dw, float *dbias,
                      const mr_conv_input_gradient *dx, void *scratch);

#endif
