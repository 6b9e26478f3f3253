/* SPDX-License-Identifier: Apache-2.0 */
#include "io/hdf5/arrays.h"

#include "io/hdf5/hdf5.h"

#include <stdlib.h>
#include <string.h>

static bool stored_as_bytes(hid_t file, const char *name)
{
    hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
    hid_t type = set >= 0 ? H5Dget_type(set) : -1;
    bool bytes = type >= 0 && H5Tget_class(type) == H5T_INTEGER && H5Tget_size(type) == 1 &&
                 H5Tget_sign(type) == H5T_SGN_NONE;
    mr_hdf5_release(type);
    mr_hdf5_release(set);
    return bytes;
}

static int read_bytes(mr_array *out, hid_t file, const char *path, const char *name, mr_error *e)
{
    out->u8 = malloc(mr_shape_count(&out->shape) + 1);
    if (!out->u8)
        return mr_fail(e, MR_ENOMEM, "%s: out of memory for '%s'", path, name);
    hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
    herr_t bad = set < 0 ? -1 : H5Dread(set, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, out->u8);
    int status = bad < 0 ? mr_hdf5_fail(e, MR_EFORMAT, "%s: dataset '%s' cannot be read", path, name) : 0;
    mr_hdf5_release(set);
    return status;
}

static int read_set(mr_array *out, hid_t file, const char *path, const char *name, mr_error *e)
{
    if (!mr_hdf5_exists(file, name))
        return mr_fail(e, MR_ENOTFOUND, "%s: there is no dataset '%s' in it", path, name);
    int status = mr_hdf5_shape(&out->shape, file, name, e);
    if (status)
        return status;
    if (out->shape.rank < 1)
        return mr_fail(e, MR_EFORMAT, "%s: dataset '%s' is one number, not an array of samples", path, name);
    out->bytes = stored_as_bytes(file, name);
    if (out->bytes)
        return read_bytes(out, file, path, name, e);
    out->f32 = malloc((mr_shape_count(&out->shape) + 1) * sizeof *out->f32);
    if (!out->f32)
        return mr_fail(e, MR_ENOMEM, "%s: out of memory for '%s'", path, name);
    return mr_hdf5_read_floats(out->f32, mr_shape_count(&out->shape), file, name, e);
}

int mr_array_read(mr_array *out, const char *path, const char *name, mr_error *e)
{
    hid_t file = -1;
    memset(out, 0, sizeof *out);
    mr_hdf5_lock();
    int status = mr_hdf5_open(&file, path, e);
    if (!status)
        status = read_set(out, file, path, name, e);
    if (file >= 0)
        mr_hdf5_close(file, path, NULL);
    mr_hdf5_unlock();
    if (status)
        mr_array_free(out);
    return status;
}

int mr_array_exists(bool *out, const char *path, const char *name, mr_error *e)
{
    hid_t file = -1;
    mr_hdf5_lock();
    int status = mr_hdf5_open(&file, path, e);
    if (!status) {
        *out = mr_hdf5_exists(file, name);
        mr_hdf5_close(file, path, NULL);
    }
    mr_hdf5_unlock();
    return status;
}

int mr_array_shape(mr_shape *out, const char *path, const char *name, mr_error *e)
{
    hid_t file = -1;
    mr_hdf5_lock();
    int status = mr_hdf5_open(&file, path, e);
    if (!status && !mr_hdf5_exists(file, name))
        status = mr_fail(e, MR_ENOTFOUND, "%s: there is no dataset '%s' in it", path, name);
    if (!status)
        status = mr_hdf5_shape(out, file, name, e);
    if (file >= 0)
        mr_hdf5_close(file, path, NULL);
    mr_hdf5_unlock();
    return status;
}

void mr_array_free(mr_array *a)
{
    free(a->u8);
    free(a->f32);
    memset(a, 0, sizeof *a);
}
