/* SPDX-License-Identifier: Apache-2.0 */
/* Resizing of images, separable in rows and columns: each output line mixes two input lines (or is one).
 * Half-pixel centres, no antialiasing, as tf.image.resize and PyTorch's interpolate. Under UpSampling2D,
 * Resizing and the crops. */
#ifndef MR_NN_LAYERS_RESAMPLE_H
#define MR_NN_LAYERS_RESAMPLE_H

#include "nn/layers/window.h"

typedef enum mr_interpolation { MR_NEAREST, MR_BILINEAR } mr_interpolation;
extern const char *const mr_interpolation_names[]; /* in that order, ended by NULL */

/* The part of the input that is resized: SIZE pixels from FIRST on. */
typedef struct mr_extent {
    size_t first, size;
} mr_extent;

/* The largest window of in's aspect ratio HEIGHT:WIDTH, in the middle (Keras's crop_to_aspect_ratio). */
void mr_crop_to_aspect(const mr_image_size *in, size_t height, size_t width, mr_extent *rows,
                       mr_extent *columns);

/* Scratch bytes for an output of OUT. */
size_t mr_resample_scratch(const mr_image_size *out);
/* y [n, out.h, out.w, c] from the extents of x [n, in.h, in.w, c]. */
void mr_resample(mr_team *t, mr_interpolation how, const mr_real *x, const mr_image_size *in, mr_extent rows,
                 mr_extent columns, mr_real *y, const mr_image_size *out, void *scratch);
/* dx = (or +=) the gradient by x. */
void mr_resample_gradient(mr_team *t, mr_interpolation how, const mr_real *dy, const mr_image_size *out,
                          mr_real *dx, const mr_image_size *in, mr_extent rows, mr_extent columns, bool add,
                          void *scratch);

#endif
