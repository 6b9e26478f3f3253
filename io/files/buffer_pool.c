/* SPDX-License-Identifier: Apache-2.0 */
/* The pool of file buffers. A header of one cache line stands before the bytes of each; a lock (taken twice
 * for a file) guards the lists. */
#include "io/files/buffer_pool.h"

#include "base/error.h"

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
    size_t memory;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t given; /* a buffer came back, or the pool was stopped */
    bool stopped;
    size_t used, idle; /* bytes of the buffers in use, and of the others */
    buffer *free[CLASSES];
    buffer *all;
    size_t count;
};

mr_buffer_pool *mr_buffer_pool_create(size_t memory)
{
    mr_buffer_pool *p = calloc(1, sizeof *p);
    if (p) {
        p->memory = memory;
        pthread_mutex_init(&p->lock, NULL);
        pthread_cond_init(&p->given, NULL);
    }
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
    pthread_cond_destroy(&p->given);
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

static size_t bytes_of(int size_class)
{
    return (size_t)1 << (SMALLEST_SHIFT + size_class);
}

static buffer *allocate(mr_buffer_pool *p, int size_class)
{
    buffer *b = aligned_alloc(HEADER, HEADER + bytes_of(size_class));
    if (!b)
        return NULL;
    b->size_class = size_class;
    pthread_mutex_lock(&p->lock);
    link_buffer(p, b);
    pthread_mutex_unlock(&p->lock);
    return b;
}

/* Locked. A buffer that lies idle, no longer idle; NULL where there is none of the class. */
static buffer *take_idle(mr_buffer_pool *p, int size_class)
{
    buffer *b = p->free[size_class];
    if (b) {
        p->free[size_class] = b->next_free;
        p->idle -= bytes_of(size_class);
    }
    return b;
}

/* Locked. Frees idle buffers, the largest first, until all are within the limit. */
static void free_idle(mr_buffer_pool *p)
{
    for (int c = CLASSES - 1; c >= 0; c--)
        while (p->free[c] && p->used + p->idle > p->memory) {
            buffer *b = take_idle(p, c);
            unlink_buffer(p, b);
            free(b);
        }
}

/* Locked. True: SIZE bytes may be used. A buffer larger than the limit may when it is the only one. */
static bool await_room(mr_buffer_pool *p, size_t size, bool wait)
{
    while (!p->stopped && p->used && p->used + size > p->memory) {
        if (!wait)
            return false;
        pthread_cond_wait(&p->given, &p->lock);
    }
    return true;
}

static void unuse(mr_buffer_pool *p, size_t size)
{
    pthread_mutex_lock(&p->lock);
    p->used -= size;
    pthread_mutex_unlock(&p->lock);
}

int mr_buffer_take(mr_buffer_pool *p, size_t size, bool wait, uint8_t **bytes)
{
    *bytes = NULL;
    if (size > SIZE_MAX / 4)
        return MR_ENOMEM;
    int c = class_of(size), status = 1;
    buffer *b = NULL;
    pthread_mutex_lock(&p->lock);
    if (!await_room(p, bytes_of(c), wait))
        status = 0;
    else if (p->stopped)
        status = MR_ECANCELED;
    else {
        p->used += bytes_of(c);
        b = take_idle(p, c);
        if (!b)
            free_idle(p);
    }
    pthread_mutex_unlock(&p->lock);
    if (status == 1 && !b && !(b = allocate(p, c))) {
        unuse(p, bytes_of(c));
        status = MR_ENOMEM;
    }
    *bytes = b ? (uint8_t *)b + HEADER : NULL;
    return status;
}

void mr_buffer_pool_stop(mr_buffer_pool *p)
{
    pthread_mutex_lock(&p->lock);
    p->stopped = true;
    pthread_cond_broadcast(&p->given);
    pthread_mutex_unlock(&p->lock);
}

void mr_buffer_give(mr_buffer_pool *p, uint8_t *bytes)
{
    if (!bytes)
        return;
    buffer *b = (buffer *)(void *)(bytes - HEADER);
    size_t size = bytes_of(b->size_class);
    pthread_mutex_lock(&p->lock);
    bool kept = size <= MR_POOLED_BYTES && p->used + p->idle <= p->memory;
    p->used -= size;
    if (kept) {
        p->idle += size;
        b->next_free = p->free[b->size_class];
        p->free[b->size_class] = b;
    } else
        unlink_buffer(p, b);
    pthread_cond_signal(&p->given);
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
