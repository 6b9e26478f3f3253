/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by conv_*.c, mixed_weights.c, pool.c, depthwise.c and winograd.c: how a convolution is cut into
 * blocks, where a block's numbers lie, and the order of its weights. */
#ifndef MR_NN_KERNELS_CONV_INTERNAL_H
#define MR_NN_KERNELS_CONV_INTERNAL_H

#include "nn/kernels/conv.h"
#include "nn/kernels/table.h"

enum { MR_CONV_MOST_TAPS = 256, MR_CONV_ALIGN = 64 };

/* A rectangle of output: images × rows × columns. */
typedef struct mr_block {
    int image, images, row, rows, column, columns;
} mr_block;

/* Where the numbers of a block lie, in a scratch buffer or in the tensor itself: numbers from one to the
 * next. */
typedef struct mr_patch {
    mr_numbers at;
    ptrdiff_t image, row, column;
} mr_patch;

/* A convolution cut into equal blocks (the last ones may be smaller), grouped into tasks. */
typedef struct mr_cut {
    mr_conv d;      /* as given; a plain 1x1 convolution as one row of n*h*w pixels */
    bool flat;      /* that was done */
    bool subsample; /* a strided 1x1: only the pixels that are needed are loaded, the stride is then 1 */
    int images, rows, columns;                      /* most of a block */
    int across_images, across_rows, across_columns; /* blocks */
    int blocks, tasks;
    float outside; /* what a patch holds beyond the image; 0 for convolutions */
} mr_cut;

/* Bump allocation; with base NULL only the size is counted. */
typedef struct mr_layout {
    char *base;
    size_t used;
} mr_layout;

static inline void *mr_layout_take(mr_layout *l, size_t bytes)
{
    void *p = l->base ? l->base + l->used : NULL;
    l->used += (bytes + MR_CONV_ALIGN - 1) / MR_CONV_ALIGN * MR_CONV_ALIGN;
    return p;
}

static inline int mr_at_most(int a, int b)
{
    return a < b ? a : b;
}
static inline int mr_at_least(int a, int b)
{
    return a > b ? a : b;
}
static inline int mr_divide_up(int a, int b)
{
    return (a + b - 1) / b;
}

static inline size_t mr_whole(size_t count, size_t unit)
{
    return (count + unit - 1) / unit * unit;
}

/* Cuts D so that a block's input stays in the cache; for the backward pass its gradient, too. */
void mr_cut_forward(mr_cut *cut, const mr_conv *d);
void mr_cut_backward(mr_cut *cut, const mr_conv *d);
mr_block mr_cut_block(const mr_cut *cut, int number);
/* First block of a task; that of task cut->tasks is cut->blocks. */
int mr_cut_first(const mr_cut *cut, int task);

/* Rows and columns of input under a block of output. */
int mr_input_rows(const mr_cut *cut, int rows);
int mr_input_columns(const mr_cut *cut, int columns);
size_t mr_input_patch_size(const mr_cut *cut); /* numbers */

/* The patch of IN under block B: in place where nothing has to be done to it, else loaded into BUFFER, pixels
 * side by side, with its border. What a tile multiplies by zero behind a patch of bf16 is made finite. */
mr_patch mr_load_input(const mr_cut *cut, const mr_conv_input *in, const mr_block *b, mr_numbers buffer);
/* Numbers that a tile of bf16 may read behind a patch whose pixels are STEP apart. */
size_t mr_patch_slack(size_t step);

/* mr_load_kernel and mr_load_gradient_kernel for whichever types these are. */
void mr_load(const struct mr_channel_affine *f, mr_numbers x, size_t x_step, size_t pixels, size_t c, mr_numbers y);
void mr_load_gradient(const mr_conv_gradient *g, size_t pixels, size_t c, mr_numbers out);
/* G from number AT of its tensors on. */
mr_conv_gradient mr_gradient_at(const mr_conv_gradient *g, ptrdiff_t at);
static inline const float *mr_floats_at(const float *p, ptrdiff_t at)
{
    return p ? p + at : NULL;
}

