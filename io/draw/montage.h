/* SPDX-License-Identifier: Apache-2.0 */
/* A picture of many: a grid of images with what was predicted written under each. */
#ifndef MR_IO_MONTAGE_H
#define MR_IO_MONTAGE_H

#include "base/error.h"
#include <stdint.h>

/* One image and what is said of it. Everything is borrowed until the montage is written. */
typedef struct mr_montage_tile {
    const uint8_t *pixels;       /* [height, width, channels], rows packed */
    int width, height, channels; /* channels 3 (RGB) or 1 (gray) */
    const char *label;           /* the predicted class's name */
    int class_index;             /* of the predicted class, >= 0: gives the label's colour */
    double confidence;           /* 0 … 1, shown in percent; NaN: not shown */
    const char *truth;           /* the true class's name, or NULL where it is not known */
    bool correct; /* with a truth: the label is green and ticked, or red, crossed, and the truth stands
                     below it */
} mr_montage_tile;

#define MR_MONTAGE_MAX_TILES 10000

typedef struct mr_montage {
    const mr_montage_tile *tiles;
    int count;     /* 1 … MR_MONTAGE_MAX_TILES */
    int columns;   /* 0: about as many as rows */
    int tile_size; /* side of an image's square in pixels, 48 … 512; 0: by the count, 192 for a few */
} mr_montage;

/* Draws the grid and puts it at PATH as PNG, SVG or PDF, by PATH's extension. Images keep their aspect ratio; names that do not fit are
 * shortened by an ellipsis. Errors: MR_EINVAL, MR_ELIMIT (too large a picture), MR_ENOMEM, MR_EIO,
 * MR_ENOTFOUND. Thread safe. */
int mr_montage_write(const mr_montage *montage, const char *path, mr_error *e);

/* The colour 0xRRGGBB of a class on a dark ground: nine that the colour-blind tell apart, then again from the
 * start. */
uint32_t mr_class_color(int class_index);

#endif
