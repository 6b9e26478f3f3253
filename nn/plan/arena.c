/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/plan/arena.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20 };
static const size_t most_arena = (size_t)1 << 46;

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

int mr_place_buffers(mr_buffer *buffer, int buffers, size_t *bytes, mr_error *e)
{
    struct order *order = malloc(((size_t)buffers + 1) * sizeof *order);
    mr_buffer **placed = malloc(((size_t)buffers + 1) * sizeof *placed);
    int count = 0;
    if (!order || !placed) {
        free(order);
        free(placed);
        return mr_no_memory(e, "the plan");
    }
    for (int i = 0; i < buffers; i++)
        order[i] = (struct order){&buffer[i], i};
    qsort(order, (size_t)buffers, sizeof *order, larger_first);
    *bytes = 0;
    for (int i = 0; i < buffers; i++) {
        mr_buffer *b = &buffer[order[i].number];
        if (b->bytes == 0 || b->first > b->last)
            continue;
        b->offset = APART ? *bytes + REDZONE : lowest_offset(b, placed, count);
        insert_by_offset(placed, count++, b);
        if (b->offset + b->bytes > *bytes)
            *bytes = b->offset + b->bytes;
    }
    free(order);
    free(placed);
    return 0;
}

int mr_arena_allocate(char **arena, size_t bytes, const mr_plan_options *options, mr_error *e)
{
    size_t limit = options->memory_limit;
    if (bytes > most_arena || (limit && bytes > limit)) {
        size_t per_sample = bytes / (size_t)options->batch;
        int status = mr_fail(e, MR_ELIMIT, "activations for a batch of %d need %zu MiB, over the limit of %zu MiB",
                             options->batch, bytes >> 20, (limit ? limit : most_arena) >> 20);
        return mr_hint(e, status, "--batch-size %zu fits", limit && per_sample ? limit / per_sample : (size_t)1);
    }
    bytes = (bytes + HUGE_PAGE) / HUGE_PAGE * HUGE_PAGE;
    *arena = aligned_alloc(HUGE_PAGE, bytes);
    if (!*arena)
        return mr_hint(e, mr_fail(e, MR_ENOMEM, "out of memory: activations for a batch of %d need %zu MiB",
                                  options->batch, bytes >> 20),
                       "give a smaller --batch-size");
    madvise(*arena, bytes, MADV_HUGEPAGE);
    return 0;
}

void mr_poison_gaps(char *arena, size_t bytes, const mr_buffer *buffer, int buffers)
{
    if (!APART)
        return;
    ASAN_POISON_MEMORY_REGION(arena, bytes);
    for (int i = 0; i < buffers; i++)
        if (buffer[i].bytes && buffer[i].first <= buffer[i].last)
            ASAN_UNPOISON_MEMORY_REGION(arena + buffer[i].offset, buffer[i].bytes);
}

void mr_unpoison(char *arena, size_t bytes)
{
    if (APART && arena)
        ASAN_UNPOISON_MEMORY_REGION(arena, bytes);
}
