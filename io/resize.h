/* SPDX-License-Identifier: Apache-2.0 */
/* Resizing as Pillow 9.4 does it, bit for bit: libImaging/Resample.c (two passes, horizontal first,
 * coefficients in 22-bit fixed point, 8 bits between the passes) and Geometry.c (nearest). Rows are taken as
 * they come, so that an image can be resized while it is decoded. */
#ifndef MR_IO_RESIZE_H
#define MR_IO_RESIZE_H

#include "io/decoder.h"

/* Pillow's PRECISION_BITS: an 8-bit result and two bits for filters that go below 0 and above 1. */
enum { MR_TAP_BITS = 32 - 8 - 2 };
/* Taps are stored in groups of this many, filled up with zeros; rows are readable that far (MR_ROW_PADDING).
 */
enum { MR_TAP_GROUP = 16 };
/* Rows that the horizontal pass likes to get at once. */
enum { MR_ROW_BATCH = 8 };

/* One axis of a convolution: output i is the sum of weights[i*stride + t] * input[first[i] + t], t <
 * count[i]. */
typedef struct mr_taps {
    int in, out;
    mr_interpolation filter;
    int stride; /* of weights, a multiple of MR_TAP_GROUP */
    int *first, *count;
    int32_t *weights; /* MR_TAP_BITS fraction bits */
    /* The same in two 16-bit halves for pmaddwd: weight = high * 2^15 + low, 0 <= low < 2^15. */
    int16_t *high, *low;
} mr_taps;

/* The two passes, in plain C and for vector units; all give the same bytes. */
typedef struct mr_resize_kernels {
    const char *name;
    bool (*supported)(void);
    /* COUNT rows of taps->in pixels (MR_ROW_PADDING readable bytes behind each) → COUNT rows of taps->out
     * pixels at DST, DST_STRIDE bytes apart. */
    void (*horizontal)(const mr_taps *taps, int channels, const uint8_t *const *rows, int count, uint8_t *dst,
                       size_t dst_stride);
    /* Output row Y of taps->out from rows at SRC (row 0 is input row FIRST_ROW), SIZE bytes long. */
    void (*vertical)(const mr_taps *taps, int y, const uint8_t *src, size_t src_stride, int first_row,
                     size_t size, uint8_t *dst);
    /* dst[i] = src[i] * scale + offset, rounded after each operation. */
    void (*to_float)(const uint8_t *src, size_t count, float scale, float offset, float *dst);
} mr_resize_kernels;

extern const mr_resize_kernels mr_resize_plain;
/* All of them, plain first, then better and better; NULL at the end. */
extern const mr_resize_kernels *const mr_resize_all[];
/* The best that this processor supports. */
const mr_resize_kernels *mr_resize_best(void);

/* The coefficients of one axis, as Pillow's precompute_coeffs and normalize_coeffs_8bpc. Errors: MR_ENOMEM,
 * MR_ELIMIT. */
int mr_taps_create(mr_taps *taps, int in, int out, mr_interpolation filter, mr_error *e);
void mr_taps_free(mr_taps *taps);

/* A resizer keeps the coefficients of the sizes that it saw last, and its buffers. One thread at a time. */
typedef struct mr_resizer mr_resizer;
int mr_resizer_create(mr_resizer **out, const mr_resize_kernels *kernels, mr_error *e);
void mr_resizer_destroy(mr_resizer *r);

/* Starts an image of SHAPE's size and channels (pixels unused) → WIDTH x HEIGHT by any of Pillow's filters.
 */
int mr_resizer_begin(mr_resizer *r, const mr_image *shape, int width, int height, mr_interpolation filter,
                     mr_error *e);
/* The next COUNT (<= MR_ROW_BATCH) input rows, MR_ROW_PADDING readable bytes behind each. All rows of the
 * image may be given; those that no output needs cost nothing. */
void mr_resizer_push(mr_resizer *r, const uint8_t *const *rows, int count);
/* The result as bytes, or as floats pixel*scale+offset. */
void mr_resizer_bytes(mr_resizer *r, uint8_t *dst);
void mr_resizer_floats(mr_resizer *r, float scale, float offset, float *dst);
/* COUNT row buffers of at least SIZE bytes for the caller to decode into, kept with the resizer. */
int mr_resizer_rows(mr_resizer *r, size_t size, uint8_t *rows[MR_ROW_BATCH], mr_error *e);

/* TensorFlow's bilinear: half-pixel centres, no antialiasing, in float. DST [height,width,channels], 0 … 255.
 */
int mr_resize_half_pixel(mr_resizer *r, const mr_image *src, int width, int height, float *dst, mr_error *e);

#endif
