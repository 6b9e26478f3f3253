/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/plan_internal.h"

#include <stdlib.h>

/* Under AddressSanitizer no memory is shared, and there is poison between buffers: a layer that writes past what it asked
 * for is found by any test that runs it. */
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
enum { APART = true, REDZONE = 256 };
#else
enum { APART = false, REDZONE = 0 };
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

struct order {
    const mr_buffer *buffer;
    int number;
};

static int larger_first(const void *a, const void *b)
{
    const struct order *x = a, *y = b;
    if (x->buffer->bytes != y->buffer->bytes)
        return x->buffer->bytes < y->buffer->bytes ? 1 : -1;
    return x->number - y->number;
}

static bool live_together(const mr_buffer *a, const mr_buffer *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* The lowest offset at which B meets none of the PLACED buffers (sorted by offset) that live with it. */
static size_t lowest_offset(const mr_buffer *b, mr_buffer *const *placed, int count)
{
    size_t offset = 0;
    for (int i = 0; i < count; i++) {
        const mr_buffer *p = placed[i];
        if (!live_together(b, p) || p->offset + p->bytes <= offset)
            continue;
        if (p->offset >= offset + b->bytes)
            break; /* they are sorted: the gap before this one is wide enough */
        offset = p->offset + p->bytes;
    }
    return offset;
}

static void insert_by_offset(mr_buffer **placed, int count, mr_buffer *b)
{
    int i = count;
    for (; i > 0 && placed[i - 1]->offset > b->offset; i--)
        placed[i] = placed[i - 1];
    placed[i] = b;
}

int mr_plan_place_buffers(mr_plan *p, mr_error *e)
{
    struct order *order = malloc(((size_t)p->buffers + 1) * sizeof *order);
    mr_buffer **placed = malloc(((size_t)p->buffers + 1) * sizeof *placed);
    int count = 0;
    if (!order || !placed) {
        free(order);
        free(placed);
        return mr_fail(e, MR_ENOMEM, "out of memory for the plan");
    }
    for (int i = 0; i < p->buffers; i++)
        order[i] = (struct order){&p->buffer[i], i};
    qsort(order, (size_t)p->buffers, sizeof *order, larger_first);
    p->arena_bytes = 0;
    for (int i = 0; i < p->buffers; i++) {
        mr_buffer *b = &p->buffer[order[i].number];
        if (b->bytes == 0 || b->first > b->last)
            continue;
        b->offset = APART ? p->arena_bytes + REDZONE : lowest_offset(b, placed, count);
        insert_by_offset(placed, count++, b);
        if (b->offset + b->bytes > p->arena_bytes)
            p->arena_bytes = b->offset + b->bytes;
    }
    free(order);
    free(placed);
    return 0;
}

void mr_plan_poison_gaps(const mr_plan *p)
{
    if (!APART)
        return;
    ASAN_POISON_MEMORY_REGION(p->arena, p->arena_bytes);
    for (int i = 0; i < p->buffers; i++)
        if (p->buffer[i].bytes && p->buffer[i].first <= p->buffer[i].last)
            ASAN_UNPOISON_MEMORY_REGION(p->arena + p->buffer[i].offset, p->buffer[i].bytes);
}

void mr_plan_unpoison(const mr_plan *p)
{
    if (APART && p->arena)
        ASAN_UNPOISON_MEMORY_REGION(p->arena, p->arena_bytes);
}
