/* SPDX-License-Identifier: Apache-2.0 */
#include "io/hdf5/driver.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct writer {
    H5FD_t base; /* the library's part: first */
    int fd;
    haddr_t allocated, end; /* bytes that the library has given out; bytes that the file has */
};

static hid_t driver = -1;
static int first_error; /* guarded by the library's lock, as all here */

static void note_error(void)
{
    if (!first_error)
        first_error = errno ? errno : EIO;
}

static H5FD_t *writer_open(const char *path, unsigned flags, hid_t list, haddr_t most)
{
    (void)flags;
    (void)list;
    (void)most;
    struct writer *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (w->fd < 0) {
        note_error();
        free(w);
        return NULL;
    }
    return &w->base;
}

static herr_t writer_close(H5FD_t *file)
{
    struct writer *w = (struct writer *)file;
    if (close(w->fd))
        note_error();
    free(w);
    return 0;
}

static int writer_compare(const H5FD_t *a, const H5FD_t *b)
{
    return (a > b) - (a < b);
}

/* As the library's own driver: so the file's layout is the same. */
static herr_t writer_query(const H5FD_t *file, unsigned long *flags)
{
    (void)file;
    if (flags)
        *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
                 H5FD_FEAT_AGGREGATE_SMALLDATA | H5FD_FEAT_DEFAULT_VFD_COMPATIBLE;
    return 0;
}

static haddr_t writer_allocated(const H5FD_t *file, H5FD_mem_t type)
{
    (void)type;
    return ((const struct writer *)file)->allocated;
}

static herr_t writer_allocate(H5FD_t *file, H5FD_mem_t type, haddr_t address)
{
    (void)type;
    ((struct writer *)file)->allocated = address;
    return 0;
}

static haddr_t writer_end(const H5FD_t *file, H5FD_mem_t type)
{
    (void)type;
    return ((const struct writer *)file)->end;
}

/* As from the library's own driver: a pointer to the descriptor. */
static herr_t writer_handle(H5FD_t *file, hid_t list, void **handle)
{
    (void)list;
    *handle = &((struct writer *)file)->fd;
    return 0;
}

/* What was never written reads as zeros. */
static herr_t writer_read(H5FD_t *file, H5FD_mem_t type, hid_t list, haddr_t address, size_t size,
                          void *buffer)
{
    char *to = buffer;
    (void)type;
    (void)list;
    while (size) {
        ssize_t n = pread(((struct writer *)file)->fd, to, size, (off_t)address);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            note_error();
        if (n <= 0)
            break;
        to += n;
        address += (haddr_t)n;
        size -= (size_t)n;
    }
    memset(to, 0, size);
    return 0;
}

static herr_t writer_write(H5FD_t *file, H5FD_mem_t type, hid_t list, haddr_t address, size_t size,
                           const void *buffer)
{
    struct writer *w = (struct writer *)file;
    const char *from = buffer;
    (void)type;
    (void)list;
    while (size && !first_error) {
        ssize_t n = pwrite(w->fd, from, size, (off_t)address);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            note_error();
            break;
        }
        from += n;
        address += (haddr_t)n;
        size -= (size_t)n;
    }
    w->end = address + size > w->end ? address + size : w->end;
    return 0;
}

static herr_t writer_truncate(H5FD_t *file, hid_t list, hbool_t closing)
{
    struct writer *w = (struct writer *)file;
    (void)list;
    (void)closing;
    if (w->allocated != w->end && !first_error && ftruncate(w->fd, (off_t)w->allocated))
        note_error();
    w->end = w->allocated;
    return 0;
}

void mr_hdf5_register_writer(void)
{
    static const H5FD_class_t class = {
#if H5_VERSION_GE(1, 13, 0)
        .version = H5FD_CLASS_VERSION,
        .value = (H5FD_class_value_t)600, /* unregistered drivers' range: 512 to 65535 */
#endif
        .name = "millrace_writer",
        .maxaddr = ((haddr_t)1 << 62) - 1,
        .fc_degree = H5F_CLOSE_WEAK,
        .open = writer_open,
        .close = writer_close,
        .cmp = writer_compare,
        .query = writer_query,
        .get_eoa = writer_allocated,
        .set_eoa = writer_allocate,
        .get_eof = writer_end,
        .get_handle = writer_handle,
        .read = writer_read,
        .write = writer_write,
        .truncate = writer_truncate,
        .fl_map = H5FD_FLMAP_DICHOTOMY
    };
    driver = H5FDregister(&class);
}

hid_t mr_hdf5_create_file(const char *path, hid_t list)
{
    first_error = 0;
    errno = 0;
    hid_t file =
        H5Pset_driver(list, driver, NULL) >= 0 ? H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, list) : -1;
    errno = first_error;
    return file;
}

int mr_hdf5_write_error(void)
{
    return first_error;
}
