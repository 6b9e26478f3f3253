/* SPDX-License-Identifier: Apache-2.0 */
/* Reading through io_uring, chained by completion: openat; when that is through fstat (a system call of its
 * own: the inode is in memory then, and io_uring would hand statx to a worker thread), read, as often as it
 * takes, close. Nothing is linked: a link broken by a short read would leave it to the kernel's version
 * whether the file is closed.
 *
 * A slot is owned by the kernel from the submission of an entry to its completion; its address is the user
 * data. Nobody waits for a close; its user data is 0.
 *
 * A file for which there is no buffer, or no descriptor, waits in a list until others are through: buffers come
 * back when their files are decoded, descriptors when they are closed. */
#include "io/reader_backend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <liburing.h>

typedef struct slot_list { /* first in, first out */
    mr_read_slot *first, *last;
} slot_list;

typedef struct uring_backend {
    struct io_uring ring;
    mr_buffer_pool *pool;
    mr_reader_options options;
    mr_read_slot *done, **last_done; /* through, not yet fetched; in order of completion */
    int under_way;                   /* entries that are not through, closes among them */
    slot_list parked;                /* open, waiting for a buffer */
    slot_list unopened;              /* waiting for a descriptor */
} uring_backend;

enum { HANDED_OVER_AT = 8 }; /* entries that wait to be submitted while finished reads are being fetched */
/* io_uring_prep_read takes 32 bits, and the kernel reads at most this much at once anyway. */
#define MOST_AT_ONCE ((size_t)1 << 30)

static bool offers_all(struct io_uring *ring)
{
    struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
    bool all = probe && io_uring_opcode_supported(probe, IORING_OP_OPENAT) &&
               io_uring_opcode_supported(probe, IORING_OP_READ) &&
               io_uring_opcode_supported(probe, IORING_OP_CLOSE);
    io_uring_free_probe(probe);
    return all;
}

static void *create(mr_buffer_pool *pool, mr_reader_options options, int *reason)
{
    uring_backend *b = calloc(1, sizeof *b);
    *reason = ENOMEM;
    if (!b)
        return NULL;
    b->pool = pool;
    b->options = options;
    b->last_done = &b->done;
    unsigned entries =
        2u * (unsigned)options.depth; /* an entry for every slot and for its predecessor's close */
    int status = io_uring_queue_init(entries, &b->ring, IORING_SETUP_COOP_TASKRUN);
    if (status == -EINVAL) /* before Linux 5.19 */
        status = io_uring_queue_init(entries, &b->ring, 0);
    if (status == 0 && !offers_all(&b->ring)) {
        io_uring_queue_exit(&b->ring);
        status = -ENOSYS;
    }
    if (status == 0)
        return b;
    *reason = -status;
    free(b);
    return NULL;
}

static void append(slot_list *l, mr_read_slot *slot)
{
    slot->next = NULL;
    if (l->first)
        l->last->next = slot;
    else
        l->first = slot;
    l->last = slot;
}

static mr_read_slot *take_first(slot_list *l)
{
    mr_read_slot *slot = l->first;
    if (slot)
        l->first = slot->next;
    return slot;
}

/* There is always room: at most two entries a slot, and they are handed over when the queue is full. */
static struct io_uring_sqe *next_entry(uring_backend *b)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(&b->ring);
    while (!entry) {
        io_uring_submit(&b->ring);
        entry = io_uring_get_sqe(&b->ring);
    }
    b->under_way++;
    return entry;
}

static int start(void *backend, mr_read_slot *slot, mr_error *e)
{
    (void)e;
    struct io_uring_sqe *entry = next_entry(backend);
    io_uring_prep_openat(entry, AT_FDCWD, slot->read.path, MR_OPEN_FLAGS, 0);
    io_uring_sqe_set_data(entry, slot);
    return 0;
}

static void start_read(uring_backend *b, mr_read_slot *slot)
{
    size_t missing = slot->want - slot->read.size;
    struct io_uring_sqe *entry = next_entry(b);
    io_uring_prep_read(entry, slot->fd, slot->read.bytes + slot->read.size,
                       (unsigned)(missing < MOST_AT_ONCE ? missing : MOST_AT_ONCE), slot->read.size);
    io_uring_sqe_set_data(entry, slot);
}

