/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the parser of HDF5 files (io/hdf5/index.h): the structures that a file is made of. Names and numbers
 * are those of the HDF5 file format specification, version 3. Every function returns 0 or a code with the
 * walk's error filled. */
#ifndef MR_IO_HDF5_PARSE_INTERNAL_H
#define MR_IO_HDF5_PARSE_INTERNAL_H

#include "io/hdf5/cursor.h"

enum { MR_H5_RANK = 32, MR_H5_TYPE_DEPTH = 8, MR_H5_TREE_DEPTH = 24, MR_H5_SHARED_DEPTH = 8 };

/* Bytes of global heaps that may be read again, in all of the parsing and in each reading of an attribute. */
#define MR_H5_REREAD(size) ((1 << 26) + 8 * (size))

/* --- messages --- */

typedef struct mr_h5_space {
    int rank;
    uint64_t dim[MR_H5_RANK], most[MR_H5_RANK]; /* most: UNDEFINED where it is unlimited */
    uint64_t count;                             /* of elements */
    bool null;                                  /* without elements, and without a shape */
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
    int rank; /* CHUNKED: of the data, without the element size at the end */
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

static inline bool mr_h5_is_foreign(unsigned filter)
{
    return filter < MR_H5_DEFLATE || filter > MR_H5_FLETCHER32;
}

/* Each reads the message at C and fills OUT. ADDRESS is for messages of error. */
int mr_h5_parse_type(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address, mr_h5_type *out);
int mr_h5_parse_space(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address, mr_h5_space *out);
int mr_h5_parse_layout(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address, mr_h5_layout *out);
/* *SIZE: bytes of the value, 0 where there is none. VERSION 0 is the old fill value message. */
int mr_h5_parse_fill(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address, bool old, uint64_t *size);
int mr_h5_parse_filters(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address, mr_h5_filters *out);
int mr_h5_parse_attribute(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address);

/* LINK will be followed. */
int mr_h5_follow(mr_h5_walk *w, const mr_h5_link *link);
/* Adds a link to the group being read: to OBJECT, or, UNDEFINED, to the path TARGET, or, NULL, into another
 * file. */
int mr_h5_add_entry(mr_h5_walk *w, mr_h5_cursor name, uint64_t object, const mr_h5_cursor *target,
                    uint64_t address);
/* A link message, in a header or a fractal heap at ADDRESS. */
int mr_h5_parse_link(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address);
/* What stands in place of a datatype message that is another object's: the header it is in. */
int mr_h5_parse_shared(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address, uint64_t *header);

/* --- structures --- */

/* Follows the links until none is left; more come up on the way. */
int mr_h5_walk_links(mr_h5_walk *w);
/* The superblock's extension: sets the fan-outs. */
int mr_h5_walk_extension(mr_h5_walk *w, uint64_t address);
/* The datatype whose object header is at ADDRESS. */
int mr_h5_named_type(mr_h5_walk *w, uint64_t address, mr_h5_type *out);
int mr_h5_walk_symbol_table(mr_h5_walk *w, uint64_t tree, uint64_t heap);
/* One entry of a symbol table: HEAP (may be NULL for the root's own) has the names. */
int mr_h5_walk_entry(mr_h5_walk *w, mr_h5_cursor *c, const mr_h5_block *heap, uint64_t address);
/* A node of a B-tree of version 1: keys, and between them addresses of children. */
typedef struct mr_h5_tree_kind {
    unsigned type, half_fan_out, key; /* key: its bytes */
    const char *name;
} mr_h5_tree_kind;
typedef struct mr_h5_tree_node {
    mr_h5_block block; /* to be released, whatever is returned */
    int level;
    unsigned used; /* children */
    mr_h5_cursor entries;
} mr_h5_tree_node;
/* LEVEL: the node has to be of it; -1: any, for the root. */
int mr_h5_read_tree_node(mr_h5_walk *w, mr_h5_tree_node *n, uint64_t address, int level,
                         const mr_h5_tree_kind *kind);

/* The chunks of a dataset of SPACE. */
int mr_h5_walk_chunks(mr_h5_walk *w, const mr_h5_layout *layout, const mr_h5_space *space,
                      const mr_h5_filters *filters);
/* The same where layout->index is not BTREE. */
int mr_h5_walk_index(mr_h5_walk *w, const mr_h5_layout *layout, const mr_h5_space *space,
                     const mr_h5_filters *filters);
/* The STORED bytes at ADDRESS, less the filters that MASK names, are WANTED bytes. */
int mr_h5_check_chunk(mr_h5_walk *w, const mr_h5_filters *f, uint64_t mask, uint64_t address, uint64_t stored,
                      uint64_t wanted);
/* The first LENGTH bytes of object INDEX of the global heap collection at ADDRESS: until the next call. */
int mr_h5_global_heap_object(mr_h5_walk *w, uint64_t address, uint32_t index, uint64_t length,
                             const uint8_t **out);
void mr_h5_forget_global_heap(mr_h5_walk *w);

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
int mr_h5_parse_dense(mr_h5_walk *w, mr_h5_cursor *c, uint64_t address, bool attributes, mr_h5_dense *out);
/* VISIT gets each message. */
int mr_h5_walk_dense(mr_h5_walk *w, const mr_h5_dense *d, mr_h5_visitor visit, void *context);

/* The fractal heap at ADDRESS, all of its blocks in memory. */
typedef struct mr_h5_heap mr_h5_heap;
int mr_h5_open_heap(mr_h5_heap **out, mr_h5_walk *w, uint64_t address, size_t id_length);
void mr_h5_close_heap(mr_h5_heap *h);
/* The object whose id is at ID; the bytes stay as long as the heap is open. Each object is asked for once. */
int mr_h5_heap_object(mr_h5_heap *h, const uint8_t *id, mr_h5_cursor *out);

#endif
