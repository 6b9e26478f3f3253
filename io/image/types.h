/* SPDX-License-Identifier: Apache-2.0 */
/* An image in memory, the limits of decoding, and the kinds of image files. */
#ifndef MR_IO_IMAGE_TYPES_H
#define MR_IO_IMAGE_TYPES_H

#include "base/allowance.h"
#include "io/image/preprocess.h"

#include <stddef.h>
#include <stdint.h>

typedef struct mr_image {
    int width, height, channels; /* channels 3 (RGB) or 1 (gray); rows are packed, width*channels bytes each */
    uint8_t *pixels;             /* belongs to the decoder that filled it, until its next call */
} mr_image;

typedef struct mr_decode_limits {
    int64_t max_pixels; /* width*height over this is MR_ELIMIT, before anything of that size is allocated */
    mr_allowance *memory; /* for images that must be kept whole while they are decoded (JPEG of several scans,
                             interlaced PNG); shared with other decoders; NULL: no bound */
} mr_decode_limits;

/* What the first bytes say a file is. Everything but JPEG and PNG is recognised to be named as unsupported. */
typedef enum mr_image_kind {
    MR_KIND_UNKNOWN, MR_KIND_JPEG, MR_KIND_PNG, MR_KIND_GIF, MR_KIND_BMP, MR_KIND_WEBP, MR_KIND_TIFF
} mr_image_kind;

#endif
