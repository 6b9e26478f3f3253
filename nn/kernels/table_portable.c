/* SPDX-License-Identifier: Apache-2.0 */
/* Every architecture: four lanes of the compiler's own vectors. */
#define MR_SIMD 128
#include "nn/kernels/table_narrow.h"

const struct mr_kernel_table mr_table_portable = MR_NARROW_TABLE("portable", NULL);
const struct mr_mixed_table mr_mixed_portable = MR_NARROW_MIXED_TABLE("portable", NULL);
