/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of windows taken from a batch of images: the left factor of a convolution as a product. Row (sample,
 * a, b) of a grid holds, for each tap of a regular set, CHANNELS numbers of the pixel at (a*step + tap's row,
 * b*step + tap's column); zeros outside of the image. A row is [tap row][tap column][channel]. */
#ifndef MR_NN_LAYERS_PATCHES_H
#define MR_NN_LAYERS_PATCHES_H

#include "nn/compute/real.h"

typedef struct mr_patch_taps { /* along one axis: FIRST, FIRST + STEP, … */
    int64_t first, step;
    size_t count;
} mr_patch_taps;

typedef struct mr_patches {
    const mr_real *image; /* [n, height, width, stride], from the first channel wanted */
    size_t height, width, stride, channels;
    size_t grid_height, grid_width;
    int64_t step_row, step_column;
    mr_patch_taps row, column;
} mr_patches;

static inline size_t mr_patches_length(const mr_patches *p)
{
    return p->row.count * p->column.count * p->channels;
}

/* Rows FIRST … END of all (sample-major), of each the numbers K0 … K1, into OUT [END-FIRST, K1-K0]. */
void mr_patches_gather(const mr_patches *p, size_t first, size_t end, size_t k0, size_t k1, mr_real *out);

/* The way back: adds rows FIRST … END, [END-FIRST, length], to the image (a gradient) that P describes. Rows
 * of one sample meet in its pixels, so one thread does them. */
void mr_patches_add(const mr_patches *p, size_t first, size_t end, const mr_real *rows, mr_real *image);

#endif
