/* SPDX-License-Identifier: Apache-2.0 */
/* AVX2 and FMA: 16 registers, so 12 accumulators. */
#include "nn/kernels/table.h"

#if defined __x86_64__
#if defined __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif

#define MR_SIMD 256
#include "nn/kernels/table_narrow.h"

const struct mr_kernel_table mr_table_avx2 = MR_NARROW_TABLE("avx2", mr_isa_has_avx2);
const struct mr_mixed_table mr_mixed_avx2 = MR_NARROW_MIXED_TABLE("avx2", mr_isa_has_avx2);

#if defined __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
