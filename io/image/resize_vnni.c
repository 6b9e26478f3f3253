/* SPDX-License-Identifier: Apache-2.0 */
/* The passes of resizing for AVX-512's VNNI, in vectors of 256 bits: with 512 the passes themselves are
 * faster, but libjpeg between them is slower by as much (the processor lowers its clock).
 *
 * Exactness: vpdpbusd multiplies unsigned bytes (pixels) by signed ones and sums four products without
 * rounding. A weight is three signed digits, weight = d2 * 2^16 + d1 * 2^8 + d0; each digit is summed apart
 * (2^15 taps fit; for more the plain version is taken), and the sums are put together from the lowest digit
 * upward, the bits below being cut off as in one wide shift. */
#include "io/image/resize.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

/* Sums in small arrays stay in registers only where the loop over them is gone. */
#define UNROLL _Pragma("GCC unroll 4")

#ifdef __clang__ /* has no such preference to state */
#define VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))
#else
#define VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni,prefer-vector-width=256")))
#endif

static bool has_vnni(void)
{
    return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vnni");
}

/* Sums of the three digits. */
typedef struct digits {
    __m256i d[3];
} digits;

enum { MOST_TAPS = 1 << 15, DIGIT_BITS = 8, LAST_BITS = MR_TAP_BITS - 2 * DIGIT_BITS };

VNNI static inline digits no_digits(void)
{
    const __m256i zero = _mm256_setzero_si256(), half = _mm256_set1_epi32(1 << (LAST_BITS - 1));
    return (digits){{zero, zero, half}};
}

/* The sum with LAST_BITS fraction bits: 16 bits, but for what is cut off at 0 and 255 anyway. */
VNNI static inline __m256i put_together(digits s)
{
    __m256i sum = _mm256_add_epi32(s.d[1], _mm256_srai_epi32(s.d[0], DIGIT_BITS));
    return _mm256_add_epi32(s.d[2], _mm256_srai_epi32(sum, DIGIT_BITS));
}

/* Four vectors of sums to bytes; each 128-bit half stays in its half. */
VNNI static inline __m256i to_bytes(__m256i a, __m256i b, __m256i c, __m256i d)
{
    __m256i ab = _mm256_srai_epi16(_mm256_packs_epi32(a, b), LAST_BITS);
    __m256i cd = _mm256_srai_epi16(_mm256_packs_epi32(c, d), LAST_BITS);
    return _mm256_packus_epi16(ab, cd);
}

/* Four weights' digit in every 32-bit lane. */
VNNI static inline __m256i four(const int8_t *w)
{
    int32_t all;
    memcpy(&all, w, sizeof all);
    return _mm256_set1_epi32(all);
}

/* --- horizontal: two rows at a time, one in each 128-bit half ---------------------------------- */

VNNI static inline __m256i load_rows(const uint8_t *const rows[2], size_t at)
{
    __m256i v = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(rows[0] + at)));
    return _mm256_inserti128_si256(v, _mm_loadu_si128((const __m128i *)(rows[1] + at)), 1);
}

/* Two rows to groups of four pixels, 32 bytes each: of each row r r r r g g g g b b b b - - - -. */
VNNI static void arrange(const uint8_t *const rows[2], int in, uint8_t *groups)
{
    const __m256i by_colour =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11, -1, -1, -1, -1));
    for (int x = 0; x < in; x += 4, groups += 32)
        _mm256_store_si256((__m256i *)groups, _mm256_shuffle_epi8(load_rows(rows, (size_t)x * 3), by_colour));
}

/* Of the group in which pixel FIRST lies. */
static inline size_t group_offset(int first)
{
    return (size_t)(first & ~3) * 8;
}

/* One output of two rows, from COUNT groups, weights at byte W of the digits; the lanes of a half are r, g,
 * b, -. */
VNNI static inline __attribute__((always_inline)) __m256i
rgb_sum(const uint8_t *groups, const int8_t *const digit[3], size_t w, int count)
{
    const int8_t *d0 = digit[0] + w, *d1 = digit[1] + w, *d2 = digit[2] + w;
    digits s = no_digits();
    UNROLL
    for (int i = 0; i < count; i++) {
        __m256i p = _mm256_load_si256((const __m256i *)groups + i);
        s.d[0] = _mm256_dpbusd_epi32(s.d[0], p, four(d0 + 4 * (size_t)i));
        s.d[1] = _mm256_dpbusd_epi32(s.d[1], p, four(d1 + 4 * (size_t)i));
        s.d[2] = _mm256_dpbusd_epi32(s.d[2], p, four(d2 + 4 * (size_t)i));
    }
    return put_together(s);
}

