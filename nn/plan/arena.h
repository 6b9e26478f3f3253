/* SPDX-License-Identifier: Apache-2.0 */
/* Where a plan's buffers lie: buffers whose lifetimes do not overlap share memory in one arena. */
#ifndef MR_NN_PLAN_ARENA_H
#define MR_NN_PLAN_ARENA_H

#include "nn/plan/plan.h"

typedef struct mr_buffer {
    size_t bytes;    /* 0: not in the arena (a model input: the caller's memory) */
    int first, last; /* times, both included; first > last: not used */
    size_t offset;   /* in the arena */
} mr_buffer;

enum { MR_BUFFER_ALIGNMENT = 64 };

/* Places every buffer: largest first, each at the lowest offset that is free for its whole lifetime. *BYTES: of the
 * arena that holds them all. MR_ENOMEM if the bookkeeping itself runs out of memory. */
int mr_place_buffers(mr_buffer *buffer, int buffers, size_t *bytes, mr_error *e);
/* An arena of BYTES, on huge pages where possible; free() it. MR_ELIMIT over the limit in OPTIONS. */
int mr_arena_allocate(char **arena, size_t bytes, const mr_plan_options *options, mr_error *e);
/* In builds with AddressSanitizer buffers lie apart: poisons what is between them; undone before the arena is freed. */
void mr_poison_gaps(char *arena, size_t bytes, const mr_buffer *buffer, int buffers);
void mr_unpoison(char *arena, size_t bytes);

#endif
