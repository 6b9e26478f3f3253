/* SPDX-License-Identifier: Apache-2.0 */
/* The file as a whole: its bytes, its superblock, what has been walked. */
#include "io/hdf5/parse_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    OLD_SUPERBLOCK =
        100, /* bytes of version 1, the longest; followed by the root's entry, which is within them */
    NEW_SUPERBLOCK = 48,
    MIN_SIZE = NEW_SUPERBLOCK, /* no file is smaller */
    SLACK = 128,               /* the superblock is read whole, with what may follow it */
    FIRST_USER_BLOCK = 512,
};

/* --- superblock --- */

/* END as the superblock has it: BASE, which it states too, may differ from where the superblock is. */
static int set_end(mr_h5_walk *w, uint64_t base, uint64_t end)
{
    if (base == MR_H5_UNDEFINED || end < base)
        return mr_h5_damaged(w, 0, "superblock");
    if (end - base > w->size)
        return mr_fail(w->e, MR_EFORMAT, "'%s' is a truncated HDF5 file: %llu of %llu bytes are there",
                       w->what, (unsigned long long)w->size, (unsigned long long)(end - base));
    w->size = end - base;
    return 0;
}

static bool right_fan_out(const mr_h5_walk *w)
{
    return w->leaf_k && w->group_k && w->chunk_k && w->leaf_k <= 1024 && w->group_k <= 1024;
}

/* Version 0 (h5py's default) and 1, which adds the fan-out of chunk trees. */
static int walk_old_superblock(mr_h5_walk *w, mr_h5_cursor *c, unsigned version)
{
    mr_h5_get(c, 3); /* versions of free space, of the root's entry; reserved */
    unsigned shared = (unsigned)mr_h5_get(c, 1), offsets = (unsigned)mr_h5_get(c, 1),
             lengths = (unsigned)mr_h5_get(c, 1);
    mr_h5_get(c, 1);
    w->leaf_k = (unsigned)mr_h5_get(c, 2);
    w->group_k = (unsigned)mr_h5_get(c, 2);
    mr_h5_get(c, 4);
    if (version == 1) {
        w->chunk_k = (unsigned)mr_h5_get(c, 2);
        mr_h5_get(c, 2);
    }
    uint64_t base = mr_h5_get(c, 8), free_space = mr_h5_get(c, 8), end = mr_h5_get(c, 8),
             driver = mr_h5_get(c, 8);
    if (c->ended)
        return mr_fail(w->e, MR_EFORMAT, "'%s' is a truncated HDF5 file: it ends in the superblock", w->what);
    if (shared || offsets != 8 || lengths != 8 || !right_fan_out(w))
        return mr_h5_unsupported(w, "a superblock of unusual sizes");
    if (driver != MR_H5_UNDEFINED || free_space != MR_H5_UNDEFINED)
        return mr_h5_unsupported(w, "a superblock with a driver or free space");
    int status = set_end(w, base, end);
    return status ? status : mr_h5_walk_entry(w, c, NULL, 0);
}

/* Versions 2 and 3 (HDF5 2's default, libver "v108" and later). */
static int walk_new_superblock(mr_h5_walk *w, mr_h5_cursor *c)
{
    mr_h5_block p;
    int status = mr_h5_read_checksummed(w, &p, 0, NEW_SUPERBLOCK, "\x89HDF", "superblock");
    mr_h5_release(&p);
    if (status)
        return status;
    unsigned offsets = (unsigned)mr_h5_get(c, 1), lengths = (unsigned)mr_h5_get(c, 1);
    mr_h5_get(c, 1);
    uint64_t base = mr_h5_get(c, 8), extension = mr_h5_get(c, 8), end = mr_h5_get(c, 8);
    mr_h5_link root = {.object = mr_h5_get(c, 8)};
    w->root = root.object;
    if (offsets != 8 || lengths != 8)
        return mr_h5_unsupported(w, "a superblock of unusual sizes");
    status = set_end(w, base, end);
    if (!status && extension != MR_H5_UNDEFINED)
        status = mr_h5_walk_extension(w, extension);
    if (!status && !right_fan_out(w))
        status = mr_h5_damaged(w, extension, "superblock's extension");
    return status ? status : mr_h5_follow(w, &root);
}

static const uint8_t signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};

