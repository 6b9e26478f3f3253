/* SPDX-License-Identifier: Apache-2.0 */
/* Every architecture: four lanes of the compiler's own vectors. */
#define MR_SIMD 128
#include "nn/kernels/conv_body.h"
#include "nn/kernels/depthwise_body.h"
#include "nn/kernels/pool_body.h"
#include "nn/kernels/winograd_body.h"
#include "nn/kernels/table_narrow.h"

const struct mr_kernel_table mr_table_portable = MR_NARROW_TABLE("portable");
