/* SPDX-License-Identifier: Apache-2.0 */
/* What an instruction set has to offer: the innermost loops, filled in by table_portable.c, table_avx2.c and
 * table_avx512.c from the same bodies. Internal to nn/kernels/. All sizes and offsets count floats. */
#ifndef MR_NN_KERNELS_TABLE_H
#define MR_NN_KERNELS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
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

/* y[i] = clamp(scale*x[i] + shift, low, high) for PIXELS rows of C channels; X's rows are X_STEP apart, Y's
 * are not apart. SCALE NULL: no multiplication. Y may be X. */
struct mr_affine {
    const float *scale, *shift;
    float low, high;
};

/* The gradient by a convolution's output, from the step behind it: a*dy + b*x + c by channel (the backward
 * pass of batch normalization; A NULL: just dy), plus ADD, also written to STORE; x, add, store as dy lies.
 */
struct mr_gradient_rows {
    const float *dy, *x, *a, *b, *c, *add;
    float *store;
};

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

struct mr_kernel_table {
    const char *name;
    int lanes;
    struct mr_tile_family family[MR_TILE_FAMILIES]; /* most vectors first; the last has one */
    void (*load)(const struct mr_affine *f, const float *x, size_t x_step, size_t pixels, size_t c, float *y);
    void (*load_gradient)(const struct mr_gradient_rows *g, size_t pixels, size_t c, float *out);
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

extern const struct mr_kernel_table mr_table_portable, mr_table_avx2, mr_table_avx512;

/* The best table for this processor (MILLRACE_ISA=portable|avx2|avx512 in the environment asks for a lesser
 * one). */
const struct mr_kernel_table *mr_kernels(void);
/* For tests: uses TABLE from now on; NULL: the best again. Returns false where the processor cannot run it.
 */
bool mr_kernels_use(const struct mr_kernel_table *table);

#endif