/* Runs of the kernel in a patch of input: their offsets. */
void mr_input_runs(const mr_cut *cut, const mr_patch *patch, ptrdiff_t *offset);
/* How many, of which length (offsets depend on the patch, these do not). */
size_t mr_input_run_count(const mr_conv *d);
size_t mr_input_run_length(const mr_conv *d);

/* The family of tiles for the next channels: LEFT vectors remain, DEPTH products go into each sum. */
const struct mr_tile_family *mr_choose_family(const struct mr_kernel_table *t, int left, size_t depth);

/* Channels rounded up to whole vectors. */
size_t mr_padded(const struct mr_kernel_table *t, int channels);
/* In mixed precision: to whole tiles; and how many tiles deep a run of LENGTH numbers is. */
static inline size_t mr_mixed_padded(int channels)
{
    return mr_whole((size_t)channels, MR_TILE_ROWS);
}
static inline size_t mr_mixed_steps(size_t length)
{
    return mr_whole(length, MR_TILE_DEPTH) / MR_TILE_DEPTH;
}
/* A block's sums by channel: [2] of as many floats. */
size_t mr_padded_sums(const mr_conv *d, int channels);

/* The positions of one residue class of input pixels (backward by data): pixels whose row plus pad_top has
 * remainder A by the stride, and the same for columns and B. Offsets count output pixels. */
typedef struct mr_class {
    int a, b;
    int taps; /* kernel rows × columns that meet the class */
    int r[MR_CONV_MOST_TAPS], s[MR_CONV_MOST_TAPS];
    int row[MR_CONV_MOST_TAPS], column[MR_CONV_MOST_TAPS]; /* output pixel relative to ((h+pad)/stride, …) */
    int per_run;                                           /* taps side by side in a run */
} mr_class;
void mr_find_class(const mr_conv *d, int a, int b, mr_class *class);
/* In mixed precision: numbers of its packed weights. */
size_t mr_mixed_packed_class(const mr_conv *d, const mr_class *class);

/* Rows (columns) FIRST … END-1. */
struct mr_span {
    int first, end;
};
static inline size_t mr_span_length(struct mr_span s)
{
    return (size_t)(s.end - s.first);
}

/* What a block reads and writes in the backward pass: the part of dx that is its own, and the gradient of its own
 * pixels and (with DATA) of those that its part of dx meets; these may lie outside of the output. */
struct mr_area {
    struct mr_span rows, columns;     /* of dx */
    struct mr_span g_rows, g_columns; /* of gradient */
};
struct mr_area mr_find_area(const mr_cut *cut, const mr_block *b, bool data);

/* Memory that the next block reads, prefetched a little with every tile of this one: so that loading a block,
 * which is bound by memory, and computing on it, which is not, overlap. */
typedef struct mr_ahead {
    const char *at[4];
    size_t bytes[4];
    int streams, stream;
    size_t done;  /* of the current stream */
    size_t share; /* mixed precision: bytes for each stage */
} mr_ahead;

/* COUNT numbers from number FIRST of N on (none: nothing); the input under block B. */
void mr_ahead_add(mr_ahead *a, mr_numbers n, size_t first, size_t count);
void mr_ahead_input(mr_ahead *a, const mr_cut *cut, const mr_conv_input *in, const mr_block *b);

/* The part for a tile of STEPS steps: where, and through *STEP how far it moves on every two steps. NOTHING
 * is some address that is always in the cache. */
static inline const char *mr_ahead_take(mr_ahead *a, size_t steps, const void *nothing, ptrdiff_t *step)
{
    while (a->stream < a->streams && a->done >= a->bytes[a->stream]) {
        a->stream++;
        a->done = 0;
    }
    *step = 0;
    if (a->stream == a->streams)
        return nothing;
    const char *at = a->at[a->stream] + a->done;
    *step = MR_AHEAD_STEP;
    a->done += steps / 2 * MR_AHEAD_STEP;
    return at;
}

/* Mixed precision: shares out what was added to STAGES stages; and the part of one stage. */
void mr_ahead_share(mr_ahead *a, size_t stages);
void mr_ahead_stage(mr_ahead *a);

/* A block as large as the one before, loaded to the same place, has the same pixels. */
static inline bool mr_same_block_size(const mr_block *a, const mr_block *b)
{
    return a->images == b->images && a->rows == b->rows && a->columns == b->columns;
}

