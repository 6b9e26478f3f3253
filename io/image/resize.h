/* SPDX-License-Identifier: Apache-2.0 */
/* Resizing as Pillow 9.4 does it, bit for bit: libImaging/Resample.c (two passes, horizontal first,
 * coefficients in 22-bit fixed point, 8 bits between the passes) and Geometry.c (nearest). Rows are taken as
 * they come, so that an image can be resized while it is decoded. */
#ifndef MR_IO_RESIZE_H
#define MR_IO_RESIZE_H

#include "io/image/decoder.h"
#include "io/image/taps.h"

/* Rows that the horizontal pass likes to get at once. */
enum { MR_ROW_BATCH = 8 };

/* An output that lies between two inputs, at SHARE of the way from LOW to HIGH: byte offsets in a row, or
 * rows. */
typedef struct mr_between {
    int low, high;
    float share;
} mr_between;

/* The inner loops, in plain C and for vector units; all give the same bytes. */
typedef struct mr_resize_kernels {
    const char *name;
    bool (*supported)(void);
    /* COUNT rows of taps->in pixels (MR_ROW_PADDING readable bytes behind each) → COUNT rows of taps->out
     * pixels at DST, DST_STRIDE bytes apart; up to MR_ROW_PADDING bytes behind each may be written over.
     * SCRATCH: mr_taps_scratch() bytes, aligned to 64. */
    void (*horizontal)(const mr_taps *taps, int channels, const uint8_t *const *rows, int count, uint8_t *dst,
                       size_t dst_stride, uint8_t *scratch);
    /* Output row Y of taps->out from rows at SRC (row 0 is input row FIRST_ROW), SIZE bytes long. */
    void (*vertical)(const mr_taps *taps, int y, const uint8_t *src, size_t src_stride, int first_row,
                     size_t size, uint8_t *dst);
    /* dst[i] = src[i] * scale + offset, rounded after each operation. */
    void (*to_float)(const uint8_t *src, size_t count, float scale, float offset, float *dst);
    /* WIDTH pixels, each (1 - share) * row[low] + share * row[high]; MR_ROW_PADDING readable bytes behind
     * ROW, writable ones behind DST. */
    void (*lerp)(const mr_between *columns, int width, int channels, const uint8_t *row, float *dst);
    /* dst[i] = ((1 - share) * low[i] + share * high[i]) * scale + offset. */
    void (*blend)(const float *low, const float *high, float share, size_t count, float scale, float offset,
                  float *dst);
} mr_resize_kernels;

extern const mr_resize_kernels mr_resize_plain, mr_resize_avx2, mr_resize_vnni;
/* AVX2's, which those for better processors use too. */
void mr_to_float_avx2(const uint8_t *src, size_t count, float scale, float offset, float *dst);
void mr_lerp_avx2(const mr_between *columns, int width, int channels, const uint8_t *row, float *dst);
void mr_blend_avx2(const float *low, const float *high, float share, size_t count, float scale, float offset,
                   float *dst);
/* All of them, plain first, then better and better; NULL at the end. */
extern const mr_resize_kernels *const mr_resize_all[];
/* The best that this processor supports. */
const mr_resize_kernels *mr_resize_best(void);

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
/* Frees the buffers of a large image. Its result is gone then. */
void mr_resizer_trim(mr_resizer *r);
/* COUNT row buffers of at least SIZE bytes for the caller to decode into, kept with the resizer. */
int mr_resizer_rows(mr_resizer *r, size_t size, uint8_t *rows[MR_ROW_BATCH], mr_error *e);

#endif
