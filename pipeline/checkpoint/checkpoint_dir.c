/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/checkpoint/checkpoint_dir.h"

#include "base/list.h"
#include "base/file_lock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_PATH = 4096, MAX_ASIDE = 100000, LOCK_PATIENCE_MS = 15000 };

/* --- names -------------------------------------------------------------------- */

static int write_name(char *out, size_t size, int64_t number)
{
    return snprintf(out, size, "checkpoint-%08lld.h5", (long long)number);
}

int mr_checkpoint_path(char *out, size_t size, const mr_checkpoint_dir *d, int64_t number, mr_error *e)
{
    char name[64];
    write_name(name, sizeof name, number);
    int n = snprintf(out, size, "%s/%s", d->path, name);
    return n >= 0 && (size_t)n < size
               ? 0
               : mr_fail(e, MR_ELIMIT, "the checkpoint folder's name is too long: %s", d->path);
}

/* The number in the name of a checkpoint, or -1. */
static int64_t number_of(const char *name)
{
    char again[64];
    if (strncmp(name, "checkpoint-", 11))
        return -1;
    long long number = strtoll(name + 11, NULL, 10);
    write_name(again, sizeof again, number); /* anything else behind it, or none, is another name */
    return number < 0 || strcmp(again, name) ? -1 : number;
}

/* ".checkpoint-00000352.h5.PID.tmp": what base/durable.c writes first. */
static bool is_temporary(const char *name)
{
    size_t n = strlen(name);
    return !strncmp(name, ".checkpoint-", 12) && n > 4 && !strcmp(name + n - 4, ".tmp");
}

/* --- opening ------------------------------------------------------------------ */

static int make_folder(const char *path, mr_error *e)
{
    struct stat st;
    if (mkdir(path, 0777) && errno != EEXIST)
        return mr_fail_errno(e, errno, "cannot make the checkpoint folder %s", path);
    if (stat(path, &st) || !S_ISDIR(st.st_mode))
        return mr_fail(e, MR_EIO, "%s is not a directory", path);
    if (access(path, W_OK | X_OK))
        return mr_fail_errno(e, errno, "cannot write into the checkpoint folder %s", path);
    return 0;
}

