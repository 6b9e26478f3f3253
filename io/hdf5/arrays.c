/* SPDX-License-Identifier: Apache-2.0 */
#include "io/hdf5/arrays.h"

#include "io/hdf5/hdf5.h"

#include <stdlib.h>
#include <string.h>

static int read_values(mr_array *out, hid_t file, hid_t set, const char *path, const char *name, mr_error *e)
{
    size_t count = mr_shape_count(&out->shape);
    out->bytes = mr_hdf5_has_bytes(set);
    void *values = malloc((count + 1) * (out->bytes ? sizeof *out->u8 : sizeof *out->f32));
    if (!values)
        return mr_no_memory(e, "'%s' of %s", name, path);
    if (!out->bytes)
        return mr_hdf5_read_floats(out->f32 = values, count, file, name, e);
    out->u8 = values;
    return H5Dread(set, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0
               ? mr_hdf5_fail(e, MR_EFORMAT, "%s: cannot read dataset '%s'", path, name)
               : 0;
}

static int read_set(mr_array *out, hid_t file, const char *path, const char *name, mr_error *e)
{
    hid_t set;
    int status = mr_hdf5_open_samples(&set, &out->shape, file, path, name, e);
    if (!status)
        status = read_values(out, file, set, path, name, e);
    mr_hdf5_release(set);
    return status;
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
    hid_t file = -1, set = -1;
    mr_hdf5_lock();
    int status = mr_hdf5_open(&file, path, e);
    if (!status)
        status = mr_hdf5_open_samples(&set, out, file, path, name, e);
    mr_hdf5_release(set);
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
