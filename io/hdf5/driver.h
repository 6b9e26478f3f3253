/* SPDX-License-Identifier: Apache-2.0 */
/* The files that libhdf5 writes, through a driver of our own. Where the library's driver reports that a write
 * failed (a full disk), libhdf5 1.10 can no longer close the file: it keeps it open, and crashes
 * when the process ends. This driver reports no failed write to the library: it keeps the first error, lets
 * the library finish, and mr_hdf5_close() returns the error. Callers hold mr_hdf5_lock(), from the file's
 * creation to its end. */
#ifndef MR_IO_HDF5_FILE_H
#define MR_IO_HDF5_FILE_H

#include <hdf5.h>

/* Readies the driver: once, after H5open(). */
void mr_hdf5_register_writer(void);

/* Creates PATH with the creation and access properties LIST; negative, and errno, where it cannot be made.
 * The properties' driver is replaced. */
hid_t mr_hdf5_create_file(const char *path, hid_t list);

/* Of the file that was created last: errno of its first write that failed, 0 where all went well. Complete
 * only when the file is closed. */
int mr_hdf5_write_error(void);

#endif
