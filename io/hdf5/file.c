/* SPDX-License-Identifier: Apache-2.0 */
/* Files and groups. */
#include "io/hdf5/driver.h"
#include "io/hdf5/hdf5.h"
#include "io/hdf5/open_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
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

/* Opens the file that was parsed, even if its name has been given to another file since. */
static hid_t open_checked(int fd, const char *path)
{
    char name[40];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    /* /proc may be missing in a chroot. */
    hid_t list = access_list(), file = H5Fopen(access(name, R_OK) ? path : name, H5F_ACC_RDONLY, list);
    mr_hdf5_release(list);
    return file;
}

/* libhdf5 opens the file once more, and does not report errno. */
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
    mr_open_file *f;
    *file = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe of that name may have no writer */
    if (fd < 0)
        return mr_fail_errno(e, errno, "cannot open '%s'", path);
    int status = mr_open_file_add(&f, fd, path, e);
    if (status) {
        close(fd);
        return status;
    }
    *file = open_checked(mr_open_file_descriptor(f), path);
    if (*file < 0)
        status = fail_open(mr_open_file_descriptor(f), path, e);
    mr_open_file_set(f, *file);
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
    mr_open_file_close(file);
    if (H5Fclose(file) < 0)
        return mr_hdf5_fail(e, MR_EIO, "cannot close '%s'", path);
    int reason = written ? mr_hdf5_write_error() : 0;
    return reason ? mr_fail_errno(e, reason, "cannot write '%s'", path) : 0;
}

/* The address of what PATH leads to from AT, which is in this file. Files that are being written are ours. */
static bool find_object(haddr_t *address, hid_t at, const char *path)
{
    mr_h5_place from;
    H5O_info_t info;
    const mr_h5_object *o = NULL;
    bool found = false;
    if (path[strspn(path, "/")] == '\0')
        return false;
    if (mr_h5_is_indexed(at)) {
        o = mr_h5_locate(&from, at, NULL) ? NULL : mr_h5_index_find(from.index, from.object, path);
        found = o && o->kind != MR_H5_NO_OBJECT;
    } else {
        found = H5Oget_info_by_name2(at, path, &info, H5O_INFO_BASIC, H5P_DEFAULT) >= 0;
    }
    *address = !found ? HADDR_UNDEF : o ? o->address : info.addr;
    H5Eclear2(H5E_DEFAULT);
    return found;
}

bool mr_hdf5_exists(hid_t at, const char *path)
{
    haddr_t address;
    return find_object(&address, at, path);
}

int mr_hdf5_open_object(hid_t *out, hid_t at, const char *path, const char *kind, mr_error *e)
{
    haddr_t address;
    *out = -1;
    if (!find_object(&address, at, path))
        return mr_fail(e, MR_ENOTFOUND, "no %s '%s' in the file", kind, path);
    *out = H5Oopen_by_addr(at, address);
    return *out < 0 ? mr_hdf5_fail(e, MR_EFORMAT, "cannot open %s '%s'", kind, path) : 0;
}

bool mr_hdf5_is_group(hid_t at, const char *path)
{
    hid_t id;
    bool group = !mr_hdf5_open_object(&id, at, path, "group", NULL) && H5Iget_type(id) == H5I_GROUP;
    mr_hdf5_release(id);
    return group;
}

bool mr_hdf5_is_external_link(hid_t at, const char *name)
{
    H5L_info_t info;
    bool external = H5Lexists(at, name, H5P_DEFAULT) > 0 && H5Lget_info(at, name, &info, H5P_DEFAULT) >= 0 &&
                    info.type == H5L_TYPE_EXTERNAL;
    H5Eclear2(H5E_DEFAULT);
    return external;
}

int mr_hdf5_open_group(hid_t *group, hid_t at, const char *path, mr_error *e)
{
    int status = mr_hdf5_open_object(group, at, path, "group", e);
    if (status || H5Iget_type(*group) == H5I_GROUP)
        return status;
    mr_hdf5_release(*group);
    *group = -1;
    return mr_fail(e, MR_EFORMAT, "cannot open group '%s': not a group", path);
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

int mr_hdf5_links(mr_names *out, hid_t group, mr_error *e)
{
    mr_h5_place place;
    *out = (mr_names){0};
    int status = mr_h5_locate(&place, group, e);
    for (size_t i = 0; !status && i < place.object->entries; i++)
        status = mr_names_add(out, place.object->entry[i].name, e);
    if (status)
        mr_names_free(out);
    return status;
}

/* --- files in memory --- */

/* libhdf5 would copy the image twice, once into the access properties and once into the file; with these
 * callbacks both "copies" are the caller's block itself, which is never written and never freed here. */
struct image {
    void *bytes;
    size_t size;
};

static void *image_malloc(size_t size, H5FD_file_image_op_t operation, void *context)
{
    const struct image *image = context;
    (void)operation;
    return size == image->size ? image->bytes : NULL;
}

static void *image_memcpy(void *to, const void *from, size_t size, H5FD_file_image_op_t operation,
                          void *context)
{
    const struct image *image = context;
    (void)operation;
    return to == image->bytes && from == image->bytes && size == image->size ? to : NULL;
}

/* A file opened for reading does not grow. */
static void *image_realloc(void *block, size_t size, H5FD_file_image_op_t operation, void *context)
{
    (void)block;
    (void)size;
    (void)operation;
    (void)context;
    return NULL;
}

static herr_t image_free(void *block, H5FD_file_image_op_t operation, void *context)
{
    (void)block;
    (void)operation;
    (void)context;
    return 0;
}

/* The properties and the file each keep a context of their own. */
static void *context_copy(void *context)
{
    struct image *copy = malloc(sizeof *copy);
    if (copy)
        *copy = *(struct image *)context;
    return copy;
}

static herr_t context_free(void *context)
{
    free(context);
    return 0;
}

static hid_t open_image(const struct image *image)
{
    static unsigned number; /* guarded by the library's lock */
    H5FD_file_image_callbacks_t callbacks = {image_malloc, image_memcpy, image_realloc, image_free,
                                             context_copy, context_free, (void *)image};
    char name[40]; /* libhdf5 takes files in memory that have one name for the same file */
    hid_t file = -1, list = H5Pcreate(H5P_FILE_ACCESS);
    snprintf(name, sizeof name, "millrace image %u", number++);
    if (list >= 0 && H5Pset_fapl_core(list, 1 << 16, false) >= 0 &&
        H5Pset_fclose_degree(list, H5F_CLOSE_STRONG) >= 0 &&
        H5Pset_file_image_callbacks(list, &callbacks) >= 0 &&
        H5Pset_file_image(list, image->bytes, image->size) >= 0)
        file = H5Fopen(name, H5F_ACC_RDONLY, list);
    mr_hdf5_release(list);
    return file;
}

int mr_hdf5_open_image(hid_t *file, void *bytes, size_t size, const char *what, mr_error *e)
{
    mr_open_file *open_file;
    *file = -1;
    int status = mr_open_file_add_bytes(&open_file, bytes, size, what, e);
    if (status)
        return status;
    *file = open_image(&(struct image){bytes, size});
    mr_open_file_set(open_file, *file);
    return *file < 0 ? mr_hdf5_fail(e, MR_EFORMAT, "'%s' is a damaged HDF5 file", what) : 0;
}
