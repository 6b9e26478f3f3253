/* SPDX-License-Identifier: Apache-2.0 */
/* The file reader: slots, and the choice between io_uring and pread. */
#include "io/files/reader.h"

#include "io/files/reader_backend.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct mr_reader {
    const mr_reader_backend *backend;
    void *state; /* the backend's */
    mr_buffer_pool *pool;
    mr_read_slot *slots; /* depth of them */
    mr_read_slot *free;
    int pending;
    mr_reader_options options;
};

mr_reader_options mr_reader_options_default(void)
{
    return (mr_reader_options){.depth = 32, .max_file_size = (size_t)256 << 20, .memory = (size_t)512 << 20};
}

static int choose_backend(mr_reader *r, mr_error *e)
{
    static const mr_reader_backend *const by_preference[] = {&mr_reader_uring, &mr_reader_pread};
    int reason = ENOMEM;
    for (int i = r->options.force_pread ? 1 : 0; i < 2 && !r->state; i++) {
        r->backend = by_preference[i];
        r->state = r->backend->create(r->pool, r->options, &reason);
    }
    return r->state ? 0 : mr_fail_errno(e, reason, "cannot set up file reading");
}

static int make_slots(mr_reader *r, mr_error *e)
{
    r->slots = calloc((size_t)r->options.depth, sizeof *r->slots);
    if (!r->slots)
        return mr_no_memory(e, "%d reads in flight", r->options.depth);
    for (int i = 0; i < r->options.depth; i++) {
        r->slots[i].next = r->free;
        r->free = &r->slots[i];
    }
    return 0;
}

int mr_reader_create(mr_reader **out, mr_reader_options options, mr_error *e)
{
    *out = NULL;
    if (options.depth < 1 || options.depth > 4096)
        return mr_fail(e, MR_EINVAL, "%d reads in flight: give 1 to 4096", options.depth);
    mr_reader *r = calloc(1, sizeof *r);
    if (!r)
        return mr_no_memory(e, "a file reader");
    r->options = options;
    r->pool = mr_buffer_pool_create(options.memory);
    int status = r->pool ? make_slots(r, e) : mr_no_memory(e, "a file reader");
    if (!status)
        status = choose_backend(r, e);
    if (status)
        mr_reader_destroy(r);
    else
        *out = r;
    return status;
}

static void drain(mr_reader *r)
{
    mr_read_slot *slot;
    while (r->pending > 0 && r->backend->wait(r->state, &slot, NULL) == 0)
        r->pending--;
}

void mr_reader_destroy(mr_reader *r)
{
    if (!r)
        return;
    if (r->state) {
        mr_reader_stop(r);
        drain(r);
        r->backend->destroy(r->state);
    }
    mr_buffer_pool_destroy(r->pool);
    free(r->slots);
    free(r);
}

bool mr_reader_uses_uring(const mr_reader *r)
{
    return r->backend == &mr_reader_uring;
}

bool mr_reader_has_room(const mr_reader *r)
{
    return r->free != NULL;
}

int mr_reader_pending(const mr_reader *r)
{
    return r->pending;
}

int mr_reader_submit(mr_reader *r, uint64_t serial, const char *path, mr_error *e)
{
    mr_read_slot *slot = r->free;
    if (!slot)
        return mr_fail(e, MR_EINVAL, "%s: more than %d reads in flight", path, r->options.depth);
    mr_read_slot *next = slot->next;
    *slot = (mr_read_slot){.read = {.serial = serial, .path = path}, .fd = -1};
    int status = r->backend->start(r->state, slot, e);
    if (status) {
        slot->next = next;
        return status;
    }
    r->free = next;
    r->pending++;
    return 0;
}

int mr_reader_next(mr_reader *r, mr_read *out, mr_error *e)
{
    mr_read_slot *slot;
    if (r->pending == 0)
        return mr_fail(e, MR_EINVAL, "no file is being read");
    int status = r->backend->wait(r->state, &slot, e);
    if (status)
        return status;
    *out = slot->read;
    slot->next = r->free;
    r->free = slot;
    r->pending--;
    if (r->pending == 0 && r->backend->idle)
        r->backend->idle(r->state);
    if (!mr_is_out_of_files(out->sys_errno))
        return 0;
    mr_fail_errno(e, out->sys_errno, "cannot open %s", out->path);
    return mr_hint(e, MR_EIO, "raise the limit on open files (ulimit -n)");
}

void mr_reader_stop(mr_reader *r)
{
    if (r)
        mr_buffer_pool_stop(r->pool);
}

void mr_reader_release(mr_reader *r, uint8_t *bytes)
{
    mr_buffer_give(r->pool, bytes);
}
