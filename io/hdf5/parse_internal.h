/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the check of HDF5 files (io/hdf5/parse.h): the file being walked and the structures that it is made
 * of. Names and numbers are those of the HDF5 file format specification, version 3. Every function returns 0
 * or a code with the walk's error filled. */
#ifndef MR_IO_HDF5_WALK_H
#define MR_IO_HDF5_WALK_H

#include "io/hdf5/parse.h"

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

typedef struct mr_h5_seen { /* an object header or global heap that was met */
    uint64_t address;       /* 0: a free place (nothing but the superblock lies there) */
    uint64_t tree, heap;    /* of a group's symbol table; else UNDEFINED */
    mr_h5_type type;        /* of a named datatype */
} mr_h5_seen;

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
    uint64_t again;  /* bytes of global heaps yet to be read a second time: attributes may take turns between
                        heaps */
    unsigned leaf_k, group_k, chunk_k; /* half the fan-out of symbol nodes and of the two kinds of B-trees */
    mr_h5_seen *seen;
    size_t seen_count, seen_room; /* room: a power of two */
    mr_h5_link *link;             /* those to be followed yet */
    size_t links;
    int shared_depth;      /* named types whose attributes have named types … */
    uint64_t heap_address; /* of the collection whose objects are known */
    uint32_t *heap_object; /* [65536] size of object I + 1; 0: there is none */
} mr_h5_walk;

/* Some bytes of the file. */
typedef struct mr_h5_piece {
    const uint8_t *at;
    size_t size;
    void *owned;
} mr_h5_piece;

int mr_h5_damaged(mr_h5_walk *w, uint64_t address, const char *structure);
int mr_h5_unsupported(mr_h5_walk *w, const char *feature);

/* SIZE bytes at ADDRESS that belong to one STRUCTURE, taken off the budget. */
int mr_h5_take(mr_h5_walk *w, mr_h5_piece *p, uint64_t address, uint64_t size, const char *structure);
/* The same of a structure that begins with the four letters MARK and ends with the checksum of what is before
 * it. */
int mr_h5_take_summed(mr_h5_walk *w, mr_h5_piece *p, uint64_t address, uint64_t size, const char *mark,
                      const char *structure);
/* The checksum of structures (Jenkins's lookup3). */
uint32_t mr_h5_sum(const uint8_t *bytes, size_t size);
void mr_h5_drop(mr_h5_piece *p);
/* SIZE bytes of data lie at ADDRESS; they are not read here, and not counted. */
bool mr_h5_inside(const mr_h5_walk *w, uint64_t address, uint64_t size);

/* Whether ADDRESS was met before; now it was. *SEEN stays valid until the next call. */
int mr_h5_see(mr_h5_walk *w, uint64_t address, mr_h5_seen **seen, bool *before);

/* A cursor over bytes. Reading behind the end gives zeros and sets ENDED, which is asked once afterwards. */
typedef struct mr_h5_cursor {
    const uint8_t *at;
    size_t left;
    bool ended;
} mr_h5_cursor;

static inline mr_h5_cursor mr_h5_over(const uint8_t *at, size_t size)
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

/* --- messages ----------------------------------------------------------------------------------------- */

typedef struct mr_h5_space {
    int rank;
    uint64_t dim[MR_H5_RANK], most[MR_H5_RANK]; /* most: UNDEFINED where it may grow for ever */
    uint64_t count;                             /* of elements; 0 for a null space */
} mr_h5_space;

enum { MR_H5_COMPACT, MR_H5_CONTIGUOUS, MR_H5_CHUNKED };
enum { /* how the chunks of a dataset are found */
       MR_H5_BTREE,
       MR_H5_SINGLE,
       MR_H5_IMPLICIT,
       MR_H5_FIXED_ARRAY,
       MR_H5_EXTENSIBLE_ARRAY,
       MR_H5_BTREE2
};
typedef struct mr_h5_layout {
    int class;
    uint64_t address,
        size; /* of the data; CHUNKED: of the index, and of a whole chunk (once its filters are undone) */
    int rank; /* CHUNKED: of the data, without the element's size behind */
    uint64_t chunk[MR_H5_RANK + 1];
    int index;
    bool whole_edges;          /* chunks across the dataset's border are not filtered */
    uint64_t stored, mask;     /* SINGLE, filtered: its size and the filters left out */
    uint8_t page_bits;         /* of the arrays */
    uint8_t array_bits, first; /* EXTENSIBLE_ARRAY: log2 of its most elements; elements in the index block */
    uint8_t pointers,
        least; /* data blocks of the smallest super block; elements of the smallest data block */
} mr_h5_layout;

