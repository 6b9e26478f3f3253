/* SPDX-License-Identifier: Apache-2.0 */
/* Files and groups. */
#include "io/hdf5/driver.h"
#include "io/hdf5/hdf5.h"
#include "io/hdf5/parse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static hid_t access_list(void)
{
    hid_t list = H5Pcreate(H5P_FILE_ACCESS);
    if (list >= 0) {
        H5Pset_file_locking(list, false, true);
        H5Pset_fclose_degree(list, H5F_CLOSE_STRONG); /* a leaked id must not keep a file open */
    }
    return list;
}

/* Files that passed the check lately, so that an array file is not unpacked by each of its readers. Guarded
 * by the library's lock. Whoever changes a file in place while we use it is out of the check's scope anyway.
 */
enum { KNOWN = 4 };
static struct stat known[KNOWN];
static unsigned known_next;

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool is_known(const struct stat *s)
{
    for (int i = 0; i < KNOWN; i++)
        if (known[i].st_ino == s->st_ino && known[i].st_dev == s->st_dev && known[i].st_size == s->st_size &&
            same_time(known[i].st_mtim, s->st_mtim) && same_time(known[i].st_ctim, s->st_ctim) && s->st_size)
            return true;
    return false;
}

static int check_once(int fd, const char *path, mr_error *e)
{
    struct stat info;
    if (fstat(fd, &info))
        return mr_fail_errno(e, errno, "cannot read '%s'", path);
    if (is_known(&info))
        return 0;
    int status = mr_hdf5_check_fd(fd, path, e);
    if (!status)
        known[known_next++ % KNOWN] = info;
    return status;
}

/* The library opens the file that was checked, whatever its name has come to mean in between. */
static hid_t open_checked(int fd, const char *path)
{
    char name[40];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    hid_t list = access_list(),
          file = H5Fopen(access(name, R_OK) ? path : name, H5F_ACC_RDONLY, list); /* a jail without /proc */
    mr_hdf5_release(list);
    return file;
}

/* The library, which opens the file once more, does not say why it could not. */
static int fail_open(int fd, const char *path, mr_error *e)
{
    int again = fcntl(fd, F_DUPFD_CLOEXEC, 0), reason = again < 0 ? errno : 0;
    if (again < 0) {
        H5Eclear2(H5E_DEFAULT);
        return mr_fail_errno(e, reason, "cannot open '%s'", path);
    }
    close(again);
    return mr_hdf5_fail(e, MR_EFORMAT, "libhdf5 cannot open '%s'", path);
}

int mr_hdf5_open(hid_t *file, const char *path, mr_error *e)
{
    *file = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* nobody may write into a pipe of that name */
    if (fd < 0)
        return mr_fail_errno(e, errno, "cannot open '%s'", path);
    int status = check_once(fd, path, e);
    if (!status)
        *file = open_checked(fd, path);
    if (!status && *file < 0)
        status = fail_open(fd, path, e);
    close(fd);
    return status;
}

int mr_hdf5_create(hid_t *file, const char *path, mr_error *e)
{
    hid_t list = access_list();
    *file = mr_hdf5_create_file(path, list);
    int reason = errno;
    mr_hdf5_release(list);
    if (*file >= 0)
        return 0;
    H5Eclear2(H5E_DEFAULT);
    return mr_fail_errno(e, reason ? reason : EIO, "cannot create '%s'", path);
}

int mr_hdf5_close(hid_t file, const char *path, mr_error *e)
{
    unsigned intent = 0;
    if (file < 0)
        return 0;
    bool written = H5Fget_intent(file, &intent) >= 0 && (intent & H5F_ACC_RDWR);
    if (H5Fclose(file) < 0)
        return mr_hdf5_fail(e, MR_EIO, "cannot finish '%s'", path);
    int reason = written ? mr_hdf5_write_error() : 0;
    return reason ? mr_fail_errno(e, reason, "cannot write '%s'", path) : 0;
}

