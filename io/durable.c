/* SPDX-License-Identifier: Apache-2.0 */
#include "io/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The folder that PATH lies in: malloc'ed. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return strdup(".");
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

/* "FOLDER/.NAME.PID.tmp": hidden, in the same file system as PATH, and no other process's. malloc'ed. */
static char *temporary_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t folder = slash ? (size_t)(slash - path) + 1 : 0;
    const char *name = path + folder;
    int shown = (int)strnlen(name, NAME_MAX - 32); /* a name of full length leaves no room for the addition */
    char *text = NULL;
    if (asprintf(&text, "%.*s.%.*s.%ld.tmp", (int)folder, path, shown, name, (long)getpid()) < 0)
        return NULL;
    return text;
}

static int sync_path(const char *path, int flags, const char *what, const char *target, mr_error *e)
{
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0)
        return mr_fail_errno(e, errno, "writing '%s': cannot open %s '%s' to sync it", target, what, path);
    int status = 0;
    /* Some file systems cannot sync a folder (EINVAL): their renames are as durable as they get. */
    if (fsync(fd) && !(errno == EINVAL && (flags & O_DIRECTORY)))
        status = mr_fail_errno(e, errno, "writing '%s': cannot sync %s '%s'", target, what, path);
    close(fd);
    return status;
}

/* A file that is replaced hands its rights on; a new one has those that its writer made it with. */
static int keep_rights(const char *temporary, const char *path, mr_error *e)
{
    struct stat old;
    if (stat(path, &old) == 0 && S_ISREG(old.st_mode) && chmod(temporary, old.st_mode & 0777))
        return mr_fail_errno(e, errno, "writing '%s': cannot set the rights of '%s'", path, temporary);
    return 0;
}

static int publish(const char *path, const char *temporary, const char *folder, mr_error *e)
{
    int status = keep_rights(temporary, path, e);
    if (!status)
        status = sync_path(temporary, O_RDONLY, "file", path, e);
    if (!status && rename(temporary, path))
        status = mr_fail_errno(e, errno, "writing '%s': cannot rename '%s' to it", path, temporary);
    if (!status)
        status = sync_path(folder, O_RDONLY | O_DIRECTORY, "folder", path, e);
    return status;
}

/* Renaming over a device, a pipe or a folder would destroy it. */
static int check_target(const char *path, mr_error *e)
{
    struct stat old;
    if (stat(path, &old) == 0 && !S_ISREG(old.st_mode))
        return mr_fail(e, MR_EIO, "writing '%s': it is there and no regular file", path);
    return 0;
}

int mr_durable_write(const char *path, int (*write)(void *context, const char *temporary, mr_error *e),
                     void *context, mr_error *e)
{
    char *folder = folder_of(path), *temporary = temporary_of(path);
    int status = check_target(path, e);
    if (!status && (!folder || !temporary))
        status = mr_fail(e, MR_ENOMEM, "writing '%s': out of memory", path);
    if (!status)
        status = write(context, temporary, e);
    if (!status)
        status = publish(path, temporary, folder, e);
    if (status && temporary)
        unlink(temporary);
    free(folder);
    free(temporary);
    return status;
}

int mr_durable_publish(const char *temporary, const char *path, mr_error *e)
{
    char *folder = folder_of(path);
    int status = folder ? check_target(path, e) : mr_fail(e, MR_ENOMEM, "writing '%s': out of memory", path);
    if (!status)
        status = publish(path, temporary, folder, e);
    free(folder);
    return status;
}
