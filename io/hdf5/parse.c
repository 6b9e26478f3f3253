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
    LEAST = NEW_SUPERBLOCK, /* no file is smaller */
    SLACK = 128,            /* the superblock is taken whole, with what may lie behind it */
    FIRST_USER_BLOCK = 512,
    AGAIN = 8,
    AGAIN_LEAST = 1 << 26
};

int mr_h5_damaged(mr_h5_walk *w, uint64_t address, const char *structure)
{
    return mr_fail(w->e, MR_EFORMAT, "'%s' is a damaged HDF5 file: %s at byte %llu", w->what, structure,
                   (unsigned long long)address);
}

int mr_h5_unsupported(mr_h5_walk *w, const char *feature)
{
    int status = mr_fail(w->e, MR_EUNSUPPORTED, "'%s': unsupported HDF5 feature: %s", w->what, feature);
    return mr_hint(w->e, status, "write it with h5py's or Keras's default settings");
}

/* --- bytes ---------------------------------------------------------------------------------------------- */

bool mr_h5_inside(const mr_h5_walk *w, uint64_t address, uint64_t size)
{
    return address <= w->size && size <= w->size - address;
}

static int read_fully(mr_h5_walk *w, uint8_t *to, size_t size, uint64_t address)
{
    while (size) {
        ssize_t n = pread(w->fd, to, size, (off_t)address);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return mr_fail_errno(w->e, errno, "cannot read '%s'", w->what);
        if (n == 0)
            return mr_fail(w->e, MR_EIO, "'%s' became shorter while it was read", w->what);
        to += n;
        size -= (size_t)n;
        address += (uint64_t)n;
    }
    return 0;
}

int mr_h5_take(mr_h5_walk *w, mr_h5_piece *p, uint64_t address, uint64_t size, const char *structure)
{
    *p = (mr_h5_piece){0};
    if (!mr_h5_inside(w, address, size) || size > w->budget)
        return mr_h5_damaged(w, address, structure);
    w->budget -= size;
    p->size = (size_t)size;
    if (w->fd < 0) {
        p->at = w->bytes + w->base + address;
        return 0;
    }
    p->at = p->owned = malloc(p->size + 1);
    if (!p->owned)
        return mr_no_memory(w->e, "'%s'", w->what);
    int status = read_fully(w, p->owned, p->size, w->base + address);
    if (status)
        mr_h5_drop(p);
    return status;
}

int mr_h5_take_summed(mr_h5_walk *w, mr_h5_piece *p, uint64_t address, uint64_t size, const char *mark,
                      const char *structure)
{
    int status = mr_h5_take(w, p, address, size, structure);
    if (status)
        return status;
    size_t length = p->size < 4 ? 0 : p->size - 4;
    mr_h5_cursor c = mr_h5_over(p->at + length, p->size - length);
    if (length < strlen(mark) || memcmp(p->at, mark, strlen(mark)) ||
        mr_h5_get(&c, 4) != mr_h5_sum(p->at, length)) {
        mr_h5_drop(p);
        return mr_h5_damaged(w, address, structure);
    }
    return 0;
}

void mr_h5_drop(mr_h5_piece *p)
{
    free(p->owned);
    *p = (mr_h5_piece){0};
}

/* --- what was walked
 * ---------------------------------------------------------------------------------------- */

static mr_h5_seen *place_of(mr_h5_seen *table, size_t room, uint64_t address)
{
    size_t i = (size_t)((address * 0x9e3779b97f4a7c15u) >> 32) & (room - 1);
    while (table[i].address && table[i].address != address)
        i = (i + 1) & (room - 1);
    return &table[i];
}

static int make_room(mr_h5_walk *w)
{
    size_t room = w->seen_room ? 2 * w->seen_room : 256;
    mr_h5_seen *larger = calloc(room, sizeof *larger);
    if (!larger)
        return mr_no_memory(w->e, "the objects of '%s'", w->what);
    for (size_t i = 0; i < w->seen_room; i++)
        if (w->seen[i].address)
            *place_of(larger, room, w->seen[i].address) = w->seen[i];
    free(w->seen);
    w->seen = larger;
    w->seen_room = room;
    return 0;
}

