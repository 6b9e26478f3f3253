/* SPDX-License-Identifier: Apache-2.0 */
/* What an instruction set provides: the innermost loops, filled in by table_portable.c, table_avx2.c,
 * table_avx512.c and mixed_avx512.c from the same bodies. Internal to nn/kernels/. All sizes and offsets count
 * numbers. */
#ifndef MR_NN_KERNELS_TABLE_H
#define MR_NN_KERNELS_TABLE_H

#include "nn/kernels/conv.h"

#include <stdint.h>

/* One register tile of an implicit GEMM: M pixels by V vectors of output channels.
 *   acc[i][j] = sum over runs r, l < length: in[i][run[r] + l] * w[r][l][j]
 * A run is a stretch of the input that is contiguous for every pixel: for a 1x1 kernel its channels, for an
 * undilated R x S kernel one filter row of S*C numbers. Then, in this order and where given: acc += bias[j];
 * acc += add[out[i]]; acc = 0 where scale*x[out[i]]+shift is outside of (low, high); without x: acc =
 * clamp(acc, low, high); y[out[i]] = acc; sums += acc, acc*acc or (with x) acc*(x - mean). */
struct mr_tile {
    const float *const *in; /* [M] */
    const ptrdiff_t *out; /* [2*M] where pixel i's channels lie in y, add and x; behind them the next tile's,
                             which are prefetched */
    const ptrdiff_t *run; /* [runs] */
    size_t runs, length;
    const float *w; /* [runs][length][V*lanes], packed */
    float *y;
    const float *bias, *add, *x, *scale, *shift, *mean; /* bias, scale, shift, mean: by channel; NULL: not */
    float low, high;
    float *sums, *products; /* [V*lanes] each, added to; NULL: not */
    size_t last;            /* channels in the last vector: 1 … lanes */
    const char *ahead; /* what the block after this one reads: AHEAD_STEP bytes more for every two steps */
    ptrdiff_t ahead_step;
};
typedef void mr_tile_kernel(const struct mr_tile *);

/* One register tile of a weight gradient: M rows (input channels of one run) by V vectors of output channels,
 *   out[i][j] (+)= sum over pixels: x[pixel][i] * dy[pixel][j]
 * DY is read to the end of its last vector: the caller's buffer has room for that. */
struct mr_weight_tile {
    const float *x, *dy;
    ptrdiff_t x_row, x_step, dy_row, dy_step; /* from one row / one pixel to the next */
    size_t rows, columns;
    float *out;
    size_t out_step;
    bool add;
    const char *ahead;
    ptrdiff_t ahead_step;
};
typedef void mr_weight_kernel(const struct mr_weight_tile *);

/* Bytes that AHEAD moves on per two steps: a pair of cache lines, which the L2's spatial prefetcher
 * completes. */
enum { MR_AHEAD_STEP = 128 };

enum { MR_TILE_FAMILIES = 3, MR_TILE_MOST = 16 };

/* Tiles of the same V; kernel[m] for m = 1 … most. */
struct mr_tile_family {
    int vectors, most;
    mr_tile_kernel *tile[MR_TILE_MOST + 1];
    mr_weight_kernel *weight[MR_TILE_MOST + 1];
};

/* y[i] = clamp(scale*x[i] + shift, low, high), by channel. SCALE NULL: no multiplication. */
struct mr_channel_affine {
    const float *scale, *shift;
    float low, high;
};

/* PIXELS rows of C channels; X's rows are X_STEP apart, Y's are not apart. Y may be X. */
typedef void mr_load_kernel(const struct mr_channel_affine *f, mr_numbers x, size_t x_step, size_t pixels, size_t c,
                            mr_numbers y);
/* The gradient that G stands for; its tensors begin at the first of PIXELS pixels. OUT [pixels][c]. */
typedef void mr_load_gradient_kernel(const mr_conv_gradient *g, size_t pixels, size_t c, mr_numbers out);

/* One row of pooled pixels: windows of R x S pixels of C channels, X_STEP apart from pixel to pixel of the
 * output, COLUMN apart inside of a window, ROW from one line of it to the next. */
struct mr_pool_row {
    const float *x;
    ptrdiff_t x_step, row, column;
    int r, s, columns;
    size_t c;
    float factor;    /* mean: what the sum is multiplied by */
    float *y;        /* [columns][c] */
    uint8_t *places; /* maximum: [columns][c] which pixel of the window (row by row) it was, the first one; or
                        NULL */
};

/* One row of the gradient by a pooling's input: what every pixel gets from the windows that it lies in, then
 * as in mr_tile: += add, masked by low < scale*x + shift < high, stored, summed. Windows are S wide, STRIDE
 * apart, COUNT in a row; DY and PLACES hold one row of them for each of LINES. */
struct mr_spread_row {
    const float *dy[16];
    const uint8_t *places[16]; /* NULL: every pixel of the window gets it (mean) */
    int first_tap[16];         /* tap number of this line's first column */
    int lines, s, stride, pad, count, columns;
    size_t c;
    float factor;
    float *dx;
    const float *add, *x, *scale, *shift, *mean;
    float low, high;
    float *sums, *products; /* [c] each or NULL */
};

