/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the golden HDF5 files in tests: whole datasets and single attributes; a failure fails the test
 * case. */
#ifndef MR_TESTS_GOLDEN_H
#define MR_TESTS_GOLDEN_H

#include "tests/shared.h"
#include <hdf5.h>

/* Values of a numeric dataset as floats (malloc'ed), its shape in SHAPE (up to 4 dimensions, the rest 1). */
static inline float *golden_floats(hid_t where, const char *name, hsize_t shape[4])
{
    hid_t set = H5Dopen2(where, name, H5P_DEFAULT);
    assert_true(set >= 0);
    hid_t space = H5Dget_space(set);
    shape[0] = shape[1] = shape[2] = shape[3] = 1;
    assert_true(H5Sget_simple_extent_ndims(space) <= 4);
    H5Sget_simple_extent_dims(space, shape, NULL);
    size_t count = (size_t)H5Sget_simple_extent_npoints(space);
    float *values = malloc((count ? count : 1) * sizeof *values);
    assert_non_null(values);
    assert_true(H5Dread(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Sclose(space);
    H5Dclose(set);
    return values;
}

/* A number; h5py's booleans (an enumeration of int8) count as 0 and 1. DEFAULT where there is no such
 * attribute. */
static inline double golden_number(hid_t where, const char *name, double fallback)
{
    if (H5Aexists(where, name) <= 0)
        return fallback;
    hid_t a = H5Aopen(where, name, H5P_DEFAULT), type = H5Aget_type(a);
    double value = 0;
    signed char truth = 0;
    bool is_enum = H5Tget_class(type) == H5T_ENUM;
    assert_true(H5Aread(a, is_enum ? type : H5T_NATIVE_DOUBLE, is_enum ? (void *)&truth : (void *)&value) >=
                0);
    H5Tclose(type);
    H5Aclose(a);
    return is_enum ? truth : value;
}

/* A string attribute of any kind into TEXT. */
static inline void golden_text(hid_t where, const char *name, char *text, size_t size)
{
    hid_t a = H5Aopen(where, name, H5P_DEFAULT), type = H5Aget_type(a);
    assert_true(a >= 0);
    if (H5Tis_variable_str(type) > 0) {
        char *string = NULL;
        assert_true(H5Aread(a, type, &string) >= 0);
        snprintf(text, size, "%s", string);
        H5free_memory(string);
    } else {
        size_t length = H5Tget_size(type);
        assert_true(length < size);
        assert_true(H5Aread(a, type, text) >= 0);
        text[length] = '\0';
    }
    H5Tclose(type);
    H5Aclose(a);
}

#endif
