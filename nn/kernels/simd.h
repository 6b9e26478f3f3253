/* SPDX-License-Identifier: Apache-2.0 */
/* One vector of float32, whatever the instruction set: the kernels are written once on it and compiled three
 * times. The file that includes this one defines MR_SIMD: 512 (AVX-512 F, BW, DQ, VL), 256 (AVX2 and FMA), or
 * 128: GCC's vector extension, which every architecture has.
 *
 * `part` stands for "the first n lanes", for the last vector of a row of channels that is not a multiple of
 * the lanes. */
#ifndef MR_NN_KERNELS_SIMD_H
#define MR_NN_KERNELS_SIMD_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if MR_SIMD > 128
#include <immintrin.h>
#endif

/* The generic loops below count on their constant arguments: they must be inlined and unrolled into
 * registers. */
#define MR_INLINE static inline __attribute__((always_inline))
#if defined __clang__
#define MR_UNROLL _Pragma("unroll")
#else
#define MR_UNROLL _Pragma("GCC unroll 32")
#endif

/* Into the L2 cache, ahead of a block's load; for writing, ahead of a tile's stores. */
MR_INLINE void prefetch_block(const void *p)
{
    __builtin_prefetch(p, 0, 2);
}
MR_INLINE void prefetch_read(const void *p)
{
    __builtin_prefetch(p, 0, 3);
}
MR_INLINE void prefetch_write(const void *p)
{
    __builtin_prefetch(p, 1, 3);
}

#if MR_SIMD == 512

typedef __m512 vec;
typedef __mmask16 part;
enum { LANES = 16 };

MR_INLINE vec v_zero(void)
{
    return _mm512_setzero_ps();
}
MR_INLINE vec v_set(float a)
{
    return _mm512_set1_ps(a);
}
MR_INLINE vec v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
MR_INLINE void v_store(float *p, vec a)
{
    _mm512_storeu_ps(p, a);
}
MR_INLINE vec v_add(vec a, vec b)
{
    return _mm512_add_ps(a, b);
}
MR_INLINE vec v_sub(vec a, vec b)
{
    return _mm512_sub_ps(a, b);
}
MR_INLINE vec v_mul(vec a, vec b)
{
    return _mm512_mul_ps(a, b);
}
MR_INLINE vec v_fma(vec a, vec b, vec c)
{
    return _mm512_fmadd_ps(a, b, c);
}
/* Where one operand is NaN, B: so a clamp lets a NaN of its input through. */
MR_INLINE vec v_max(vec a, vec b)
{
    return _mm512_max_ps(a, b);
}
MR_INLINE vec v_min(vec a, vec b)
{
    return _mm512_min_ps(a, b);
}
/* VALUE where LOW < A < HIGH, else 0. */
MR_INLINE vec v_inside(vec a, vec low, vec high, vec value)
{
    __mmask16 m = _mm512_cmp_ps_mask(a, low, _CMP_GT_OQ);
    return _mm512_maskz_mov_ps(_mm512_mask_cmp_ps_mask(m, a, high, _CMP_LT_OQ), value);
}
MR_INLINE vec v_where_equal(vec a, vec b, vec value)
{
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ), value);
}
/* X where A > B, else Y. */
MR_INLINE vec v_above(vec a, vec b, vec x, vec y)
{
    return _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), x);
}
MR_INLINE bool v_any_nan(vec a)
{
    return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q) != 0;
}
/* X where A > B or A alone is NaN, else Y. */
MR_INLINE vec v_greater(vec a, vec b, vec x, vec y)
{
    const __mmask16 number = _mm512_cmp_ps_mask(b, b, _CMP_ORD_Q);
    return _mm512_mask_mov_ps(y, _mm512_mask_cmp_ps_mask(number, a, b, _CMP_NLE_UQ), x);
}
MR_INLINE part v_part(size_t n)
{
    return n >= 16 ? 0xffff : (__mmask16)((1u << n) - 1);
}
/* Small numbers kept as bytes. VALUE where the byte is TAP, else 0. */
MR_INLINE vec v_where_byte(const uint8_t *p, int tap, part n, vec value)
{
    __m128i bytes = _mm_maskz_loadu_epi8(n, p);
    return _mm512_maskz_mov_ps(_mm_cmpeq_epi8_mask(bytes, _mm_set1_epi8((char)tap)), value);
}
MR_INLINE void v_store_bytes(uint8_t *p, vec a, part n)
{
    _mm_mask_storeu_epi8(p, n, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(a)));
}
MR_INLINE vec v_load_part(const float *p, part n)
{
    return _mm512_maskz_loadu_ps(n, p);
}
MR_INLINE void v_store_part(float *p, vec a, part n)
{
    _mm512_mask_storeu_ps(p, n, a);
}

