/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/gemm.h"

#include <cblas.h>

void mr_gemm(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, const mr_real *a, size_t lda,
             const mr_real *b, size_t ldb, bool add, mr_real *c, size_t ldc)
{
    enum CBLAS_TRANSPOSE ta = transpose_a ? CblasTrans : CblasNoTrans;
    enum CBLAS_TRANSPOSE tb = transpose_b ? CblasTrans : CblasNoTrans;
    blasint im = (blasint)m, in = (blasint)n, ik = (blasint)k;
#ifdef MR_REAL_DOUBLE
    cblas_dgemm(CblasRowMajor, ta, tb, im, in, ik, 1, a, (blasint)lda, b, (blasint)ldb, add, c, (blasint)ldc);
#else
    cblas_sgemm(CblasRowMajor, ta, tb, im, in, ik, 1, a, (blasint)lda, b, (blasint)ldb, add, c, (blasint)ldc);
#endif
}
