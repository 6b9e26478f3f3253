/* SPDX-License-Identifier: Apache-2.0 */
/* HDF5 files: arrays (--arrays), and all else that is in them. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/hdf5_sums.h"

#include "io/hdf5/arrays.h"
#include "io/hdf5/hdf5.h"

#include <stdlib.h>

enum { LARGEST = 1 << 22 };

static void read_attributes(hid_t object)
{
    mr_names names, list;
    mr_error e = {0};
    int status = mr_hdf5_attributes(&names, object, &e);
    fuzz_judge(status, &e);
    for (size_t i = 0; !status && i < names.count; i++) {
        hid_t attribute = H5Aopen(object, names.name[i], H5P_DEFAULT);
        mr_error why = {0};
        int read = mr_hdf5_read_names(&list, object, names.name[i], &why);
        fuzz_judge(read, &why);
        if (!read)
            mr_names_free(&list);
        mr_hdf5_release(attribute);
    }
    if (!status)
        mr_names_free(&names);
}

static int visit(void *context, hid_t object, H5I_type_t type, const char *path, mr_error *e)
{
    mr_shape shape;
    mr_error why = {0};
    (void)e;
    read_attributes(object);
    if (type != H5I_DATASET)
        return 0;
    int status = mr_hdf5_dataset_shape(&shape, object, path, &why);
    fuzz_judge(status, &why);
    size_t count = status ? 0 : mr_shape_count(&shape);
    if (count == 0 || count > LARGEST)
        return 0;
    double *values = malloc(count * sizeof *values);
    status = mr_hdf5_read_doubles(values, count, *(hid_t *)context, path, &why);
    fuzz_judge(status, &why);
    free(values);
    return 0;
}

static void walk(const char *path)
{
    hid_t file;
    mr_error e = {0};
    mr_hdf5_lock();
    int status = mr_hdf5_open(&file, path, &e);
    fuzz_judge(status, &e);
    if (!status) {
        status = mr_hdf5_visit(file, visit, &file, &e);
        fuzz_judge(status, &e);
        mr_hdf5_close(file, path, NULL);
    }
    mr_hdf5_unlock();
}

void fuzz_prepare(const uint8_t *data, size_t size)
{
    hdf5_sums_prepare(data, size);
}

void fuzz_repair(uint8_t *data, size_t size)
{
    hdf5_sums_repair(data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"x", "y", "x_val", "input_0", "output_0"};
    const char *path = fuzz_file(data, size);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        mr_array array = {0};
        mr_error e = {0};
        bool there = false;
        int status = mr_array_exists(&there, path, names[i], &e);
        fuzz_judge(status, &e);
        if (!there)
            continue;
        status = mr_array_read(&array, path, names[i], &e);
        fuzz_judge(status, &e);
        mr_array_free(&array);
    }
    walk(path);
    /* What the library could not close would crash it when the process ends. */
    if (H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL) != 0)
        fuzz_fail("a file stayed open");
    return 0;
}
