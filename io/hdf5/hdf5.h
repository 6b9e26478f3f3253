/* SPDX-License-Identifier: Apache-2.0 */
/* Files, groups, attributes and datasets, over libhdf5 and the index of io/hdf5/index.h. The error stack of
 * libhdf5 is silenced (its reason goes into mr_error), its file locking is off, every size that a file states
 * is checked before memory is allocated for it. Attributes and datasets are of the kinds that h5py 2 and 3
 * write for Keras.
 *
 * Debian's libhdf5 is not thread safe: every function that takes a hid_t requires the caller to hold
 * mr_hdf5_lock(). */
#ifndef MR_IO_HDF5_H
#define MR_IO_HDF5_H

#include "base/error.h"
#include "base/list.h"
#include "base/shape.h"

#include <hdf5.h>

enum {
    MR_HDF5_MAX_TEXT = 64 << 20, /* bytes of one string attribute */
    MR_HDF5_MAX_NAMES = 1 << 20, /* entries of one list of names */
    MR_HDF5_MAX_NAME = 4096      /* bytes of one of them */
};

/* One recursive mutex for the process; the first lock readies the library. */
void mr_hdf5_lock(void);
void mr_hdf5_unlock(void);

/* MR_EFORMAT (or CODE) with the printf-like message and, after a colon, the innermost reason on HDF5's error
 * stack, which is cleared. */
