/* SPDX-License-Identifier: Apache-2.0 */
#include "io/hdf5/array_stream.h"

#include "base/durable.h"
#include "io/hdf5/hdf5.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- both --- */

/* COUNT rows of SET from FIRST on, and as much memory. */
static herr_t select_rows(hid_t set, const mr_shape *shape, int64_t first, int count, hid_t *in_file,
                          hid_t *in_memory)
{
    hsize_t start[MR_MAX_RANK] = {(hsize_t)first}, size[MR_MAX_RANK];
    for (int i = 0; i < shape->rank; i++)
        size[i] = (hsize_t)(i ? shape->dim[i] : count);
    *in_file = H5Dget_space(set);
    *in_memory = H5Screate_simple(shape->rank, size, NULL);
    return H5Sselect_hyperslab(*in_file, H5S_SELECT_SET, start, NULL, size, NULL);
}

/* --- reading --- */

struct mr_array_reader {
    hid_t file, set;
    mr_shape shape;
    bool bytes;
    const char *path;
    char *name;
    uint8_t *u8; /* rows before they are scaled */
    size_t u8_size;
};

static int open_set(mr_array_reader *r, const char *name, mr_error *e)
{
    int status = mr_hdf5_open(&r->file, r->path, e);
    if (!status)
        status = mr_hdf5_open_samples(&r->set, &r->shape, r->file, r->path, name, e);
    r->bytes = !status && mr_hdf5_has_bytes(r->set);
    return status;
}

int mr_array_reader_open(mr_array_reader **out, const char *file, const char *name, mr_error *e)
{
    mr_array_reader *r = *out = calloc(1, sizeof *r);
    if (!r)
        return mr_no_memory(e, "an array");
    r->file = r->set = -1;
    r->path = file;
    r->name = strdup(name);
    mr_hdf5_lock();
    int status = r->name ? open_set(r, name, e) : mr_no_memory(e, "an array");
    mr_hdf5_unlock();
    if (status) {
        mr_array_reader_close(r);
        *out = NULL;
    }
    return status;
}

const mr_shape *mr_array_reader_shape(const mr_array_reader *r)
{
    return &r->shape;
}

bool mr_array_reader_bytes(const mr_array_reader *r)
{
    return r->bytes;
}

static int read_rows(mr_array_reader *r, int64_t first, int count, hid_t type, void *out, mr_error *e)
{
    hid_t in_file, in_memory;
    mr_hdf5_lock();
    herr_t bad = select_rows(r->set, &r->shape, first, count, &in_file, &in_memory);
    if (bad >= 0)
        bad = H5Dread(r->set, type, in_memory, in_file, H5P_DEFAULT, out);
    int status =
        bad < 0 ? mr_hdf5_fail(e, MR_EFORMAT, "%s: dataset '%s' cannot be read", r->path, r->name) : 0;
    mr_hdf5_release(in_file);
    mr_hdf5_release(in_memory);
    mr_hdf5_unlock();
    return status;
}

int mr_array_reader_rows(mr_array_reader *r, int64_t first, int count, double rescale, double offset,
                         float *out, mr_error *e)
{
    size_t n = mr_shape_sample(&r->shape) * (size_t)count;
    if (!r->bytes)
        return read_rows(r, first, count, H5T_NATIVE_FLOAT, out, e);
    if (n > r->u8_size) {
        free(r->u8);
        r->u8 = malloc(n);
        r->u8_size = r->u8 ? n : 0;
    }
    if (!r->u8)
        return mr_no_memory(e, "%d rows of '%s'", count, r->name);
    int status = read_rows(r, first, count, H5T_NATIVE_UINT8, r->u8, e);
    for (size_t i = 0; i < n && !status; i++)
        out[i] = (float)((double)r->u8[i] * rescale + offset);
    return status;
}

void mr_array_reader_close(mr_array_reader *r)
{
    if (!r)
        return;
    mr_hdf5_lock();
    mr_hdf5_release(r->set);
    if (r->file >= 0)
        mr_hdf5_close(r->file, r->path, NULL);
    mr_hdf5_unlock();
    free(r->u8);
    free(r->name);
    free(r);
}

