/* SPDX-License-Identifier: Apache-2.0 */
/* The passes of resizing for AVX2.
 *
 * Exactness: a weight has 23 to 24 bits, pmaddwd takes 16. So a weight is split, weight = high * 2^15 + low,
 * the two halves are summed apart, and (sum_high << 15) + sum_low is the exact sum modulo 2^32, which is the
 * sum itself, since Pillow's sums fit into 32 bits. */
#include "io/image/resize.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

/* Sums in small arrays stay in registers only where the loop over them is gone. */
#define UNROLL _Pragma("GCC unroll 4")

#define AVX2 __attribute__((target("avx2")))

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}

/* Two neighbouring weights in every 32-bit lane. */
AVX2 static inline __m256i pair(const int16_t *w)
{
    int32_t two;
    memcpy(&two, w, sizeof two);
    return _mm256_set1_epi32(two);
}

AVX2 static inline __m256i finish(__m256i high, __m256i low)
{
    const __m256i half = _mm256_set1_epi32(1 << (MR_TAP_BITS - 1));
    __m256i sum = _mm256_add_epi32(_mm256_add_epi32(_mm256_slli_epi32(high, 15), low), half);
    return _mm256_srai_epi32(sum, MR_TAP_BITS);
}

/* --- horizontal, RGB: two rows at a time, one in each 128-bit half; the lanes of a half are r, g, b, -  */

/* Pixels 0,1 (and 2,3) of 12 packed bytes as 16-bit pairs: r0 r1 g0 g1 b0 b1 - -. */
#define PAIRS_01 0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1
#define PAIRS_23 6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1

AVX2 static inline __m256i rgb_sum(const uint8_t *a, const uint8_t *b, const int16_t *high,
                                   const int16_t *low, int n)
{
    const __m256i first = _mm256_setr_epi8(PAIRS_01, PAIRS_01), second = _mm256_setr_epi8(PAIRS_23, PAIRS_23);
    __m256i sum_high = _mm256_setzero_si256(), sum_low = _mm256_setzero_si256();
    for (int i = 0; i < n; i += 4, a += 12, b += 12) {
        __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)a)),
                                               _mm_loadu_si128((const __m128i *)b), 1);
        __m256i p01 = _mm256_shuffle_epi8(both, first), p23 = _mm256_shuffle_epi8(both, second);
        sum_high = _mm256_add_epi32(sum_high, _mm256_madd_epi16(p01, pair(high + i)));
        sum_low = _mm256_add_epi32(sum_low, _mm256_madd_epi16(p01, pair(low + i)));
        sum_high = _mm256_add_epi32(sum_high, _mm256_madd_epi16(p23, pair(high + i + 2)));
        sum_low = _mm256_add_epi32(sum_low, _mm256_madd_epi16(p23, pair(low + i + 2)));
    }
    return finish(sum_high, sum_low);
}

/* Four lanes of r g b - to twelve bytes. */
#define DROP_FOURTH 0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1

/* Four outputs at a time; behind the last output up to 16 bytes of the row are written over. */
AVX2 static void rgb_rows(const mr_taps *t, const uint8_t *a, const uint8_t *b, uint8_t *to_a, uint8_t *to_b)
{
    const __m256i drop = _mm256_setr_epi8(DROP_FOURTH, DROP_FOURTH);
    /* copies, since the bytes that are stored might lie anywhere for all that the compiler knows */
    const int *first = t->first, *count = t->count, *lead = t->lead, out = t->out;
    const int16_t *high = t->high, *low = t->low;
    const size_t stride = (size_t)t->stride;
    for (int x = 0; x < out; x += 4, to_a += 12, to_b += 12, high += 4 * stride, low += 4 * stride) {
        __m256i v[4];
        UNROLL
        for (int i = 0; i < 4; i++) { /* rows of zeros fill up OUT */
            size_t w = (size_t)i * stride + (size_t)lead[x + i], at = (size_t)first[x + i] * 3;
            v[i] = rgb_sum(a + at, b + at, high + w, low + w, count[x + i]);
        }
        __m256i p = _mm256_packus_epi16(_mm256_packs_epi32(v[0], v[1]), _mm256_packs_epi32(v[2], v[3]));
        p = _mm256_shuffle_epi8(p, drop);
        _mm_storeu_si128((__m128i *)to_a, _mm256_castsi256_si128(p));
        _mm_storeu_si128((__m128i *)to_b, _mm256_extracti128_si256(p, 1));
    }
}