/* One row of a depthwise convolution: COLUMNS pixels, the window of the first one begins in column FIRST of the lines
 * (before 0: outside), those of the others STRIDE further each; its columns are DILATION apart. LINE[i] is what row i
 * of the kernel meets, [width][c]; NULL: outside. y = clamp(scale*(bias + sum) + shift + add, low, high); products
 * and sums are rounded one by one, in the order of the window: as the plain layer's loop. */
enum { MR_DEPTHWISE_LINES = 16 };
struct mr_depthwise_row {
    const float *line[MR_DEPTHWISE_LINES];
    int r, s, stride, dilation, first, width, columns;
    size_t c;
    const float *w, *bias, *scale, *shift; /* [r][s][c]; [c] or NULL; [c], both or none */
    const float *add;                      /* [columns][c] or NULL */
    float *y;
    float low, high;
};

/* Winograd's transforms of one window: 4x4 pixels of input, of which rows FIRST_ROW … END_ROW-1 and the columns likewise
 * lie in the image, to 16 numbers STEP apart for each channel; and 16 such products to 2x2 pixels of output (ROWS x
 * COLUMNS of them are stored), y = clamp(sum + bias + add, low, high), ROW from one row of y and add to the next. */
struct mr_window_input {
    const float *x;
    ptrdiff_t row;
    int first_row, end_row, first_column, end_column;
    size_t c, step;
    float *v;
};
struct mr_window_output {
    const float *m;
    size_t step;
    const float *bias, *add; /* [k] or NULL; as y or NULL */
    float *y;
    ptrdiff_t row;
    int rows, columns;
    size_t k;
    float low, high;
};

/* Begins every table. */
struct mr_isa {
    const char *name;
    bool (*runs)(void); /* whether this processor can run it (isa.h); NULL: every processor can */
};

struct mr_kernel_table {
    struct mr_isa isa;
    int lanes;
    struct mr_tile_family family[MR_TILE_FAMILIES]; /* most vectors first; the last has one */
    mr_load_kernel *load; /* between floats */
    mr_load_gradient_kernel *load_gradient;
    void (*max_row)(const struct mr_pool_row *p);
    void (*mean_row)(const struct mr_pool_row *p);
    void (*depthwise_row)(const struct mr_depthwise_row *p);
    void (*window_input)(const struct mr_window_input *p);
    void (*window_output)(const struct mr_window_output *p);
    void (*spread_row)(const struct mr_spread_row *p);
    /* sums[k] += sum of a[pixel][k], products[k] += sum of a*(b - mean) over PIXELS rows of C; MEAN NULL: 0.
     */
    void (*sum_rows)(const float *a, const float *b, const float *mean, size_t pixels, size_t c, float *sums,
                     float *products);
    /* out[i] += sum over p < parts, in their order: part[p*step + i]; i < count. */
    void (*add_parts)(const float *part, size_t step, int parts, size_t count, float *out);
};

/* ---- mixed precision: tiles are AMX's where the processor has them, else AVX512_BF16's dot products, else
 * plain loops; all of them read the same layouts. */

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

/* What becomes of a stage: mr_conv_output for CHANNELS channels from the one on at which y, add, bias point.
 * Pixel i lies AT[i] numbers further; AT < 0: no pixel; behind the last one there are MR_MIXED_AHEAD more
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

/* mr_conv_input_gradient for a stage, as mr_mixed_finish. SCALE NULL: no mask. */
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
    struct mr_isa isa;
    /* Around a thread's tiles: AMX's configuration. */
    void (*begin)(void);
    void (*end)(void);
    void (*tile)(const struct mr_mixed_tile *t);
    void (*finish)(const struct mr_mixed_finish *f);
    mr_load_kernel *load; /* between all types */
    mr_load_gradient_kernel *load_gradient;
    void (*give)(const struct mr_mixed_give *g);
    /* OUT [c of 16][pixels], PITCH apart: number c of pixel i is X[at[i] + c]. CHANNELS <= 16, the rest is
     * zero; PIXELS a multiple of 32. */
    void (*transpose)(const mr_bf16 *x, const ptrdiff_t *at, size_t pixels, int channels, mr_bf16 *out,
                      size_t pitch);
    /* Pixels in pairs as the second operand of a product: for each 32 of them, each tile of 16 channels:
     * [16 pairs][16 channels][2]. AT < 0: a pixel of zeros. CHANNELS <= 32. */
    void (*interleave)(const mr_bf16 *g, const ptrdiff_t *at, size_t pixels, int channels, mr_bf16 *out);
};

extern const struct mr_kernel_table mr_table_portable, mr_table_avx2, mr_table_avx512;
extern const struct mr_mixed_table mr_mixed_portable, mr_mixed_avx2, mr_mixed_avx512, mr_mixed_amx;

/* The best tables for this processor (MILLRACE_ISA=portable|avx2|avx512|amx in the environment asks for lesser
 * ones). */
const struct mr_kernel_table *mr_kernels(void);
const struct mr_mixed_table *mr_mixed_kernels(void);
/* For tests: uses TABLE from now on; NULL: the best again. False where the processor cannot run it. */
bool mr_kernels_use(const struct mr_kernel_table *table);
bool mr_mixed_kernels_use(const struct mr_mixed_table *table);

#endif