enum { MR_H5_DEFLATE = 1, MR_H5_SHUFFLE, MR_H5_FLETCHER32, MR_H5_FILTERS = 32 };
typedef struct mr_h5_filters { /* as applied when writing */
    int count;
    bool foreign; /* with one that is not among the three: such a dataset is never read */
    unsigned id[MR_H5_FILTERS];
    uint64_t value[MR_H5_FILTERS]; /* the first of its parameters, 0 where it has none */
} mr_h5_filters;

/* Each reads the message at C and fills OUT. ADDRESS is for messages of error. */
int mr_h5_read_type(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address, mr_h5_type *out);
int mr_h5_read_space(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address, mr_h5_space *out);
int mr_h5_read_layout(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address, mr_h5_layout *out);
/* *SIZE: bytes of the value, 0 where there is none. VERSION 0 is the old fill value message. */
int mr_h5_read_fill(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address, bool old, uint64_t *size);
int mr_h5_read_filters(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address, mr_h5_filters *out);
int mr_h5_read_attribute(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address);

/* LINK will be followed. */
int mr_h5_follow(mr_h5_walk *w, const mr_h5_link *link);
/* A link message, in a header or a fractal heap at ADDRESS. NAME (may be NULL) gets the name's bytes. */
int mr_h5_read_link(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address, mr_h5_cursor *name);
/* What stands in place of a datatype message that is another object's: the header it is in. */
int mr_h5_read_shared(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address, uint64_t *header);

/* --- structures ----------------------------------------------------------------------------------------- */

/* Follows the links until none is left; more come up on the way. */
int mr_h5_walk_links(mr_h5_walk *w);
/* The superblock's extension: sets the fan-outs. */
int mr_h5_walk_extension(mr_h5_walk *w, uint64_t address);
/* The datatype whose object header is at ADDRESS. */
int mr_h5_named_type(mr_h5_walk *w, uint64_t address, mr_h5_type *out);
int mr_h5_walk_symbol_table(mr_h5_walk *w, uint64_t tree, uint64_t heap);
/* One entry of a symbol table: HEAP (may be NULL for the root's own) has the names. */
int mr_h5_walk_entry(mr_h5_walk *w, mr_h5_cursor *c, const mr_h5_piece *heap, uint64_t address);
/* The chunks of a dataset of SPACE. */
int mr_h5_walk_chunks(mr_h5_walk *w, const mr_h5_layout *layout, const mr_h5_space *space,
                      const mr_h5_filters *filters);
/* The same where layout->index is not BTREE. */
int mr_h5_walk_index(mr_h5_walk *w, const mr_h5_layout *layout, const mr_h5_space *space,
                     const mr_h5_filters *filters);
/* The STORED bytes at ADDRESS, less the filters that MASK names, are WANTED bytes. */
int mr_h5_check_chunk(mr_h5_walk *w, const mr_h5_filters *f, uint64_t mask, uint64_t address, uint64_t stored,
                      uint64_t wanted);
/* Object INDEX of the global heap collection at ADDRESS has at least LENGTH bytes. */
int mr_h5_check_heap_object(mr_h5_walk *w, uint64_t address, uint32_t index, uint64_t length);

/* A B-tree of version 2 at ADDRESS, of records of KIND and of RECORD bytes: VISIT gets them in their order.
 */
typedef int (*mr_h5_visitor)(mr_h5_walk *w, void *context, mr_h5_cursor *record);
int mr_h5_walk_btree2(mr_h5_walk *w, uint64_t address, unsigned kind, size_t record, mr_h5_visitor visit,
                      void *context);

/* Links or attributes that are too many for a header: messages in a fractal heap, found by a B-tree of the
 * checksums of their names. */
typedef struct mr_h5_dense {
    bool attributes;     /* else links */
    uint64_t heap, tree; /* UNDEFINED: there are none */
} mr_h5_dense;
/* The message that says where they are. */
int mr_h5_read_dense(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address, bool attributes, mr_h5_dense *out);
/* VISIT gets each message. */
int mr_h5_walk_dense(mr_h5_walk *w, const mr_h5_dense *d, mr_h5_visitor visit, void *context);

/* The fractal heap at ADDRESS, all of its blocks in memory. */
typedef struct mr_h5_heap mr_h5_heap;
int mr_h5_open_heap(mr_h5_heap **out, mr_h5_walk *w, uint64_t address, size_t id_length);
void mr_h5_close_heap(mr_h5_heap *h);
/* The object whose id is at ID; the bytes stay as long as the heap is open. Each object is asked for once. */
int mr_h5_heap_object(mr_h5_heap *h, const uint8_t *id, mr_h5_cursor *out);

#endif
