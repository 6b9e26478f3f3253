/* SPDX-License-Identifier: Apache-2.0 */
/* Files, groups and datasets. Attributes: io/hdf5/attribute.c. */
#include "io/hdf5/checksum.h"
#include "io/hdf5/driver.h"
#include "io/hdf5/storage.h"

#include "io/hdf5/parse.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- the library ---------------------------------------------------------- */

static pthread_mutex_t mutex;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_mutex(void)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
    H5open();
    mr_hdf5_register_writer();
    H5PLset_loading_state(0); /* a file names the filters it wants: it shall not make us load code */
}

void mr_hdf5_lock(void)
{
    /* Debian's library is built with thread support: each thread has an error stack of its own to be silenced. */
    static _Thread_local bool silent;
    pthread_once(&once, make_mutex);
    pthread_mutex_lock(&mutex);
    if (!silent)
        H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    silent = true;
}

void mr_hdf5_unlock(void)
{
    pthread_mutex_unlock(&mutex);
}

struct reason {
    char text[200];
};

/* The walk goes from the innermost failure outwards: the first one says the most. */
static herr_t keep_first(unsigned n, const H5E_error2_t *error, void *context)
{
    struct reason *reason = context;
    if (n == 0 && error->desc)
        snprintf(reason->text, sizeof reason->text, ": %s", error->desc);
    return 0;
}

int mr_hdf5_fail(mr_error *e, int code, const char *format, ...)
{
    struct reason reason = {""};
    char message[600];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, &reason);
    H5Eclear2(H5E_DEFAULT);
    return mr_fail(e, code, "%s%s", message, reason.text);
}

/* --- files and groups ----------------------------------------------------- */

static hid_t access_list(void)
{
    hid_t list = H5Pcreate(H5P_FILE_ACCESS);
    if (list >= 0) {
        H5Pset_file_locking(list, false, true);
        H5Pset_fclose_degree(list, H5F_CLOSE_STRONG); /* a leaked id must not keep a file open */
    }
    return list;
}

/* Files that passed the check lately, so that an array file is not unpacked by each of its readers. Guarded by the
 * library's lock. Whoever changes a file in place while we use it is out of the check's scope anyway. */
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
    hid_t list = access_list(), file = H5Fopen(access(name, R_OK) ? path : name, H5F_ACC_RDONLY, list); /* a jail without /proc */
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

void mr_hdf5_release(hid_t id)
{
    if (id >= 0 && H5Iis_valid(id) > 0)
        H5Idec_ref(id);
}

/* The link NAME of AT leads to something in this file. Links into other files are not followed: a model shall not
 * make us open whatever it names. */
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

/* Group by group: to look each beginning of a long path up from AT would take time in the square of its length. */
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

/* Link creation properties that make the groups on the way. */
static hid_t making_way(void)
{
    hid_t list = H5Pcreate(H5P_LINK_CREATE);
    if (list >= 0)
        H5Pset_create_intermediate_group(list, 1);
    return list;
}

