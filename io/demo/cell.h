/* SPDX-License-Identifier: Apache-2.0 */
/* Drawing of one stained red blood cell, with or without parasites: images that a network can learn to tell
 * apart, made from nothing, for trying things out. */
#ifndef MR_IO_CELL_H
#define MR_IO_CELL_H

#include "base/error.h"
#include <stdint.h>

#define MR_CELL_MIN_SIDE 100
#define MR_CELL_MAX_SIDE 190

typedef enum mr_cell_class { MR_CELL_PARASITIZED, MR_CELL_UNINFECTED, MR_CELL_CLASSES } mr_cell_class;

typedef struct mr_cell_image {
    int width, height;                                    /* MR_CELL_MIN_SIDE … MR_CELL_MAX_SIDE */
    uint8_t rgb[MR_CELL_MAX_SIDE * MR_CELL_MAX_SIDE * 3]; /* [height, width, 3], rows packed */
} mr_cell_image;

/* Draws image INDEX of the set SEED, a cell of class INDEX % 2, on a dark ground.
 *
 * Parasites are drawn into every cell first; in an uninfected one the colour that they took away is then
 * taken away as a haze and as smears along the rim instead. So the mean colour is spread alike in both
 * classes, and only the shape of the stain tells them apart. The image is a function of (SEED, INDEX) alone.
 * Errors: MR_ENOMEM. Thread safe. */
int mr_cell_draw(mr_cell_image *out, uint64_t seed, uint64_t index, mr_error *e);

#endif
