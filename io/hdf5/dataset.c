/* SPDX-License-Identifier: Apache-2.0 */
/* Datasets: their shape and type, reading and writing all of one. */
#include "io/hdf5/checksum.h"
#include "io/hdf5/hdf5.h"
#include "io/hdf5/storage.h"

#include <string.h>

/* --- reading datasets --- */

/* *SIZE: bytes of an element. */
static int check_type(size_t *size, hid_t dataset, const char *path, mr_error *e)
{
    hid_t type = H5Dget_type(dataset);
    H5T_class_t class = type >= 0 ? H5Tget_class(type) : H5T_NO_CLASS;
    *size = type >= 0 ? H5Tget_size(type) : 0;
    mr_hdf5_release(type);
    bool number = class == H5T_FLOAT || class == H5T_INTEGER || class == H5T_ENUM; /* booleans: FALSE = 0, TRUE = 1 */
    if (!number || *size == 0 || *size > 8)
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
        status =
            mr_hdf5_compare_checksum(dataset, memory_type, out, capacity * H5Tget_size(memory_type), path, e);
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

/* --- writing datasets --- */

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
    hid_t list = mr_hdf5_creating_groups();
    hid_t creation = without_times();
    hid_t dataset = space < 0 ? -1 : H5Dcreate2(at, path, file_type, space, list, creation, H5P_DEFAULT);
    int status = 0;
    if (dataset < 0 || H5Dwrite(dataset, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0)
        status = mr_hdf5_fail(e, MR_EIO, "cannot write dataset '%s'", path);
    if (!status) /* both types are little endian: what lies in memory is what is stored */
        status = mr_hdf5_write_checksum(dataset, values, mr_shape_count(shape) * H5Tget_size(memory_type),
                                        path, e);
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

int mr_hdf5_write_doubles(hid_t at, const char *path, const mr_shape *shape, const double *values,
                          mr_error *e)
{
    return write_as(at, path, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, shape, values, e);
}

int mr_hdf5_write_int(hid_t at, const char *path, int64_t value, mr_error *e)
{
    mr_shape scalar = {.rank = 0};
    return write_as(at, path, H5T_STD_I64LE, H5T_NATIVE_INT64, &scalar, &value, e);
}