#elif MR_SIMD == 256

typedef __m256 vec;
typedef struct part {
    __m256i mask;
    bool all; /* masked stores are slow on some processors: whole vectors go the plain way */
} part;
enum { LANES = 8 };

MR_INLINE vec v_zero(void)
{
    return _mm256_setzero_ps();
}
MR_INLINE vec v_set(float a)
{
    return _mm256_set1_ps(a);
}
MR_INLINE vec v_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
MR_INLINE void v_store(float *p, vec a)
{
    _mm256_storeu_ps(p, a);
}
MR_INLINE vec v_add(vec a, vec b)
{
    return _mm256_add_ps(a, b);
}
MR_INLINE vec v_sub(vec a, vec b)
{
    return _mm256_sub_ps(a, b);
}
MR_INLINE vec v_mul(vec a, vec b)
{
    return _mm256_mul_ps(a, b);
}
MR_INLINE vec v_fma(vec a, vec b, vec c)
{
    return _mm256_fmadd_ps(a, b, c);
}
MR_INLINE vec v_max(vec a, vec b)
{
    return _mm256_max_ps(a, b);
}
MR_INLINE vec v_min(vec a, vec b)
{
    return _mm256_min_ps(a, b);
}
MR_INLINE vec v_inside(vec a, vec low, vec high, vec value)
{
    vec m = _mm256_and_ps(_mm256_cmp_ps(a, low, _CMP_GT_OQ), _mm256_cmp_ps(a, high, _CMP_LT_OQ));
    return _mm256_and_ps(m, value);
}
MR_INLINE vec v_where_equal(vec a, vec b, vec value)
{
    return _mm256_and_ps(_mm256_cmp_ps(a, b, _CMP_EQ_OQ), value);
}
MR_INLINE vec v_above(vec a, vec b, vec x, vec y)
{
    return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_GT_OQ));
}
MR_INLINE bool v_any_nan(vec a)
{
    return _mm256_movemask_ps(_mm256_cmp_ps(a, a, _CMP_UNORD_Q)) != 0;
}
MR_INLINE vec v_greater(vec a, vec b, vec x, vec y)
{
    const vec number = _mm256_cmp_ps(b, b, _CMP_ORD_Q);
    return _mm256_blendv_ps(y, x, _mm256_and_ps(number, _mm256_cmp_ps(a, b, _CMP_NLE_UQ)));
}
MR_INLINE part v_part(size_t n)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return (part){_mm256_cmpgt_epi32(_mm256_set1_epi32(n >= 8 ? 8 : (int)n), lane), n >= 8};
}
MR_INLINE vec v_load_part(const float *p, part n)
{
    return n.all ? v_load(p) : _mm256_maskload_ps(p, n.mask);
}
MR_INLINE void v_store_part(float *p, vec a, part n)
{
    if (n.all)
        v_store(p, a);
    else
        _mm256_maskstore_ps(p, n.mask, a);
}

