/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the structure of an HDF5 file before libhdf5 does, and keeps it as an index: objects, their links,
 * attributes and dataset layouts. libhdf5 trusts what it finds: sizes in object headers, offsets into heaps,
 * indices into collections, numbers of rows and records; a damaged or hostile file makes it read, write or
 * loop out of bounds. So everything that we let it follow is followed here first, each structure once and
 * within its bounds, its checksum too where it has one. Refused by name: shared messages, virtual data, data
 * and parts in other files. Afterwards every address, size and offset that libhdf5 uses to reach groups and
 * dataset storage is inside the file and of the right kind; the structures are no more than the file has
 * bytes; every packed chunk unpacks to its size. Links, attributes and strings are read from the index alone.
 * What was never written may still be of any size, and packed by filters that are not supported:
 * io/hdf5/dataset.c looks at that before a dataset is read. A file that is changed in place between this and
 * the reading of its values is out of scope. */
#ifndef MR_IO_HDF5_INDEX_H
#define MR_IO_HDF5_INDEX_H

#include "base/error.h"
#include "base/list.h"

#include <stdint.h>

#define MR_H5_UNDEFINED UINT64_MAX

enum { /* classes of datatypes */
       MR_H5_INTEGER,
       MR_H5_FLOAT,
       MR_H5_TIME,
       MR_H5_STRING,
       MR_H5_BITFIELD,
       MR_H5_OPAQUE,
       MR_H5_COMPOUND,
       MR_H5_REFERENCE,
       MR_H5_ENUM,
       MR_H5_VARIABLE,
       MR_H5_ARRAY
};

typedef struct mr_h5_type {
    int class;
    uint64_t size;              /* bytes of an element; 0: there is no type */
    bool variable_string;       /* elements are references to strings in global heaps */
    bool space_padded;          /* STRING */
    bool big_endian, is_signed; /* INTEGER */
} mr_h5_type;

typedef struct mr_h5_attribute {
    char *name;
    mr_h5_type type;
    uint64_t count; /* of elements, which VALUE has */
    const uint8_t *value;
} mr_h5_attribute;

/* A link of a group. */
typedef struct mr_h5_entry {
    char *name;
    uint64_t object; /* of a hard link; else UNDEFINED */
    char *target;    /* path of a soft link; NULL for hard links and those into other files */
} mr_h5_entry;

typedef struct mr_h5_dataset {
    mr_h5_type type;
    bool null, chunked;
    int foreign_filter; /* number of a filter that is not supported, or -1 */
    int rank;
    uint64_t extent[]; /* [rank] of the dataset, then, CHUNKED, [rank] of a chunk */
} mr_h5_dataset;

typedef struct mr_h5_object {
    uint64_t address;
    enum { MR_H5_NO_OBJECT, MR_H5_GROUP, MR_H5_DATASET, MR_H5_NAMED_TYPE } kind;
    mr_h5_attribute *attribute; /* in the file's order */
    size_t attributes;
    mr_h5_entry *entry; /* of a group, by byte value */
    size_t entries;
    mr_h5_dataset *dataset;
    mr_h5_type type;     /* of a named datatype */
    uint64_t tree, heap; /* of a group's symbol table; else UNDEFINED */
} mr_h5_object;

typedef struct mr_h5_walk mr_h5_index;

/* FD is read with pread from its start; its position stays; it must stay open as long as strings are read.
 * WHAT names the file in errors. MR_EFORMAT: damaged, with the place; MR_EUNSUPPORTED: a feature that is not
 * supported; MR_EIO, MR_ENOMEM. */
int mr_h5_index_file(mr_h5_index **out, int fd, const char *what, mr_error *e);
/* The same of SIZE bytes in memory, which must stay as long as the index. */
int mr_h5_index_bytes(mr_h5_index **out, const void *bytes, size_t size, const char *what, mr_error *e);
/* FD takes the place of the one that the index was made with; -1: nothing is read until there is another. */
void mr_h5_index_reopen(mr_h5_index *x, int fd);
void mr_h5_index_free(mr_h5_index *x);

/* Bytes of the file, without a user block. */
uint64_t mr_h5_index_size(const mr_h5_index *x);
/* The object whose header is at ADDRESS, or NULL. */
const mr_h5_object *mr_h5_index_object(const mr_h5_index *x, uint64_t address);
/* What PATH leads to from the group FROM, from the root where it begins with a slash; soft links are
 * followed, links into other files are not. NULL: nothing. */
const mr_h5_object *mr_h5_index_find(const mr_h5_index *x, const mr_h5_object *from, const char *path);
/* Appends the strings of A, which is of fixed or variable length. */
int mr_h5_index_strings(mr_names *out, mr_h5_index *x, const mr_h5_attribute *a, mr_error *e);

#endif