/* --- horizontal, gray: 16 taps at a time ------------------------------------------------------ */

AVX2 static inline int32_t lane_sum(__m256i v)
{
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1));
    return _mm_cvtsi128_si32(s);
}

AVX2 static uint8_t gray_sum(const uint8_t *src, const int16_t *high, const int16_t *low, int n)
{
    __m256i sum_high = _mm256_setzero_si256(), sum_low = _mm256_setzero_si256();
    for (int i = 0; i < n; i += 16) {
        __m256i p = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(src + i)));
        __m256i h = _mm256_loadu_si256((const __m256i *)(high + i)),
                l = _mm256_loadu_si256((const __m256i *)(low + i));
        sum_high = _mm256_add_epi32(sum_high, _mm256_madd_epi16(p, h));
        sum_low = _mm256_add_epi32(sum_low, _mm256_madd_epi16(p, l));
    }
    __m256i sum = _mm256_add_epi32(_mm256_slli_epi32(sum_high, 15), sum_low);
    int32_t v = (int32_t)((uint32_t)lane_sum(sum) + (1u << (MR_TAP_BITS - 1))) >> MR_TAP_BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

AVX2 static void horizontal_avx2(const mr_taps *t, int channels, const uint8_t *const *rows, int count,
                                 uint8_t *dst, size_t dst_stride, uint8_t *scratch)
{
    (void)scratch;
    for (int y = 0; y < count && channels == 1; y++)
        for (int x = 0; x < t->out; x++) {
            size_t row =
                (size_t)x * (size_t)t->stride; /* from the zeros on, or the last load would go over */
            int lead = t->lead[x];
            dst[(size_t)y * dst_stride + (size_t)x] =
                gray_sum(rows[y] + t->first[x] - lead, t->high + row, t->low + row, lead + t->count[x]);
        }
    for (int y = 0; y < count && channels == 3; y += 2) {
        int other = y + 1 < count ? y + 1 : y; /* a single last row is computed twice */
        rgb_rows(t, rows[y], rows[other], dst + (size_t)y * dst_stride, dst + (size_t)other * dst_stride);
    }
}

/* --- vertical: 32 columns, two rows at a time ------------------------------------------------- */

AVX2 static inline void add_products(__m256i *sum, __m256i pixels, __m256i weights)
{
    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pixels, weights));
}

AVX2 static void vertical_32(const int16_t *high, const int16_t *low, int n, const uint8_t *src,
                             size_t stride, uint8_t *dst)
{
    const __m256i zero = _mm256_setzero_si256();
    __m256i h0 = zero, h1 = zero, h2 = zero, h3 = zero, l0 = zero, l1 = zero, l2 = zero, l3 = zero;
    for (int i = 0; i < n; i += 2, src += 2 * stride) {
        __m256i a = _mm256_loadu_si256((const __m256i *)src);
        __m256i b = i + 1 < n ? _mm256_loadu_si256((const __m256i *)(src + stride)) : zero;
        __m256i wh = pair(high + i), wl = pair(low + i);
        __m256i ab = _mm256_unpacklo_epi8(a, b), cd = _mm256_unpackhi_epi8(a, b);
        __m256i p0 = _mm256_unpacklo_epi8(ab, zero), p1 = _mm256_unpackhi_epi8(ab, zero);
        __m256i p2 = _mm256_unpacklo_epi8(cd, zero), p3 = _mm256_unpackhi_epi8(cd, zero);
        add_products(&h0, p0, wh);
        add_products(&l0, p0, wl);
        add_products(&h1, p1, wh);
        add_products(&l1, p1, wl);
        add_products(&h2, p2, wh);
        add_products(&l2, p2, wl);
        add_products(&h3, p3, wh);
        add_products(&l3, p3, wl);
    }
    __m256i low_half = _mm256_packs_epi32(finish(h0, l0), finish(h1, l1));
    __m256i high_half = _mm256_packs_epi32(finish(h2, l2), finish(h3, l3));
    _mm256_storeu_si256((__m256i *)dst, _mm256_packus_epi16(low_half, high_half));
}

