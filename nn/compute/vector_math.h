/* SPDX-License-Identifier: Apache-2.0 */
/* exp, sigmoid and tanh in a form that the compiler can vectorise (libm's are calls). Float32 within about 2
 * ulp: range reduction and polynomials after S. L. Moshier's Cephes library. In double they are libm's. */
#ifndef MR_NN_COMPUTE_VECTOR_MATH_H
#define MR_NN_COMPUTE_VECTOR_MATH_H

#include "nn/compute/real.h"

#include <string.h>

#ifdef MR_REAL_DOUBLE
#define MR_SIGMOID_END 708.0
static inline double mr_exp_negative(double x)
{
    return exp(x);
}
static inline double mr_tanh(double x)
{
    return tanh(x);
}
#else
#define MR_SIGMOID_END 87.3f
/* exp(x) for x <= 0; below -87.3 it stays at the smallest normal number. NaN stays NaN. */
static inline float mr_exp_negative(float x)
{
    const float round_to_integer = 12582912.0f; /* 1.5 * 2^23: adding it leaves the integer in the low bits */
    x = x < -87.3f ? -87.3f : x;
    float shifted = x * 1.44269504088896341f + round_to_integer;
    float n = shifted - round_to_integer;
    float r = x - n * 0.693359375f;
    r = r - n * -2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + 127u) << 23; /* 2^n */
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    return p * scale;
}

static inline float mr_tanh(float x)
{
    float a = fabsf(x), z = x * x;
    float e = mr_exp_negative(-2 * a);
    float large = (1 - e) / (1 + e);
    float p = -5.70498872745e-3f;
    p = p * z + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    float small = p * z * x + x;
    return a < 0.625f ? small : copysignf(large, x);
}
#endif

/* 0 below -87.3, so that x * sigmoid(x) is 0 there too, whatever x. */
static inline mr_real mr_sigmoid(mr_real x)
{
    mr_real a = MR_REAL(fabs)(x), e = mr_exp_negative(-a);
    e = a > MR_SIGMOID_END ? 0 : e;
    mr_real r = 1 / (1 + e);
    return x < 0 ? e * r : r;
}

#endif
