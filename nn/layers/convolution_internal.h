/* SPDX-License-Identifier: Apache-2.0 */
/* Between convolution.c and convolution_gradients.c. */
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

#endif
