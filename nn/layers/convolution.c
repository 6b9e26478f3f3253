/* SPDX-License-Identifier: Apache-2.0 */
/* Forward, what the three products share, and what the convolutional layers do alike. The gradients:
 * nn/layers/convolution_gradients.c. */
#include "nn/layers/convolution.h"

#include "nn/compute/gemm.h"
#include "nn/compute/simd.h"
#include "nn/layers/channels.h"

#include <string.h>

mr_product_blocks mr_choose_blocks(size_t rows, size_t length, size_t columns)
{
    /* A block and its product stay in the L2 cache; below LEAST rows, packing the kernel would cost as much
     * as the product. WANTED tasks keep many threads busy. */
    enum { BLOCK_ELEMENTS = 192 << 10, LEAST = 96, MOST = 1024, FEWEST = 64, WANTED = 16, COLUMNS = 64 };
    mr_product_blocks b = {.rows = BLOCK_ELEMENTS / (length + columns)};
    b.rows = mr_min(MOST, mr_max(LEAST, mr_round_up(b.rows, 16)));
    b.rows = mr_min(b.rows, mr_max(FEWEST, mr_round_up(mr_ceil_divide(rows, WANTED), 16)));
    b.row_blocks = mr_ceil_divide(rows, b.rows);
    b.column_blocks = mr_max(1, mr_min(mr_ceil_divide(WANTED, b.row_blocks), columns / COLUMNS));
    b.columns = mr_round_up(mr_ceil_divide(columns, b.column_blocks), 16);
    b.column_blocks = mr_ceil_divide(columns, b.columns);
    return b;
}

bool mr_is_pointwise(const mr_convolution *g)
{
    return g->kh == 1 && g->kw == 1 && g->sh == 1 && g->sw == 1 && g->top == 0 && g->left == 0 &&
           g->ih == g->oh && g->iw == g->ow;
}

mr_patches mr_forward_patches(const mr_convolution *g, const mr_real *x, size_t group)
{
    size_t channels = g->cin / g->groups;
    return (mr_patches){.image = x + group * channels,
                        .height = g->ih,
                        .width = g->iw,
                        .stride = g->cin,
                        .channels = channels,
                        .grid_height = g->oh,
                        .grid_width = g->ow,
                        .step_row = g->sh,
                        .step_column = g->sw,
                        .row = {-g->top, g->dh, g->kh},
                        .column = {-g->left, g->dw, g->kw}};
}

struct forward {
    const mr_convolution *g;
    const mr_real *x, *w;
    mr_real *y, *scratch;
    mr_convolution_end end;
    mr_product_blocks blocks;
    size_t rows, length, piece; /* PIECE reals of scratch per thread */
};

static struct forward set_up_forward(const mr_convolution *g)
{
    struct forward f = {.g = g, .rows = g->n * g->oh * g->ow, .length = g->kh * g->kw * (g->cin / g->groups)};
    f.blocks = mr_choose_blocks(f.rows, f.length, g->cout / g->groups);
    f.piece = mr_is_pointwise(g) ? 0 : mr_round_up(f.blocks.rows * f.length, 16);
    return f;
}

size_t mr_convolution_forward_scratch(const mr_convolution *g, int threads)
{
    return set_up_forward(g).piece * (size_t)threads * sizeof(mr_real);
}

static void add_bias(mr_real *y, const mr_real *bias, size_t rows, size_t columns)
{
    for (size_t r = 0; r < rows; r++) {
        mr_real *line = y + r * columns;
#pragma omp simd
        for (size_t c = 0; c < columns; c++)
            line[c] += bias[c];
    }
}

/* Bias and activation over whole rows. */
static void finish_rows(void *argument, size_t first, size_t end, int thread)
{
    (void)thread;
    const struct forward *f = argument;
    size_t columns = f->g->cout, count = (end - first) * columns;
    mr_real *y = f->y + first * columns;
    if (f->end.bias)
        add_bias(y, f->end.bias, end - first, columns);
    if (f->end.sum)
        memcpy(f->end.sum + first * columns, y, count * sizeof *y);
    if (f->end.activation)
        f->end.activation->forward(f->end.activation, y, y, count, columns);
}

