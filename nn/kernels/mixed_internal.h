/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by mixed_*.c: blocks' inputs and the pixels of their tiles. */
#ifndef MR_NN_KERNELS_MIXED_INTERNAL_H
#define MR_NN_KERNELS_MIXED_INTERNAL_H

#include "nn/kernels/conv_internal.h"
#include "nn/kernels/mixed_table.h"

/* Cuts D for products of bf16. */
void mr_mixed_cut(mr_cut *cut, const mr_conv *d);

/* Where a block's numbers lie: numbers from one to the next. */
typedef struct mr_mixed_patch {
    mr_numbers at;
    ptrdiff_t image, row, column;
} mr_mixed_patch;

/* Numbers that a tile may read behind a patch whose pixels are STEP apart. */
static inline size_t mr_mixed_slack(size_t step)
{
    return 2 * MR_TILE_ROWS * step + MR_TILE_DEPTH;
}

/* Loads the input under B into BUFFER, pixels side by side, with its border; what a tile multiplies by zero
 * behind a bf16 patch is made finite. */
mr_mixed_patch mr_mixed_load(const mr_cut *cut, const mr_mixed_input *in, const mr_block *b,
                             mr_numbers buffer);
/* In place where nothing has to be done to it, else as above. */
mr_mixed_patch mr_mixed_load_or_point(const mr_cut *cut, const mr_mixed_input *in, const mr_block *b,
                                      mr_numbers buffer);

/* Runs of a kernel, in a patch (conv_internal.h); and how many tiles deep one is. */
void mr_mixed_runs(const mr_cut *cut, const mr_mixed_patch *patch, mr_runs *runs);
static inline size_t mr_mixed_steps(size_t length)
{
    return (length + MR_TILE_DEPTH - 1) / MR_TILE_DEPTH;
}

/* Channels rounded up to whole tiles. */
static inline size_t mr_mixed_padded(int channels)
{
    return ((size_t)channels + MR_TILE_ROWS - 1) / MR_TILE_ROWS * MR_TILE_ROWS;
}

/* Pixels that are equally far apart in a patch, so that tiles can read them: COUNT from number FIRST of the
 * patch on, STEP apart. Some of them may be none of the output's (a row's border, when rows are strung
 * together). */
struct mr_segment {
    ptrdiff_t first, step;
    int count;
    size_t at; /* of its first pixel in the table of outputs */
};

#endif
