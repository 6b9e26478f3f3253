/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded into a real run (LD_PRELOAD): lets the system calls of a durable write fail, or the process die there.
 * MILLRACE_FAULT is a list "CALL:N:ACTION,…": at the Nth CALL (from 1; "N+": that and all later ones), of those that are
 * about a checkpoint, ACTION is kill (SIGKILL before the call), after (SIGKILL after it), or the number of an errno.
 * CALL: open (of a file that is to be written), write, fsync (of a file), rename, syncdir (fsync of a folder). */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum call { OPEN, WRITE, FSYNC, RENAME, SYNCDIR, CALLS };
static const char *const names[CALLS] = {"open", "write", "fsync", "rename", "syncdir"};
static atomic_int count[CALLS];

/* What is to happen at this call: 0 nothing, an errno, or one of these. */
enum { KILL = -1, AFTER = -2 };

static int action_at(const char *fault, enum call call, int n)
{
    size_t length = strlen(names[call]);
    for (const char *p = fault; p; p = strchr(p, ','), p = p ? p + 1 : NULL) {
        char *end;
        if (strncmp(p, names[call], length) || p[length] != ':')
            continue;
        long at = strtol(p + length + 1, &end, 10);
        int later = *end == '+';
        const char *action = end + later + 1;
        if (n != at && !(later && n > at))
            continue;
        return !strncmp(action, "kill", 4) ? KILL : !strncmp(action, "after", 5) ? AFTER : atoi(action);
    }
    return 0;
}

static int action(enum call call)
{
    const char *fault = getenv("MILLRACE_FAULT");
    int what = fault ? action_at(fault, call, atomic_fetch_add(&count[call], 1) + 1) : 0;
    if (what == KILL)
        kill(getpid(), SIGKILL);
    return what;
}

static void die_after(int what)
{
    if (what == AFTER)
        kill(getpid(), SIGKILL);
}

static int is_checkpoint(const char *path)
{
    return path && strstr(path, "checkpoint-") != NULL;
}

/* Whether FD is a checkpoint (or what becomes one), and whether it is a folder. */
static int of_checkpoint(int fd, int *folder)
{
    char link[64], path[4096];
    struct stat st;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    *folder = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
    return *folder || is_checkpoint(path);
}

int open(const char *path, int flags, ...)
{
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
    va_end(args);
    int what = (flags & O_CREAT) && is_checkpoint(path) ? action(OPEN) : 0;
    if (what > 0) {
        errno = what;
        return -1;
    }
    int fd = real(path, flags, mode);
    die_after(what);
    return fd;
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    ssize_t (*real)(int, const void *, size_t, off_t) = dlsym(RTLD_NEXT, "pwrite");
    int folder, what = of_checkpoint(fd, &folder) ? action(WRITE) : 0;
    if (what > 0) {
        errno = what;
        return -1;
    }
    ssize_t n = real(fd, bytes, size, at);
    die_after(what);
    return n;
}

int fsync(int fd)
{
    int (*real)(int) = dlsym(RTLD_NEXT, "fsync");
    int folder, ours = of_checkpoint(fd, &folder), what = ours ? action(folder ? SYNCDIR : FSYNC) : 0;
    if (what > 0) {
        errno = what;
        return -1;
    }
    int result = real(fd);
    die_after(what);
    return result;
}

int rename(const char *from, const char *to)
{
    int (*real)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");
    int what = is_checkpoint(to) ? action(RENAME) : 0;
    if (what > 0) {
        errno = what;
        return -1;
    }
    int result = real(from, to);
    die_after(what);
    return result;
}
