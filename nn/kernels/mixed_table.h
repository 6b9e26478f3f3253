/* SPDX-License-Identifier: Apache-2.0 */
/* The innermost loops in mixed precision (table.h's counterpart). Internal to nn/kernels/. */
#ifndef MR_NN_KERNELS_MIXED_TABLE_H
#define MR_NN_KERNELS_MIXED_TABLE_H

#include "nn/kernels/mixed.h"
#include "nn/kernels/table.h"

/* A tile is AMX's: 16 rows of 64 bytes. Products are formed for up to two tiles of pixels by two of channels:
 * of the eight tile registers four then hold sums and every tile that is loaded is used twice. */
enum {
    MR_TILE_ROWS = 16,
    MR_TILE_DEPTH = 32,                             /* bf16 numbers in a row of a tile */
    MR_TILE_NUMBERS = MR_TILE_ROWS * MR_TILE_DEPTH, /* of a packed tile */
    MR_STAGE = 32,                                  /* pixels, and channels, of a stage */
    MR_MIXED_AHEAD = 16, /* pixels: what a stage writes is prefetched so far ahead of its stores; measured, a
                            core writes 27 GB/s so, without it 13 */
};

/* stage[pixel][channel] = sum over runs r, l < 32*steps: a[pixel*a_step + run[r] + l] * w. Rows of A are read
 * past the end of a run up to a multiple of 32 numbers, where W is zero. W, packed: for each run, each 32
 * numbers of it, each tile of 16 channels: [16 pairs][16 channels][2]. Counts of tiles are 1 or 2. */
struct mr_mixed_tile {
    const mr_bf16 *a;
    ptrdiff_t a_step;
    const ptrdiff_t *run; /* [runs] */
    size_t runs, steps;
    const mr_bf16 *w;
    int pixel_tiles, channel_tiles;
    float *stage; /* 64-byte aligned; STAGE_STEP floats from pixel to pixel */
    ptrdiff_t stage_step;
    bool add; /* to what is there */
};

/* What becomes of a stage: mr_mixed_output for CHANNELS channels from the one on at which y, add, bias point.
 * Pixel i lies AT[i] numbers further; AT < 0: it is none; behind the last one there are MR_MIXED_AHEAD more
 * of whatever address. SUMS, PRODUCTS [32] are added to; or NULL. */
struct mr_mixed_finish {
    const float *stage;
    const ptrdiff_t *at;
    int pixels, channels;
    mr_numbers y, add;
    const float *bias;
    float low, high;
    float *sums, *products;
};

/* mr_mixed_input_gradient for a stage, as mr_mixed_finish. SCALE NULL: no mask. */
struct mr_mixed_give {
    const float *stage;
    const ptrdiff_t *at;
    int pixels, channels;
    mr_numbers dx, add, x;
    const float *scale, *shift, *mean;
    float low, high;
    float *sums, *products;
};

struct mr_mixed_table {
    const char *name;
    /* Around a thread's tiles: AMX's configuration. */
    void (*begin)(void);
    void (*end)(void);
    void (*tile)(const struct mr_mixed_tile *t);
    void (*finish)(const struct mr_mixed_finish *f);
    /* y = clamp(scale*x + shift, low, high), as mr_kernel_table.load; Y [pixels][c]. */
    void (*load)(const struct mr_affine *f, mr_numbers x, size_t x_step, size_t pixels, size_t c,
                 mr_numbers y);
    /* The gradient that G stands for, OUT [pixels][c]; G's tensors are all of one type. */
    void (*load_gradient)(const mr_mixed_gradient *g, size_t pixels, size_t c, mr_numbers out);
    void (*give)(const struct mr_mixed_give *g);
    /* OUT [c of 16][pixels], PITCH apart: number c of pixel i is X[at[i] + c]. CHANNELS <= 16, the rest is
     * zero; PIXELS a multiple of 32. */
    void (*transpose)(const mr_bf16 *x, const ptrdiff_t *at, size_t pixels, int channels, mr_bf16 *out,
                      size_t pitch);
    /* Pixels in pairs as the second operand of a product: for each 32 of them, each tile of 16 channels:
     * [16 pairs][16 channels][2]. AT < 0: a pixel of zeros. CHANNELS <= 32. */
    void (*interleave)(const mr_bf16 *g, const ptrdiff_t *at, size_t pixels, int channels, mr_bf16 *out);
};

extern const struct mr_mixed_table mr_mixed_portable, mr_mixed_avx2, mr_mixed_avx512, mr_mixed_amx;

/* The best table for this processor (MILLRACE_ISA=portable|avx2|avx512|amx asks for a lesser one). */
const struct mr_mixed_table *mr_mixed_kernels(void);
/* For tests: uses TABLE from now on; NULL: the best again. False where the processor cannot run it. */
bool mr_mixed_kernels_use(const struct mr_mixed_table *table);

/* COUNT numbers further; NULL stays NULL. */
static inline mr_numbers mr_numbers_at(mr_numbers n, ptrdiff_t count)
{
    ptrdiff_t bytes = count * (ptrdiff_t)(n.half ? sizeof(mr_bf16) : sizeof(float));
    return (mr_numbers){n.at ? (char *)n.at + bytes : NULL, n.half};
}

#endif
