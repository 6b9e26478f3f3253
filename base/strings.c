/* SPDX-License-Identifier: Apache-2.0 */
#include "base/strings.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 1 << 18 };

typedef struct block {
    struct block *next;
    size_t used, capacity;
    char text[];
} block;

struct mr_strings {
    block *blocks; /* the first is being filled */
    atomic_int owners;
};

mr_strings *mr_strings_create(void)
{
    mr_strings *s = calloc(1, sizeof *s);
    if (s)
        atomic_init(&s->owners, 1);
    return s;
}

mr_strings *mr_strings_share(mr_strings *s)
{
    atomic_fetch_add_explicit(&s->owners, 1, memory_order_relaxed);
    return s;
}

void mr_strings_leave(mr_strings *s)
{
    /* release: what this owner did; acquire: what the others did, before it is freed */
    if (!s || atomic_fetch_sub_explicit(&s->owners, 1, memory_order_acq_rel) > 1)
        return;
    for (block *b = s->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(s);
}

static char *reserve(mr_strings *s, size_t size)
{
    block *b = s->blocks;
    if (!b || b->capacity - b->used < size) {
        size_t capacity = size > BLOCK ? size : BLOCK;
        b = malloc(sizeof *b + capacity);
        if (!b)
            return NULL;
        *b = (block){.next = s->blocks, .capacity = capacity};
        s->blocks = b;
    }
    b->used += size;
    return b->text + b->used - size;
}

char *mr_strings_join(mr_strings *s, const char *head, const char *tail)
{
    size_t h = head ? strlen(head) : 0, t = strlen(tail);
    char *text = reserve(s, h + t + 2), *end = text;
    if (!text)
        return NULL;
    if (head) {
        memcpy(end, head, h); /* NOLINT(bugprone-not-null-terminated-result): more follows */
        end += h;
        if (h == 0 || head[h - 1] != '/')
            *end++ = '/';
    }
    memcpy(end, tail, t + 1);
    return text;
}