static void forward_group(const struct forward *f, size_t group, size_t first, size_t rows, size_t column,
                          size_t columns, mr_real *block)
{
    const mr_convolution *g = f->g;
    size_t at = group * (g->cout / g->groups) + column, lda = f->length;
    mr_patches patches = mr_forward_patches(g, f->x, group);
    const mr_real *a = block;
    if (f->piece) {
        mr_patches_gather(&patches, first, first + rows, 0, f->length, block);
    } else {
        a = patches.image + first * g->cin;
        lda = g->cin;
    }
    mr_gemm(false, false, rows, columns, f->length, a, lda, f->w + at, g->cout, false,
            f->y + first * g->cout + at, g->cout);
}

static void forward_block(void *argument, size_t item, int thread)
{
    const struct forward *f = argument;
    size_t first = item / f->blocks.column_blocks * f->blocks.rows,
           rows = mr_min(f->blocks.rows, f->rows - first);
    size_t column = item % f->blocks.column_blocks * f->blocks.columns;
    size_t columns = mr_min(f->blocks.columns, f->g->cout / f->g->groups - column);
    for (size_t group = 0; group < f->g->groups; group++)
        forward_group(f, group, first, rows, column, columns, f->scratch + (size_t)thread * f->piece);
    if (f->blocks.column_blocks == 1)
        finish_rows(argument, first, first + rows, thread);
}

void mr_convolution_forward(const mr_convolution *g, mr_team *t, const mr_real *x, const mr_real *w,
                            mr_real *y, mr_convolution_end end, void *scratch)
{
    struct forward f = set_up_forward(g);
    f.x = x;
    f.w = w;
    f.y = y;
    f.end = end;
    f.scratch = scratch;
    mr_team_items(t, f.blocks.row_blocks * f.blocks.column_blocks, forward_block, &f);
    if (f.blocks.column_blocks > 1)
        mr_team_ranges(t, f.rows, mr_max(1, 16384 / g->cout), finish_rows, &f);
}

/* ---- layers */

mr_convolution mr_depthwise_geometry(const mr_window *w, int64_t multiplier, const mr_shape *in)
{
    mr_image_size i = mr_image_size_of(in);
    int64_t before[2], size[2] = {(int64_t)i.h, (int64_t)i.w}, out[2];
    for (int a = 0; a < 2; a++)
        out[a] = mr_conv_output_length(size[a], (w->kernel[a] - 1) * w->dilation[a] + 1, w->stride[a],
                                       w->padding == MR_PADDING_SAME, &before[a]);
    return (mr_convolution){.n = i.n,
                            .ih = i.h,
                            .iw = i.w,
                            .cin = i.c,
                            .oh = (size_t)out[0],
                            .ow = (size_t)out[1],
                            .cout = i.c * (size_t)multiplier,
                            .kh = (size_t)w->kernel[0],
                            .kw = (size_t)w->kernel[1],
                            .groups = i.c,
                            .sh = w->stride[0],
                            .sw = w->stride[1],
                            .dh = w->dilation[0],
                            .dw = w->dilation[1],
                            .top = before[0],
                            .left = before[1]};
}

static size_t rows_of(const mr_call *c)
{
    return mr_batch_count(&c->out) / mr_last_dim(&c->out);
}

size_t mr_convolution_layer_scratch(const mr_call *c, const mr_activation *a, mr_convolution g)
{
    int threads = mr_team_size(c->team);
    size_t size = mr_convolution_forward_scratch(&g, threads);
    if (!c->training)
        return size;
    size = mr_max(size, mr_convolution_input_scratch(&g, threads));
    size = mr_max(size, mr_convolution_weight_scratch(&g, threads));
    size = mr_max(size, mr_bias_gradient_scratch(rows_of(c), mr_last_dim(&c->out)));
    return mr_activated_scratch(a, c) + size;
}

void mr_convolution_layer_backward(const mr_call *c, const mr_activation *a, mr_convolution g)
{
    const mr_real *dy = mr_activated_gradient(a, c, c->scratch);
    void *scratch = (char *)c->scratch + mr_activated_scratch(a, c);
    if (c->layer->params > 1 && c->dw[1])
        mr_bias_gradient(c->team, dy, rows_of(c), mr_last_dim(&c->out), c->dw[1], scratch);
    if (c->dw[0])
        mr_convolution_weight_gradient(&g, c->team, c->x[0], dy, c->dw[0], scratch);
    if (c->dx[0])
        mr_convolution_input_gradient(&g, c->team, dy, c->w[0], c->dx[0], c->add_dx[0], scratch);
}
