/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding of JPEG and PNG from memory to 8-bit pixels exactly as Pillow's Image.open(f).convert("RGB" or "L")
 * gives them, and resizing exactly as Pillow's (and TensorFlow's) resize. */
#ifndef MR_IO_IMAGE_H
#define MR_IO_IMAGE_H

#include "io/image/types.h"

mr_image_kind mr_image_sniff(const void *bytes, size_t size);
const char *mr_image_kind_name(mr_image_kind kind); /* "JPEG", "PNG", "GIF", … */

/* A decoder keeps libjpeg's and libpng's state and its buffers between images; one per thread. */
typedef struct mr_decoder mr_decoder;
int mr_decoder_create(mr_decoder **out, mr_decode_limits limits, mr_error *e);
void mr_decoder_destroy(mr_decoder *d);

/* Decodes SIZE bytes to PRE->color_mode. With PRE->dct_scaling a JPEG may come out smaller, but not smaller than
 * PRE->width x PRE->height. A truncated or damaged file is an error, as it is in Pillow (LOAD_TRUNCATED_IMAGES off).
 * The message says what is wrong with the bytes and does not name a path (the caller knows it).
 * Errors: MR_EFORMAT, MR_EUNSUPPORTED, MR_ELIMIT, MR_ENOMEM. */
int mr_decode(mr_decoder *d, const void *bytes, size_t size, const mr_preprocess *pre, mr_image *out, mr_error *e);

/* Resizes to W x H bytes at DST (H*W*channels). 8-bit result for Pillow's filters, equal to Pillow's within one
 * level (nearest: equal). MR_TF_BILINEAR is not an 8-bit operation: use mr_resize_float. SCRATCH is owned by the
 * decoder D, so this too is one thread at a time per decoder. */
int mr_resize(mr_decoder *d, const mr_image *src, int width, int height, mr_interpolation f, uint8_t *dst, mr_error *e);

/* The same into float pixels 0 … 255 (unscaled). For Pillow's filters: the 8-bit result, converted. */
int mr_resize_float(mr_decoder *d, const mr_image *src, int width, int height, mr_interpolation f, float *dst, mr_error *e);

/* The whole of PRE: decode, resize, x = pixel*rescale+offset (in float: (float)pixel * (float)rescale + (float)offset)
 * into DST, height*width*channels floats. */
int mr_load_pixels(mr_decoder *d, const void *bytes, size_t size, const mr_preprocess *pre, float *dst, mr_error *e);

/* The same from an image that is decoded already: 1 or 3 channels, whatever PRE's colour mode; only read.
 * Errors: MR_EINVAL, MR_ELIMIT, MR_EFORMAT (an impossible size). */
int mr_load_image(mr_decoder *d, const mr_image *image, const mr_preprocess *pre, float *dst, mr_error *e);

/* The same without the last step: decode and resize into height*width*channels bytes at DST, for what works on 8-bit
 * pixels first (augmentation). Not for MR_TF_BILINEAR: MR_EINVAL. */
int mr_load_bytes(mr_decoder *d, const void *bytes, size_t size, const mr_preprocess *pre, uint8_t *dst, mr_error *e);

#endif
