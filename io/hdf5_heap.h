/* SPDX-License-Identifier: Apache-2.0 */
/* Variable-length strings of attributes, read around libhdf5. Its reader of the global heap (1.10.8,
 * H5HG_read) believes what the file says of lengths and indices: of 6,000 Keras files with a few bytes
 * changed 1 in 90 made it write past a buffer, crash or never come back, and every one of them there. Keras's
 * files hold little else in attributes, so this is the one place where the format is read by ourselves. */
#ifndef MR_IO_HDF5_HEAP_H
#define MR_IO_HDF5_HEAP_H

#include "io/hdf5.h"

/* Appends the COUNT variable-length strings of attribute NAME of OBJECT, which libhdf5 has found to hold
 * such. Understands files with 8-byte addresses whose attributes stand in the object's header, as all known
 * writers make them. */
int mr_hdf5_read_heap_strings(mr_names *out, hid_t object, const char *name, size_t count, mr_error *e);

#endif
