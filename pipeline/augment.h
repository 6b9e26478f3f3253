/* SPDX-License-Identifier: Apache-2.0 */
/* Keras's ImageDataGenerator augmentation (keras/src/legacy/preprocessing/image.py), its geometric part composed
 * into one affine warp with bilinear interpolation (scipy.ndimage.affine_transform, order=1). */
#ifndef MR_PIPELINE_AUGMENT_H
#define MR_PIPELINE_AUGMENT_H

#include "nn/error.h"
#include <stdint.h>

typedef enum mr_fill_mode { MR_FILL_NEAREST, MR_FILL_CONSTANT, MR_FILL_REFLECT, MR_FILL_WRAP } mr_fill_mode;

typedef struct mr_augmentation { /* fields as ImageDataGenerator's arguments */
    double rotation_range;       /* degrees */
    double width_shift_range, height_shift_range; /* < 1: share of the size; >= 1: pixels */
    double shear_range;          /* degrees */
    double zoom_range[2];        /* low, high; {1,1}: none. zoom_range=F means [1-F, 1+F] */
    bool horizontal_flip, vertical_flip;
    double brightness_range[2];  /* {1,1}: none (Keras: None) */
    bool has_brightness;
    double channel_shift_range;
    mr_fill_mode fill_mode;
    double cval;
} mr_augmentation;
mr_augmentation mr_augmentation_none(void);
bool mr_augmentation_is_none(const mr_augmentation *a);
int mr_fill_mode_by_name(const char *name); /* -1 where there is none */
const char *mr_fill_mode_name(mr_fill_mode m);

/* One drawn transformation, with the names of Keras's get_random_transform. */
typedef struct mr_transform {
    double theta, tx, ty, shear, zx, zy; /* degrees, pixels (tx along rows, as in Keras), degrees, factors */
    bool flip_horizontal, flip_vertical;
    double brightness;      /* factor; 1: none */
    bool has_brightness;
    double channel_shift;   /* 0: none */
} mr_transform;

/* Draws for (seed, epoch, sample): the same whatever the thread or the time. HEIGHT, WIDTH of the image. */
void mr_augmentation_draw(const mr_augmentation *a, uint64_t seed, uint32_t epoch, uint64_t sample, int height, int width,
                          mr_transform *out);

/* Applies T to SRC [height,width,channels] float pixels 0…255 (before rescaling) → DST (may not overlap).
 * The order of operations and rounding are Keras's apply_transform. */
void mr_augmentation_apply(const mr_augmentation *a, const mr_transform *t, const float *src, int height, int width,
                           int channels, float *dst);

#endif
