/* SPDX-License-Identifier: Apache-2.0 */
/* Reading through io_uring, chained by completion: openat; when that is through fstat (a system call of its
 * own: the inode is in memory then, and io_uring would hand statx to a worker thread), read, as often as it
 * takes, close. Nothing is linked: a link broken by a short read would leave it to the kernel's version
 * whether the file is closed.
 *
 * A slot is owned by the kernel from the submission of an entry to its completion; its address is the user
 * data. Nobody waits for a close; its user data is 0.
 *
 * A file for which there is no buffer, or no descriptor, waits in a list until others are through: buffers
 * come back when their files are decoded, descriptors when they are closed. */
#include "io/files/reader.h"
#include "io/files/reader_backend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <liburing.h>

typedef struct slot_list { /* first in, first out */
    mr_read_slot *first, *last;
} slot_list;

typedef struct uring_backend {
    struct io_uring *ring, own; /* one of the reserved, or its own */
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

/* From now on only these three operations are taken, and no registrations: code that a file may have injected
 * into this process cannot use it to open a socket, where the sandbox's filter of system calls would not see it. */
static int restrict_ring(struct io_uring *ring)
{
    static const uint8_t used[] = {IORING_OP_OPENAT, IORING_OP_READ, IORING_OP_CLOSE};
    struct io_uring_restriction allowed[sizeof used] = {0};
    for (unsigned i = 0; i < sizeof used; i++) {
        allowed[i].opcode = IORING_RESTRICTION_SQE_OP;
        allowed[i].sqe_op = used[i];
    }
    /* liburing 2.3 declares functions for both, which its shared library does not export */
    if (syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_RESTRICTIONS, allowed, sizeof used) ||
        syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0))
        return -errno;
    return 0;
}

/* 0 or a negative errno. */
static int make_ring(struct io_uring *ring, unsigned entries)
{
    int status = io_uring_queue_init(entries, ring, IORING_SETUP_R_DISABLED | IORING_SETUP_COOP_TASKRUN);
    if (status == -EINVAL) /* before Linux 5.19 */
        status = io_uring_queue_init(entries, ring, IORING_SETUP_R_DISABLED);
    if (status)
        return status;
    status = offers_all(ring) ? restrict_ring(ring) : -ENOSYS;
    if (status)
        io_uring_queue_exit(ring);
    return status;
}

/* --- rings made before the sandbox ---------------------------------------------------------- */

enum { RESERVED = 2, RESERVED_ENTRIES = 64 }; /* readers at a time: training's and validation's; the usual depth's */
enum { NONE, FREE, TAKEN };
static struct {
    struct io_uring ring;
    atomic_int state;
} reserved[RESERVED];

void mr_reader_reserve(void)
{
    for (int i = 0; i < RESERVED; i++)
        if (atomic_load(&reserved[i].state) == NONE && make_ring(&reserved[i].ring, RESERVED_ENTRIES) == 0)
            atomic_store(&reserved[i].state, FREE);
}

static struct io_uring *take_reserved(unsigned entries)
{
    for (int i = 0; i < RESERVED && entries <= RESERVED_ENTRIES; i++) {
        int state = FREE;
        if (atomic_compare_exchange_strong(&reserved[i].state, &state, TAKEN))
            return &reserved[i].ring;
    }
    return NULL;
}

/* A ring that may still complete what its reader has forgotten is not used again. */
static void give_back(struct io_uring *ring, bool usable)
{
    if (!usable)
        io_uring_queue_exit(ring);
    for (int i = 0; i < RESERVED; i++)
        if (ring == &reserved[i].ring)
            atomic_store(&reserved[i].state, usable ? FREE : NONE);
}

/* --- the reader ------------------------------------------------------------------------------ */

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
    b->ring = take_reserved(entries);
    int status = b->ring ? 0 : make_ring(&b->own, entries);
    if (!b->ring)
        b->ring = &b->own;
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
    struct io_uring_sqe *entry = io_uring_get_sqe(b->ring);
    while (!entry) {
        io_uring_submit(b->ring);
        entry = io_uring_get_sqe(b->ring);
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
    int status = io_uring_submit_and_wait(b->ring, 1);
    if (status < 0 && status != -EINTR && status != -EAGAIN && status != -EBUSY)
        return mr_fail_errno(e, -status, "io_uring");
    struct io_uring_cqe *completion;
    while (io_uring_peek_cqe(b->ring, &completion) == 0) {
        struct io_uring_cqe copy = *completion;
        io_uring_cqe_seen(b->ring, completion);
        on_completion(b, &copy);
    }
    return 0;
}

static int wait_slot(void *backend, mr_read_slot **out, mr_error *e)
{
    uring_backend *b = backend;
    if (b->done && io_uring_sq_ready(b->ring) >= HANDED_OVER_AT)
        io_uring_submit(b->ring); /* so that the kernel does not idle meanwhile */
    for (;;) {
        resume_parked(b, !b->done && !b->under_way);
        if (!b->done && !b->under_way && b->unopened.first)
            on_close(b); /* none of these files held the descriptors that were missing */
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
    if (io_uring_sq_ready(b->ring))
        io_uring_submit(b->ring);
}

static void destroy(void *backend)
{
    uring_backend *b = backend;
    while (b->under_way > 0 && collect(b, NULL) == 0)
        ;
    give_back(b->ring, b->ring != &b->own && b->under_way == 0);
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