int mr_hdf5_make_group(hid_t *group, hid_t at, const char *path, mr_error *e)
{
    if (mr_hdf5_is_group(at, path))
        return mr_hdf5_open_group(group, at, path, e);
    hid_t list = making_way();
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

/* --- reading datasets ----------------------------------------------------- */

/* *SIZE: bytes of an element. */
static int check_type(size_t *size, hid_t dataset, const char *path, mr_error *e)
{
    hid_t type = H5Dget_type(dataset);
    H5T_class_t class = type >= 0 ? H5Tget_class(type) : H5T_NO_CLASS;
    *size = type >= 0 ? H5Tget_size(type) : 0;
    mr_hdf5_release(type);
    if ((class != H5T_FLOAT && class != H5T_INTEGER) || *size == 0 || *size > 8)
        return mr_hdf5_fail(e, MR_EFORMAT, "dataset '%s': its elements are not numbers of at most 8 bytes",
                            path);
    return 0;
}

static int shape_of(mr_shape *out, hid_t dataset, const char *path, mr_error *e)
{
    hsize_t dims[H5S_MAX_RANK];
    hid_t space = H5Dget_space(dataset);
    H5S_class_t class = space >= 0 ? H5Sget_simple_extent_type(space) : H5S_NO_CLASS;
    int rank = class == H5S_SIMPLE || class == H5S_SCALAR ? H5Sget_simple_extent_dims(space, dims, NULL) : -1;
    mr_hdf5_release(space);
    if (rank < 0)
        return mr_hdf5_fail(e, MR_EFORMAT, "dataset '%s': no shape", path);
    if (rank > MR_MAX_RANK)
        return mr_fail(e, MR_ELIMIT, "dataset '%s': %d dimensions, more than %d", path, rank, MR_MAX_RANK);
    memset(out, 0, sizeof *out);
    out->rank = rank;
    for (int i = 0; i < rank; i++) {
        if (dims[i] > MR_MAX_ELEMENTS)
            return mr_fail(e, MR_ELIMIT, "dataset '%s': too large", path);
        out->dim[i] = (int64_t)dims[i];
    }
    return mr_shape_check(out, 0, MR_MAX_ELEMENTS, path, e);
}

int mr_hdf5_dataset_shape(mr_shape *out, hid_t dataset, const char *path, mr_error *e)
{
    size_t element = 0;
    int status = shape_of(out, dataset, path, e);
    if (!status)
        status = check_type(&element, dataset, path, e);
    return status ? status : mr_hdf5_check_storage(dataset, out, element, path, e);
}

/* Opens PATH and makes sure that its shape, type and storage are such as we read. */
static int open_dataset(hid_t *out, mr_shape *shape, hid_t at, const char *path, mr_error *e)
{
    *out = -1;
    if (!mr_hdf5_exists(at, path))
        return mr_fail(e, MR_ENOTFOUND, "no dataset '%s' in the file", path);
    hid_t dataset = H5Dopen2(at, path, H5P_DEFAULT);
    if (dataset < 0)
        return mr_hdf5_fail(e, MR_EFORMAT, "cannot open dataset '%s'", path);
    int status = mr_hdf5_dataset_shape(shape, dataset, path, e);
    if (status)
        mr_hdf5_release(dataset);
    else
        *out = dataset;
    return status;
}

int mr_hdf5_shape(mr_shape *out, hid_t at, const char *path, mr_error *e)
{
    hid_t dataset;
    int status = open_dataset(&dataset, out, at, path, e);
    mr_hdf5_release(dataset);
    return status;
}

/* Reads the whole dataset as MEMORY_TYPE, of which OUT holds CAPACITY elements. */
static int read_as(hid_t memory_type, void *out, size_t capacity, hid_t at, const char *path, mr_error *e)
{
    hid_t dataset;
    mr_shape shape = {0};
    int status = open_dataset(&dataset, &shape, at, path, e);
    if (!status && mr_shape_count(&shape) != capacity)
        status = mr_fail(e, MR_EFORMAT, "dataset '%s': %zu numbers where %zu are wanted", path,
                         mr_shape_count(&shape), capacity);
    if (!status && H5Dread(dataset, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) < 0)
        status = mr_hdf5_fail(e, MR_EFORMAT, "cannot read dataset '%s'", path);
    if (!status)
        status = mr_hdf5_compare_checksum(dataset, memory_type, out, capacity * H5Tget_size(memory_type), path, e);
    mr_hdf5_release(dataset);
    return status;
}

int mr_hdf5_read_floats(float *out, size_t capacity, hid_t at, const char *path, mr_error *e)
{
    return read_as(H5T_NATIVE_FLOAT, out, capacity, at, path, e);
}

int mr_hdf5_read_int(int64_t *out, hid_t at, const char *path, mr_error *e)
{
    return read_as(H5T_NATIVE_INT64, out, 1, at, path, e);
}

int mr_hdf5_read_double(double *out, hid_t at, const char *path, mr_error *e)
{
    return mr_hdf5_read_doubles(out, 1, at, path, e);
}

int mr_hdf5_read_doubles(double *out, size_t capacity, hid_t at, const char *path, mr_error *e)
{
    return read_as(H5T_NATIVE_DOUBLE, out, capacity, at, path, e);
}

/* --- writing datasets ----------------------------------------------------- */

/* The same numbers give the same file, byte by byte, whenever it is written. */
static hid_t without_times(void)
{
    hid_t list = H5Pcreate(H5P_DATASET_CREATE);
    if (list >= 0)
        H5Pset_obj_track_times(list, false);
    return list;
}

static int write_as(hid_t at, const char *path, hid_t file_type, hid_t memory_type, const mr_shape *shape,
                    const void *values, mr_error *e)
{
    hsize_t dims[MR_MAX_RANK] = {0};
    for (int i = 0; i < shape->rank; i++)
        dims[i] = (hsize_t)shape->dim[i];
    hid_t space = shape->rank ? H5Screate_simple(shape->rank, dims, NULL) : H5Screate(H5S_SCALAR);
    hid_t list = making_way();
    hid_t creation = without_times();
    hid_t dataset = space < 0 ? -1 : H5Dcreate2(at, path, file_type, space, list, creation, H5P_DEFAULT);
    int status = 0;
    if (dataset < 0 || H5Dwrite(dataset, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0)
        status = mr_hdf5_fail(e, MR_EIO, "cannot write dataset '%s'", path);
    if (!status) /* both types are little endian: what lies in memory is what is stored */
        status = mr_hdf5_write_checksum(dataset, values, mr_shape_count(shape) * H5Tget_size(memory_type), path, e);
    mr_hdf5_release(dataset);
    mr_hdf5_release(creation);
    mr_hdf5_release(list);
    mr_hdf5_release(space);
    return status;
}

int mr_hdf5_write_floats(hid_t at, const char *path, const mr_shape *shape, const float *values, mr_error *e)
{
    return write_as(at, path, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, shape, values, e);
}

int mr_hdf5_write_doubles(hid_t at, const char *path, const mr_shape *shape, const double *values, mr_error *e)
{
    return write_as(at, path, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, shape, values, e);
}

int mr_hdf5_write_int(hid_t at, const char *path, int64_t value, mr_error *e)
{
    mr_shape scalar = {.rank = 0};
    return write_as(at, path, H5T_STD_I64LE, H5T_NATIVE_INT64, &scalar, &value, e);
}
