/* SPDX-License-Identifier: Apache-2.0 */
/* The vector kernels' common source: LANES neighbouring columns at once. Included by one file per instruction
 * set, which first says how wide it is and defines the few operations that the vector types of C lack: LANES
 * columns at once lanes_max/min(a, b)          a > b ? a : b; a < b ? a : b; b where a is not a number
 *   lanes_int_min(a, b)          of int32 lanes
 *   lanes_quads(base, offset)    gathers 64 bits at byte offsets
 *   lanes_words(base, offset)    gathers 32 bits at byte offsets
 *   lanes_floats(base, offset)   gathers floats at element offsets
 *   lanes_store3(dst, r, g, b)   stores r0 g0 b0 r1 g1 b1 …
 * Every arithmetic operation below is the plain kernel's, in its order: see pipeline/augment/warp.h. */
#include "pipeline/augment/warp.h"

#include <stddef.h>
#include <string.h>

typedef double lanes_double __attribute__((vector_size(LANES * 8)));
typedef uint64_t lanes_quad __attribute__((vector_size(LANES * 8)));
typedef int32_t lanes_int __attribute__((vector_size(LANES * 4)));
typedef float lanes_float __attribute__((vector_size(LANES * 4)));

#define INLINE static inline __attribute__((always_inline))

/* The weights of LANES pixels, and where the upper left ones of their four neighbours are (in pixels). */
typedef struct lanes_taps {
    lanes_double y_near, y_far, x_near, x_far;
    lanes_int upper_left;
} lanes_taps;

INLINE lanes_double all(double value)
{
    return value - (lanes_double){0};
}

INLINE lanes_int all_int(int value)
{
    return value - (lanes_int){0};
}

INLINE lanes_double clamp(lanes_double at, double last)
{
    return lanes_min(lanes_max(at, all(0.0)), all(last));
}

/* The first of the two neighbours; AT is clamped already. */
INLINE lanes_int first_of(lanes_double at, int length)
{
    return lanes_int_min(__builtin_convertvector(at, lanes_int), all_int(length - 2));
}

INLINE lanes_taps taps_at(const mr_warp *w, const mr_warp_span *s, lanes_double column)
{
    lanes_double y = (s->row_y + column * w->matrix[0][1]) + w->shift[0];
    lanes_double x = (s->row_x + column * w->matrix[1][1]) + w->shift[1];
    y = clamp(y, w->height - 1);
    x = clamp(x, w->width - 1);
    lanes_int row = first_of(y, w->height), col = first_of(x, w->width);
    lanes_taps t;
    t.y_far = y - __builtin_convertvector(row, lanes_double);
    t.x_far = x - __builtin_convertvector(col, lanes_double);
    t.y_near = 1.0 - t.y_far;
    t.x_near = 1.0 - t.x_far;
    t.upper_left = row * w->width + col;
    return t;
}

INLINE lanes_float finish(const mr_warp *w, const lanes_taps *t, lanes_double p00, lanes_double p01,
                          lanes_double p10, lanes_double p11)
{
    lanes_double sum = p00 * t->y_near * t->x_near;
    sum += p01 * t->y_near * t->x_far;
    sum += p10 * t->y_far * t->x_near;
    sum += p11 * t->y_far * t->x_far;
    return __builtin_convertvector(sum, lanes_float) * w->scale + w->bias;
}

/* The byte SHIFT bits up in each quad, as a double: put into the mantissa of 2^52, which is then taken off.
 * Exact. */
INLINE lanes_double byte_of(lanes_quad quads, int shift)
{
    lanes_quad bits = (quads >> shift & 0xff) | UINT64_C(0x4330000000000000);
    return (lanes_double)bits - 0x1p52;
}

/* Gathers 8 bytes at OFFSET of an image of SIZE bytes without reading behind its end: an offset too close to
 * the end is moved down, and the bytes wanted are moved to the bottom again. */
INLINE lanes_quad quads_within(const uint8_t *src, lanes_int offset, int size)
{
    lanes_int low = lanes_int_min(offset, all_int(size - 8));
    return lanes_quads(src, low) >> __builtin_convertvector((offset - low) * 8, lanes_quad);
}

