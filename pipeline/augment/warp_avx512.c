/* SPDX-License-Identifier: Apache-2.0 */
/* Eight columns at once. */
#if defined __x86_64__
#include <immintrin.h>
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl")
#endif

#define LANES 8
#define lanes_max(a, b) ((lanes_double)_mm512_max_pd((__m512d)(a), (__m512d)(b)))
#define lanes_min(a, b) ((lanes_double)_mm512_min_pd((__m512d)(a), (__m512d)(b)))
#define lanes_int_min(a, b) ((lanes_int)_mm256_min_epi32((__m256i)(a), (__m256i)(b)))
#define lanes_quads(base, offset) ((lanes_quad)_mm512_i32gather_epi64((__m256i)(offset), base, 1))
#define lanes_words(base, offset)                                                                            \
    ((lanes_int)_mm256_i32gather_epi32((const int *)(base), (__m256i)(offset), 1))
#define lanes_floats(base, offset) ((lanes_float)_mm256_i32gather_ps(base, (__m256i)(offset), 4))
#define lanes_store3(dst, r, g, b) store3(dst, (__m256)(r), (__m256)(g), (__m256)(b))

static inline __attribute__((always_inline)) void store3(float *dst, __m256 r, __m256 g, __m256 b)
{
    /* Indices: 0-7 red, 8-15 green, 16-23 blue. */
    const __m512i low = _mm512_setr_epi32(0, 8, 16, 1, 9, 17, 2, 10, 18, 3, 11, 19, 4, 12, 20, 5);
    const __m512i high = _mm512_setr_epi32(13, 21, 6, 14, 22, 7, 15, 23, 0, 0, 0, 0, 0, 0, 0, 0);
    __m512 rg = _mm512_insertf32x8(_mm512_castps256_ps512(r), g, 1), blue = _mm512_castps256_ps512(b);
    _mm512_storeu_ps(dst, _mm512_permutex2var_ps(rg, low, blue));
    _mm256_storeu_ps(dst + 16, _mm512_castps512_ps256(_mm512_permutex2var_ps(rg, high, blue)));
}

#include "pipeline/augment/warp_lanes.h"

static bool usable(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}

extern const mr_warp_kernel mr_warp_avx512;
const mr_warp_kernel mr_warp_avx512 = {"avx512", usable, span_rgb8, span_gray8, span_floats};
#ifdef __clang__
#pragma clang attribute pop
#endif
#endif