/* The slot is through, its file is closed in passing. */
static void finish_slot(uring_backend *b, mr_read_slot *slot)
{
    if (slot->fd >= 0) {
        struct io_uring_sqe *entry = next_entry(b);
        io_uring_prep_close(entry, slot->fd);
        io_uring_sqe_set_data(entry, NULL);
    }
    slot->next = NULL;
    *b->last_done = slot;
    b->last_done = &slot->next;
}

/* Reads an open slot, or ends it. */
static void go_on(uring_backend *b, mr_read_slot *slot)
{
    if (slot->read.error || slot->want == 0)
        finish_slot(b, slot);
    else
        start_read(b, slot);
}

/* Slots that wait for a buffer, in their order. With WAIT, waits for the first one's. */
static void resume_parked(uring_backend *b, bool wait)
{
    while (b->parked.first && mr_slot_take_buffer(b->parked.first, b->pool, wait)) {
        go_on(b, take_first(&b->parked));
        wait = false;
    }
}

static void on_open(uring_backend *b, mr_read_slot *slot, int result)
{
    if (result < 0 && mr_is_out_of_files(-result) && (b->under_way || b->parked.first)) {
        append(&b->unopened, slot);
        return;
    }
    if (result < 0) {
        mr_slot_fail_open(slot, b->pool, -result);
        finish_slot(b, slot);
        return;
    }
    slot->fd = result;
    mr_slot_size_up(slot, b->pool, b->options);
    if (slot->read.error) {
        finish_slot(b, slot);
        return;
    }
    append(&b->parked, slot);
    resume_parked(b, false);
}

static void on_read(uring_backend *b, mr_read_slot *slot, int result)
{
    if (result > 0)
        slot->read.size += (size_t)result;
    if (result == -EAGAIN || result == -EINTR) /* a file system that does not wait in the ring */
        mr_slot_pread(slot, b->pool);
    else if (result < 0)
        mr_slot_fail(slot, b->pool, MR_EIO, -result);
    else if (result > 0 && slot->read.size < slot->want) {
        start_read(b, slot);
        return;
    }
    finish_slot(b, slot);
}

/* A descriptor is free. */
static void on_close(uring_backend *b)
{
    mr_read_slot *slot = take_first(&b->unopened);
    if (slot)
        start(b, slot, NULL);
}

static void on_completion(uring_backend *b, const struct io_uring_cqe *completion)
{
    mr_read_slot *slot = io_uring_cqe_get_data(completion);
    b->under_way--;
    if (!slot)
        on_close(b);
    else if (slot->fd < 0)
        on_open(b, slot, completion->res);
    else
        on_read(b, slot, completion->res);
}

static int collect(uring_backend *b, mr_error *e)
{
    int status = io_uring_submit_and_wait(&b->ring, 1);
    if (status < 0 && status != -EINTR && status != -EAGAIN && status != -EBUSY)
        return mr_fail_errno(e, -status, "io_uring");
    struct io_uring_cqe *completion;
    while (io_uring_peek_cqe(&b->ring, &completion) == 0) {
        struct io_uring_cqe copy = *completion;
        io_uring_cqe_seen(&b->ring, completion);
        on_completion(b, &copy);
    }
    return 0;
}

static int wait_slot(void *backend, mr_read_slot **out, mr_error *e)
{
    uring_backend *b = backend;
    if (b->done && io_uring_sq_ready(&b->ring) >= HANDED_OVER_AT)
        io_uring_submit(&b->ring); /* so that the kernel does not idle meanwhile */
    for (;;) {
        resume_parked(b, !b->done && !b->under_way);
        if (!b->done && !b->under_way && b->unopened.first)
            on_close(b); /* whoever had the descriptors, it was none of these files */
        if (b->done)
            break;
        int status = collect(b, e);
        if (status)
            return status;
    }
    *out = b->done;
    b->done = b->done->next;
    if (!b->done)
        b->last_done = &b->done;
    return 0;
}

/* Closes wait for the next submission, which may not come before long. */
static void idle(void *backend)
{
    uring_backend *b = backend;
    if (io_uring_sq_ready(&b->ring))
        io_uring_submit(&b->ring);
}

static void destroy(void *backend)
{
    uring_backend *b = backend;
    while (b->under_way > 0 && collect(b, NULL) == 0)
        ;
    io_uring_queue_exit(&b->ring);
    free(b);
}

const mr_reader_backend mr_reader_uring = {
    .name = "io_uring",
    .create = create,
    .destroy = destroy,
    .start = start,
    .wait = wait_slot,
    .idle = idle,
};
