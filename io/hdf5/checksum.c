/* SPDX-License-Identifier: Apache-2.0 */
#include "io/hdf5/checksum.h"

int mr_hdf5_write_checksum(hid_t dataset, const void *values, size_t bytes, const char *path, mr_error *e)
{
    uint64_t sum = mr_checksum(values, bytes);
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(dataset, MR_HDF5_CHECKSUM, H5T_STD_U64LE, space, H5P_DEFAULT, H5P_DEFAULT);
    int status = 0;
    if (attribute < 0 || H5Awrite(attribute, H5T_NATIVE_UINT64, &sum) < 0)
        status = mr_hdf5_fail(e, MR_EIO, "cannot write the checksum of dataset '%s'", path);
    mr_hdf5_release(attribute);
    mr_hdf5_release(space);
    return status;
}

int mr_hdf5_find_checksum(uint64_t *out, hid_t dataset, mr_error *e)
{
    return mr_hdf5_find_number(out, dataset, MR_HDF5_CHECKSUM, e);
}

int mr_hdf5_compare_checksum(hid_t dataset, hid_t memory_type, const void *values, size_t bytes,
                             const char *path, mr_error *e)
{
    uint64_t sum = 0;
    int there = mr_hdf5_find_checksum(&sum, dataset, e);
    if (there != 1)
        return there;
    hid_t type = H5Dget_type(dataset);
    bool same = H5Tequal(type, memory_type) > 0;
    mr_hdf5_release(type);
    if (!same || mr_checksum(values, bytes) == sum)
        return 0;
    return mr_hint(
        e, mr_fail(e, MR_EFORMAT, "dataset '%s' does not match its checksum: the file is damaged", path),
        "or another program changed it: then remove its attribute " MR_HDF5_CHECKSUM " to accept that");
}
