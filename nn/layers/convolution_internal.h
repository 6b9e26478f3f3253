/* SPDX-License-Identifier: Apache-2.0 */
/* Between convolution.c, convolution_gradients.c and convolution_scatter.c. */
#ifndef MR_NN_LAYERS_CONVOLUTION_INTERNAL_H
#define MR_NN_LAYERS_CONVOLUTION_INTERNAL_H

#include "nn/layers/common.h"
#include "nn/layers/convolution.h"
#include "nn/layers/patches.h"

/* A product of ROWS x LENGTH by LENGTH x COLUMNS, cut into blocks of rows and, where rows are few, of
 * columns. */
typedef struct mr_product_blocks {
    size_t rows, row_blocks, columns, column_blocks;
} mr_product_blocks;
mr_product_blocks mr_choose_blocks(size_t rows, size_t length, size_t columns);

/* A 1x1 kernel on every pixel: the input itself is the left factor. */
bool mr_is_pointwise(const mr_convolution *g);
/* The windows of the input under each output pixel. */
mr_patches mr_forward_patches(const mr_convolution *g, const mr_real *x, size_t group);

/* The other way to the gradient by the input, and whether it is the better one for G (convolution_scatter.c).
 */
bool mr_scatters_input_gradient(const mr_convolution *g);
size_t mr_scatter_scratch(const mr_convolution *g, int threads);
void mr_scatter_input_gradient(const mr_convolution *g, mr_team *t, const mr_real *dy, const mr_real *w,
                               mr_real *dx, bool add, void *scratch);

#endif
