/* SPDX-License-Identifier: Apache-2.0 */
/* The tiles of instruction sets with 16 vector registers. */
#ifndef MR_NN_KERNELS_TABLE_NARROW_H
#define MR_NN_KERNELS_TABLE_NARROW_H

MR_TILE(3, 1)
MR_TILE(3, 2)
MR_TILE(3, 3)
MR_TILE(3, 4)
MR_TILE(2, 1)
MR_TILE(2, 2) MR_TILE(2, 3) MR_TILE(2, 4) MR_TILE(2, 5) MR_TILE(2, 6) MR_TILE(1, 1) MR_TILE(1, 2)
    MR_TILE(1, 3) MR_TILE(1, 4) MR_TILE(1, 5) MR_TILE(1, 6) MR_TILE(1, 7) MR_TILE(1, 8) MR_TILE(1, 9)
        MR_TILE(1, 10)

#define ROW3(kind)                                                                                           \
    {                                                                                                        \
        NULL, kind##_3_1, kind##_3_2, kind##_3_3, kind##_3_4                                                 \
    }
#define ROW2(kind)                                                                                           \
    {                                                                                                        \
        NULL, kind##_2_1, kind##_2_2, kind##_2_3, kind##_2_4, kind##_2_5, kind##_2_6                         \
    }
#define ROW1(kind)                                                                                           \
    {                                                                                                        \
        NULL, kind##_1_1, kind##_1_2, kind##_1_3, kind##_1_4, kind##_1_5, kind##_1_6, kind##_1_7,            \
            kind##_1_8, kind##_1_9, kind##_1_10                                                              \
    }

#define MR_NARROW_TABLE(title)                                                                               \
    {                                                                                                        \
        .name = title, .lanes = LANES,                                                                       \
        .family = {{3, 4, ROW3(tile), ROW3(weight)},                                                         \
                   {2, 6, ROW2(tile), ROW2(weight)},                                                         \
                   {1, 10, ROW1(tile), ROW1(weight)}},                                                       \
        .load = load, .load_gradient = load_gradient, .add_parts = add_parts, .max_row = max_row,            \
        .mean_row = mean_row, .depthwise_row = depthwise_row, .window_input = window_input, .window_output = window_output, .spread_row = spread_row, .sum_rows = sum_rows,                                \
    }

#endif