/* Four outputs at a time; behind the last one up to 16 bytes of the row are written over. COUNT groups go
 * into each output, whether it needs them or not: a count of each output's own would be mispredicted. */
VNNI static inline __attribute__((always_inline)) void rgb_rows_of(const mr_taps *t, const uint8_t *groups,
                                                                   uint8_t *const to[2], int count)
{
    const __m256i drop_fourth =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1));
    /* copies, since the bytes that are stored might lie anywhere for all that the compiler knows */
    const int8_t *const digit[3] = {t->digit[0], t->digit[1], t->digit[2]};
    const int *first = t->first;
    uint8_t *a = to[0], *b = to[1];
    const size_t stride = (size_t)t->stride;
    size_t w = 0;
    for (int x = 0; x < t->out; x += 4, w += 4 * stride, a += 12, b += 12) {
        __m256i v0 = rgb_sum(groups + group_offset(first[x]), digit, w, count);
        __m256i v1 = rgb_sum(groups + group_offset(first[x + 1]), digit, w + stride, count);
        __m256i v2 = rgb_sum(groups + group_offset(first[x + 2]), digit, w + 2 * stride, count);
        __m256i v3 = rgb_sum(groups + group_offset(first[x + 3]), digit, w + 3 * stride, count);
        __m256i p = _mm256_shuffle_epi8(to_bytes(v0, v1, v2, v3), drop_fourth);
        _mm_storeu_si128((__m128i *)a, _mm256_castsi256_si128(p));
        _mm_storeu_si128((__m128i *)b, _mm256_extracti128_si256(p, 1));
    }
}

VNNI static void rgb_rows(const mr_taps *t, const uint8_t *const rows[2], uint8_t *const to[2],
                          uint8_t *groups)
{
    int count = (t->most + 3) / 4;
    arrange(rows, t->in, groups);
    switch (count) { /* with the loop over groups gone where it is short */
    case 1:
        rgb_rows_of(t, groups, to, 1);
        break;
    case 2:
        rgb_rows_of(t, groups, to, 2);
        break;
    case 3:
        rgb_rows_of(t, groups, to, 3);
        break;
    case 4:
        rgb_rows_of(t, groups, to, 4);
        break;
    default:
        rgb_rows_of(t, groups, to, count);
    }
}

/* Output O of two rows of gray, each in all lanes of its half. */
VNNI static inline __m256i gray_sum(const mr_taps *t, const uint8_t *const rows[2], int o)
{
    const __m256i zero = _mm256_setzero_si256();
    size_t at = (size_t)(t->first[o] - t->lead[o]), w = (size_t)o * (size_t)t->stride;
    digits s = {{zero, zero, zero}};
    for (int i = 0; i < t->lead[o] + t->count[o]; i += 16, at += 16, w += 16) {
        __m256i p = load_rows(rows, at);
        UNROLL
        for (int k = 0; k < 3; k++) {
            __m128i weights = _mm_loadu_si128((const __m128i *)(t->digit[k] + w));
            s.d[k] = _mm256_dpbusd_epi32(s.d[k], p, _mm256_broadcastsi128_si256(weights));
        }
    }
    for (int k = 0; k < 3; k++) {
        s.d[k] = _mm256_add_epi32(s.d[k], _mm256_shuffle_epi32(s.d[k], 0x4e));
        s.d[k] = _mm256_add_epi32(s.d[k], _mm256_shuffle_epi32(s.d[k], 0xb1));
    }
    s.d[2] = _mm256_add_epi32(s.d[2], _mm256_set1_epi32(1 << (LAST_BITS - 1)));
    __m256i v = put_together(s);
    return to_bytes(v, v, v, v);
}

VNNI static void gray_rows(const mr_taps *t, const uint8_t *const rows[2], uint8_t *const to[2])
{
    for (int x = 0; x < t->out; x++) {
        __m256i v = gray_sum(t, rows, x);
        to[0][x] = (uint8_t)_mm_cvtsi128_si32(_mm256_castsi256_si128(v));
        to[1][x] = (uint8_t)_mm_cvtsi128_si32(_mm256_extracti128_si256(v, 1));
    }
}

