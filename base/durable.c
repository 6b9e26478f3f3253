/* SPDX-License-Identifier: Apache-2.0 */
#include "base/durable.h"

#include "base/output.h"
#include "base/path.h"
#include "base/permissions.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAMES_TRIED = 1000, MOST_TEMPORARIES = 64, COPY_AT_ONCE = 1 << 16 };

/* --- what is there for a while only ----------------------------------------------------- */

/* Also read by a signal handler: the code that swaps an entry for NULL owns the string. */
static _Atomic(char *) temporaries[MOST_TEMPORARIES];

void mr_durable_note(char *path)
{
    for (int i = 0; path && i < MOST_TEMPORARIES; i++) {
        char *none = NULL;
        if (atomic_compare_exchange_strong(&temporaries[i], &none, path))
            return;
    }
}

/* Unless a handler is removing it right now. */
void mr_durable_forget(char *path)
{
    for (int i = 0; path && i < MOST_TEMPORARIES; i++) {
        char *there = path;
        if (atomic_compare_exchange_strong(&temporaries[i], &there, NULL)) {
            free(path);
            return;
        }
    }
}

void mr_durable_discard(void)
{
    for (int i = 0; i < MOST_TEMPORARIES; i++) {
        char *path = atomic_exchange(&temporaries[i], NULL);
        if (path)
            unlink(path);
    }
}

/* --- names ------------------------------------------------------------------------------ */

/* "FOLDER/.NAME.PID.tmp", or "….PID-N.tmp": hidden, and in the same file system as PATH. malloc'ed. */
static char *temporary_of(const char *path, int number)
{
    const char *name = mr_file_name(path);
    int shown = (int)strnlen(name, NAME_MAX - 32); /* a name of full length leaves no room for the addition */
    char *text = NULL, count[16] = "";
    if (number)
        snprintf(count, sizeof count, "-%d", number);
    if (asprintf(&text, "%.*s.%.*s.%ld%s.tmp", (int)(name - path), path, shown, name, (long)getpid(), count) < 0)
        return NULL;
    return text;
}

/* Makes the file *TEMPORARY beside PATH, empty, with the permissions of the file that it will replace. A name that exists,
 * be it a link that somebody else has put there, is not used. */
static int make_temporary(char **temporary, const char *path, mr_error *e)
{
    for (int number = 0; number < NAMES_TRIED; number++) {
        *temporary = temporary_of(path, number);
        if (!*temporary)
            return mr_no_memory(e, "writing %s", path);
        mr_permissions p = mr_permissions_of(path);
        int fd = open(*temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
        mr_permissions_end(&p);
        if (fd >= 0) {
            mr_durable_note(*temporary);
            close(fd);
            return 0;
        }
        int error = errno;
        free(*temporary);
        *temporary = NULL;
        if (error != EEXIST)
            return mr_fail_errno(e, error, "cannot create %s", path);
    }
    return mr_fail(e, MR_EIO, "cannot write %s: its folder is full of temporary files (.*.tmp)", path);
}

/* --- the last steps --------------------------------------------------------------------- */

static int sync_path(const char *path, int flags, const char *what, const char *target, mr_error *e)
{
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0)
        return mr_fail_errno(e, errno, "writing '%s': cannot open %s '%s' to sync it", target, what, path);
    int status = 0;
    /* Some file systems cannot sync a folder (EINVAL): nothing more can be done for their renames. */
    if (fsync(fd) && !(errno == EINVAL && (flags & O_DIRECTORY)))
        status = mr_fail_errno(e, errno, "writing '%s': cannot sync %s '%s'", target, what, path);
    close(fd);
    return status;
}

/* The new file takes over the permissions of the one it replaces; without one it has those that its writer made it with. */
static int keep_permissions(const char *temporary, const char *path, mr_error *e)
{
    int error = mr_permissions_copy(temporary, path);
    return error ? mr_fail_errno(e, error, "writing '%s': cannot set the permissions of '%s'", path, temporary) : 0;
}

static int publish(const char *path, const char *temporary, mr_error *e)
{
    char *folder = mr_folder_of(path);
    int status = folder ? 0 : mr_no_memory(e, "writing %s", path);
    if (!status)
        status = sync_path(temporary, O_RDONLY, "file", path, e); /* before its permissions may forbid to open it */
    if (!status)
        status = keep_permissions(temporary, path, e);
    if (!status && rename(temporary, path))
        status = mr_fail_errno(e, errno, "writing '%s': cannot rename '%s' to it", path, temporary);
    if (!status)
        status = sync_path(folder, O_RDONLY | O_DIRECTORY, "folder", path, e);
    free(folder);
    return status;
}

