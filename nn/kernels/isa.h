/* SPDX-License-Identifier: Apache-2.0 */
/* Instruction sets: what the processor has, and what MILLRACE_ISA leaves of it. */
#ifndef MR_NN_KERNELS_ISA_H
#define MR_NN_KERNELS_ISA_H

#include <stdbool.h>

/* May kernels of the set NAME (portable, avx2, avx512, amx, each more than the one before) be used?
 * MILLRACE_ISA names the most that may; unset: all. A name that is none of these leaves the portable ones. */
bool mr_isa_allows(const char *name);

bool mr_isa_has_avx2(void);   /* with FMA */
bool mr_isa_has_avx512(void); /* F, BW, DQ, VL */

#endif