MR_INLINE vec v_where_byte(const uint8_t *p, int tap, part n, vec value)
{
    uint64_t bytes = 0;
    if (n.all)
        memcpy(&bytes, p, 8);
    else
        for (int i = 0; i < 8 && _mm256_movemask_ps(_mm256_castsi256_ps(n.mask)) >> i & 1; i++)
            bytes |= (uint64_t)p[i] << 8 * i;
    __m256i wide = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)bytes));
    return _mm256_and_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(wide, _mm256_set1_epi32(tap))), value);
}
MR_INLINE void v_store_bytes(uint8_t *p, vec a, part n)
{
    int32_t wide[8];
    _mm256_storeu_si256((__m256i *)(void *)wide, _mm256_cvtps_epi32(a));
    for (int i = 0; i < 8 && (n.all || _mm256_movemask_ps(_mm256_castsi256_ps(n.mask)) >> i & 1); i++)
        p[i] = (uint8_t)wide[i];
}

#else

typedef float vec __attribute__((vector_size(16)));
typedef int32_t vec_int __attribute__((vector_size(16)));
typedef size_t part;
enum { LANES = 4 };

MR_INLINE vec v_set(float a)
{
    return (vec){a, a, a, a};
}
MR_INLINE vec v_zero(void)
{
    return v_set(0);
}
MR_INLINE vec v_load(const float *p)
{
    vec a;
    memcpy(&a, p, sizeof a);
    return a;
}
MR_INLINE void v_store(float *p, vec a)
{
    memcpy(p, &a, sizeof a);
}
MR_INLINE vec v_add(vec a, vec b)
{
    return a + b;
}
MR_INLINE vec v_sub(vec a, vec b)
{
    return a - b;
}
MR_INLINE vec v_mul(vec a, vec b)
{
    return a * b;
}
MR_INLINE vec v_fma(vec a, vec b, vec c)
{
    return a * b + c;
}
MR_INLINE vec v_choose(vec_int m, vec a, vec b)
{
    return (vec)((m & (vec_int)a) | (~m & (vec_int)b));
}
MR_INLINE vec v_max(vec a, vec b)
{
    return v_choose(a > b, a, b);
}
MR_INLINE vec v_min(vec a, vec b)
{
    return v_choose(a < b, a, b);
}
MR_INLINE vec v_inside(vec a, vec low, vec high, vec value)
{
    return (vec)((a > low) & (a < high) & (vec_int)value);
}
MR_INLINE vec v_where_equal(vec a, vec b, vec value)
{
    return (vec)((a == b) & (vec_int)value);
}
MR_INLINE vec v_above(vec a, vec b, vec x, vec y)
{
    return v_choose(a > b, x, y);
}
MR_INLINE bool v_any_nan(vec a)
{
    vec_int nan = a != a;
    int any = 0;
    for (int i = 0; i < LANES; i++)
        any |= nan[i] != 0;
    return any;
}
MR_INLINE vec v_greater(vec a, vec b, vec x, vec y)
{
    return v_choose((b == b) & ~(a <= b), x, y);
}
MR_INLINE part v_part(size_t n)
{
    return n < LANES ? n : LANES;
}
MR_INLINE vec v_load_part(const float *p, part n)
{
    if (n == LANES)
        return v_load(p);
    vec a = v_zero();
    for (size_t i = 0; i < n; i++)
        a[i] = p[i];
    return a;
}
MR_INLINE void v_store_part(float *p, vec a, part n)
{
    if (n == LANES)
        v_store(p, a);
    else
        for (size_t i = 0; i < n; i++)
            p[i] = a[i];
}

MR_INLINE vec v_where_byte(const uint8_t *p, int tap, part n, vec value)
{
    vec a = v_zero();
    for (size_t i = 0; i < n; i++)
        a[i] = p[i] == tap ? value[i] : 0;
    return a;
}
MR_INLINE void v_store_bytes(uint8_t *p, vec a, part n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)a[i];
}

#endif

MR_INLINE vec v_clamp(vec a, vec low, vec high)
{
    return v_min(high, v_max(low, a));
}

#endif
