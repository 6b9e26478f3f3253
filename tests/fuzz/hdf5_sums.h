/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MR_TESTS_FUZZ_HDF5_SUMS_H
#define MR_TESTS_FUZZ_HDF5_SUMS_H

#include <stddef.h>
#include <stdint.h>

/* Notes where the file's checksums are. */
void hdf5_sums_prepare(const uint8_t *data, size_t size);
/* Makes them right again in what mutations have left of it. */
void hdf5_sums_repair(uint8_t *data, size_t size);

#endif