/* --- writing --- */

typedef struct array_set {
    hid_t id;
    mr_shape shape;
} array_set;

struct mr_array_writer {
    hid_t file;
    const char *path;
    mr_durable durable;
    bool begun;
    array_set *sets;
    int count;
};

int mr_array_writer_open(mr_array_writer **out, const char *file, mr_error *e)
{
    mr_array_writer *w = *out = calloc(1, sizeof *w);
    if (!w)
        return mr_no_memory(e, "an array");
    w->file = -1;
    w->path = file;
    int status = mr_durable_begin(&w->durable, file, e);
    w->begun = !status;
    mr_hdf5_lock();
    if (!status)
        status = mr_hdf5_create(&w->file, w->durable.temporary, e);
    mr_hdf5_unlock();
    if (status) {
        mr_array_writer_close(w);
        *out = NULL;
    }
    return status;
}

static hid_t create_set(hid_t file, const char *name, const mr_shape *shape)
{
    hsize_t size[MR_MAX_RANK];
    for (int i = 0; i < shape->rank; i++)
        size[i] = (hsize_t)shape->dim[i];
    hid_t space = H5Screate_simple(shape->rank, size, NULL), link = mr_hdf5_creating_groups();
    hid_t set = H5Dcreate2(file, name, H5T_IEEE_F32LE, space, link, H5P_DEFAULT, H5P_DEFAULT);
    mr_hdf5_release(space);
    mr_hdf5_release(link);
    return set;
}

int mr_array_writer_add(mr_array_writer *w, const char *name, const mr_shape *shape, int *set, mr_error *e)
{
    array_set *grown = reallocarray(w->sets, (size_t)w->count + 1, sizeof *grown);
    if (!grown)
        return mr_no_memory(e, "an array");
    w->sets = grown;
    mr_hdf5_lock();
    hid_t id = create_set(w->file, name, shape);
    int status = id < 0 ? mr_hdf5_fail(e, MR_EIO, "%s: dataset '%s' cannot be created", w->path, name) : 0;
    mr_hdf5_unlock();
    if (status)
        return status;
    w->sets[w->count] = (array_set){id, *shape};
    *set = w->count++;
    return 0;
}

int mr_array_writer_rows(mr_array_writer *w, int set, int64_t first, int count, const float *values,
                         mr_error *e)
{
    hid_t in_file, in_memory;
    mr_hdf5_lock();
    herr_t bad = select_rows(w->sets[set].id, &w->sets[set].shape, first, count, &in_file, &in_memory);
    if (bad >= 0)
        bad = H5Dwrite(w->sets[set].id, H5T_NATIVE_FLOAT, in_memory, in_file, H5P_DEFAULT, values);
    int status = bad < 0 ? mr_hdf5_fail(e, MR_EIO, "cannot write %s", w->path) : 0;
    mr_hdf5_release(in_file);
    mr_hdf5_release(in_memory);
    mr_hdf5_unlock();
    return status;
}

static int close_file(mr_array_writer *w, mr_error *e)
{
    mr_hdf5_lock();
    for (int i = 0; i < w->count; i++)
        mr_hdf5_release(w->sets[i].id);
    w->count = 0;
    int status = w->file >= 0 ? mr_hdf5_close(w->file, w->path, e) : 0;
    w->file = -1;
    mr_hdf5_unlock();
    return status;
}

int mr_array_writer_publish(mr_array_writer *w, mr_error *e)
{
    int status = close_file(w, e);
    if (status)
        return status;
    w->begun = false;
    return mr_durable_commit(&w->durable, e);
}

void mr_array_writer_close(mr_array_writer *w)
{
    if (!w)
        return;
    if (w->file >= 0)
        close_file(w, NULL);
    if (w->begun)
        mr_durable_abandon(&w->durable);
    free(w->sets);
    free(w);
}
