/* SPDX-License-Identifier: Apache-2.0 */
/* Resizing as Pillow 9.4 does it, bit for bit: libImaging/Resample.c (two passes, horizontal first,
 * coefficients in 22-bit fixed point, 8 bits between the passes) and Geometry.c (nearest). Rows are taken as
 * they come, so that an image can be resized while it is decoded. */
#ifndef MR_IO_RESIZE_H
#define MR_IO_RESIZE_H

#include "io/image/decoder.h"

/* Pillow's PRECISION_BITS: an 8-bit result and two bits for filters that go below 0 and above 1. */
enum { MR_TAP_BITS = 32 - 8 - 2 };
/* Taps are stored in groups of this many, filled up with zeros; rows are readable that far. */
enum { MR_TAP_GROUP = 16 };
/* Memory for one tap, in all forms. */
enum { MR_TAP_BYTES = 4 + 2 * 2 + 3 };
/* Rows that the horizontal pass likes to get at once. */
enum { MR_ROW_BATCH = 8 };

/* One axis of a convolution: output i is the sum of weight[t] * input[first[i] + t], t < count[i], weight =
 * weights + i*stride + lead[i]. In front of an output's weights stand lead[i] zeros, so that the row of
 * weights begins at an input index that is a multiple of four; behind them zeros up to the stride. Rows of
 * zeros fill up OUT to a multiple of four. */
typedef struct mr_taps {
    int in, out;
    mr_interpolation filter;
    int stride; /* of weights: a multiple of MR_TAP_GROUP, at least most + 3 */
    int most;   /* the largest lead + count */
    int *first, *count, *lead;
    int32_t *weights; /* MR_TAP_BITS fraction bits */
    /* The same in two 16-bit halves, weight = high * 2^15 + low with 0 <= low < 2^15, and in three signed
     * digits, weight = digit[2] * 2^16 + digit[1] * 2^8 + digit[0]: what vector units multiply exactly. */
    int16_t *high, *low;
    int8_t *digit[3];
} mr_taps;

/* Where output I's weights begin. */
static inline size_t mr_taps_at(const mr_taps *t, int i)
{
    return (size_t)i * (size_t)t->stride + (size_t)t->lead[i];
}

/* An output that lies between two inputs, at SHARE of the way from LOW to HIGH: byte offsets in a row, or
 * rows. */
typedef struct mr_between {
    int low, high;
    float share;
} mr_between;

/* Scratch of the horizontal pass: two rows of four bytes a pixel, in groups of four pixels. */
static inline size_t mr_taps_scratch(const mr_taps *t)
{
    return 32 * (size_t)((t->in + 3) / 4 + (t->most + 3) / 4);
}

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
/* Frees the buffers of a large image. Its result is gone then. */
void mr_resizer_trim(mr_resizer *r);
/* COUNT row buffers of at least SIZE bytes for the caller to decode into, kept with the resizer. */
int mr_resizer_rows(mr_resizer *r, size_t size, uint8_t *rows[MR_ROW_BATCH], mr_error *e);

#endif