/* The same with 4 bytes. */
INLINE lanes_quad words_within(const uint8_t *src, lanes_int offset, int size)
{
    lanes_int low = lanes_int_min(offset, all_int(size - 4));
    lanes_int words = lanes_words(src, low) >> ((offset - low) * 8);
    return __builtin_convertvector(words, lanes_quad);
}

/* Eight bytes from a pixel on hold it and its right neighbour. */
INLINE void rgb8_at(const mr_warp *w, const lanes_taps *t, const void *src, float *dst)
{
    int row_bytes = w->width * 3, size = row_bytes * w->height;
    lanes_int offset = t->upper_left * 3;
    lanes_quad top = lanes_quads(src, offset), bottom = quads_within(src, offset + row_bytes, size);
#define CHANNEL(c)                                                                                           \
    finish(w, t, byte_of(top, 8 * c), byte_of(top, 8 * c + 24), byte_of(bottom, 8 * c),                      \
           byte_of(bottom, 8 * c + 24))
    lanes_store3(dst, CHANNEL(0), CHANNEL(1), CHANNEL(2));
#undef CHANNEL
}

INLINE void gray8_at(const mr_warp *w, const lanes_taps *t, const void *src, float *dst)
{
    int size = w->width * w->height;
    lanes_quad top = words_within(src, t->upper_left, size);
    lanes_quad bottom = words_within(src, t->upper_left + w->width, size);
    lanes_float out = finish(w, t, byte_of(top, 0), byte_of(top, 8), byte_of(bottom, 0), byte_of(bottom, 8));
    memcpy(dst, &out, sizeof out);
}

INLINE lanes_float float_channel(const mr_warp *w, const lanes_taps *t, const float *src, lanes_int offset)
{
    int right = w->channels, below = w->width * w->channels;
#define NEIGHBOUR(away) __builtin_convertvector(lanes_floats(src, offset + (away)), lanes_double)
    return finish(w, t, NEIGHBOUR(0), NEIGHBOUR(right), NEIGHBOUR(below), NEIGHBOUR(below + right));
#undef NEIGHBOUR
}

INLINE void floats_at(const mr_warp *w, const lanes_taps *t, const void *src, float *dst)
{
    lanes_int offset = t->upper_left * w->channels;
    for (int c = 0; c < w->channels; c++) {
        lanes_float out = float_channel(w, t, (const float *)src + c, offset);
        for (int i = 0; i < LANES; i++)
            dst[i * w->channels + c] = out[i];
    }
}

/* Goes over a span LANES columns at a time. The last few are computed with columns beyond them, which the
 * clamping makes harmless, into SPILL, of which only what belongs to the span is kept. */
#define DEFINE_SPAN(name, type, at, channels_max)                                                            \
    static void name(const mr_warp *w, const mr_warp_span *s, const type *src, float *dst)                   \
    {                                                                                                        \
        float spill[LANES * (channels_max)];                                                                 \
        lanes_double number;                                                                                 \
        for (int i = 0; i < LANES; i++)                                                                      \
            number[i] = i;                                                                                   \
        for (int i = 0; i < s->count; i += LANES) {                                                          \
            lanes_double column = (double)s->column + (number + (double)i) * (double)s->step;                \
            lanes_taps taps = taps_at(w, s, column);                                                         \
            int left = s->count - i;                                                                         \
            float *out = dst + (size_t)i * (size_t)w->channels;                                              \
            at(w, &taps, src, left >= LANES ? out : spill);                                                  \
            if (left < LANES)                                                                                \
                memcpy(out, spill, (size_t)left *(size_t)w->channels * sizeof *out);                         \
        }                                                                                                    \
    }

DEFINE_SPAN(span_rgb8, uint8_t, rgb8_at, 3)
DEFINE_SPAN(span_gray8, uint8_t, gray8_at, 1)
DEFINE_SPAN(span_floats, float, floats_at, MR_WARP_LANES_CHANNELS)
