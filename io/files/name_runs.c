/* SPDX-License-Identifier: Apache-2.0 */
#include "io/files/name_runs.h"

#include "base/list.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of all read buffers together, and of one at least: the longest name, twice. */
enum { BUFFERS = 1 << 22, BUFFER_LEAST = 4 * (NAME_MAX + 2), BUFFER_MOST = 1 << 16, WRITE_AT = 1 << 16 };

typedef struct run {
    off_t next, end; /* bytes of the file that are not in the buffer yet */
    char *buffer;
    size_t at, fill; /* the current name begins at AT */
} run;

struct mr_name_runs {
    int fd;
    off_t size;
    run *runs;
    size_t count, buffer_size;
    size_t *heap, live; /* runs that have a name, the one with the least first */
    size_t given;       /* bytes of the least name where it was given out: the next call passes over it */
};

/* --- writing ------------------------------------------------------------------------ */

/* A file without a name, so that nothing is left behind however the process ends. */
static int open_unnamed(void)
{
    const char *dir = getenv("TMPDIR");
    char path[PATH_MAX];
    dir = dir && *dir ? dir : "/tmp";
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || snprintf(path, sizeof path, "%s/millrace-XXXXXX", dir) >= (int)sizeof path)
        return fd;
    fd = mkostemp(path, O_CLOEXEC); /* a file system without O_TMPFILE */
    if (fd >= 0)
        unlink(path);
    return fd;
}

int mr_name_runs_create(mr_name_runs **out, mr_error *e)
{
    mr_name_runs *r = *out = calloc(1, sizeof *r);
    if (!r)
        return mr_no_memory(e, "a long list of names");
    r->fd = open_unnamed();
    if (r->fd >= 0)
        return 0;
    int status = mr_fail_errno(e, errno, "cannot make a temporary file to sort a long list of names");
    mr_name_runs_destroy(r);
    *out = NULL;
    return mr_hint(e, status, "TMPDIR says where");
}

static int write_out(mr_name_runs *r, const char *bytes, size_t size, mr_error *e)
{
    while (size) {
        ssize_t n = pwrite(r->fd, bytes, size, r->size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return mr_fail_errno(e, n ? errno : ENOSPC, "cannot write a temporary file of names");
        bytes += n;
        size -= (size_t)n;
        r->size += n;
    }
    return 0;
}

static int new_run(mr_name_runs *r, mr_error *e)
{
    if (!mr_list_grow(&r->runs, r->count, sizeof *r->runs))
        return mr_no_memory(e, "a long list of names");
    r->runs[r->count++] = (run){.next = r->size, .end = r->size};
    return 0;
}

int mr_name_runs_add(mr_name_runs *r, const char *const *names, size_t count, mr_error *e)
{
    char *buffer = malloc(WRITE_AT + NAME_MAX + 2);
    size_t used = 0;
    int status = buffer ? new_run(r, e) : mr_no_memory(e, "a long list of names");
    for (size_t i = 0; i < count && !status; i++) {
        size_t size = strlen(names[i]) + 1;
        if (size > NAME_MAX + 2) {
            status = mr_fail(e, MR_ELIMIT, "a name of %zu bytes", size);
            break;
        }
        memcpy(buffer + used, names[i], size);
        used += size;
        if (used >= WRITE_AT || i + 1 == count) {
            status = write_out(r, buffer, used, e);
            used = 0;
        }
    }
    free(buffer);
    if (!status)
        r->runs[r->count - 1].end = r->size;
    return status;
}

/* --- reading ------------------------------------------------------------------------ */

/* Brings the run to a whole name, if there is one: then *HAS. */
static int fill(mr_name_runs *r, run *u, bool *has, mr_error *e)
{
    *has = u->at < u->fill && memchr(u->buffer + u->at, '\0', u->fill - u->at);
    if (*has || u->next == u->end)
        return 0;
    memmove(u->buffer, u->buffer + u->at, u->fill - u->at);
    u->fill -= u->at;
    u->at = 0;
    size_t room = r->buffer_size - u->fill, left = (size_t)(u->end - u->next);
    ssize_t n = pread(r->fd, u->buffer + u->fill, left < room ? left : room, u->next);
    if (n <= 0)
        return mr_fail_errno(e, n ? errno : EIO, "cannot read a temporary file of names");
    u->fill += (size_t)n;
    u->next += n;
    return fill(r, u, has, e);
}

static const char *name_of(const mr_name_runs *r, size_t place)
{
    const run *u = &r->runs[r->heap[place]];
    return u->buffer + u->at;
}

/* The run at PLACE may be greater than those below it. */
static void sink_down(mr_name_runs *r, size_t place)
{
    for (;;) {
        size_t least = place, left = 2 * place + 1, right = left + 1;
        if (left < r->live && strcmp(name_of(r, left), name_of(r, least)) < 0)
            least = left;
        if (right < r->live && strcmp(name_of(r, right), name_of(r, least)) < 0)
            least = right;
        if (least == place)
            return;
        size_t moved = r->heap[place];
        r->heap[place] = r->heap[least];
        r->heap[least] = moved;
        place = least;
    }
}

int mr_name_runs_rewind(mr_name_runs *r, mr_error *e)
{
    size_t share = r->count ? BUFFERS / r->count : BUFFERS;
    r->buffer_size = share > BUFFER_MOST ? BUFFER_MOST : share < BUFFER_LEAST ? BUFFER_LEAST : share;
    r->heap = calloc(r->count + 1, sizeof *r->heap);
    if (!r->heap)
        return mr_no_memory(e, "a long list of names");
    for (size_t i = 0; i < r->count; i++) {
        bool has;
        r->runs[i].buffer = malloc(r->buffer_size);
        int status = r->runs[i].buffer ? fill(r, &r->runs[i], &has, e)
                                       : mr_no_memory(e, "a long list of names");
        if (status)
            return status;
        if (has)
            r->heap[r->live++] = i;
    }
    for (size_t i = r->live / 2; i-- > 0;)
        sink_down(r, i);
    return 0;
}

/* Passes over the name given out last. */
static int advance(mr_name_runs *r, mr_error *e)
{
    run *u = &r->runs[r->heap[0]];
    bool has;
    u->at += r->given;
    int status = fill(r, u, &has, e);
    if (status)
        return status;
    if (!has)
        r->heap[0] = r->heap[--r->live];
    sink_down(r, 0);
    return 0;
}

int mr_name_runs_next(mr_name_runs *r, char **name, mr_error *e)
{
    int status = r->given ? advance(r, e) : 0;
    if (status)
        return status;
    r->given = 0;
    if (!r->live)
        return 0;
    run *u = &r->runs[r->heap[0]];
    *name = u->buffer + u->at;
    r->given = strlen(*name) + 1;
    return 1;
}

void mr_name_runs_destroy(mr_name_runs *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->count; i++)
        free(r->runs[i].buffer);
    free(r->runs);
    free(r->heap);
    if (r->fd >= 0)
        close(r->fd);
    free(r);
}
