/* SPDX-License-Identifier: Apache-2.0 */
/* An HDF5 file that lies in memory. libhdf5 would copy the image twice, once into the access properties and
 * once into the file; with these callbacks both "copies" are the caller's block itself, which is never
 * written and never freed here. */
#include "io/hdf5/hdf5.h"

#include "io/hdf5/parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

int mr_hdf5_open_image(hid_t *file, void *bytes, size_t size, const char *what, mr_error *e)
{
    static unsigned number; /* guarded by the library's lock */
    struct image image = {bytes, size};
    H5FD_file_image_callbacks_t callbacks = {image_malloc, image_memcpy, image_realloc, image_free,
                                             context_copy, context_free, &image};
    char name[40]; /* libhdf5 takes files in memory that have one name for the same file */
    snprintf(name, sizeof name, "millrace image %u", number++);
    *file = -1;
    int status = mr_hdf5_check_bytes(bytes, size, what, e);
    if (status)
        return status;
    hid_t list = H5Pcreate(H5P_FILE_ACCESS);
    if (list >= 0 && H5Pset_fapl_core(list, 1 << 16, false) >= 0 &&
        H5Pset_fclose_degree(list, H5F_CLOSE_STRONG) >= 0 &&
        H5Pset_file_image_callbacks(list, &callbacks) >= 0 && H5Pset_file_image(list, bytes, size) >= 0)
        *file = H5Fopen(name, H5F_ACC_RDONLY, list);
    mr_hdf5_release(list);
    return *file < 0 ? mr_hdf5_fail(e, MR_EFORMAT, "'%s' is a damaged HDF5 file", what) : 0;
}
