/* SPDX-License-Identifier: Apache-2.0 */
/* The bottom of the parser: the bytes of the file, what of it was visited, a cursor over bytes. */
#ifndef MR_IO_HDF5_CURSOR_H
#define MR_IO_HDF5_CURSOR_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define MR_H5_UNDEFINED UINT64_MAX
enum { MR_H5_RANK = 32, MR_H5_TYPE_DEPTH = 8, MR_H5_TREE_DEPTH = 24, MR_H5_SHARED_DEPTH = 8 };

enum {
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
    uint64_t size;        /* bytes of an element; >= 1; 0: none */
    bool variable_string; /* elements are {length, heap address, index} of text */
} mr_h5_type;

typedef struct mr_h5_visited { /* an object header or global heap that was met */
    uint64_t address;          /* 0: a free place (nothing but the superblock lies there) */
    uint64_t tree, heap;       /* of a group's symbol table; else UNDEFINED */
    mr_h5_type type;           /* of a named datatype */
} mr_h5_visited;

/* An object that a link leads to, to be walked later: a file's groups may be nested deeper than our stack. */
typedef struct mr_h5_link {
    uint64_t object, entry; /* addresses of its header, and of what has the link */
    bool repeats;           /* the link repeats where the group's symbol table is */
    uint64_t tree, heap;    /* what it repeats */
} mr_h5_link;

typedef struct mr_h5_walk {
    const char *what;
    mr_error *e;
    int fd; /* -1: BYTES */
    const uint8_t *bytes;
    uint64_t base;   /* where address 0 is: behind the user block */
    uint64_t size;   /* of the file from there on; the superblock's end of file is not behind it */
    uint64_t budget; /* bytes of structures yet to be walked: each byte belongs to one of them */
    uint64_t reread; /* bytes of global heaps yet to be read a second time: attributes may take turns between
                       heaps */
    unsigned leaf_k, group_k, chunk_k; /* half the fan-out of symbol nodes and of the two kinds of B-trees */
    mr_h5_visited *visited;
    size_t visited_count, visited_capacity; /* capacity: a power of two */
    mr_h5_link *link;                       /* those to be followed yet */
    size_t links;
    int shared_depth;      /* named types whose attributes have named types … */
    uint64_t heap_address; /* of the collection whose objects are known */
    uint32_t *heap_object; /* [65536] size of object I + 1; 0: there is none */
} mr_h5_walk;

/* Some bytes of the file. */
typedef struct mr_h5_block {
    const uint8_t *at;
    size_t size;
    void *owned;
} mr_h5_block;

int mr_h5_damaged(mr_h5_walk *w, uint64_t address, const char *structure);
int mr_h5_unsupported(mr_h5_walk *w, const char *feature);

/* SIZE bytes at ADDRESS that belong to one STRUCTURE, taken off the budget. */
int mr_h5_read(mr_h5_walk *w, mr_h5_block *p, uint64_t address, uint64_t size, const char *structure);
/* The same of a structure that begins with the four letters MARK and ends with the checksum of what is before
 * it. */
int mr_h5_read_checksummed(mr_h5_walk *w, mr_h5_block *p, uint64_t address, uint64_t size, const char *mark,
                           const char *structure);
/* The checksum of structures (Jenkins's lookup3). */
uint32_t mr_h5_checksum(const uint8_t *bytes, size_t size);
void mr_h5_release(mr_h5_block *p);
/* SIZE bytes of data lie at ADDRESS; they are not read here, and not counted. */
bool mr_h5_in_file(const mr_h5_walk *w, uint64_t address, uint64_t size);

/* Whether ADDRESS was met before; now it was. *SEEN stays valid until the next call. */
int mr_h5_mark_visited(mr_h5_walk *w, uint64_t address, mr_h5_visited **seen, bool *before);

/* A cursor over bytes. Reading behind the end gives zeros and sets ENDED, which is asked once afterwards. */
typedef struct mr_h5_cursor {
    const uint8_t *at;
    size_t left;
    bool ended;
} mr_h5_cursor;

static inline mr_h5_cursor mr_h5_cursor_at(const uint8_t *at, size_t size)
{
    return (mr_h5_cursor){at, size, false};
}

static inline uint64_t mr_h5_get(mr_h5_cursor *c, unsigned bytes)
{
    uint64_t value = 0;
    if (bytes > c->left) {
        c->ended = true;
        c->at += c->left;
        c->left = 0;
        return 0;
    }
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)c->at[i] << (8 * i);
    c->at += bytes;
    c->left -= bytes;
    return value;
}

static inline void mr_h5_skip(mr_h5_cursor *c, uint64_t bytes)
{
    if (bytes > c->left)
        c->ended = true;
    uint64_t n = bytes > c->left ? c->left : bytes;
    c->at += n;
    c->left -= n;
}

#endif
