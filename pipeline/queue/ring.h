/* SPDX-License-Identifier: Apache-2.0 */
/* Bounded lock-free rings of pointers, without waiting: push says when there is no room, pop when there is
 * nothing.
 *
 * Every cell carries a turn (D. Vyukov's bounded queue). With positions counted from 0 for ever and C cells,
 * the cell of position p has the turn p while it waits for the push of p, p+1 while it waits for the pop of
 * p, and then p+C, which is the turn of the next push into it. So a cell is handed back and forth between its
 * pusher and its popper by its turn alone, and an item is published by the store that moves the turn. What
 * differs between the kinds is only how a thread gets a position: it owns it (single producer and consumer),
 * or it wins it (compare and exchange). */
#ifndef MR_PIPELINE_RING_H
#define MR_PIPELINE_RING_H

#include "base/error.h"
#include <stdatomic.h>
#include <stddef.h>

typedef struct mr_cell {
    _Atomic size_t turn; /* whose cell it is: see above */
    void *item;          /* the pusher's while turn == p, the popper's while turn == p+1 */
} mr_cell;

typedef struct mr_ring mr_ring;

typedef struct mr_ring_kind {
    const char *name;
    bool (*push)(mr_ring *r, void *item); /* false: full */
    bool (*pop)(mr_ring *r, void **item); /* false: empty */
} mr_ring_kind;

extern const mr_ring_kind mr_ring_spsc; /* one producer, one consumer: no contended write at all */
extern const mr_ring_kind mr_ring_mpmc; /* any number of each */

struct mr_ring {
    const mr_ring_kind *kind;
    mr_cell *cells; /* mask+1 of them; a power of two, at least 2 (with one cell p+1 and p+C would be the same
                       turn) */
    size_t mask;
    _Alignas(64) _Atomic size_t tail; /* next position to push: written by producers */
    _Alignas(64) _Atomic size_t head; /* next position to pop: written by consumers */
};

/* Room for at least CAPACITY items (rounded up to a power of two). Errors: MR_EINVAL, MR_ENOMEM. */
int mr_ring_init(mr_ring *r, const mr_ring_kind *kind, size_t capacity, mr_error *e);
void mr_ring_destroy(mr_ring *r);
size_t mr_ring_capacity(const mr_ring *r);
/* Items inside, as of some moment during the call. */
size_t mr_ring_depth(mr_ring *r);

#endif
