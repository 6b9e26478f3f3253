/* SPDX-License-Identifier: Apache-2.0 */
/* Each dataset that we write has an attribute "millrace_xxh3": XXH3-64 (seed 0) of its elements as they are
 * stored, in C order, as one unsigned 64-bit number. Keras and h5py ignore it. In Python:
 *     xxhash.xxh3_64_intdigest(dataset[()].tobytes()) == dataset.attrs["millrace_xxh3"]
 * HDF5's own filter (fletcher32) requires chunked storage, is of 32 bits, and is not checked by Keras either.
 * Callers hold mr_hdf5_lock(). */
#ifndef MR_IO_HDF5_CHECKSUM_H
#define MR_IO_HDF5_CHECKSUM_H

#include "base/checksum.h"
#include "io/hdf5/hdf5.h"

#define MR_HDF5_CHECKSUM "millrace_xxh3"

/* Attaches the checksum of BYTES bytes. PATH names the dataset in errors. */
int mr_hdf5_write_checksum(hid_t dataset, const void *values, size_t bytes, const char *path, mr_error *e);

/* Compares VALUES, the elements of DATASET in MEMORY_TYPE, with its checksum. Returns 0 where it has none or
 * where the elements were converted. MR_EFORMAT: the dataset is not what was written. */
int mr_hdf5_compare_checksum(hid_t dataset, hid_t memory_type, const void *values, size_t bytes,
                             const char *path, mr_error *e);

/* 1 and the object's checksum, 0 where it has none, or an error. */
int mr_hdf5_find_checksum(uint64_t *out, hid_t dataset, mr_error *e);

#endif
