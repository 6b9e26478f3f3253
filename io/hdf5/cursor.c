/* SPDX-License-Identifier: Apache-2.0 */
#include "io/hdf5/cursor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* --- bytes --- */

bool mr_h5_in_file(const mr_h5_walk *w, uint64_t address, uint64_t size)
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
            return mr_fail(w->e, MR_EIO, "'%s' was truncated while being read", w->what);
        to += n;
        size -= (size_t)n;
        address += (uint64_t)n;
    }
    return 0;
}

int mr_h5_read(mr_h5_walk *w, mr_h5_block *p, uint64_t address, uint64_t size, const char *structure)
{
    *p = (mr_h5_block){0};
    if (!mr_h5_in_file(w, address, size) || size > w->budget)
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
        mr_h5_release(p);
    return status;
}

int mr_h5_read_checksummed(mr_h5_walk *w, mr_h5_block *p, uint64_t address, uint64_t size, const char *mark,
                           const char *structure)
{
    int status = mr_h5_read(w, p, address, size, structure);
    if (status)
        return status;
    size_t length = p->size < 4 ? 0 : p->size - 4;
    mr_h5_cursor c = mr_h5_cursor_at(p->at + length, p->size - length);
    if (length < strlen(mark) || memcmp(p->at, mark, strlen(mark)) ||
        mr_h5_get(&c, 4) != mr_h5_checksum(p->at, length)) {
        mr_h5_release(p);
        return mr_h5_damaged(w, address, structure);
    }
    return 0;
}

void mr_h5_release(mr_h5_block *p)
{
    free(p->owned);
    *p = (mr_h5_block){0};
}

/* --- what was visited --- */

mr_h5_visited *mr_h5_visited_slot(mr_h5_visited *table, size_t capacity, uint64_t address)
{
    size_t i = (size_t)((address * 0x9e3779b97f4a7c15u) >> 32) & (capacity - 1);
    while (table[i].address && table[i].address != address)
        i = (i + 1) & (capacity - 1);
    return &table[i];
}

static int grow_table(mr_h5_walk *w)
{
    size_t capacity = w->visited_capacity ? 2 * w->visited_capacity : 256;
    mr_h5_visited *larger = calloc(capacity, sizeof *larger);
    if (!larger)
        return mr_no_memory(w->e, "the objects of '%s'", w->what);
    for (size_t i = 0; i < w->visited_capacity; i++)
        if (w->visited[i].address)
            *mr_h5_visited_slot(larger, capacity, w->visited[i].address) = w->visited[i];
    free(w->visited);
    w->visited = larger;
    w->visited_capacity = capacity;
    return 0;
}

int mr_h5_mark_visited(mr_h5_walk *w, uint64_t address, mr_h5_visited **slot, bool *before)
{
    if (address == 0)
        return mr_h5_damaged(w, address, "an object over the superblock");
    if (2 * w->visited_count >= w->visited_capacity) {
        int status = grow_table(w);
        if (status)
            return status;
    }
    *slot = mr_h5_visited_slot(w->visited, w->visited_capacity, address);
    *before = (*slot)->address != 0;
    if (!*before) {
        **slot = (mr_h5_visited){.address = address};
        w->visited_count++;
    }
    return 0;
}

/* --- checksums: lookup3 (hashlittle) of Bob Jenkins, in the public domain, with an initial value of 0 --- */

static uint32_t rotate(uint32_t v, unsigned by)
{
    return v << by | v >> (32 - by);
}

static void mix(uint32_t v[3])
{
    static const uint8_t by[6] = {4, 6, 8, 16, 19, 4};
    for (int i = 0; i < 6; i++) {
        uint32_t *a = &v[i % 3], *b = &v[(i + 1) % 3], *c = &v[(i + 2) % 3];
        *a -= *c;
        *a ^= rotate(*c, by[i]);
        *c += *b;
    }
}

static void finish(uint32_t v[3])
{
    static const uint8_t by[7] = {14, 11, 25, 16, 4, 14, 24};
    for (int i = 0; i < 7; i++) {
        uint32_t *to = &v[(i + 2) % 3], from = v[(i + 1) % 3];
        *to ^= from;
        *to -= rotate(from, by[i]);
    }
}

uint32_t mr_h5_checksum(const uint8_t *bytes, size_t size)
{
    uint32_t v[3];
    v[0] = v[1] = v[2] = 0xdeadbeef + (uint32_t)size;
    for (size_t left = size; left;) {
        size_t n = left < 12 ? left : 12;
        for (size_t i = 0; i < n; i++)
            v[i / 4] += (uint32_t)bytes[i] << (8 * (i % 4));
        bytes += n;
        left -= n;
        if (left)
            mix(v);
        else
            finish(v);
    }
    return v[2];
}