/* --- streams ---------------------------------------------------------------------------- */

static int copy_all(int to, int from, const char *path, mr_error *e)
{
    char *buffer = malloc(COPY_AT_ONCE);
    int status = buffer ? 0 : mr_no_memory(e, "writing %s", path);
    for (ssize_t n = 1; n && !status;) {
        n = read(from, buffer, COPY_AT_ONCE);
        int error = n < 0 ? errno : mr_output_write(to, buffer, (size_t)n);
        if (error && error != EINTR)
            status = mr_fail_errno(e, error, "cannot write %s", path);
    }
    free(buffer);
    return status;
}

/* The content in D's temporary file, to the stream in order. */
static int copy_to_stream(mr_durable *d, mr_error *e)
{
    int to = -1, from = open(d->temporary, O_RDONLY | O_CLOEXEC);
    int status = from < 0 ? mr_fail_errno(e, errno, "cannot read %s", d->temporary)
                          : mr_output_open_stream(&to, &d->output, e);
    if (!status)
        status = copy_all(to, from, d->path, e);
    if (from >= 0)
        close(from);
    if (to >= 0 && close(to) && !status)
        status = mr_fail_errno(e, errno, "cannot write %s", d->path);
    return status;
}

/* --- the face --------------------------------------------------------------------------- */

/* What goes into a stream is made in the folder for temporary files first, since not every writer goes from front to end. */
static int temporary_for_stream(mr_durable *d, mr_error *e)
{
    const char *folder = getenv("TMPDIR");
    char *name = NULL;
    if (asprintf(&name, "%s/%s", folder && *folder ? folder : "/tmp", mr_file_name(d->path)) < 0)
        return mr_no_memory(e, "writing %s", d->path);
    int status = make_temporary(&d->temporary, name, e);
    free(name);
    return status;
}

int mr_durable_begin(mr_durable *d, const char *path, mr_error *e)
{
    *d = (mr_durable){.path = path};
    int status = mr_output_resolve(&d->output, path, e);
    if (!status)
        status = d->output.stream ? temporary_for_stream(d, e) : make_temporary(&d->temporary, d->output.path, e);
    if (status)
        mr_output_clear(&d->output);
    return status;
}

int mr_durable_commit(mr_durable *d, mr_error *e)
{
    int status = d->output.stream ? copy_to_stream(d, e) : publish(d->output.path, d->temporary, e);
    bool renamed = !status && !d->output.stream;
    if (renamed) {
        mr_durable_forget(d->temporary);
        d->temporary = NULL;
    }
    mr_durable_abandon(d);
    return status;
}

void mr_durable_abandon(mr_durable *d)
{
    if (d->temporary) {
        unlink(d->temporary);
        mr_durable_forget(d->temporary);
    }
    mr_output_clear(&d->output);
    d->temporary = NULL;
}

/* A failure is told under the name that the user knows. */
static void name_target(mr_error *e, const char *temporary, const char *path)
{
    char *at = e ? strstr(e->message, temporary) : NULL;
    mr_error told = {0};
    if (at)
        mr_fail(&told, e->code, "%.*s%s%s", (int)(at - e->message), e->message, path, at + strlen(temporary));
    else if (e && e->code == MR_EIO && !strstr(e->message, path))
        mr_fail(&told, e->code, "'%s': %s", path, e->message);
    else
        return;
    memcpy(e->message, told.message, sizeof e->message);
}

int mr_durable_write(const char *path, int (*write)(void *context, const char *temporary, mr_error *e),
                     void *context, mr_error *e)
{
    mr_durable d;
    int status = mr_durable_begin(&d, path, e);
    if (status)
        return status;
    mr_permissions p = mr_permissions_of(path);
    status = write(context, d.temporary, e);
    mr_permissions_end(&p);
    if (!status)
        return mr_durable_commit(&d, e);
    name_target(e, d.temporary, path);
    mr_durable_abandon(&d);
    return status;
}

int mr_durable_publish(const char *temporary, const char *path, mr_error *e)
{
    mr_output o;
    int status = mr_output_resolve(&o, path, e);
    if (!status)
        status = o.stream ? mr_fail(e, MR_EIO, "cannot replace '%s': it is not a regular file", path)
                          : publish(o.path, temporary, e);
    mr_output_clear(&o);
    return status;
}
