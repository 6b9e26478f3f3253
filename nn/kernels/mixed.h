/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions and pooling in mixed precision, as conv.h and pool.h, whose letters are used: products of
 * bf16 numbers, summed in float32; tensors in bf16 or float32, each as its mr_numbers says; factors,
 * statistics, weights and their gradients in float32. What a product reads is rounded to bf16 (to nearest,
 * ties to even) after the normalisation and activation in front of it.
 *
 * Why: with AMX the products cost next to nothing and memory traffic is the limit, which bf16 halves. The
 * tiles are AMX's where the processor has them, else AVX512_BF16's dot products, else plain loops; chosen
 * once (mr_mixed_kernels). All of them read the same layouts.
 *
 * Blocks, tasks and the order of sums depend on the shape alone: any number of threads gives the same bytes.
 */
#ifndef MR_NN_KERNELS_MIXED_H
#define MR_NN_KERNELS_MIXED_H

#include "nn/kernels/bf16.h"
#include "nn/kernels/conv.h"
#include "nn/kernels/pool.h"

/* A tensor: mr_bf16 where HALF, else float. Not written where it is an input. */
typedef struct mr_numbers {
    void *at; /* NULL: none */
    bool half;
} mr_numbers;

typedef struct mr_mixed_input { /* mr_conv_input */
    mr_numbers x;
    const float *scale, *shift;
    float low, high;
} mr_mixed_input;

typedef struct mr_mixed_output { /* mr_conv_output; sums are those of the rounded y */
    mr_numbers y, add;
    const float *bias;
    float low, high;
    double *sums;
} mr_mixed_output;

/* mr_conv_gradient; dy, x, add and store are of one type. */
typedef struct mr_mixed_gradient {
    mr_numbers dy, x, add, store;
    const float *a, *b, *c;
} mr_mixed_gradient;

typedef struct mr_mixed_input_gradient { /* mr_conv_input_gradient */
    mr_numbers dx, add, x;
    const float *scale, *shift;
    float low, high;
    const float *mean;
    double *sums;
} mr_mixed_input_gradient;

/* bf16 numbers of weights packed for forward / for backward by data, and the packing (rounded after SCALE). */
size_t mr_mixed_packed(const mr_conv *d);
void mr_mixed_pack(const mr_conv *d, mr_team *team, const float *w, const float *scale, mr_bf16 *packed);
size_t mr_mixed_packed_backward(const mr_conv *d);
void mr_mixed_pack_backward(const mr_conv *d, mr_team *team, const float *w, mr_bf16 *packed);

/* Bytes of scratch (64-byte aligned) for a team of THREADS. */
size_t mr_mixed_scratch(const mr_conv *d, int threads);
size_t mr_mixed_backward_scratch(const mr_conv *d, int threads);

void mr_mixed_forward(const mr_conv *d, mr_team *team, const mr_mixed_input *in, const mr_bf16 *packed,
                      const mr_mixed_output *out, void *scratch);

/* mr_conv_backward. */
void mr_mixed_backward(const mr_conv *d, mr_team *team, const mr_mixed_gradient *gradient,
                       const mr_mixed_input *in, const mr_bf16 *packed, float *dw, float *dbias,
                       const mr_mixed_input_gradient *dx, void *scratch);

/* mr_materialise_gradient: OUT is of G's type or not. */
void mr_mixed_materialise_gradient(mr_team *team, const mr_mixed_gradient *g, size_t rows, size_t c,
                                   mr_numbers out);

/* Pooling: mr_pool_forward, mr_pool_backward. */
size_t mr_mixed_pool_scratch(const mr_pool *p, int threads);
void mr_mixed_pool_forward(const mr_pool *p, mr_team *team, const mr_mixed_input *in, mr_numbers y,
                           uint8_t *places, double *sums, void *scratch);
void mr_mixed_pool_backward(const mr_pool *p, mr_team *team, const mr_mixed_gradient *gradient,
                            const uint8_t *places, const mr_mixed_input_gradient *dx, void *scratch);

#endif