int mr_hdf5_fail(mr_error *e, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* --- files and groups --- */

/* Opens PATH for reading: MR_ENOTFOUND, MR_EIO, or MR_EFORMAT where it is not an HDF5 file. */
int mr_hdf5_open(hid_t *file, const char *path, mr_error *e);
/* The same of a file of SIZE bytes in memory, which must stay as long as the file is open. WHAT names it in
 * errors. */
int mr_hdf5_open_image(hid_t *file, void *bytes, size_t size, const char *what, mr_error *e);
/* Creates PATH, in the format that every libhdf5 reads (superblock 0). */
int mr_hdf5_create(hid_t *file, const char *path, mr_error *e);
/* Closes FILE, which may be negative. Returns the first error of writing to it. */
int mr_hdf5_close(hid_t file, const char *path, mr_error *e);

/* PATH ("a/b/c", relative to AT) leads to an object in this file: links into other files are not followed. */
bool mr_hdf5_exists(hid_t at, const char *path);
bool mr_hdf5_is_group(hid_t at, const char *path);
/* NAME, a link in AT itself, leads into another file: such links are not followed. */
bool mr_hdf5_is_external_link(hid_t at, const char *name);
/* WHERE names the place in errors. */
int mr_hdf5_open_group(hid_t *group, hid_t at, const char *path, mr_error *e);
/* Opens what PATH leads to, in this file; KIND ("dataset") names it in errors. */
int mr_hdf5_open_object(hid_t *out, hid_t at, const char *path, const char *kind, mr_error *e);
/* Makes the group and those on the way to it that are missing. */
int mr_hdf5_make_group(hid_t *group, hid_t at, const char *path, mr_error *e);
/* Link creation properties with which missing groups on the way to a new object are created. */
hid_t mr_hdf5_creating_groups(void);
/* Closes a group or dataset or attribute or type or space; negative ids are fine. */
void mr_hdf5_release(hid_t id);

/* --- lists of names --- */

/* The names of all links of a group, sorted by byte value. */
int mr_hdf5_links(mr_names *out, hid_t group, mr_error *e);
/* The names of all attributes of an object. */
int mr_hdf5_attributes(mr_names *out, hid_t object, mr_error *e);

/* Called with each OBJECT of a file and its PATH below the root, "." for the root itself. */
typedef int (*mr_hdf5_visitor)(void *context, hid_t object, H5I_type_t type, const char *path, mr_error *e);
/* Visits every group, dataset and named type once: groups before what they hold, links by byte value, an
 * object with several links under the first. Soft links and those to other files are not followed. Stops
 * where VISIT returns other than 0, and returns that. MR_ELIMIT: a path of more than MR_HDF5_MAX_NAME bytes.
 */
int mr_hdf5_visit(hid_t file, mr_hdf5_visitor visit, void *context, mr_error *e);

/* --- attributes --- */

/* Names and values are read from the file's index (io/hdf5/index.h), without libhdf5, whose 1.10.8 cannot be
 * trusted with those of a damaged file: in 6,000 Keras files with a few bytes changed, 1 in 90 made its
 * reader of variable-length strings (H5HG_read) write past a buffer, crash or hang. A file that is being
 * written is flushed first. */

/* 1, 0, or an error: what cannot be read is not the same as missing. */
int mr_hdf5_has_attribute(hid_t object, const char *name, mr_error *e);

/* 1 and an attribute that is one integer of at most 8 bytes; 0: there is none; or an error. */
int mr_hdf5_find_number(uint64_t *out, hid_t object, const char *name, mr_error *e);

/* A scalar (or one-element) string attribute of any kind. *TEXT is malloc'ed and NUL terminated, *LENGTH (may
 * be NULL) counts its bytes. MR_ENOTFOUND where there is no such attribute. */
int mr_hdf5_read_text(char **text, size_t *length, hid_t object, const char *name, mr_error *e);
/* The same, NULL where the attribute is missing: only real failures are errors. */
int mr_hdf5_find_text(char **text, size_t *length, hid_t object, const char *name, mr_error *e);

/* A list of strings: fixed or variable length, ASCII or UTF-8, an empty list of any type, or split into
 * NAME0, NAME1, …. MR_ENOTFOUND where there is none of these. */
int mr_hdf5_read_names(mr_names *out, hid_t object, const char *name, mr_error *e);
/* 1, 0, or an error. */
int mr_hdf5_has_names(hid_t object, const char *name, mr_error *e);

/* A variable-length scalar string, ASCII or (UTF8) UTF-8, as h5py writes str and bytes. */
int mr_hdf5_write_text(hid_t object, const char *name, const char *text, bool utf8, mr_error *e);
/* A 1-D list of fixed-length ASCII strings, padded with NUL to the longest, as h5py 2 writes; empty: float64
 * of shape (0,); over 64512 bytes: split evenly into NAME0, NAME1, … */
int mr_hdf5_write_names(hid_t object, const char *name, const mr_names *names, mr_error *e);

/* --- datasets --- */

/* Shape of the dataset PATH, whose elements must be integers, enumerations of them or floating point numbers
 * of at most 8 bytes. Rank 0 to MR_MAX_RANK, at most MR_MAX_ELEMENTS. */
int mr_hdf5_shape(mr_shape *out, hid_t at, const char *path, mr_error *e);
/* The same, with the dataset opened. */
int mr_hdf5_open_dataset(hid_t *out, mr_shape *shape, hid_t at, const char *path, mr_error *e);
/* The same of an open dataset; PATH is for errors. Also MR_EUNSUPPORTED or MR_ELIMIT: the dataset cannot be
 * read in time and memory in proportion to the file's size. */
int mr_hdf5_dataset_shape(mr_shape *out, hid_t dataset, const char *path, mr_error *e);
/* An array of samples: a dataset of rank 1 or more in a file called FILE_NAME. */
int mr_hdf5_open_samples(hid_t *out, mr_shape *shape, hid_t file, const char *file_name, const char *name,
                         mr_error *e);
/* Its elements are unsigned bytes. False where it cannot be told. */
bool mr_hdf5_has_bytes(hid_t dataset);
/* Reads it as float32 (the library converts) into OUT, which has room for CAPACITY elements: others are an
 * error. */
int mr_hdf5_read_floats(float *out, size_t capacity, hid_t at, const char *path, mr_error *e);
/* A dataset of one integer or floating point number. */
int mr_hdf5_read_int(int64_t *out, hid_t at, const char *path, mr_error *e);
int mr_hdf5_read_double(double *out, hid_t at, const char *path, mr_error *e);
/* As mr_hdf5_read_floats. */
int mr_hdf5_read_doubles(double *out, size_t capacity, hid_t at, const char *path, mr_error *e);

/* Contiguous little-endian float32; groups on the way are made. SHAPE of rank 0 is a scalar. */
int mr_hdf5_write_floats(hid_t at, const char *path, const mr_shape *shape, const float *values, mr_error *e);
/* The same of float64. */
int mr_hdf5_write_doubles(hid_t at, const char *path, const mr_shape *shape, const double *values,
                          mr_error *e);
/* A scalar of 8 bytes. */
int mr_hdf5_write_int(hid_t at, const char *path, int64_t value, mr_error *e);

#endif
