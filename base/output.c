/* SPDX-License-Identifier: Apache-2.0 */
#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MOST_LINKS = 40, TURN_MS = 50, GRACE_TURNS = 20 };

static int (*stop_asked)(void);

void mr_output_on_stop(int (*stop)(void))
{
    stop_asked = stop;
}

static bool is_stopped(void)
{
    return stop_asked && stop_asked() != 0;
}

/* --- names ------------------------------------------------------------------------------ */

/* N for /dev/fd/N and its like. To open such a name would begin at the file's start again, and a regular file behind it must
 * not be replaced under the shell that opened it. */
static int descriptor_of(const char *path)
{
    static const char *const names[] = {"/dev/stdin", "/dev/stdout", "/dev/stderr"};
    static const char *const folders[] = {"/dev/fd/", "/proc/self/fd/", "/proc/thread-self/fd/"};
    for (int i = 0; i < 3; i++)
        if (!strcmp(path, names[i]))
            return i;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        size_t n = strlen(folders[i]);
        char *end;
        if (strncmp(path, folders[i], n) || path[n] < '0' || path[n] > '9')
            continue;
        long number = strtol(path + n, &end, 10);
        return *end || number > INT_MAX ? -1 : (int)number;
    }
    return -1;
}

/* What the link PATH says, below PATH's folder where it is relative; malloc'ed, NULL with errno. */
static char *read_link(const char *path)
{
    char target[PATH_MAX];
    ssize_t n = readlink(path, target, sizeof target - 1);
    if (n < 0)
        return NULL;
    target[n] = '\0';
    const char *slash = strrchr(path, '/');
    size_t folder = slash && *target != '/' ? (size_t)(slash - path) + 1 : 0;
    char *whole = malloc(folder + (size_t)n + 1);
    if (whole) {
        memcpy(whole, path, folder);
        memcpy(whole + folder, target, (size_t)n + 1);
    }
    return whole;
}

/* Follows the links that o->path is, to what is no link: a file, or a name that does not exist yet. A link to a descriptor
 * is one. */
static int follow(mr_output *o, const char *path, mr_error *e)
{
    struct stat st;
    for (int links = 0;; links++) {
        o->descriptor = descriptor_of(o->path);
        if (o->descriptor >= 0 || lstat(o->path, &st) || !S_ISLNK(st.st_mode))
            return 0;
        char *target = links < MOST_LINKS ? read_link(o->path) : NULL;
        if (!target)
            return mr_fail_errno(e, links < MOST_LINKS ? errno : ELOOP, "cannot follow the link %s", path);
        free(o->path);
        o->path = target;
    }
}

static int check_kind(mr_output *o, const char *path, mr_error *e)
{
    struct stat st;
    size_t n = strlen(o->path);
    if (o->descriptor >= 0)
        o->stream = true;
    else if (stat(o->path, &st) == 0 && S_ISDIR(st.st_mode))
        return mr_fail_errno(e, EISDIR, "cannot create %s", path);
    else if (stat(o->path, &st) == 0)
        o->stream = !S_ISREG(st.st_mode);
    else if (errno != ENOENT)
        return mr_fail_errno(e, errno, "cannot write %s", path);
    else if (n && o->path[n - 1] == '/')
        return mr_fail_errno(e, EISDIR, "cannot create %s", path);
    return 0;
}

int mr_output_resolve(mr_output *out, const char *path, mr_error *e)
{
    *out = (mr_output){.path = strdup(path), .descriptor = -1};
    int status = out->path ? follow(out, path, e) : mr_no_memory(e, "a path");
    if (!status)
        status = check_kind(out, path, e);
    if (status)
        mr_output_clear(out);
    return status;
}

void mr_output_clear(mr_output *o)
{
    free(o->path);
    *o = (mr_output){.descriptor = -1};
}

/* --- streams ---------------------------------------------------------------------------- */

static void wait_a_turn(void)
{
    const struct timespec turn = {0, TURN_MS * 1000000L};
    nanosleep(&turn, NULL);
}

int mr_output_open_stream(int *fd, const mr_output *o, mr_error *e)
{
    if (o->descriptor >= 0) {
        *fd = fcntl(o->descriptor, F_DUPFD_CLOEXEC, 3);
        return *fd < 0 ? mr_fail_errno(e, errno, "cannot write %s", o->path) : 0;
    }
    /* An open() that waits for a pipe's reader is begun again after a signal. */
    while ((*fd = open(o->path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)) < 0 && errno == ENXIO && !is_stopped())
        wait_a_turn();
    if (*fd >= 0)
        return 0;
    if (errno == ENXIO && is_stopped())
        return mr_fail(e, MR_ECANCELED, "stopped before anybody read %s", o->path);
    return mr_fail_errno(e, errno, "cannot open %s for writing", o->path);
}

/* Waits until a write of PIPE_BUF bytes will not block. False: the run is to end, and the reader had its time. */
static bool has_room(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    for (int turns = 0; turns < GRACE_TURNS; turns += is_stopped()) {
        int ready = poll(&p, 1, TURN_MS);
        if (ready > 0 || (ready < 0 && errno != EINTR))
            return true;
    }
    return false;
}

int mr_output_write(int fd, const void *bytes, size_t size)
{
    struct stat st;
    const char *at = bytes;
    bool blocks = fstat(fd, &st) || !S_ISREG(st.st_mode);
    while (size) {
        if (blocks && !has_room(fd))
            return ECANCELED;
        ssize_t n = write(fd, at, blocks && size > PIPE_BUF ? PIPE_BUF : size);
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return errno;
        at += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}
