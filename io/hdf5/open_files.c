/* SPDX-License-Identifier: Apache-2.0 */
#include "io/hdf5/open_files.h"

#include "io/hdf5/driver.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    KEPT = 4,   /* files without a user */
    SETTLED = 2 /* seconds */
};

struct mr_open_file {
    unsigned long number; /* libhdf5's of the open file */
    struct stat identity; /* size 0: in memory */
    mr_h5_index *index;
    int fd, users; /* no user: kept in case that it is opened again; FD is closed */
    mr_open_file *next;
};

static mr_open_file *files; /* the latest first; guarded by the library's lock, as all here */

/* The file that is being written. */
static struct {
    unsigned long number;
    mr_h5_index *index;
    bool frozen;
} written;

static void free_file(mr_open_file *f)
{
    mr_h5_index_free(f->index);
    if (f->fd >= 0)
        close(f->fd);
    free(f);
}

static void remove_file(mr_open_file *f)
{
    mr_open_file **at = &files;
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    free_file(f);
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static mr_open_file *find_identity(const struct stat *s)
{
    mr_open_file *f = s->st_size ? files : NULL;
    while (f && !(f->identity.st_ino == s->st_ino && f->identity.st_dev == s->st_dev &&
                  f->identity.st_size == s->st_size && same_time(f->identity.st_mtim, s->st_mtim) &&
                  same_time(f->identity.st_ctim, s->st_ctim)))
        f = f->next;
    return f;
}

static mr_open_file *find_number(unsigned long number)
{
    mr_open_file *f = files;
    while (f && (f->users == 0 || f->number != number))
        f = f->next;
    return f;
}

static mr_open_file *new_file(void)
{
    mr_open_file *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->fd = -1;
    f->next = files;
    files = f;
    return f;
}

int mr_open_file_add(mr_open_file **out, int fd, const char *path, mr_error *e)
{
    struct stat identity;
    if (fstat(fd, &identity))
        return mr_fail_errno(e, errno, "cannot read '%s'", path);
    mr_open_file *f = *out = find_identity(&identity);
    if (f && f->users == 0) {
        f->fd = fd;
        mr_h5_index_reopen(f->index, fd);
    } else if (f) {
        close(fd);
    }
    if (f)
        return f->users++, 0;
    f = *out = new_file();
    int status = f ? mr_h5_index_file(&f->index, fd, path, e) : mr_no_memory(e, "'%s'", path);
    if (status && f)
        remove_file(f);
    if (status)
        return status;
    f->identity = identity;
    f->fd = fd;
    f->users = 1;
    return 0;
}

int mr_open_file_descriptor(const mr_open_file *f)
{
    return f->fd;
}

int mr_open_file_add_bytes(mr_open_file **out, const void *bytes, size_t size, const char *what, mr_error *e)
{
    mr_open_file *f = *out = new_file();
    int status = f ? mr_h5_index_bytes(&f->index, bytes, size, what, e) : mr_no_memory(e, "'%s'", what);
    if (status && f)
        remove_file(f);
    else if (f)
        f->users = 1;
    return status;
}

/* The times of files have a resolution: one that has just changed may change again with the same times. */
static bool is_settled(const mr_open_file *f)
{
    return f->identity.st_size && f->identity.st_ctim.tv_sec + SETTLED < time(NULL);
}

static void forget_oldest(void)
{
    mr_open_file *last = NULL;
    int kept = 0;
    for (mr_open_file *f = files; f; f = f->next) {
        if (f->users)
            continue;
        kept++;
        last = f;
    }
    if (kept > KEPT)
        remove_file(last);
}

static void drop_user(mr_open_file *f)
{
    if (--f->users)
        return;
    if (!is_settled(f)) {
        remove_file(f);
        return;
    }
    mr_h5_index_reopen(f->index, -1);
    close(f->fd);
    f->fd = -1;
    forget_oldest();
}

void mr_h5_unfreeze(void)
{
    mr_h5_index_free(written.index);
    written.index = NULL;
    written.frozen = false;
}

static bool number_of(unsigned long *number, hid_t object)
{
    H5O_info_t info;
    bool known = H5Oget_info2(object, &info, H5O_INFO_BASIC) >= 0;
    *number = known ? info.fileno : 0;
    H5Eclear2(H5E_DEFAULT);
    return known;
}

void mr_open_file_set(mr_open_file *f, hid_t file)
{
    if (file < 0 || !number_of(&f->number, file))
        drop_user(f);
}

void mr_open_file_close(hid_t file)
{
    unsigned long number;
    if (!number_of(&number, file))
        return;
    mr_open_file *f = find_number(number);
    if (f)
        drop_user(f);
    else if (written.number == number)
        mr_h5_unfreeze();
}

/* --- files that are being written --- */

static int read_written(hid_t object, unsigned long number, mr_error *e)
{
    void *fd = NULL;
    if (written.frozen && written.number == number) /* by mr_h5_freeze(): nothing changed */
        return 0;
    mr_h5_unfreeze();
    hid_t file = H5Iget_file_id(object);
    int status = 0;
    if (file < 0 || H5Fflush(file, H5F_SCOPE_LOCAL) < 0 || H5Fget_vfd_handle(file, H5P_DEFAULT, &fd) < 0 ||
        !fd)
        status = mr_hdf5_fail(e, MR_EIO, "cannot write the file's structure");
    else if (mr_hdf5_write_error())
        status = mr_fail_errno(e, mr_hdf5_write_error(), "cannot write the file");
    if (!status)
        status = mr_h5_index_file(&written.index, *(int *)fd, "the file", e);
    mr_hdf5_release(file);
    written.number = number;
    return status;
}

int mr_h5_freeze(hid_t file, mr_error *e)
{
    mr_h5_place root;
    int status = mr_h5_locate(&root, file, e);
    written.frozen = !status && written.index;
    return status;
}

/* --- looking up --- */

bool mr_h5_is_indexed(hid_t object)
{
    unsigned long number;
    return number_of(&number, object) && find_number(number);
}

int mr_h5_locate(mr_h5_place *out, hid_t object, mr_error *e)
{
    H5O_info_t info;
    *out = (mr_h5_place){0};
    if (H5Oget_info2(object, &info, H5O_INFO_BASIC) < 0)
        return mr_hdf5_fail(e, MR_EFORMAT, "cannot read an object of the file");
    const mr_open_file *f = find_number(info.fileno);
    int status = f ? 0 : read_written(object, info.fileno, e);
    if (status)
        return status;
    out->index = f ? f->index : written.index;
    out->object = mr_h5_index_object(out->index, info.addr);
    return out->object ? 0
                       : mr_fail(e, MR_EFORMAT, "damaged HDF5 file: no object at byte %llu",
                                 (unsigned long long)info.addr);
}
