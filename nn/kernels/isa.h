/* SPDX-License-Identifier: Apache-2.0 */
/* What the processor, and the operating system, let this process run. */
#ifndef MR_NN_KERNELS_ISA_H
#define MR_NN_KERNELS_ISA_H

#include <stdbool.h>

bool mr_isa_has_avx2(void);        /* with FMA */
bool mr_isa_has_avx512(void);      /* F, BW, DQ, VL */
bool mr_isa_has_avx512_bf16(void); /* beside them */
bool mr_isa_has_amx_bf16(void);    /* and AVX512_BF16 */

#endif
