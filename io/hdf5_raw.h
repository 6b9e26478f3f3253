/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of an HDF5 file, around libhdf5, for the two things in which its 1.10.8 cannot be trusted with a
 * damaged file: in 6,000 Keras files with a few bytes changed, 1 in 90 made its reader of variable-length
 * strings (H5HG_read) write past a buffer, crash or never come back, and now and then its walk through
 * attributes (H5Aiterate) freed what it had not made. Both are simple enough to be read here, with every
 * length checked. */
#ifndef MR_IO_HDF5_RAW_H
#define MR_IO_HDF5_RAW_H

#include "io/hdf5.h"

/* The file's bytes: in memory, or behind a descriptor that libhdf5 holds. */
typedef struct mr_raw {
    const unsigned char *memory;
    int fd;
    uint64_t size;
    uint64_t base; /* where address 0 is */
} mr_raw;

/* The file that OBJECT lies in. Only 8-byte addresses, which all known writers use. */
int mr_raw_open(mr_raw *r, hid_t object, mr_error *e);
/* N bytes at ADDRESS into OUT: -1 where they are not there. */
int mr_raw_read(const mr_raw *r, uint64_t address, void *out, size_t n);
/* The same in a block of its own, to be freed; NULL. */
unsigned char *mr_raw_copy(const mr_raw *r, uint64_t address, size_t n);
/* A little-endian number. */
uint64_t mr_raw_number(const unsigned char *p, int bytes);

/* Calls VISIT(context, name, data, size) for each attribute in OBJECT's header: DATA are the SIZE bytes of
 * its value as they stand in the file. Stops where VISIT returns other than 0, and returns that. */
int mr_raw_attributes(const mr_raw *r, hid_t object,
                      int (*visit)(void *context, const char *name, const unsigned char *data, size_t size,
                                   mr_error *e),
                      void *context, mr_error *e);

/* Appends the COUNT variable-length strings of attribute NAME of OBJECT, which libhdf5 has found to hold
 * such. */
int mr_hdf5_read_heap_strings(mr_names *out, hid_t object, const char *name, size_t count, mr_error *e);

#endif
