/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/source/path_bag.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { NONE = -1 };

typedef struct entry {
    char *path;     /* NULL: free, or taken out */
    ptrdiff_t next; /* in the bucket */
} entry;

struct mr_path_bag {
    entry *entries;          /* [capacity], a ring */
    size_t capacity, newest; /* newest: where the next goes, which is the oldest of a full bag */
    ptrdiff_t *bucket;       /* [mask + 1] → the first entry of each */
    size_t mask;
    char *popped;
};

static int no_memory(mr_error *e)
{
    return mr_no_memory(e, "paths");
}

int mr_path_bag_create(mr_path_bag **out, size_t capacity, mr_error *e)
{
    mr_path_bag *b = *out = calloc(1, sizeof *b);
    if (!b)
        return no_memory(e);
    b->capacity = capacity;
    for (b->mask = 15; b->mask < capacity;)
        b->mask = 2 * b->mask + 1;
    b->entries = calloc(capacity, sizeof *b->entries);
    b->bucket = malloc((b->mask + 1) * sizeof *b->bucket);
    if (!b->entries || !b->bucket) {
        mr_path_bag_destroy(b);
        *out = NULL;
        return no_memory(e);
    }
    for (size_t i = 0; i <= b->mask; i++)
        b->bucket[i] = NONE;
    return 0;
}

/* FNV-1a. */
static ptrdiff_t *bucket_of(mr_path_bag *b, const char *path)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (const char *p = path; *p; p++)
        h = (h ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
    return &b->bucket[(h ^ h >> 32) & b->mask];
}

/* Takes entry I out of its bucket; its path is the caller's. */
static char *take_out(mr_path_bag *b, ptrdiff_t i)
{
    char *path = b->entries[i].path;
    ptrdiff_t *link = bucket_of(b, path);
    while (*link != i)
        link = &b->entries[*link].next;
    *link = b->entries[i].next;
    b->entries[i].path = NULL;
    return path;
}

int mr_path_bag_push(mr_path_bag *b, const char *path, mr_error *e)
{
    char *copy = strdup(path);
    if (!copy)
        return no_memory(e);
    entry *place = &b->entries[b->newest];
    if (place->path)
        free(take_out(b, (ptrdiff_t)b->newest));
    ptrdiff_t *bucket = bucket_of(b, copy);
    *place = (entry){copy, *bucket};
    *bucket = (ptrdiff_t)b->newest;
    b->newest = (b->newest + 1) % b->capacity;
    return 0;
}

bool mr_path_bag_take(mr_path_bag *b, const char *path)
{
    for (ptrdiff_t i = *bucket_of(b, path); i != NONE; i = b->entries[i].next)
        if (!strcmp(b->entries[i].path, path)) {
            free(take_out(b, i));
            return true;
        }
    return false;
}

const char *mr_path_bag_pop(mr_path_bag *b)
{
    free(b->popped);
    b->popped = NULL;
    for (size_t i = 0; i < b->capacity && !b->popped; i++)
        if (b->entries[i].path)
            b->popped = take_out(b, (ptrdiff_t)i);
    return b->popped;
}

void mr_path_bag_destroy(mr_path_bag *b)
{
    if (!b)
        return;
    for (size_t i = 0; b->entries && i < b->capacity; i++)
        free(b->entries[i].path);
    free(b->entries);
    free(b->bucket);
    free(b->popped);
    free(b);
}
