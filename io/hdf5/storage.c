/* SPDX-License-Identifier: Apache-2.0 */
/* What of a dataset must be known before its values are read: that they lie in this file, that the library
 * can undo their filters within bounds, and that reading takes no more than the file's size warrants. Of
 * chunks that were never written a dataset may have any number. */
#include "io/hdf5/storage.h"

#include "io/hdf5/parse_internal.h"

enum {
    PACKED = 1100,        /* deflate packs 1032 : 1 at best */
    FREE_BYTES = 1 << 26, /* that need not be in the file */
    FREE_CHUNKS = 1 << 16
};

/* Filters as registered with the HDF Group that somebody may meet. */
static const struct {
    H5Z_filter_t id;
    const char *name;
} names[] = {
    {4, "szip"},           {5, "n-bit"},   {6, "scale-offset"},  {305, "LZO"},
    {307, "bzip2"},        {32000, "LZF"}, {32001, "Blosc"},     {32004, "LZ4"},
    {32008, "bitshuffle"}, {32013, "ZFP"}, {32015, "Zstandard"}, {32026, "Blosc2"},
};

static const char *name_of(H5Z_filter_t id)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].id == id)
            return names[i].name;
    return "an unknown filter";
}

static int check_filters(hid_t list, const char *path, mr_error *e)
{
    int count = H5Pget_nfilters(list);
    for (int i = 0; i < count; i++) {
        unsigned flags;
        size_t values = 0;
        H5Z_filter_t id = H5Pget_filter2(list, (unsigned)i, &flags, &values, NULL, 0, NULL, NULL);
        if (id != H5Z_FILTER_DEFLATE && id != H5Z_FILTER_SHUFFLE && id != H5Z_FILTER_FLETCHER32)
            return mr_hint(e,
                           mr_fail(e, MR_EUNSUPPORTED,
                                   "dataset '%s': unsupported compression: %s (filter %d)", path, name_of(id),
                                   (int)id),
                           "write it uncompressed or with compression=\"gzip\"");
    }
    return count < 0 ? mr_hdf5_fail(e, MR_EFORMAT, "dataset '%s': its filters cannot be read", path) : 0;
}

static int sparse(const char *path, unsigned long long count, const char *what, unsigned long long size,
                  mr_error *e)
{
    return mr_fail(e, MR_EUNSUPPORTED,
                   "dataset '%s': %llu %s in a file of %llu bytes: unsupported: so few of them were written",
                   path, count, what, size);
}

/* How many chunks cover the shape. */
static int check_chunks(hid_t list, const mr_shape *shape, hsize_t file, const char *path, mr_error *e)
{
    hsize_t chunk[H5S_MAX_RANK], product = 1, chunks = 1;
    int rank = H5Pget_chunk(list, H5S_MAX_RANK, chunk);
    if (rank != shape->rank)
        return mr_hdf5_fail(e, MR_EFORMAT, "dataset '%s': its chunks cannot be read", path);
    for (int i = 0; i < rank; i++) {
        if (chunk[i] == 0 || chunk[i] > MR_MAX_ELEMENTS / product)
            return mr_fail(e, MR_ELIMIT, "dataset '%s': chunks too large", path);
        product *= chunk[i];
        chunks *= ((hsize_t)shape->dim[i] + chunk[i] - 1) / chunk[i]; /* not more than the elements */
    }
    return chunks > FREE_CHUNKS + file ? sparse(path, chunks, "chunks", file, e) : 0;
}

static int check_list(hid_t list, const mr_shape *shape, hsize_t file, const char *path, mr_error *e)
{
    H5D_layout_t layout = H5Pget_layout(list);
    if (layout == H5D_VIRTUAL || H5Pget_external_count(list) > 0)
        return mr_fail(e, MR_EUNSUPPORTED, "dataset '%s': unsupported: its data lie in other files", path);
    int status = check_filters(list, path, e);
    return status || layout != H5D_CHUNKED ? status : check_chunks(list, shape, file, path, e);
}

int mr_hdf5_check_storage(hid_t dataset, const mr_shape *shape, size_t element, const char *path, mr_error *e)
{
    hsize_t file = 0, bytes = (hsize_t)mr_shape_count(shape) * element;
    hid_t id = H5Iget_file_id(dataset), list = H5Dget_create_plist(dataset);
    int status = 0;
    if (id < 0 || list < 0 || H5Fget_filesize(id, &file) < 0)
        status = mr_hdf5_fail(e, MR_EFORMAT, "dataset '%s': no creation properties", path);
    else if (bytes > FREE_BYTES && (bytes - FREE_BYTES) / PACKED > file)
        status = sparse(path, bytes, "bytes", file, e);
    else
        status = check_list(list, shape, file, path, e);
    mr_hdf5_release(list);
    mr_hdf5_release(id);
    return status;
}
