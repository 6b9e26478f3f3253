/* SPDX-License-Identifier: Apache-2.0 */
/* C = A·B (or += with ADD) on row-major matrices, on the calling thread alone (OpenBLAS underneath). */
#ifndef MR_NN_COMPUTE_GEMM_H
#define MR_NN_COMPUTE_GEMM_H

#include "base/error.h"
#include "nn/compute/real.h"

/* op(A) is M x K, op(B) is K x N, C is M x N; lda, ldb, ldc are the row strides of A, B, C as stored. */
void mr_gemm(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, const mr_real *a, size_t lda,
             const mr_real *b, size_t ldb, bool add, mr_real *c, size_t ldc);

/* Where memory is limited: makes OpenBLAS allocate its buffers for THREADS threads that multiply at the same
 * time. It would wait for ever for one that it cannot get later. Little of them is ever touched. MR_ENOMEM. */
int mr_gemm_reserve(int threads, mr_error *e);

#endif
