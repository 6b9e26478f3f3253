/* SPDX-License-Identifier: Apache-2.0 */
/* Loops that the compiler vectorises: `#pragma omp simd` says that it may (-fopenmp-simd, no OpenMP runtime),
 * MR_CLONES before a function compiles it for several processors; the dynamic linker picks one. Off under
 * sanitizers, whose runtime is not up yet when the linker asks. */
#ifndef MR_NN_COMPUTE_SIMD_H
#define MR_NN_COMPUTE_SIMD_H

#if defined __x86_64__ && defined __gnu_linux__ && !defined MR_SANITIZED
#define MR_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define MR_CLONES
#endif

#endif