AVX2 static void vertical_avx2(const mr_taps *t, int y, const uint8_t *src, size_t src_stride, int first_row,
                               size_t size, uint8_t *dst)
{
    size_t row = mr_taps_at(t, y), whole = size & ~(size_t)31;
    const uint8_t *first = src + (size_t)(t->first[y] - first_row) * src_stride;
    for (size_t x = 0; x < whole; x += 32)
        vertical_32(t->high + row, t->low + row, t->count[y], first + x, src_stride, dst + x);
    if (whole < size)
        mr_resize_plain.vertical(t, y, src + whole, src_stride, first_row, size - whole, dst + whole);
}

AVX2 void mr_to_float_avx2(const uint8_t *src, size_t count, float scale, float offset, float *dst)
{
    const __m256 s = _mm256_set1_ps(scale), o = _mm256_set1_ps(offset);
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        __m256i wide = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(src + i)));
        _mm256_storeu_ps(dst + i, _mm256_add_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(wide), s), o));
    }
    mr_resize_plain.to_float(src + i, count - i, scale, offset, dst + i);
}

/* --- half-pixel bilinear ---------------------------------------------------------------------- */

/* Four bytes; the fourth is the next pixel's and is written over by it. */
AVX2 static inline __m128 four_bytes(const uint8_t *p)
{
    int32_t bytes;
    memcpy(&bytes, p, sizeof bytes);
    return _mm_cvtepi32_ps(_mm_cvtepu8_epi32(_mm_cvtsi32_si128(bytes)));
}

AVX2 void mr_lerp_avx2(const mr_between *columns, int width, int channels, const uint8_t *row, float *dst)
{
    if (channels != 3) {
        mr_resize_plain.lerp(columns, width, channels, row, dst);
        return;
    }
    for (int x = 0; x < width; x++, dst += 3) {
        __m128 share = _mm_set1_ps(columns[x].share), rest = _mm_set1_ps(1 - columns[x].share);
        __m128 low = four_bytes(row + columns[x].low), high = four_bytes(row + columns[x].high);
        _mm_storeu_ps(dst, _mm_add_ps(_mm_mul_ps(rest, low), _mm_mul_ps(share, high)));
    }
}

AVX2 void mr_blend_avx2(const float *low, const float *high, float share, size_t count, float scale,
                        float offset, float *dst)
{
    const __m256 s = _mm256_set1_ps(share), t = _mm256_set1_ps(1 - share);
    const __m256 factor = _mm256_set1_ps(scale), o = _mm256_set1_ps(offset);
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        __m256 a = _mm256_mul_ps(t, _mm256_loadu_ps(low + i)),
               b = _mm256_mul_ps(s, _mm256_loadu_ps(high + i));
        _mm256_storeu_ps(dst + i, _mm256_add_ps(_mm256_mul_ps(_mm256_add_ps(a, b), factor), o));
    }
    mr_resize_plain.blend(low + i, high + i, share, count - i, scale, offset, dst + i);
}

const mr_resize_kernels mr_resize_avx2 = {
    .name = "avx2",
    .supported = has_avx2,
    .horizontal = horizontal_avx2,
    .vertical = vertical_avx2,
    .to_float = mr_to_float_avx2,
    .lerp = mr_lerp_avx2,
    .blend = mr_blend_avx2,
};

#endif
