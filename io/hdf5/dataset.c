/* SPDX-License-Identifier: Apache-2.0 */
/* Datasets: their shape and type, reading and writing all of one. */
#include "io/hdf5/checksum.h"
#include "io/hdf5/open_files.h"

#include <string.h>

/* --- what must be known before values are read --- */

enum {
    PACKED = 1100,        /* deflate packs 1032 : 1 at best */
    FREE_BYTES = 1 << 26, /* that need not be in the file */
    FREE_CHUNKS = 1 << 16
};

/* Filters as registered with the HDF Group that somebody may meet. */
static const struct {
    int id;
    const char *name;
} names[] = {
    {4, "szip"},           {5, "n-bit"},   {6, "scale-offset"},  {305, "LZO"},
    {307, "bzip2"},        {32000, "LZF"}, {32001, "Blosc"},     {32004, "LZ4"},
    {32008, "bitshuffle"}, {32013, "ZFP"}, {32015, "Zstandard"}, {32026, "Blosc2"},
};

static const char *name_of(int id)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].id == id)
            return names[i].name;
    return "an unknown filter";
}

static int check_filters(const mr_h5_dataset *d, const char *path, mr_error *e)
{
    if (d->foreign_filter < 0)
        return 0;
    int status = mr_fail(e, MR_EUNSUPPORTED, "dataset '%s': unsupported compression: %s (filter %d)", path,
                         name_of(d->foreign_filter), d->foreign_filter);
    return mr_hint(e, status, "write it uncompressed or with compression=\"gzip\"");
}

static int sparse(const char *path, unsigned long long count, const char *what, unsigned long long size,
                  mr_error *e)
{
    return mr_fail(e, MR_EUNSUPPORTED,
                   "dataset '%s': unsupported sparse dataset: %llu %s in a file of %llu bytes", path, count,
                   what, size);
}

/* How many chunks cover the shape: of those that were never written a dataset may have any number. */
static int check_chunks(const mr_h5_dataset *d, uint64_t file, const char *path, mr_error *e)
{
    const uint64_t *chunk = d->extent + d->rank;
    uint64_t product = 1, chunks = 1;
    for (int i = 0; i < d->rank; i++) {
        if (chunk[i] > MR_MAX_ELEMENTS / product)
            return mr_fail(e, MR_ELIMIT, "dataset '%s': chunks too large", path);
        product *= chunk[i];
        chunks *= d->extent[i] / chunk[i] + (d->extent[i] % chunk[i] != 0); /* not more than the elements */
    }
    return chunks > FREE_CHUNKS + file ? sparse(path, chunks, "chunks", file, e) : 0;
}

static int check_storage(const mr_h5_dataset *d, const mr_shape *shape, uint64_t file, const char *path,
                         mr_error *e)
{
    uint64_t bytes = mr_shape_count(shape) * d->type.size;
    if (bytes > FREE_BYTES && (bytes - FREE_BYTES) / PACKED > file)
        return sparse(path, bytes, "bytes", file, e);
    int status = check_filters(d, path, e);
    return status || !d->chunked ? status : check_chunks(d, file, path, e);
}

static int check_type(const mr_h5_type *type, const char *path, mr_error *e)
{
    bool number = type->class == MR_H5_FLOAT || type->class == MR_H5_INTEGER ||
                  type->class == MR_H5_ENUM; /* booleans: FALSE = 0, TRUE = 1 */
    return number && type->size <= 8
               ? 0
               : mr_fail(e, MR_EFORMAT, "dataset '%s': its elements are not numbers of at most 8 bytes",
                         path);
}

static int shape_of(mr_shape *out, const mr_h5_dataset *d, const char *path, mr_error *e)
{
    if (d->null)
        return mr_fail(e, MR_EFORMAT, "dataset '%s': no shape", path);
    if (d->rank > MR_MAX_RANK)
        return mr_fail(e, MR_ELIMIT, "dataset '%s': %d dimensions, more than %d", path, d->rank, MR_MAX_RANK);
    *out = (mr_shape){.rank = d->rank};
    for (int i = 0; i < d->rank; i++) {
        if (d->extent[i] > MR_MAX_ELEMENTS)
            return mr_fail(e, MR_ELIMIT, "dataset '%s': too large", path);
        out->dim[i] = (int64_t)d->extent[i];
    }
    return mr_shape_check(out, 0, MR_MAX_ELEMENTS, path, e);
}

/* --- reading --- */

int mr_hdf5_dataset_shape(mr_shape *out, hid_t dataset, const char *path, mr_error *e)
{
    mr_h5_place place;
    int status = mr_h5_locate(&place, dataset, e);
    if (status)
        return status;
    const mr_h5_dataset *d = place.object->dataset;
    if (!d)
        return mr_fail(e, MR_EFORMAT, "'%s' is not a dataset", path);
    status = shape_of(out, d, path, e);
    if (!status)
        status = check_type(&d->type, path, e);
    return status ? status : check_storage(d, out, mr_h5_index_size(place.index), path, e);
}

bool mr_hdf5_has_bytes(hid_t dataset)
{
    mr_h5_place place;
    if (mr_h5_locate(&place, dataset, NULL) || !place.object->dataset)
        return false;
    const mr_h5_type *type = &place.object->dataset->type;
    return type->class == MR_H5_INTEGER && type->size == 1 && !type->is_signed;
}

int mr_hdf5_open_dataset(hid_t *out, mr_shape *shape, hid_t at, const char *path, mr_error *e)
{
    int status = mr_hdf5_open_object(out, at, path, "dataset", e);
    if (!status)
        status = mr_hdf5_dataset_shape(shape, *out, path, e);
    if (status) {
        mr_hdf5_release(*out);
        *out = -1;
    }
    return status;
}

int mr_hdf5_open_samples(hid_t *out, mr_shape *shape, hid_t file, const char *file_name, const char *name,
                         mr_error *e)
{
    *out = -1;
    if (!mr_hdf5_exists(file, name))
        return mr_fail(e, MR_ENOTFOUND, "%s: no dataset '%s'", file_name, name);
    int status = mr_hdf5_open_dataset(out, shape, file, name, e);
    if (!status && shape->rank < 1)
        status = mr_fail(e, MR_EFORMAT, "%s: dataset '%s' is one number, not an array of samples", file_name,
                         name);
    if (status) {
        mr_hdf5_release(*out);
        *out = -1;
    }
    return status;
}

int mr_hdf5_shape(mr_shape *out, hid_t at, const char *path, mr_error *e)
{
    hid_t dataset;
    int status = mr_hdf5_open_dataset(&dataset, out, at, path, e);
    mr_hdf5_release(dataset);
    return status;
}

/* Reads the whole dataset as MEMORY_TYPE, of which OUT holds CAPACITY elements. */
static int read_as(hid_t memory_type, void *out, size_t capacity, hid_t at, const char *path, mr_error *e)
{
    hid_t dataset;
    mr_shape shape = {0};
    int status = mr_hdf5_open_dataset(&dataset, &shape, at, path, e);
    if (!status && mr_shape_count(&shape) != capacity)
        status = mr_fail(e, MR_EFORMAT, "dataset '%s': expected %zu numbers, got %zu", path,
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

/* --- writing --- */

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
