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

/* mr_ahead, whose streams are bf16 or float32: COUNT numbers from number FIRST of N on; the input under block
 * B. */
void mr_mixed_ahead_add(mr_ahead *a, mr_numbers n, size_t first, size_t count);
void mr_mixed_ahead_input(mr_ahead *a, const mr_cut *cut, const mr_mixed_input *in, const mr_block *b);
/* Shares out what was added to STAGES stages; and the part of one stage. */
void mr_mixed_ahead_start(mr_ahead *a, size_t stages);
void mr_mixed_ahead_stage(mr_ahead *a);

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

/* Cuts D for its backward pass, where the gradient has to be in the cache, too. */
void mr_mixed_cut_backward(mr_cut *cut, const mr_conv *d);

/* Numbers of the packed weights of one class (backward by data). */
size_t mr_mixed_packed_class(const mr_conv *d, const mr_class *class);

/* The gradient by the weights (mixed_weights.c). A product sums along the rows of a tile, here over pixels:
 * the input is transposed to [channel][pixel], so that each tap is the same numbers read from another offset,
 * and the gradient's pixels are interleaved in pairs. Pixels are strung together row by row with the input's
 * border between the rows, where the gradient is zero; a strided convolution's input is taken apart first
 * into stride_h x stride_w phases, which again have no strides. Few channels (an image's) would leave most of
 * a tile's rows empty: there the S*C numbers under a row of the kernel, which lie side by side, are taken for
 * the channels of a kernel of one column. */
typedef struct mr_mixed_weights {
    const mr_cut *cut;
    bool rows_of_kernel; /* that is done */
    size_t inner;        /* numbers of a tap: C, or S*C */
    size_t rows;       /* of one task's sums: taps times whole tiles of c */
    size_t c, k;       /* inner, K in whole tiles */
    size_t floats;     /* of one task's sums: stages of k by [rows][32 or 16], then the bias's [16][32 or 16] */
    size_t most_pixels, most_pitch;
} mr_mixed_weights;

/* What the tables of addresses depend on. */
typedef struct mr_mixed_weights_shape {
    int images, rows, columns;
    ptrdiff_t x[3], g[3];
} mr_mixed_weights_shape;

typedef struct mr_mixed_weights_memory { /* of a thread */
    mr_mixed_weights_shape *shape;       /* of the block that the tables were made for */
    mr_bf16 *transposed;  /* [c][pitch] of one phase */
    mr_bf16 *interleaved; /* [stages of k][pixels / 32][tiles] */
    mr_bf16 *ones;        /* [most_pixels] */
    ptrdiff_t *x_at;      /* [pitch] where each pixel of a phase lies in the patch */
    ptrdiff_t *g_at;      /* [most_pixels] */
} mr_mixed_weights_memory;

void mr_mixed_weights_start(mr_mixed_weights *w, const mr_cut *cut);
void mr_mixed_weights_lay_out(const mr_mixed_weights *w, mr_layout *l, mr_mixed_weights_memory *m);
/* Before the first block of a thread: its tables are of none. */
void mr_mixed_weights_forget(const mr_mixed_weights_memory *m);
/* SUMS (+)= the block's part, of dw (unless DW is false) and of the bias (with BIAS). G's origin is the
 * block's first pixel. */
void mr_mixed_weights_add(const mr_mixed_weights *w, const mr_mixed_weights_memory *m, const mr_block *b,
                          const mr_mixed_patch *x, const mr_mixed_patch *g, float *sums, bool add, bool dw,
                          bool bias);
/* dw, dbias += the sums of all tasks in their order. */
void mr_mixed_weights_reduce(const mr_mixed_weights *w, mr_team *team, const float *task_sums, float *dw,
                             float *dbias);

/* Pixels that are equally far apart in a patch, so that tiles can read them: COUNT from number FIRST of the
 * patch on, STEP apart. Some of them may be none of the output's (a row's border, when rows are strung
 * together). */
struct mr_segment {
    ptrdiff_t first, step;
    int count;
    size_t at; /* of its first pixel in the table of outputs */
};

#endif
