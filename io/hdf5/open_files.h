/* SPDX-License-Identifier: Apache-2.0 */
/* The index (io/hdf5/index.h) of each file that is open. Callers hold mr_hdf5_lock(). */
#ifndef MR_IO_HDF5_OPEN_FILES_H
#define MR_IO_HDF5_OPEN_FILES_H

#include "io/hdf5/hdf5.h"
#include "io/hdf5/index.h"

typedef struct mr_open_file mr_open_file;

/* The index of the file behind FD, read or found: files that are open, and a few that were open lately, are
 * not read again (an array file would be unpacked by each of its readers). PATH is for errors. On success FD
 * is the index's own, and may be closed already. */
int mr_open_file_add(mr_open_file **out, int fd, const char *path, mr_error *e);
/* The same of SIZE bytes in memory. */
int mr_open_file_add_bytes(mr_open_file **out, const void *bytes, size_t size, const char *what, mr_error *e);
/* One of the file's descriptors, which stays open until it is closed. */
int mr_open_file_descriptor(const mr_open_file *f);
/* FILE is what libhdf5 made of it; negative: nothing, the file counts as closed. */
void mr_open_file_set(mr_open_file *f, hid_t file);
/* FILE is about to be closed. */
void mr_open_file_close(hid_t file);

/* Where an OBJECT of libhdf5's, or the root of a file, is in the index. A file that was not opened with
 * mr_hdf5_open() is being written: it is flushed and its structure read anew with each call, unless it was
 * frozen. */
typedef struct mr_h5_place {
    mr_h5_index *index;
    const mr_h5_object *object;
} mr_h5_place;
int mr_h5_locate(mr_h5_place *out, hid_t object, mr_error *e);
/* Whether OBJECT is in a file that was opened with mr_hdf5_open(). */
bool mr_h5_is_indexed(hid_t object);
/* FILE, which is being written, will not change until it is released, which has to be before it is closed. */
int mr_h5_freeze(hid_t file, mr_error *e);
void mr_h5_unfreeze(void);

#endif
