/* SPDX-License-Identifier: Apache-2.0 */
/* AVX-512: 32 registers, so 24 to 28 accumulators. The tile shapes were chosen by bench/kernel_bench.c. */
#include "nn/kernels/isa.h"
#include "nn/kernels/table.h"

#if defined __x86_64__
#if defined __clang__
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma,prfchw"))),       \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,fma,prfchw")
#endif

#define MR_SIMD 512
#include "nn/kernels/conv_body.h"
#include "nn/kernels/depthwise_body.h"
#include "nn/kernels/pool_body.h"
#include "nn/kernels/winograd_body.h"

/* clang-format off */
MR_TILE(4, 1) MR_TILE(4, 2) MR_TILE(4, 3) MR_TILE(4, 4) MR_TILE(4, 5) MR_TILE(4, 6)
MR_TILE(2, 1) MR_TILE(2, 2) MR_TILE(2, 3) MR_TILE(2, 4) MR_TILE(2, 5) MR_TILE(2, 6) MR_TILE(2, 7) MR_TILE(2, 8)
MR_TILE(2, 9) MR_TILE(2, 10) MR_TILE(2, 11) MR_TILE(2, 12) MR_TILE(2, 13) MR_TILE(2, 14)
MR_TILE(1, 1) MR_TILE(1, 2) MR_TILE(1, 3) MR_TILE(1, 4) MR_TILE(1, 5) MR_TILE(1, 6) MR_TILE(1, 7) MR_TILE(1, 8)
MR_TILE(1, 9) MR_TILE(1, 10) MR_TILE(1, 11) MR_TILE(1, 12) MR_TILE(1, 13) MR_TILE(1, 14) MR_TILE(1, 15)
MR_TILE(1, 16)
/* clang-format on */

#define ROW4(kind)                                                                                           \
    {                                                                                                        \
        NULL, kind##_4_1, kind##_4_2, kind##_4_3, kind##_4_4, kind##_4_5, kind##_4_6                         \
    }
#define ROW2(kind)                                                                                           \
    {                                                                                                        \
        NULL, kind##_2_1, kind##_2_2, kind##_2_3, kind##_2_4, kind##_2_5, kind##_2_6, kind##_2_7,            \
            kind##_2_8, kind##_2_9, kind##_2_10, kind##_2_11, kind##_2_12, kind##_2_13, kind##_2_14          \
    }
#define ROW1(kind)                                                                                           \
    {                                                                                                        \
        NULL, kind##_1_1, kind##_1_2, kind##_1_3, kind##_1_4, kind##_1_5, kind##_1_6, kind##_1_7,            \
            kind##_1_8, kind##_1_9, kind##_1_10, kind##_1_11, kind##_1_12, kind##_1_13, kind##_1_14,         \
            kind##_1_15, kind##_1_16                                                                         \
    }

const struct mr_kernel_table mr_table_avx512 = {
    .isa = {"avx512", mr_isa_has_avx512},
    .lanes = LANES,
    .family = {{4, 6, ROW4(tile), ROW4(weight)},
               {2, 14, ROW2(tile), ROW2(weight)},
               {1, 16, ROW1(tile), ROW1(weight)}},
    .load = load,
    .load_gradient = load_gradient,
    .add_parts = add_parts,
    .max_row = max_row,
    .mean_row = mean_row,
    .spread_row = spread_row,
    .sum_rows = sum_rows,
    .depthwise_row = depthwise_row,
    .window_input = window_input,
    .window_output = window_output,
};

#if defined __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
