/* SPDX-License-Identifier: Apache-2.0 */
/* Keras's ImageDataGenerator augmentation (keras/src/legacy/preprocessing/image.py), its geometric part
 * composed into one affine warp with bilinear interpolation (scipy.ndimage.affine_transform, order=1). All
 * functions are pure and thread safe; nothing is allocated. */
#ifndef MR_PIPELINE_AUGMENT_H
#define MR_PIPELINE_AUGMENT_H

#include "pipeline/augment/warp.h"
#include <stddef.h>
#include <stdint.h>

typedef struct mr_augmentation { /* fields as ImageDataGenerator's arguments */
    double rotation_range;       /* degrees */
    /* F < 1: uniform in ±F of the size; F >= 1 with a fraction: uniform in ±F pixels; a whole F >= 1 is what
     * Python's int is there: whole pixels from -(F-1) to F-1. */
    double width_shift_range, height_shift_range;
    double shear_range;   /* degrees */
    double zoom_range[2]; /* low, high; {1,1}: none. zoom_range=F means [1-F, 1+F] */
    bool horizontal_flip, vertical_flip;
    double brightness_range[2]; /* looked at where has_brightness (Keras: not None) */
    bool has_brightness;
    double channel_shift_range;
    mr_fill_mode fill_mode;
    double cval;
} mr_augmentation;
mr_augmentation mr_augmentation_none(void);
bool mr_augmentation_is_none(const mr_augmentation *a);
/* One drawn transformation, with the names of Keras's get_random_transform. */
typedef struct mr_transform {
    double theta;  /* degrees */
    double tx, ty; /* pixels. Drawn from height_shift_range and width_shift_range, but Keras exchanges the
                      axes of the whole matrix before use, so that tx moves along columns and ty along rows */
    double shear;  /* degrees */
    double zx, zy; /* factors */
    bool flip_horizontal, flip_vertical;
    double brightness; /* factor, where has_brightness */
    bool has_brightness;
    double channel_shift; /* 0: none */
} mr_transform;
/* The one that changes nothing. */
mr_transform mr_transform_identity(void);

/* Draws for (seed, epoch, sample): the same whatever the thread or the time. HEIGHT, WIDTH of the image.
 * The stream of MR_DRAW_AUGMENT is read in this order, each of the doubles whether or not its range is set,
 * so that setting one range does not change what the others draw: theta, tx, sign of tx, ty, sign of ty,
 * shear, zx, zy, flip_horizontal, flip_vertical, channel_shift, brightness. */
void mr_augmentation_draw(const mr_augmentation *a, uint64_t seed, uint32_t epoch, uint64_t sample,
                          int height, int width, mr_transform *out);

/* Applies T to SRC [height,width,channels] float pixels 0…255 (before rescaling) → DST (may not overlap).
 * The order of operations and rounding are Keras's apply_transform: affine warp, channel shift, flips,
 * brightness. */
void mr_augmentation_apply(const mr_augmentation *a, const mr_transform *t, const float *src, int height,
                           int width, int channels, float *dst);

/* The same from 8-bit pixels, with x = value*rescale + offset in the same pass: equal to the bit to
 * converting SRC to float, mr_augmentation_apply, and mr_rescale. CHANNELS as decoded: 1 or 3 are fast. */
void mr_augmentation_apply_u8(const mr_augmentation *a, const mr_transform *t, const uint8_t *src, int height,
                              int width, int channels, float rescale, float offset, float *dst);

/* x = x*rescale + offset for COUNT floats, rounded twice, as in Keras's standardize and in mr_load_pixels. */
void mr_rescale(float *x, size_t count, float rescale, float offset);

#endif
