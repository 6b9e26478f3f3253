/* SPDX-License-Identifier: Apache-2.0 */
/* Reading with plain system calls, in the order of submission. A file is opened and the system told that it
 * is wanted when it is submitted, so that a disk can work ahead; it is read when it is waited for. */
#include "io/files/reader_backend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct pread_backend {
    mr_buffer_pool *pool;
    mr_reader_options options;
    mr_read_slot *first, **last; /* under way, in order */
} pread_backend;

static void *create(mr_buffer_pool *pool, mr_reader_options options, int *reason)
{
    pread_backend *b = calloc(1, sizeof *b);
    *reason = ENOMEM;
    if (!b)
        return NULL;
    b->pool = pool;
    b->options = options;
    b->last = &b->first;
    return b;
}

static void open_slot(pread_backend *b, mr_read_slot *slot)
{
    slot->fd = open(slot->read.path, MR_OPEN_FLAGS);
    slot->unopened = slot->fd < 0 && mr_is_out_of_files(errno);
    if (slot->unopened)
        return;
    if (slot->fd < 0) {
        mr_slot_fail_open(slot, b->pool, errno);
        return;
    }
    mr_slot_size_up(slot, b->pool, b->options);
    if (!slot->read.error)
        posix_fadvise(slot->fd, 0, 0, POSIX_FADV_WILLNEED);
}

static void close_slot(mr_read_slot *slot)
{
    if (slot->fd >= 0)
        close(slot->fd);
    slot->fd = -1;
}

/* SLOT's turn has come, and there was no descriptor for it: if it must be, files that were opened ahead of
 * their turn give theirs up. */
static void open_in_turn(pread_backend *b, mr_read_slot *slot)
{
    open_slot(b, slot);
    if (!slot->unopened)
        return;
    for (mr_read_slot *later = b->first; later; later = later->next)
        if (later->fd >= 0) {
            close_slot(later);
            later->unopened = true;
        }
    open_slot(b, slot);
    if (slot->unopened)
        mr_slot_fail_open(slot, b->pool, errno);
}

static int start(void *backend, mr_read_slot *slot, mr_error *e)
{
    pread_backend *b = backend;
    (void)e;
    slot->next = NULL;
    open_slot(b, slot);
    *b->last = slot;
    b->last = &slot->next;
    return 0;
}

static int wait_slot(void *backend, mr_read_slot **out, mr_error *e)
{
    pread_backend *b = backend;
    mr_read_slot *slot = b->first;
    (void)e;
    b->first = slot->next;
    if (!b->first)
        b->last = &b->first;
    if (slot->unopened)
        open_in_turn(b, slot);
    if (!slot->read.error && mr_slot_take_buffer(slot, b->pool, true) && !slot->read.error)
        mr_slot_pread(slot, b->pool);
    close_slot(slot);
    *out = slot;
    return 0;
}

const mr_reader_backend mr_reader_pread = {
    .name = "pread",
    .create = create,
    .destroy = free,
    .start = start,
    .wait = wait_slot,
};