/* A user block, which is of 512 bytes or a larger power of two, may be in front. */
static int find_superblock(mr_h5_walk *w)
{
    uint64_t whole = w->size;
    bool found = false;
    int status = 0;
    for (uint64_t at = 0; !found && !status && at + MIN_SIZE <= whole; at = at ? 2 * at : FIRST_USER_BLOCK) {
        mr_h5_block p;
        status = mr_h5_read(w, &p, at, sizeof signature, "superblock");
        found = !status && !memcmp(p.at, signature, sizeof signature);
        mr_h5_release(&p);
        if (found)
            w->base = at;
    }
    w->size = whole - w->base;
    return found || status ? status : mr_fail(w->e, MR_EFORMAT, "'%s' is not an HDF5 file", w->what);
}

static int walk_superblock(mr_h5_walk *w)
{
    mr_h5_block p;
    int status = mr_h5_read(w, &p, 0, w->size < OLD_SUPERBLOCK ? w->size : OLD_SUPERBLOCK, "superblock");
    if (status)
        return status;
    mr_h5_cursor c = mr_h5_cursor_at(p.at, p.size);
    mr_h5_skip(&c, sizeof signature);
    unsigned version = (unsigned)mr_h5_get(&c, 1);
    if (version > 3)
        status = mr_h5_unsupported(w, "a superblock of a later version");
    else
        status = version < 2 ? walk_old_superblock(w, &c, version) : walk_new_superblock(w, &c);
    mr_h5_release(&p);
    return status;
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const mr_h5_entry *)a)->name, ((const mr_h5_entry *)b)->name);
}

static void sort_entries(mr_h5_walk *w)
{
    for (size_t i = 0; i < w->visited_capacity; i++) {
        mr_h5_object *o = w->visited[i].object;
        if (o && o->entries)
            qsort(o->entry, o->entries, sizeof *o->entry, compare_entries);
    }
}

static int walk_file(mr_h5_walk *w)
{
    w->budget = w->size + 64 * sizeof signature; /* for each place where a superblock may be */
    w->leaf_k = 4, w->group_k = 16, w->chunk_k = 32;
    int status = w->size < MIN_SIZE
                     ? mr_fail(w->e, MR_EFORMAT, "'%s' is not an HDF5 file: it is too short", w->what)
                     : find_superblock(w);
    w->budget = w->size + SLACK + NEW_SUPERBLOCK;
    w->names = w->size + SLACK;
    w->reread = MR_H5_REREAD(w->size);
    if (!status)
        status = walk_superblock(w);
    if (!status)
        status = mr_h5_walk_links(w);
    if (!status) /* else the name of the last entry may be missing */
        sort_entries(w);
    free(w->link);
    w->link = NULL;
    return status;
}

static int make_index(mr_h5_index **out, const mr_h5_walk *source, const char *what, mr_error *e)
{
    mr_h5_walk *w = *out = malloc(sizeof *w);
    if (!w)
        return mr_no_memory(e, "'%s'", what);
    *w = *source;
    w->e = e;
    w->what = strdup(what);
    int status = w->what ? walk_file(w) : mr_no_memory(e, "'%s'", what);
    w->e = NULL;
    if (status) {
        mr_h5_index_free(w);
        *out = NULL;
    }
    return status;
}

int mr_h5_index_file(mr_h5_index **out, int fd, const char *what, mr_error *e)
{
    struct stat info;
    *out = NULL;
    if (fstat(fd, &info))
        return mr_fail_errno(e, errno, "cannot read '%s'", what);
    if (!S_ISREG(info.st_mode))
        return mr_fail(e, MR_EFORMAT, "'%s' is not an HDF5 file: not a regular file", what);
    return make_index(out, &(mr_h5_walk){.fd = fd, .size = (uint64_t)info.st_size}, what, e);
}

int mr_h5_index_bytes(mr_h5_index **out, const void *bytes, size_t size, const char *what, mr_error *e)
{
    return make_index(out, &(mr_h5_walk){.fd = -1, .bytes = bytes, .size = size}, what, e);
}

static void free_object(mr_h5_object *o)
{
    if (!o)
        return;
    for (size_t i = 0; i < o->attributes; i++)
        free(o->attribute[i].name); /* the value is in the same block */
    for (size_t i = 0; i < o->entries; i++) {
        free(o->entry[i].name);
        free(o->entry[i].target);
    }
    free(o->attribute);
    free(o->entry);
    free(o->dataset);
    free(o);
}

void mr_h5_index_free(mr_h5_index *x)
{
    if (!x)
        return;
    for (size_t i = 0; i < x->visited_capacity; i++)
        free_object(x->visited[i].object);
    mr_h5_forget_global_heap(x);
    free(x->visited);
    free(x->link);
    free(x->what);
    free(x);
}