/* The link NAME of AT leads to something in this file. Links into other files are not followed: a model shall
 * not make us open whatever it names. */
static bool link_leads(hid_t at, const char *name)
{
    H5L_info_t info;
    if (H5Lexists(at, name, H5P_DEFAULT) <= 0 || H5Lget_info(at, name, &info, H5P_DEFAULT) < 0)
        return false;
    if (info.type != H5L_TYPE_HARD && info.type != H5L_TYPE_SOFT)
        return false;
    return H5Oexists_by_name(at, name, H5P_DEFAULT) > 0;
}

/* Takes the first component off *REST; NULL where there is none. */
static const char *next_component(char **rest)
{
    char *start = *rest + strspn(*rest, "/"), *end = start + strcspn(start, "/");
    *rest = end + (*end != '\0');
    *end = '\0';
    return start < end ? start : NULL;
}

/* Group by group: to look each beginning of a long path up from AT would take time in the square of its
 * length. */
bool mr_hdf5_exists(hid_t at, const char *path)
{
    char part[4 * MR_HDF5_MAX_NAME], *rest = part;
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof part)
        return false;
    memcpy(part, path, length + 1);
    hid_t group = H5Gopen2(at, *path == '/' ? "/" : ".", H5P_DEFAULT);
    const char *name = next_component(&rest);
    bool there = group >= 0 && name;
    while (name && there) {
        const char *next = next_component(&rest);
        there = link_leads(group, name);
        hid_t inner = there && next ? H5Gopen2(group, name, H5P_DEFAULT) : -1;
        there = there && (!next || inner >= 0);
        mr_hdf5_release(group);
        group = inner;
        name = next;
    }
    mr_hdf5_release(group);
    H5Eclear2(H5E_DEFAULT);
    return there;
}

bool mr_hdf5_is_group(hid_t at, const char *path)
{
    if (!mr_hdf5_exists(at, path))
        return false;
    hid_t id = H5Oopen(at, path, H5P_DEFAULT);
    bool group = id >= 0 && H5Iget_type(id) == H5I_GROUP;
    mr_hdf5_release(id);
    H5Eclear2(H5E_DEFAULT);
    return group;
}

int mr_hdf5_open_group(hid_t *group, hid_t at, const char *path, mr_error *e)
{
    *group = -1;
    if (!mr_hdf5_exists(at, path))
        return mr_fail(e, MR_ENOTFOUND, "no group '%s' in the file", path);
    *group = H5Gopen2(at, path, H5P_DEFAULT);
    if (*group < 0)
        return mr_hdf5_fail(e, MR_EFORMAT, "cannot open group '%s'", path);
    return 0;
}

int mr_hdf5_make_group(hid_t *group, hid_t at, const char *path, mr_error *e)
{
    if (mr_hdf5_is_group(at, path))
        return mr_hdf5_open_group(group, at, path, e);
    hid_t list = mr_hdf5_creating_groups();
    *group = H5Gcreate2(at, path, list, H5P_DEFAULT, H5P_DEFAULT);
    mr_hdf5_release(list);
    if (*group < 0)
        return mr_hdf5_fail(e, MR_EIO, "cannot create group '%s'", path);
    return 0;
}

struct listing {
    mr_names *names;
    mr_error *e;
    int status;
};

static herr_t list_link(hid_t group, const char *name, const H5L_info_t *info, void *context)
{
    (void)group;
    (void)info;
    struct listing *l = context;
    l->status = mr_names_add(l->names, name, l->e);
    return l->status ? -1 : 0;
}

int mr_hdf5_links(mr_names *out, hid_t group, mr_error *e)
{
    struct listing l = {out, e, 0};
    memset(out, 0, sizeof *out);
    if (H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, NULL, list_link, &l) >= 0)
        return 0;
    mr_names_free(out);
    return l.status ? l.status : mr_hdf5_fail(e, MR_EFORMAT, "cannot list a group");
}
