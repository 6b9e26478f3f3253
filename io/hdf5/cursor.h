/* SPDX-License-Identifier: Apache-2.0 */
/* The bottom of the parser: reading bytes of the file, marking structures as visited, a cursor over bytes. */
#ifndef MR_IO_HDF5_CURSOR_H
#define MR_IO_HDF5_CURSOR_H

#include "io/hdf5/index.h"

/* Addresses where a structure was, and the objects among them. */
typedef struct mr_h5_visited {
    uint64_t address;     /* 0: a free slot (nothing but the superblock is there) */
    mr_h5_object *object; /* NULL: a global heap */
} mr_h5_visited;

/* An object that a link leads to, to be walked later: a file's groups may be nested deeper than our stack. */
typedef struct mr_h5_link {
    uint64_t object, entry; /* addresses of its header, and of what has the link */
    bool repeats;           /* the link repeats where the group's symbol table is */
    uint64_t tree, heap;    /* what it repeats */
} mr_h5_link;

/* Some bytes of the file. */
typedef struct mr_h5_block {
    const uint8_t *at;
    size_t size;
    void *owned;
} mr_h5_block;

/* A file being parsed; afterwards its index. */
typedef struct mr_h5_walk {
    char *what;
    mr_error *e;
    int fd; /* -1: BYTES */
    const uint8_t *bytes;
    uint64_t base;   /* where address 0 is: after the user block */
    uint64_t size;   /* of the file from there on, up to the superblock's end of file */
    uint64_t budget; /* bytes of structures yet to be read: each byte belongs to one of them */
    uint64_t reread; /* bytes of global heaps yet to be read again: strings may take turns between heaps */
    uint64_t names;  /* bytes of names of links yet to be kept */
    unsigned leaf_k, group_k, chunk_k; /* half the fan-out of symbol nodes and of the two kinds of B-trees */
    mr_h5_visited *visited;
    size_t visited_count, visited_capacity; /* capacity: a power of two */
    mr_h5_link *link;                       /* those to be followed yet */
    size_t links;
    int shared_depth;      /* named types whose attributes have named types … */
    uint64_t root;         /* address of the root group */
    mr_h5_object *object;  /* the one being read */
    uint64_t heap_address; /* of the collection that HEAP holds */
    mr_h5_block heap;
    uint32_t *heap_object; /* [65536] where the head of each object is in HEAP, + 1; 0: there is none */
} mr_h5_walk;

int mr_h5_damaged(mr_h5_walk *w, uint64_t address, const char *structure);
int mr_h5_unsupported(mr_h5_walk *w, const char *feature);

/* Reads SIZE bytes at ADDRESS, which belong to one STRUCTURE, and takes them off the budget. */
int mr_h5_read(mr_h5_walk *w, mr_h5_block *p, uint64_t address, uint64_t size, const char *structure);
/* The same of a structure that begins with the four letters MARK and ends with the checksum of what is before
 * it. */
int mr_h5_read_checksummed(mr_h5_walk *w, mr_h5_block *p, uint64_t address, uint64_t size, const char *mark,
                           const char *structure);
/* The checksum of structures (Jenkins's lookup3). */
uint32_t mr_h5_checksum(const uint8_t *bytes, size_t size);
void mr_h5_release(mr_h5_block *p);
/* Whether SIZE bytes at ADDRESS are inside the file. They are neither read nor taken off the budget. */
bool mr_h5_in_file(const mr_h5_walk *w, uint64_t address, uint64_t size);

/* Whether ADDRESS was visited *BEFORE; now it is. *SLOT stays valid until the next call. */
int mr_h5_mark_visited(mr_h5_walk *w, uint64_t address, mr_h5_visited **slot, bool *before);

static inline bool mr_h5_is_power(uint64_t v)
{
    return v && !(v & (v - 1));
}

static inline unsigned mr_h5_log2(uint64_t v)
{
    return v ? 63 - (unsigned)__builtin_clzll(v) : 0;
}

/* Bytes that a number up to LIMIT takes. */
static inline unsigned mr_h5_bytes_for(uint64_t limit)
{
    return mr_h5_log2(limit) / 8 + 1;
}

/* Its slot; slot->address is 0 where it was not visited. There has to be a table. */
mr_h5_visited *mr_h5_visited_slot(mr_h5_visited *table, size_t capacity, uint64_t address);

/* A cursor over bytes. Reading past the end gives zeros and sets ENDED, which is checked once afterwards. */
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