int mr_h5_see(mr_h5_walk *w, uint64_t address, mr_h5_seen **seen, bool *before)
{
    if (address == 0)
        return mr_h5_damaged(w, address, "an object over the superblock");
    if (2 * w->seen_count >= w->seen_room) {
        int status = make_room(w);
        if (status)
            return status;
    }
    *seen = place_of(w->seen, w->seen_room, address);
    *before = (*seen)->address != 0;
    if (!*before) {
        **seen = (mr_h5_seen){.address = address, .tree = MR_H5_UNDEFINED, .heap = MR_H5_UNDEFINED};
        w->seen_count++;
    }
    return 0;
}

/* --- superblock
 * ----------------------------------------------------------------------------------------------- */

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
    mr_h5_piece p;
    int status = mr_h5_take_summed(w, &p, 0, NEW_SUPERBLOCK, "\x89HDF", "superblock");
    mr_h5_drop(&p);
    if (status)
        return status;
    unsigned offsets = (unsigned)mr_h5_get(c, 1), lengths = (unsigned)mr_h5_get(c, 1);
    mr_h5_get(c, 1);
    uint64_t base = mr_h5_get(c, 8), extension = mr_h5_get(c, 8), end = mr_h5_get(c, 8);
    mr_h5_link root = {.object = mr_h5_get(c, 8)};
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
    for (uint64_t at = 0; !found && !status && at + LEAST <= whole; at = at ? 2 * at : FIRST_USER_BLOCK) {
        mr_h5_piece p;
        status = mr_h5_take(w, &p, at, sizeof signature, "superblock");
        found = !status && !memcmp(p.at, signature, sizeof signature);
        mr_h5_drop(&p);
        if (found)
            w->base = at;
    }
    w->size = whole - w->base;
    return found || status ? status : mr_fail(w->e, MR_EFORMAT, "'%s' is not an HDF5 file", w->what);
}

static int walk_superblock(mr_h5_walk *w)
{
    mr_h5_piece p;
    int status = mr_h5_take(w, &p, 0, w->size < OLD_SUPERBLOCK ? w->size : OLD_SUPERBLOCK, "superblock");
    if (status)
        return status;
    mr_h5_cursor c = mr_h5_over(p.at, p.size);
    mr_h5_skip(&c, sizeof signature);
    unsigned version = (unsigned)mr_h5_get(&c, 1);
    if (version > 3)
        status = mr_h5_unsupported(w, "a superblock of a later version");
    else
        status = version < 2 ? walk_old_superblock(w, &c, version) : walk_new_superblock(w, &c);
    mr_h5_drop(&p);
    return status;
}

static int walk_file(mr_h5_walk *w)
{
    w->budget = w->size + 64 * sizeof signature; /* for each place where a superblock may be */
    w->leaf_k = 4, w->group_k = 16, w->chunk_k = 32;
    int status = w->size < LEAST
                     ? mr_fail(w->e, MR_EFORMAT, "'%s' is not an HDF5 file: it is too short", w->what)
                     : find_superblock(w);
    w->budget = w->size + SLACK + NEW_SUPERBLOCK;
    w->again = AGAIN_LEAST + AGAIN * w->size;
    if (!status)
        status = walk_superblock(w);
    if (!status)
        status = mr_h5_walk_links(w);
    free(w->seen);
    free(w->link);
    free(w->heap_object);
    return status;
}

int mr_hdf5_check_fd(int fd, const char *what, mr_error *e)
{
    struct stat info;
    if (fstat(fd, &info))
        return mr_fail_errno(e, errno, "cannot read '%s'", what);
    if (!S_ISREG(info.st_mode))
        return mr_fail(e, MR_EFORMAT, "'%s' is not an HDF5 file: it is no regular file", what);
    return walk_file(&(mr_h5_walk){.what = what, .e = e, .fd = fd, .size = (uint64_t)info.st_size});
}

int mr_hdf5_check_bytes(const void *bytes, size_t size, const char *what, mr_error *e)
{
    return walk_file(&(mr_h5_walk){.what = what, .e = e, .fd = -1, .bytes = bytes, .size = size});
}
