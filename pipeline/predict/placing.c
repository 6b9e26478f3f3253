/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/predict/placing.h"

#include "base/path.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAMES_TRIED = 1 << 20, COPY_AT_ONCE = 1 << 20 };

/* --- folders ---------------------------------------------------------------------------- */

static int make_folder(const char *path, mr_error *e)
{
    struct stat st;
    if (mkdir(path, 0777) == 0)
        return 0;
    int error = errno;
    if (error == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return 0;
    return mr_fail_errno(e, error, "cannot make folder %s", path);
}

/* DIR and the folders above it. */
static int make_folders(const char *dir, mr_error *e)
{
    char *path = strdup(dir);
    int status = path ? 0 : mr_no_memory(e, "a path");
    for (char *slash = path && *path ? strchr(path + 1, '/') : NULL; slash && !status;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        status = make_folder(path, e);
        *slash = '/';
    }
    if (!status)
        status = make_folder(path, e);
    free(path);
    return status;
}

static int check_name(const char *name, mr_error *e)
{
    if (*name && !strchr(name, '/') && strcmp(name, ".") && strcmp(name, ".."))
        return 0;
    return mr_fail(e, MR_EINVAL, "the class '%s' cannot be the name of a folder", name);
}

int mr_placing_prepare(const mr_placing *p, mr_error *e)
{
    mr_text path = {0};
    int status = make_folders(p->dir, e);
    for (int i = 0; i < p->classes && !status; i++) {
        status = check_name(p->class_names[i], e);
        mr_text_clear(&path);
        mr_text_format(&path, "%s/%s", p->dir, p->class_names[i]);
        if (!status)
            status = mr_text_check(&path, "a path", e);
        if (!status)
            status = make_folder(mr_text_string(&path), e);
    }
    mr_text_destroy(&path);
    return status;
}

/* --- names ------------------------------------------------------------------------------ */

/* The N-th name for a file in the folder of its class. */
static void name_place(mr_text *out, const mr_placing *p, int class, const char *path, int n)
{
    const char *name = mr_file_name(path), *dot = strrchr(name, '.');
    size_t stem = dot && dot > name ? (size_t)(dot - name) : strlen(name);
    mr_text_clear(out);
    mr_text_format(out, "%s/%s/", p->dir, p->class_names[class]);
    mr_text_append_bytes(out, name, stem);
    if (n > 1)
        mr_text_format(out, "-%d", n);
    mr_text_append(out, name + stem);
}

static bool is_there(const mr_placing *p, const char *path, const char *place)
{
    return mr_same_file(path, place) && (p->way == MR_PLACE_LINK || mr_same_entry(path, place));
}

/* --- moving and linking ------------------------------------------------------------------ */

static int copy_bytes(int from, int to)
{
    for (;;) {
        ssize_t n = sendfile(to, from, NULL, COPY_AT_ONCE);
        if (n == 0)
            return fsync(to) ? errno : 0;
        if (n < 0 && errno != EINTR)
            return errno;
    }
}

/* To another file system: whole before the old one goes, with its times and rights. */
static int copy_and_remove(const char *path, const char *place)
{
    struct stat st;
    int from = open(path, O_RDONLY | O_CLOEXEC), error = from < 0 || fstat(from, &st) ? errno : 0;
    /* NOLINTNEXTLINE(clang-analyzer-core.*): what fails sets errno, so there is a status */
    int to = error ? -1 : open(place, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, st.st_mode & 0777);
    if (!error && to < 0)
        error = errno;
    if (!error)
        error = copy_bytes(from, to);
    if (!error && fchmod(to, st.st_mode & 0777)) /* open() has taken the umask off */
        error = errno;
    if (!error && futimens(to, (struct timespec[2]){st.st_atim, st.st_mtim}))
        error = errno;
    if (from >= 0)
        close(from);
    if (to >= 0 && close(to) && !error)
        error = errno;
    if (!error && unlink(path))
        error = errno;
    if (error && to >= 0)
        unlink(place);
    return error;
}

static int make_symlink(const char *path, const char *place)
{
    char *whole = realpath(path, NULL);
    int error = !whole || symlink(whole, place) ? errno : 0;
    free(whole);
    return error;
}

static bool is_symlink(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

static int move(const char *path, const char *place)
{
    if (is_symlink(path)) { /* a relative one would lead nowhere from another folder */
        int error = make_symlink(path, place);
        return error ? error : unlink(path) ? errno : 0;
    }
    if (renameat2(AT_FDCWD, path, AT_FDCWD, place, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno == EINVAL ||
        errno == ENOSYS) /* a file system without that flag: a link does not replace either */
        return link(path, place) || unlink(path) ? errno : 0;
    return errno == EXDEV ? copy_and_remove(path, place) : errno;
}

static int make_link(const char *path, const char *place)
{
    if (linkat(AT_FDCWD, path, AT_FDCWD, place, AT_SYMLINK_FOLLOW) == 0)
        return 0;
    return errno == EXDEV || errno == EPERM || errno == EMLINK ? make_symlink(path, place) : errno;
}

int mr_placing_put(const mr_placing *p, const char *path, int predicted, mr_text *placed, mr_error *e)
{
    mr_text own = {0}, *place = placed ? placed : &own;
    int error = EEXIST, status = 0;
    for (int n = 1; error == EEXIST && n < NAMES_TRIED && !status; n++) {
        name_place(place, p, predicted, path, n);
        status = mr_text_check(place, "a path", e);
        if (!status && is_there(p, path, mr_text_string(place)))
            error = 0;
        else if (!status)
            error = (p->way == MR_PLACE_MOVE ? move : make_link)(path, mr_text_string(place));
    }
    if (!status && error)
        status = mr_fail_errno(e, error, "cannot %s %s to %s", p->way == MR_PLACE_MOVE ? "move" : "link",
                               path, mr_text_string(place));
    mr_text_destroy(&own);
    return status;
}
