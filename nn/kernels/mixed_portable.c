/* SPDX-License-Identifier: Apache-2.0 */
#define MR_SIMD 128
#include "nn/kernels/mixed_narrow.h"

const struct mr_mixed_table mr_mixed_portable = MR_NARROW_MIXED_TABLE("portable");
