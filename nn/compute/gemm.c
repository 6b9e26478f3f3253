/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/compute/gemm.h"

#include <cblas.h>
#include <stdlib.h>
#include <sys/mman.h>

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

/* Internal to OpenBLAS, not in its headers (driver/others/memory.c): freed buffers are kept for the next
 * caller. */
extern void *blas_memory_alloc(int position) __attribute__((weak));
extern void blas_memory_free(void *buffer) __attribute__((weak));

enum { BUFFER = 129 << 20 }; /* bytes, of address space; 128 MiB and a page in OpenBLAS 0.3 for x86-64 */

int mr_gemm_reserve(int threads, mr_error *e)
{
    size_t bytes = (size_t)threads * BUFFER;
    void **buffer = calloc((size_t)threads, sizeof *buffer);
    void *room =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (!buffer || room == MAP_FAILED) {
        free(buffer);
        return mr_hint(e,
                       mr_fail(e, MR_ENOMEM,
                               "out of memory: OpenBLAS wants %zu MiB of address space for %d threads",
                               bytes >> 20, threads),
                       "give fewer --threads, or raise the limit (ulimit -v, ulimit -d)");
    }
    munmap(room, bytes);
    for (int i = 0; i < threads && blas_memory_alloc; i++)
        buffer[i] = blas_memory_alloc(0);
    for (int i = 0; i < threads && blas_memory_alloc; i++)
        blas_memory_free(buffer[i]);
    free(buffer);
    return 0;
}
