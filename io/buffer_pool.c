/* SPDX-License-Identifier: Apache-2.0 */
/* The pool of file buffers. A header of one cache line stands before the bytes of each; a lock (taken twice
 * for a file) guards the lists. */
#include "io/reader_backend.h"

#include <pthread.h>
#include <stdlib.h>

enum { SMALLEST_SHIFT = 13, CLASSES = 64 - SMALLEST_SHIFT, HEADER = 64 };

typedef struct buffer {
    struct buffer *next_free;
    struct buffer *previous, *next; /* all buffers, so that the end frees those in use too */
    int size_class;
} buffer;
_Static_assert(sizeof(buffer) <= HEADER, "the header fits before the bytes");

struct mr_buffer_pool {
    pthread_mutex_t lock; /* guards all below */
    buffer *free[CLASSES];
    buffer *all;
    size_t count;
};

mr_buffer_pool *mr_buffer_pool_create(void)
{
    mr_buffer_pool *p = calloc(1, sizeof *p);
    if (p)
        pthread_mutex_init(&p->lock, NULL);
    return p;
}

void mr_buffer_pool_destroy(mr_buffer_pool *p)
{
    if (!p)
        return;
    for (buffer *b = p->all, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    pthread_mutex_destroy(&p->lock);
    free(p);
}

static int class_of(size_t size)
{
    int c = 0;
    while (((size_t)1 << (SMALLEST_SHIFT + c)) < size)
        c++;
    return c;
}

static void link_buffer(mr_buffer_pool *p, buffer *b)
{
    b->previous = NULL;
    b->next = p->all;
    if (b->next)
        b->next->previous = b;
    p->all = b;
    p->count++;
}

static void unlink_buffer(mr_buffer_pool *p, buffer *b)
{
    if (b->previous)
        b->previous->next = b->next;
    else
        p->all = b->next;
    if (b->next)
        b->next->previous = b->previous;
    p->count--;
}

static buffer *allocate(mr_buffer_pool *p, int size_class)
{
    buffer *b = aligned_alloc(HEADER, HEADER + ((size_t)1 << (SMALLEST_SHIFT + size_class)));
    if (!b)
        return NULL;
    b->size_class = size_class;
    pthread_mutex_lock(&p->lock);
    link_buffer(p, b);
    pthread_mutex_unlock(&p->lock);
    return b;
}

uint8_t *mr_buffer_take(mr_buffer_pool *p, size_t size)
{
    if (size > SIZE_MAX / 4)
        return NULL;
    int c = class_of(size);
    pthread_mutex_lock(&p->lock);
    buffer *b = p->free[c];
    if (b)
        p->free[c] = b->next_free;
    pthread_mutex_unlock(&p->lock);
    if (!b)
        b = allocate(p, c);
    return b ? (uint8_t *)b + HEADER : NULL;
}

void mr_buffer_give(mr_buffer_pool *p, uint8_t *bytes)
{
    if (!bytes)
        return;
    buffer *b = (buffer *)(void *)(bytes - HEADER);
    bool kept = ((size_t)1 << (SMALLEST_SHIFT + b->size_class)) <= MR_POOLED_BYTES;
    pthread_mutex_lock(&p->lock);
    if (kept) {
        b->next_free = p->free[b->size_class];
        p->free[b->size_class] = b;
    } else
        unlink_buffer(p, b);
    pthread_mutex_unlock(&p->lock);
    if (!kept)
        free(b);
}

size_t mr_buffer_pool_count(mr_buffer_pool *p)
{
    pthread_mutex_lock(&p->lock);
    size_t count = p->count;
    pthread_mutex_unlock(&p->lock);
    return count;
}
