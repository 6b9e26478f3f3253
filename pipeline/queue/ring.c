/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/queue/ring.h"

#include "base/atomic.h"

#include <stdint.h>
#include <stdlib.h>

enum { CAPACITY_MAX = 1 << 24 };

/* What a cell's turn says to one who wants it at the turn WANTED. */
typedef enum whose {
    MINE,    /* the cell is ready for this position */
    NOT_YET, /* the other side is a whole round behind: full, or empty */
    PASSED   /* somebody else had this position: take a newer one */
} whose;

static inline whose whose_turn(size_t turn, size_t wanted)
{
    return turn == wanted ? MINE : (ptrdiff_t)(turn - wanted) < 0 ? NOT_YET : PASSED;
}

static inline mr_cell *cell_of(mr_ring *r, size_t position)
{
    return &r->cells[position & r->mask];
}

/* acquire: pairs with the release in hand_on() of the other side, so that its work on the cell is done and
 * seen. */
static inline size_t turn_of(mr_cell *cell)
{
    return mr_load(&cell->turn, memory_order_acquire);
}

/* release: pairs with the acquire in turn_of() of the thread that has the cell next. */
static inline void hand_on(mr_cell *cell, size_t turn)
{
    mr_store(&cell->turn, turn, memory_order_release);
}

static inline void put(mr_cell *cell, size_t position, void *item)
{
    mr_will_write(&cell->item);
    cell->item = item;
    hand_on(cell, position + 1);
}

static inline void *take(mr_ring *r, mr_cell *cell, size_t position)
{
    mr_will_read(&cell->item);
    void *item = cell->item;
    hand_on(cell, position + r->mask + 1);
    return item;
}

/* Wins a position on COUNTER whose cell is at turn position+AHEAD. False: full (or empty). All relaxed:
 * positions carry no data, the cell's turn does. */
static bool win_position(mr_ring *r, _Atomic size_t *counter, size_t ahead, size_t *position)
{
    size_t p = mr_load(counter, memory_order_relaxed);
    for (;;) {
        switch (whose_turn(turn_of(cell_of(r, p)), p + ahead)) {
        case MINE: /* a failed exchange loads the newer position into p */
            if (mr_compare_exchange(counter, &p, p + 1, memory_order_relaxed, memory_order_relaxed)) {
                *position = p;
                return true;
            }
            break;
        case NOT_YET:
            return false;
        case PASSED:
            p = mr_load(counter, memory_order_relaxed);
            break;
        }
    }
}

static bool mpmc_push(mr_ring *r, void *item)
{
    size_t p;
    if (!win_position(r, &r->tail, 0, &p))
        return false;
    put(cell_of(r, p), p, item);
    return true;
}

static bool mpmc_pop(mr_ring *r, void **item)
{
    size_t p;
    if (!win_position(r, &r->head, 1, &p))
        return false;
    *item = take(r, cell_of(r, p), p);
    return true;
}

/* The same with a position that is the thread's own: only it writes the counter. */
static bool own_position(mr_ring *r, _Atomic size_t *counter, size_t ahead, size_t *position)
{
    size_t p = mr_load(counter, memory_order_relaxed);
    if (whose_turn(turn_of(cell_of(r, p)), p + ahead) != MINE)
        return false;
    mr_store(counter, p + 1, memory_order_relaxed); /* read by others for the depth only */
    *position = p;
    return true;
}

static bool spsc_push(mr_ring *r, void *item)
{
    size_t p;
    if (!own_position(r, &r->tail, 0, &p))
        return false;
    put(cell_of(r, p), p, item);
    return true;
}

static bool spsc_pop(mr_ring *r, void **item)
{
    size_t p;
    if (!own_position(r, &r->head, 1, &p))
        return false;
    *item = take(r, cell_of(r, p), p);
    return true;
}

const mr_ring_kind mr_ring_spsc = {"spsc", spsc_push, spsc_pop};
const mr_ring_kind mr_ring_mpmc = {"mpmc", mpmc_push, mpmc_pop};

static size_t round_up(size_t capacity)
{
    size_t cells = 2;
    while (cells < capacity)
        cells *= 2;
    return cells;
}

int mr_ring_init(mr_ring *r, const mr_ring_kind *kind, size_t capacity, mr_error *e)
{
    r->cells = NULL;
    if (capacity < 1 || capacity > CAPACITY_MAX)
        return mr_fail(e, MR_EINVAL, "queue size %zu is out of range (1 to %d)", capacity, CAPACITY_MAX);
    size_t cells = round_up(capacity);
    r->kind = kind;
    r->mask = cells - 1;
    r->cells = malloc(cells * sizeof *r->cells);
    if (!r->cells)
        return mr_no_memory(e, "a queue of %zu items", cells);
    for (size_t i = 0; i < cells; i++)
        atomic_init(&r->cells[i].turn, i);
    atomic_init(&r->tail, 0);
    atomic_init(&r->head, 0);
    return MR_OK;
}

void mr_ring_destroy(mr_ring *r)
{
    free(r->cells);
    r->cells = NULL;
}

size_t mr_ring_capacity(const mr_ring *r)
{
    return r->mask + 1;
}

size_t mr_ring_depth(mr_ring *r)
{
    size_t head = mr_peek(&r->head);
    size_t tail = mr_peek(&r->tail);
    ptrdiff_t depth = (ptrdiff_t)(tail - head);
    if (depth < 0) /* the two were not read at one moment */
        return 0;
    return (size_t)depth <= r->mask ? (size_t)depth : r->mask + 1;
}