VNNI static void horizontal_vnni(const mr_taps *t, int channels, const uint8_t *const *rows, int count,
                                 uint8_t *dst, size_t dst_stride, uint8_t *scratch)
{
    if (t->most > MOST_TAPS) {
        mr_resize_plain.horizontal(t, channels, rows, count, dst, dst_stride, scratch);
        return;
    }
    for (int y = 0; y < count; y += 2) {
        const uint8_t *from[2];
        uint8_t *to[2];
        UNROLL
        for (int i = 0; i < 2; i++) { /* where rows are missing the last one is computed again */
            int k = y + i < count ? y + i : count - 1;
            from[i] = rows[k];
            to[i] = dst + (size_t)k * dst_stride;
        }
        if (channels == 3)
            rgb_rows(t, from, to, scratch);
        else
            gray_rows(t, from, to);
    }
}

/* --- vertical: 32 columns, four rows at a time ------------------------------------------------- */

/* Of each column the bytes of four rows side by side, in the order that to_bytes() undoes. */
VNNI static inline void interleave(__m256i a, __m256i b, __m256i c, __m256i d, __m256i out[4])
{
    __m256i ab = _mm256_unpacklo_epi8(a, b), cd = _mm256_unpacklo_epi8(c, d);
    out[0] = _mm256_unpacklo_epi16(ab, cd);
    out[1] = _mm256_unpackhi_epi16(ab, cd);
    ab = _mm256_unpackhi_epi8(a, b);
    cd = _mm256_unpackhi_epi8(c, d);
    out[2] = _mm256_unpacklo_epi16(ab, cd);
    out[3] = _mm256_unpackhi_epi16(ab, cd);
}

/* Rows ROW with the digits of four weights each. */
VNNI static inline __attribute__((always_inline)) void add_rows(digits s[4], const __m256i row[4],
                                                                const int8_t *const digit[3], size_t w)
{
    __m256i p[4];
    interleave(row[0], row[1], row[2], row[3], p);
    UNROLL
    for (int d = 0; d < 3; d++) {
        __m256i weights = four(digit[d] + w);
        UNROLL
        for (int k = 0; k < 4; k++)
            s[k].d[d] = _mm256_dpbusd_epi32(s[k].d[d], p[k], weights);
    }
}

/* The columns of MASK, of N rows; weights at W. */
VNNI static inline __attribute__((always_inline)) void vertical_32(const int8_t *const digit[3], size_t w,
                                                                   int n, const uint8_t *src, size_t stride,
                                                                   __mmask32 mask, uint8_t *dst)
{
    digits s[4] = {no_digits(), no_digits(), no_digits(), no_digits()};
    __m256i row[4];
    for (; n >= 4; n -= 4, src += 4 * stride, w += 4) {
        UNROLL
        for (size_t k = 0; k < 4; k++)
            row[k] = _mm256_maskz_loadu_epi8(mask, src + k * stride);
        add_rows(s, row, digit, w);
    }
    if (n > 0) {
        row[0] = _mm256_maskz_loadu_epi8(mask, src);
        row[1] = n > 1 ? _mm256_maskz_loadu_epi8(mask, src + stride) : _mm256_setzero_si256();
        row[2] = n > 2 ? _mm256_maskz_loadu_epi8(mask, src + 2 * stride) : _mm256_setzero_si256();
        row[3] = _mm256_setzero_si256();
        add_rows(s, row, digit, w);
    }
    __m256i bytes = to_bytes(put_together(s[0]), put_together(s[1]), put_together(s[2]), put_together(s[3]));
    _mm256_mask_storeu_epi8(dst, mask, bytes);
}

VNNI static void vertical_vnni(const mr_taps *t, int y, const uint8_t *src, size_t src_stride, int first_row,
                               size_t size, uint8_t *dst)
{
    const int8_t *const digit[3] = {t->digit[0], t->digit[1], t->digit[2]};
    const uint8_t *first = src + (size_t)(t->first[y] - first_row) * src_stride;
    size_t w = mr_taps_at(t, y), x = 0;
    int n = t->count[y];
    if (t->most > MOST_TAPS) {
        mr_resize_plain.vertical(t, y, src, src_stride, first_row, size, dst);
        return;
    }
    for (; x + 32 <= size; x += 32)
        vertical_32(digit, w, n, first + x, src_stride, ~(__mmask32)0, dst + x);
    if (x < size)
        vertical_32(digit, w, n, first + x, src_stride, ((__mmask32)1 << (size - x)) - 1, dst + x);
}

const mr_resize_kernels mr_resize_vnni = {
    .name = "vnni",
    .supported = has_vnni,
    .horizontal = horizontal_vnni,
    .vertical = vertical_vnni,
    .to_float = mr_to_float_avx2,
    .lerp = mr_lerp_avx2,
    .blend = mr_blend_avx2,
};
#endif
