/* SPDX-License-Identifier: Apache-2.0 */
/* Four columns at once. */
#if defined __x86_64__
#include <immintrin.h>
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC target("avx2")
#endif

#define LANES 4
#define lanes_max(a, b) ((lanes_double)_mm256_max_pd((__m256d)(a), (__m256d)(b)))
#define lanes_min(a, b) ((lanes_double)_mm256_min_pd((__m256d)(a), (__m256d)(b)))
#define lanes_int_min(a, b) ((lanes_int)_mm_min_epi32((__m128i)(a), (__m128i)(b)))
#define lanes_quads(base, offset)                                                                            \
    ((lanes_quad)_mm256_i32gather_epi64((const long long *)(base), (__m128i)(offset), 1))
#define lanes_words(base, offset) ((lanes_int)_mm_i32gather_epi32((const int *)(base), (__m128i)(offset), 1))
#define lanes_floats(base, offset) ((lanes_float)_mm_i32gather_ps(base, (__m128i)(offset), 4))
#define lanes_store3(dst, r, g, b) store3(dst, (__m128)(r), (__m128)(g), (__m128)(b))

static inline __attribute__((always_inline)) void store3(float *dst, __m128 r, __m128 g, __m128 b)
{
    __m128 rg_low = _mm_unpacklo_ps(r, g), rg_high = _mm_unpackhi_ps(r, g); /* r0 g0 r1 g1; r2 g2 r3 g3 */
    __m128 b0r1 = _mm_shuffle_ps(b, r, _MM_SHUFFLE(1, 1, 0, 0));            /* b0 b0 r1 r1 */
    __m128 g1b1 = _mm_shuffle_ps(g, b, _MM_SHUFFLE(1, 1, 1, 1));            /* g1 g1 b1 b1 */
    __m128 b2r3 = _mm_shuffle_ps(b, r, _MM_SHUFFLE(3, 3, 2, 2));            /* b2 b2 r3 r3 */
    __m128 g3b3 = _mm_shuffle_ps(g, b, _MM_SHUFFLE(3, 3, 3, 3));            /* g3 g3 b3 b3 */
    _mm_storeu_ps(dst, _mm_shuffle_ps(rg_low, b0r1, _MM_SHUFFLE(2, 0, 1, 0)));
    _mm_storeu_ps(dst + 4, _mm_shuffle_ps(g1b1, rg_high, _MM_SHUFFLE(1, 0, 2, 0)));
    _mm_storeu_ps(dst + 8, _mm_shuffle_ps(b2r3, g3b3, _MM_SHUFFLE(2, 0, 2, 0)));
}

#include "pipeline/augment/warp_lanes.h"

static bool usable(void)
{
    return __builtin_cpu_supports("avx2");
}

extern const mr_warp_kernel mr_warp_avx2;
const mr_warp_kernel mr_warp_avx2 = {"avx2", usable, span_rgb8, span_gray8, span_floats};
#ifdef __clang__
#pragma clang attribute pop
#endif
#endif
