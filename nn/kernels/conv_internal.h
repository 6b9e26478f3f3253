/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by conv_forward.c, conv_backward.c and conv_pack.c: how a convolution is cut into blocks, where a
 * block's numbers lie, and the order of its weights. */
#ifndef MR_NN_KERNELS_CONV_INTERNAL_H
#define MR_NN_KERNELS_CONV_INTERNAL_H

#include "nn/kernels/conv.h"
#include "nn/kernels/table.h"

enum { MR_CONV_MOST_TAPS = 256, MR_CONV_ALIGN = 64 };

/* A rectangle of output: images × rows × columns. */
typedef struct mr_block {
    int image, images, row, rows, column, columns;
} mr_block;

/* Where the numbers of a block lie, in a scratch buffer or in the tensor itself: floats from one to the next.
 */
typedef struct mr_patch {
    const float *at;
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

/* The positions of a kernel that meet a pixel, as runs that are contiguous in the patch (table.h). */
typedef struct mr_runs {
    size_t count, length;
    ptrdiff_t *offset; /* [count] */
} mr_runs;

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

/* Cuts D so that a block's input stays in the cache. */
void mr_cut_conv(mr_cut *cut, const mr_conv *d);
/* The same for about NUMBERS numbers of input, and not much fewer than LEAST pixels, a block. */
void mr_cut_blocks(mr_cut *cut, const mr_conv *d, size_t numbers, int least);
mr_block mr_cut_block(const mr_cut *cut, int number);
/* First block of a task; that of task cut->tasks is cut->blocks. */
int mr_cut_first(const mr_cut *cut, int task);

/* Rows and columns of input under a block of output. */
int mr_input_rows(const mr_cut *cut, int rows);
int mr_input_columns(const mr_cut *cut, int columns);
size_t mr_input_patch_floats(const mr_cut *cut);

/* The patch of IN under block B: in place where nothing has to be done to it, else loaded into BUFFER. */
mr_patch mr_load_input(const mr_cut *cut, const mr_conv_input *in, const mr_block *b, float *buffer);

/* Runs of the kernel in a patch of input. */
void mr_input_runs(const mr_cut *cut, const mr_patch *patch, mr_runs *runs);
/* How many, of which length (offsets depend on the patch, these do not). */
size_t mr_input_run_count(const mr_conv *d);
size_t mr_input_run_length(const mr_conv *d);

/* The family of tiles for the next channels: LEFT vectors remain, DEPTH products go into each sum. */
const struct mr_tile_family *mr_choose_family(const struct mr_kernel_table *t, int left, size_t depth);

/* Channels rounded up to whole vectors. */
size_t mr_padded(const struct mr_kernel_table *t, int channels);

/* The positions of one residue class of input pixels (backward by data): pixels whose row plus pad_top has
 * remainder A by the stride, and the same for columns and B. Offsets count output pixels. */
typedef struct mr_class {
    int taps; /* kernel rows × columns that meet the class */
    int r[MR_CONV_MOST_TAPS], s[MR_CONV_MOST_TAPS];
    int row[MR_CONV_MOST_TAPS], column[MR_CONV_MOST_TAPS]; /* output pixel relative to ((h+pad)/stride, …) */
    int per_run;                                           /* taps side by side in a run */
} mr_class;
void mr_find_class(const mr_conv *d, int a, int b, mr_class *class);

/* Rows (columns) FIRST … END-1. */
struct mr_span {
    int first, end;
};
static inline size_t mr_span_length(struct mr_span s)
{
    return (size_t)(s.end - s.first);
}

/* What a block needs and gives in backward: the part of dx that is its own, and the gradient of its own
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

static inline void mr_ahead_add(mr_ahead *a, const float *p, size_t floats)
{
    if (!p)
        return;
    a->at[a->streams] = (const char *)p;
    a->bytes[a->streams++] = floats * sizeof *p;
}

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

/* The input under block B as it lies in the tensor: its first number, and how many. */
size_t mr_input_range(const mr_cut *cut, const mr_block *b, size_t *count);
void mr_ahead_input(mr_ahead *a, const mr_cut *cut, const mr_conv_input *in, const mr_block *b);

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

#endif
