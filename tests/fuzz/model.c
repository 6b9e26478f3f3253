/* SPDX-License-Identifier: Apache-2.0 */
/* Whole model files, .h5 and .keras (built as fuzz_h5 and fuzz_keras, which differ in their seeds). What
 * opens is run, written again in both formats, and must open again. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/hdf5_sums.h"

#include "io/model_file/model_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

static void round_trip(const mr_model *model, const char *ending)
{
    char path[64];
    mr_model *again = NULL;
    mr_error e = {0};
    snprintf(path, sizeof path, "/dev/shm/millrace-fuzz-%ld%s", (long)getpid(), ending);
    int status = mr_model_save(model, path, NULL, &e);
    fuzz_judge(status, &e);
    if (!status) {
        status = mr_model_load(&again, path, &e);
        if (status) {
            fprintf(stderr, "%s\n", e.message);
            fuzz_fail("a model that we wrote does not open again");
        }
    }
    mr_model_free(again);
    unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mr_model *model = NULL;
    mr_error e = {0};
    void *copy = malloc(size ? size : 1);
    if (!copy)
        return 0;
    memcpy(copy, data, size);
    int status = mr_model_load_memory(&model, copy, size, "the input", &e);
    fuzz_judge(status, &e);
    if (!status) {
        fuzz_forward(model->graph);
        round_trip(model, ".h5");
        round_trip(model, ".keras");
    }
    mr_model_free(model);
    free(copy);
    return 0;
}

static uint32_t little_endian(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static void store(uint8_t *p, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(value >> (8 * i));
}

void fuzz_prepare(const uint8_t *data, size_t size)
{
    hdf5_sums_prepare(data, size);
}

/* The CRC of every stored member of a zip, in its central directory and its local header. */
void fuzz_repair(uint8_t *data, size_t size)
{
    hdf5_sums_repair(data, size);
    for (size_t at = 0; at + 46 <= size; at++) {
        if (memcmp(data + at, "PK\1\2", 4) || data[at + 10])
            continue;
        size_t length = little_endian(data + at + 20), local = little_endian(data + at + 42);
        if (local > size - 30 || memcmp(data + local, "PK\3\4", 4))
            continue;
        size_t start = local + 30 + (little_endian(data + local + 26) & 0xffff) +
                       (little_endian(data + local + 26) >> 16);
        if (start > size || length > size - start)
            continue;
        uint32_t crc = (uint32_t)crc32(0, data + start, (uInt)length);
        store(data + at + 16, crc);
        if (!(data[local + 6] & 8)) /* else the CRC stands behind the data */
            store(data + local + 14, crc);
    }
}
