/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that several threads share: who needs some takes them first, and waits while too many are out. A
 * piece larger than the whole is given out when nothing else is, so every request is met in the end if every
 * holder comes to give back without taking more. */
#ifndef MR_IO_ALLOWANCE_H
#define MR_IO_ALLOWANCE_H

#include "base/error.h"
#include <stdint.h>

typedef struct mr_allowance mr_allowance;

int mr_allowance_create(mr_allowance **out, uint64_t size, mr_error *e);
void mr_allowance_destroy(mr_allowance *a);
/* Waits. The order of those who wait is that in which they came. */
void mr_allowance_take(mr_allowance *a, uint64_t bytes);
/* From any thread. */
void mr_allowance_give(mr_allowance *a, uint64_t bytes);
/* The most that was out at one time. For tests. */
uint64_t mr_allowance_peak(mr_allowance *a);

#endif