static int take_lock(mr_checkpoint_dir *d, mr_error *e)
{
    char path[MAX_PATH];
    if (snprintf(path, sizeof path, "%s/.millrace.lock", d->path) >= (int)sizeof path)
        return mr_fail(e, MR_ELIMIT, "the checkpoint folder's name is too long: %s", d->path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return mr_fail_errno(e, errno, "cannot write into the checkpoint folder %s", d->path);
    mr_lock lock = mr_file_lock(fd, LOCK_PATIENCE_MS);
    if (lock == MR_LOCK_HELD)
        d->lock = fd;
    else
        close(fd);
    return lock != MR_LOCK_TAKEN
               ? 0
               : mr_hint(e, mr_fail(e, MR_EIO, "another process writes its checkpoints into %s", d->path),
                         "wait for its end, or give another --checkpoint-dir");
}

/* Calls ACT for every name in the folder. */
static int each_name(const mr_checkpoint_dir *d, void (*act)(void *context, int folder, const char *name),
                     void *context, mr_error *e)
{
    DIR *folder = opendir(d->path);
    struct dirent *entry;
    if (!folder)
        return mr_fail_errno(e, errno, "cannot list the checkpoint folder %s", d->path);
    while ((entry = readdir(folder)))
        act(context, dirfd(folder), entry->d_name);
    closedir(folder);
    return 0;
}

static void remove_temporary(void *context, int folder, const char *name)
{
    (void)context;
    if (is_temporary(name))
        unlinkat(folder, name, 0);
}

int mr_checkpoint_dir_open(mr_checkpoint_dir *d, const char *path, mr_error *e)
{
    *d = (mr_checkpoint_dir){.path = strdup(path), .lock = -1};
    int status = d->path ? make_folder(path, e) : mr_no_memory(e, "a path");
    if (!status)
        status = take_lock(d, e);
    if (!status && d->lock >= 0) /* under the lock, only a process that died can have left them */
        status = each_name(d, remove_temporary, NULL, e);
    return status;
}

void mr_checkpoint_dir_close(mr_checkpoint_dir *d)
{
    if (d->path && d->lock >= 0)
        close(d->lock);
    free(d->path);
    *d = (mr_checkpoint_dir){.lock = -1};
}

/* --- listing ------------------------------------------------------------------ */

struct listing {
    mr_checkpoint_list *list;
    bool failed;
};

static void take_number(void *context, int folder, const char *name)
{
    (void)folder;
    struct listing *l = context;
    mr_checkpoint_list *list = l->list;
    int64_t number = number_of(name);
    if (number < 0 || l->failed)
        return;
    if (!mr_list_grow(&list->number, list->count, sizeof *list->number)) {
        l->failed = true;
        return;
    }
    list->number[list->count++] = number;
}

static int descending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

int mr_checkpoint_list_read(mr_checkpoint_list *out, const mr_checkpoint_dir *d, mr_error *e)
{
    *out = (mr_checkpoint_list){0};
    struct listing l = {.list = out};
    int status = each_name(d, take_number, &l, e);
    if (!status && l.failed)
        status = mr_no_memory(e, "the checkpoints in %s", d->path);
    if (status)
        mr_checkpoint_list_free(out);
    else if (out->count)
        qsort(out->number, out->count, sizeof *out->number, descending);
    return status;
}

void mr_checkpoint_list_free(mr_checkpoint_list *l)
{
    free(l->number);
    *l = (mr_checkpoint_list){0};
}

/* --- removing, moving --------------------------------------------------------- */

void mr_checkpoint_prune(const mr_checkpoint_dir *d, int keep, int64_t best)
{
    mr_checkpoint_list list;
    char path[MAX_PATH];
    if (mr_checkpoint_list_read(&list, d, NULL))
        return;
    for (size_t i = (size_t)keep; i < list.count; i++)
        if (list.number[i] != best && !mr_checkpoint_path(path, sizeof path, d, list.number[i], NULL))
            unlink(path);
    mr_checkpoint_list_free(&list);
}

/* The first of earlier-1, earlier-2, … that is not there yet. */
static int make_aside(const mr_checkpoint_dir *d, char *where, size_t size, mr_error *e)
{
    for (int i = 1; i < MAX_ASIDE; i++) {
        if (snprintf(where, size, "%s/earlier-%d", d->path, i) >= (int)size)
            return mr_fail(e, MR_ELIMIT, "the checkpoint folder's name is too long: %s", d->path);
        if (mkdir(where, 0777) == 0)
            return 0;
        if (errno != EEXIST)
            break;
    }
    return mr_fail_errno(e, errno, "cannot make the folder %s for the checkpoints of an earlier run", where);
}

static int move_into(const mr_checkpoint_dir *d, const char *where, int64_t number, mr_error *e)
{
    char from[MAX_PATH], to[MAX_PATH];
    const mr_checkpoint_dir aside = {.path = (char *)where, .lock = -1};
    int status = mr_checkpoint_path(from, sizeof from, d, number, e);
    if (!status)
        status = mr_checkpoint_path(to, sizeof to, &aside, number, e);
    if (!status && rename(from, to))
        status = mr_fail_errno(e, errno, "cannot move %s to %s", from, where);
    return status;
}

/* The best epoch's weights, which belong to those checkpoints. */
static int move_best(const mr_checkpoint_dir *d, const char *where, mr_error *e)
{
    char from[MAX_PATH], to[MAX_PATH];
    if (snprintf(from, sizeof from, "%s/" MR_BEST_FILE, d->path) >= (int)sizeof from ||
        snprintf(to, sizeof to, "%s/" MR_BEST_FILE, where) >= (int)sizeof to)
        return mr_fail(e, MR_ELIMIT, "the checkpoint folder's name is too long: %s", d->path);
    return rename(from, to) && errno != ENOENT ? mr_fail_errno(e, errno, "cannot move %s to %s", from, where)
                                               : 0;
}

int mr_checkpoint_set_aside(const mr_checkpoint_dir *d, char *where, size_t size, mr_error *e)
{
    mr_checkpoint_list list;
    int status = mr_checkpoint_list_read(&list, d, e);
    *where = '\0';
    if (!status && list.count)
        status = make_aside(d, where, size, e);
    for (size_t i = 0; i < list.count && !status; i++)
        status = move_into(d, where, list.number[i], e);
    if (!status && list.count)
        status = move_best(d, where, e);
    mr_checkpoint_list_free(&list);
    return status;
}
