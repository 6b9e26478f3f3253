/* SPDX-License-Identifier: Apache-2.0 */
/* The number type of the network. The program computes in float32. The same sources are compiled once more with
 * MR_REAL_DOUBLE into a library for the tests alone, so that gradients can be checked numerically in double. */
#ifndef MR_NN_COMPUTE_REAL_H
#define MR_NN_COMPUTE_REAL_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef MR_REAL_DOUBLE
typedef double mr_real;
#define MR_REAL(function) function     /* MR_REAL(exp)(x) */
#else
typedef float mr_real;
#define MR_REAL(function) function##f
#endif

#endif
