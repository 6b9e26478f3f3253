/* SPDX-License-Identifier: Apache-2.0 */
/* HDF5 files of arrays (--arrays). */
#include "tests/fuzz/fuzz.h"

#include "io/arrays.h"

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
    return 0;
}
