/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes read from the bytes of an HDF5 file, around libhdf5, whose 1.10.8 cannot be trusted with those
 * of a damaged file: in 6,000 Keras files with a few bytes changed, 1 in 90 made its reader of
 * variable-length strings (H5HG_read) write past a buffer, crash or never come back; its decoder of
 * attributes reads past headers, its walk through them freed what it had not made. Strings are all that Keras
 * has there, and simple enough to be read here, with every length checked. */
#ifndef MR_IO_HDF5_RAW_H
#define MR_IO_HDF5_RAW_H

#include "io/hdf5/hdf5.h"

/* What is read at once: most headers of Keras's files, whose parts would be a call of the system each. */
enum { MR_RAW_WINDOW = 2048 };

/* The file's bytes: in memory, or behind a descriptor that libhdf5 holds. For one look only: what is written
 * meanwhile is not seen. */
typedef struct mr_raw {
    const unsigned char *memory;
    int fd;
    uint64_t size;
    uint64_t base; /* where address 0 is */
    uint64_t
        text; /* bytes of strings that were taken from heaps: each may be referred to any number of times */
    uint64_t heap; /* bytes of heaps that were read */
    uint64_t window_at;
    size_t window_size;
    unsigned char window[MR_RAW_WINDOW];
} mr_raw;

/* The file that OBJECT lies in. Only 8-byte addresses, which all known writers use. What
 * libhdf5 has not flushed yet is not seen. */
int mr_raw_open(mr_raw *r, hid_t object, mr_error *e);
/* N bytes at ADDRESS into OUT: MR_EFORMAT where the file has none there, MR_EIO. */
int mr_raw_read(mr_raw *r, uint64_t address, void *out, size_t n, mr_error *e);
/* The same in a block of its own, to be freed; also MR_ENOMEM. */
int mr_raw_copy(unsigned char **out, mr_raw *r, uint64_t address, size_t n, mr_error *e);
/* A little-endian number. */
uint64_t mr_raw_number(const unsigned char *p, int bytes);

/* An attribute as it stands in a header. */
typedef struct mr_raw_attribute {
    const char *name;
    const unsigned char *type, *space, *data; /* datatype and dataspace messages; the value */
    size_t type_size, space_size, data_size;
} mr_raw_attribute;

/* Calls VISIT for each attribute in OBJECT's header. Stops where VISIT returns other than 0, and returns
 * that. */
int mr_raw_attributes(mr_raw *r, hid_t object,
                      int (*visit)(void *context, const mr_raw_attribute *a, mr_error *e), void *context,
                      mr_error *e);

/* Appends the COUNT strings of the global heap that REFERENCES (16 bytes each) are to. NAME: the attribute's,
 * for errors. */
int mr_raw_heap_strings(mr_names *out, mr_raw *r, const unsigned char *references, size_t count,
                        const char *name, mr_error *e);
enum { MR_RAW_REFERENCE = 16 };

#endif
