/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MR_IO_HDF5_STORAGE_H
#define MR_IO_HDF5_STORAGE_H

#include "io/hdf5/hdf5.h"

/* Whether DATASET, of SHAPE and ELEMENT bytes per element, can be read in time and memory in proportion to
 * the file's size: else MR_EUNSUPPORTED or MR_ELIMIT. PATH names it. Callers hold mr_hdf5_lock(). */
int mr_hdf5_check_storage(hid_t dataset, const mr_shape *shape, size_t element, const char *path,
                          mr_error *e);

#endif
