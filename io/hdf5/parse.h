/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the structure of an HDF5 file before libhdf5 does. The library trusts what it finds: sizes in object
 * headers, offsets into heaps, indices into collections, numbers of rows and records; a damaged or hostile
 * file makes it read, write or loop out of bounds. So everything that we let it follow is followed here
 * first, each structure once and within its bounds, its checksum too where it has one. What is refused is
 * named: shared messages, virtual data, data and parts in other files. After it: every address, size and
 * offset that the library uses to reach groups, attributes, strings and dataset storage is inside the file
 * and of the right kind; the structures are no more than the file has bytes; every packed chunk unpacks to
 * its size. What was never written may still be of any size, and packed by filters that we do not know:
 * io/hdf5/storage.h looks at that before a dataset is read. Values are left to the library. A file that
 * somebody changes in place between this and the library's reading is out of scope. */
#ifndef MR_IO_HDF5_CHECK_H
#define MR_IO_HDF5_CHECK_H

#include "base/error.h"

#include <stddef.h>

/* FD is read with pread from its start; its position stays. WHAT names the file in errors. MR_EFORMAT:
 * damaged, with the place; MR_EUNSUPPORTED: a feature that we do not read; MR_EIO, MR_ENOMEM. Thread safe. */
int mr_hdf5_check_fd(int fd, const char *what, mr_error *e);
int mr_hdf5_check_bytes(const void *bytes, size_t size, const char *what, mr_error *e);

#endif