/* TO [2][channels] += a block's sums, [2][padded]. */
void mr_add_block_sums(const float *sums, size_t padded, size_t channels, double *to);

/* out[i] = sum over tasks of task_sums[task][i], in their order. */
void mr_sum_tasks(const double *task_sums, int tasks, size_t count, double *out);

/* Runs tiles over MOST columns of work. Splits COUNT into pieces of nearly equal size, at most MOST each,
 * because a small last piece would keep too few multiply-adds in flight. Returns the next piece. */
static inline int mr_next_piece(int left, int most)
{
    return mr_divide_up(left, mr_divide_up(left, most));
}

/* ---- mixed precision */

/* Around a thread's tiles; nothing in float32. */
static inline void mr_begin_tiles(const mr_conv *d)
{
    if (d->half)
        mr_mixed_kernels()->begin();
}
static inline void mr_end_tiles(const mr_conv *d)
{
    if (d->half)
        mr_mixed_kernels()->end();
}

/* Pixels that are equally far apart in a patch, so that tiles can read them: COUNT from number FIRST of the
 * patch on, STEP apart. Some of them may be none of the output's (a row's border, when rows are strung
 * together). */
struct mr_segment {
    ptrdiff_t first, step;
    int count;
    size_t at; /* of its first pixel in the table of outputs */
};

/* The gradient by the weights (mixed_weights.c). A product sums along the rows of a tile, here over pixels:
 * the input is transposed to [channel][pixel], so that each tap is the same numbers read from another offset,
 * and the gradient's pixels are interleaved in pairs. Pixels are strung together row by row with the input's
 * border between the rows, where the gradient is zero; a strided convolution's input is split first
 * into stride_h x stride_w phases, which again have no strides. Few channels (an image's) would leave most of
 * a tile's rows empty: there the S*C numbers under a row of the kernel, which lie side by side, are treated as
 * the channels of a kernel of one column. */
typedef struct mr_mixed_weights {
    const mr_cut *cut;
    bool rows_of_kernel; /* that is done */
    size_t inner;        /* numbers of a tap: C, or S*C */
    size_t rows;         /* of one task's sums: taps times whole tiles of c */
    size_t c, k;         /* inner, K in whole tiles */
    size_t floats; /* of one task's sums: stages of k by [rows][32 or 16], then the bias's [16][32 or 16] */
    size_t most_pixels, most_pitch;
} mr_mixed_weights;

/* What the tables of addresses depend on. */
typedef struct mr_mixed_weights_shape {
    int images, rows, columns;
    ptrdiff_t x[3], g[3];
} mr_mixed_weights_shape;

typedef struct mr_mixed_weights_memory { /* of a thread */
    mr_mixed_weights_shape *shape;       /* of the block that the tables were made for */
    mr_bf16 *transposed;                 /* [c][pitch] of one phase */
    mr_bf16 *interleaved;                /* [stages of k][pixels / 32][tiles] */
    mr_bf16 *ones;                       /* [most_pixels] */
    ptrdiff_t *x_at;                     /* [pitch] where each pixel of a phase lies in the patch */
    ptrdiff_t *g_at;                     /* [most_pixels] */
} mr_mixed_weights_memory;

void mr_mixed_weights_start(mr_mixed_weights *w, const mr_cut *cut);
void mr_mixed_weights_lay_out(const mr_mixed_weights *w, mr_layout *l, mr_mixed_weights_memory *m);
/* Before the first block of a thread: its tables are of none. */
void mr_mixed_weights_forget(const mr_mixed_weights_memory *m);
/* SUMS (+)= the block's part, of dw (unless DW is false) and of the bias (with BIAS). G's origin is the
 * block's first pixel. */
void mr_mixed_weights_add(const mr_mixed_weights *w, const mr_mixed_weights_memory *m, const mr_block *b,
                          const mr_patch *x, const mr_patch *g, float *sums, bool add, bool dw, bool bias);
/* dw, dbias += the sums of all tasks in their order. */
void mr_mixed_weights_reduce(const mr_mixed_weights *w, mr_team *team, const float *task_sums, float *dw,
                             float *dbias);

#endif
