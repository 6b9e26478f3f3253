/* SPDX-License-Identifier: Apache-2.0 */
/* bfloat16: the upper half of a float32. */
#ifndef MR_NN_KERNELS_BF16_H
#define MR_NN_KERNELS_BF16_H

#include <stdint.h>
#include <string.h>

typedef uint16_t mr_bf16;

static inline float mr_from_bf16(mr_bf16 h)
{
    uint32_t bits = (uint32_t)h << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* To nearest, ties to even; a NaN stays one. */
static inline mr_bf16 mr_to_bf16(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    if ((bits & 0x7fffffff) > 0x7f800000)
        return (mr_bf16)(bits >> 16 | 0x40);
    return (mr_bf16)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

#endif
