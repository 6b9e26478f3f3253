/* SPDX-License-Identifier: Apache-2.0 */
/* The preprocessing contract: how a file becomes the network's input. It is written into the model file and is
 * obeyed by evaluate and predict, so that inference sees what training saw. */
#ifndef MR_IO_PREPROCESS_H
#define MR_IO_PREPROCESS_H

#include "base/error.h"

typedef enum mr_color_mode { MR_COLOR_RGB = 3, MR_COLOR_GRAYSCALE = 1 } mr_color_mode; /* value: channels */

typedef enum mr_interpolation { /* the first five as Pillow's Image.resize; the last as tf.image.resize */
    MR_NEAREST,
    MR_BILINEAR,
    MR_BICUBIC,
    MR_LANCZOS,
    MR_BOX,
    MR_TF_BILINEAR, /* half-pixel centres, no antialiasing */
    MR_INTERPOLATIONS
} mr_interpolation;

typedef struct mr_preprocess {
    int height, width;              /* of the network's input, pixels */
    mr_color_mode color_mode;
    mr_interpolation interpolation;
    double rescale, offset;         /* x = pixel * rescale + offset, pixel in 0 … 255 */
    bool dct_scaling;               /* JPEG may be decoded at 1/2, 1/4, 1/8 while that is still >= the wanted size */
} mr_preprocess;

/* 64x64 rgb nearest, rescale 1/255, offset 0, no DCT scaling: the tutorial's. */
mr_preprocess mr_preprocess_default(void);

/* The first thing in which two contracts differ, as the command line names it ("image-size"); NULL: they agree. */
const char *mr_preprocess_difference(const mr_preprocess *a, const mr_preprocess *b);

/* Names as the command line and the model file write them ("tf-bilinear"); -1 / NULL where there is none. */
int mr_interpolation_by_name(const char *name);
const char *mr_interpolation_name(mr_interpolation interpolation);
int mr_color_mode_by_name(const char *name);
const char *mr_color_mode_name(mr_color_mode mode);

#endif
