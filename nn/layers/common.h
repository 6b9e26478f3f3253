/* SPDX-License-Identifier: Apache-2.0 */
/* What several layers share: images, windows, the activation argument, sums over rows. */
#ifndef MR_NN_LAYERS_COMMON_H
#define MR_NN_LAYERS_COMMON_H

#include "nn/layers/activation.h"
#include "nn/graph/layer.h"

/* No kernel, stride, padding, factor or filter count is larger than this: products of two stay far below
 * 2^63. */
enum { MR_MAX_EXTENT = 1 << 24, MR_MAX_WINDOW = 1 << 28 };

static inline size_t mr_min(size_t a, size_t b)
{
    return a < b ? a : b;
}
static inline size_t mr_max(size_t a, size_t b)
{
    return a > b ? a : b;
}
static inline size_t mr_ceil_divide(size_t a, size_t b)
{
    return (a + b - 1) / b;
}
static inline size_t mr_round_up(size_t a, size_t unit)
{
    return (a + unit - 1) / unit * unit;
}

/* Scratch and saved memory are cut into pieces that start on cache lines. */
static inline size_t mr_piece(size_t bytes)
{
    return mr_round_up(bytes, 64);
}
static inline size_t mr_reals_piece(size_t reals)
{
    return mr_piece(reals * sizeof(mr_real));
}

/* Runs ITEM(argument, 0 … count-1, thread), several in one task where there are very many. */
typedef void mr_item(void *argument, size_t item, int thread);
void mr_team_items(mr_team *t, size_t count, mr_item *item, void *argument);

/* --- shapes ---------------------------------------------------------------- */

/* A batch of images. The tensors of 1-D layers (N, L, C) are images of one row. */
typedef struct mr_image_size {
    size_t n, h, w, c;
} mr_image_size;
mr_image_size mr_image_size_of(const mr_shape *s);

static inline size_t mr_last_dim(const mr_shape *s)
{
    return (size_t)s->dim[s->rank - 1];
}
/* Elements of the whole batch. */
static inline size_t mr_batch_count(const mr_shape *s)
{
    return (size_t)s->dim[0] * mr_shape_sample(s);
}

/* MR_EINVAL unless IN has RANK, saying what came instead. */
int mr_layer_check_rank(const mr_layer *l, const mr_shape *in, int rank, mr_error *e);
/* Output shape = input shape, for element-wise layers. */
int mr_same_shape(const mr_layer *l, const mr_shape *in, int inputs, mr_shape *out, mr_error *e);
/* Sizes of OUT from 1 on are checked; the message names the layer. */
int mr_layer_check_output(const mr_layer *l, const mr_shape *out, mr_error *e);
/* "axis": -1, RANK-1 or a list of that one; anything else is refused. */
int mr_layer_check_last_axis(const mr_layer *l, const mr_shape *in, mr_error *e);
/* For output_shape: any "axis" that is an integer or a list of one, as 1 … rank-1. */
int mr_layer_axis(const mr_layer *l, const mr_shape *in, int64_t fallback, int *axis, mr_error *e);

/* --- windows of convolutions and pooling ----------------------------------- */

typedef enum mr_padding { MR_PADDING_VALID, MR_PADDING_SAME, MR_PADDING_CAUSAL } mr_padding;

typedef struct mr_window {
    int axes; /* 2; 1 for the 1-D layers, whose entries [0] (rows) are then 1 */
    int64_t kernel[2], stride[2], dilation[2]; /* rows, columns */
    mr_padding padding;
} mr_window;

/* Reads KERNEL_KEY ("kernel_size", "pool_size"), "strides" (fallback: 1, or the kernel with
 * STRIDE_IS_KERNEL), "dilation_rate", "padding", "data_format". */
int mr_window_configure(const mr_layer *l, const json_t *c, int axes, const char *kernel_key,
                        bool stride_is_kernel, mr_window *w, mr_error *e);
/* Output of sliding over IN with CHANNELS out; checks rank and that the window fits. */
int mr_window_output(const mr_layer *l, const mr_window *w, const mr_shape *in, int64_t channels,
                     mr_shape *out, mr_error *e);
/* Padding in front of rows and columns. */
void mr_window_padding(const mr_window *w, const mr_shape *in, int64_t before[2]);

/* --- the activation argument of a layer ------------------------------------- */

/* What backward must find in call->saved: the sum before the activation, where the gradient is not known from
 * y. */
size_t mr_activated_saved(const mr_activation *a, const mr_call *c);
/* call->y holds the sum: keeps it in call->saved where that is needed, then activates it in place. */
void mr_activated_forward(const mr_activation *a, const mr_call *c);
/* The gradient by the sum: call->dy itself for a linear layer, else in SCRATCH (as large as the output). */
size_t mr_activated_scratch(const mr_activation *a, const mr_call *c);
const mr_real *mr_activated_gradient(const mr_activation *a, const mr_call *c, mr_real *scratch);

/* --- numbers per channel --------------------------------------------------- */

/* Element-wise passes over rows of CHANNELS take COUNT arrays of numbers per channel, each repeated to a
 * WIDTH of whole rows that is long enough for vectors. Ranges start at multiples of WIDTH. */
size_t mr_per_channel_width(size_t channels);
size_t mr_per_channel_size(size_t channels, size_t arrays); /* bytes */
/* K [arrays][width]: the first CHANNELS of each are there; repeats them. */
void mr_per_channel_repeat(mr_real *k, size_t arrays, size_t channels);
/* RANGE over ELEMENTS (a multiple of channels), cut at multiples of WIDTH. */
void mr_per_channel_ranges(mr_team *t, size_t elements, size_t channels, mr_range *range, void *argument);

/* --- sums over rows -------------------------------------------------------- */

/* SUM_A[c] = sum of A[r][c] over ROWS rows of COLUMNS, SUM_AB[c] the same of A*B (B NULL: only the first),
 * accumulated in double by a fixed partition. SCRATCH: mr_column_sums_scratch bytes. */
size_t mr_column_sums_scratch(size_t rows, size_t columns);
void mr_column_sums(mr_team *t, const mr_real *a, const mr_real *b, size_t rows, size_t columns,
                    double *sum_a, double *sum_ab, void *scratch);

/* BIAS_GRADIENT[c] += sum of dy[r][c]. SCRATCH: mr_bias_gradient_scratch bytes. */
size_t mr_bias_gradient_scratch(size_t rows, size_t columns);
void mr_bias_gradient(mr_team *t, const mr_real *dy, size_t rows, size_t columns, mr_real *bias_gradient,
                      void *scratch);

#endif
