/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes, shapes of images, and the windows of convolutions and pooling. */
#ifndef MR_NN_LAYERS_WINDOW_H
#define MR_NN_LAYERS_WINDOW_H

#include "nn/graph/config.h"

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

/* ---- shapes */

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

/* ---- windows of convolutions and pooling */

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
/* Rows for the keys that it reads. */
#define MR_WINDOW_FIELDS(kernel_key) {.key = kernel_key}, {.key = "strides"}, {.key = "padding"}, {.key = "data_format"}
/* Rows for what mr_layer_add_param and training read of a variable called NAME. */
#define MR_PARAM_FIELDS(name)                                                                                \
    {.key = name "_initializer"}, {.key = name "_regularizer"}, {.key = name "_constraint"}
/* Output of sliding over IN with CHANNELS out; checks rank and that the window fits. */
int mr_window_output(const mr_layer *l, const mr_window *w, const mr_shape *in, int64_t channels,
                     mr_shape *out, mr_error *e);
/* Padding in front of rows and columns. */
void mr_window_padding(const mr_window *w, const mr_shape *in, int64_t before[2]);

#endif
