/* SPDX-License-Identifier: Apache-2.0 */
/* Damaged files: a few bytes of small model files are changed, many times over. Whatever comes out, a model
 * or an error, must come out; under a sanitizer this finds what reads or writes where it should not. */
#include "tests/shared.h"

#include "io/model_file/model_file.h"
#include "base/random.h"
#include "tests/files.h"

#ifdef MR_SANITIZED
enum { ROUNDS = 150 };
#else
enum { ROUNDS = 600 };
#endif

/* libhdf5 asks for whatever the file says and takes no for an answer; AddressSanitizer would rather stop. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

/* Where it meets damage in an object's header, libhdf5 1.10.8 forgets what it had read of it. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libhdf5_serial\n";
}

/* Bytes that mean something in HDF5 and JSON are likelier than others. */
static uint8_t draw_byte(mr_philox *random)
{
    static const uint8_t telling[] = {0, 1, 2, 0x7f, 0x80, 0xff, '"', '{', ']', '-', '0', '9'};
    uint32_t r = mr_philox_below(random, 3 * sizeof telling);
    return r < sizeof telling ? telling[r] : (uint8_t)mr_philox_u32(random);
}

static void mutate(uint8_t *bytes, size_t size, uint32_t round)
{
    mr_philox random;
    mr_philox_init(&random, 7, MR_DRAW_TEST, round, size);
    uint32_t changes = 1 + mr_philox_below(&random, 8);
    for (uint32_t i = 0; i < changes; i++)
        bytes[mr_philox_below(&random, (uint32_t)size)] = draw_byte(&random);
}

/* Loads mutants of FILE; returns how many were models all the same. */
static int load_mutants(const char *file)
{
    size_t size = 0;
    int models = 0;
    uint8_t *bytes = read_file(file, &size), *mutant = malloc(size);
    assert_non_null(bytes);
    assert_non_null(mutant);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        mr_error e = {0};
        mr_model *m;
        memcpy(mutant, bytes, size);
        mutate(mutant, size, round);
        int status = mr_model_load_memory(&m, mutant, size, "mutant", &e);
        if (status) {
            assert_null(m);
            assert_int_equal(e.code, status);
            assert_true(*e.message && !strchr(e.message, '\n'));
        } else {
            models++;
            mr_model_free(m);
        }
    }
    free(bytes);
    free(mutant);
    return models;
}

static void damaged_files(void **state)
{
    (void)state;
    static const char *const files[] = {"golden/layers/dense_on_4d.h5", "golden/layers/nested.h5",
                                        "golden/layers/batchnorm.keras", "golden/training/sgd/end.h5",
                                        "models/deeplearning4j__dl4j-test-resources__cnn_tf_model.h5"};
    int models = 0;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        models += load_mutants(shared_or_skip(files[i]));
    /* Some changes hit weights or padding; if none did, or all, the test would not be one. */
    assert_in_range(models, ROUNDS / 4, 5 * ROUNDS - ROUNDS / 4);
}

/* Every file that ends early. */
static void cut_files(void **state)
{
    (void)state;
    static const char *const files[] = {"golden/layers/dense_on_4d.h5", "golden/layers/batchnorm.keras"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        size_t size = 0;
        uint8_t *bytes = read_file(shared_or_skip(files[i]), &size);
        for (size_t n = 0; n < size; n += 1 + size / ROUNDS) {
            mr_error e = {0};
            mr_model *m;
            uint8_t *part = malloc(n + 1); /* of its own size, so that reading past it shows */
            memcpy(part, bytes, n);
            if (!mr_model_load_memory(&m, part, n, "part", &e))
                mr_model_free(m);
            free(part);
        }
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(damaged_files), cmocka_unit_test(cut_files)};
    return cmocka_run_group_tests_name("damaged keras files", tests, NULL, NULL);
}
