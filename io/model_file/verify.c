/* SPDX-License-Identifier: Apache-2.0 */
#include "io/model_file/verify.h"

#include "io/keras/zip.h"

#include <stdlib.h>

#define MAX_WEIGHT_BYTES ((size_t)64 << 30)

/* The HDF5 file that FILE is or holds. */
struct container {
    hid_t hdf5;
    mr_keras_zip *zip;
    char *bytes;
};

static int open_container(struct container *c, const char *file, mr_error *e)
{
    size_t size = 0;
    *c = (struct container){.hdf5 = -1};
    int zip = mr_keras_is_zip(file, e);
    if (zip <= 0)
        return zip ? zip : mr_hdf5_open(&c->hdf5, file, e);
    int status = mr_keras_zip_open(&c->zip, file, NULL, 0, e);
    if (!status)
        status = mr_keras_zip_read(&c->bytes, &size, c->zip, "model.weights.h5", MAX_WEIGHT_BYTES, e);
    return status ? status : mr_hdf5_open_image(&c->hdf5, c->bytes, size, file, e);
}

static void close_container(struct container *c, const char *file)
{
    mr_hdf5_close(c->hdf5, file, NULL);
    free(c->bytes);
    mr_keras_zip_close(c->zip);
}

static int check_container(mr_verification *out, mr_self_test *test, const char *file, mr_error *e)
{
    struct container c;
    mr_hdf5_lock();
    int status = open_container(&c, file, e);
    if (!status)
        status = mr_seal_check_datasets(&out->datasets, c.hdf5, e);
    if (!status) {
        int sealed = mr_seal_exists(c.hdf5, e);
        status = sealed < 0 ? sealed : 0;
        out->sealed = sealed == 1;
    }
    if (!status) {
        mr_seal_check(c.hdf5, &out->seal);
        mr_self_test_read(test, c.hdf5, &out->self_test);
    }
    close_container(&c, file);
    mr_hdf5_unlock();
    return status;
}

static void check_model(mr_verification *out, const mr_self_test *test, const char *file)
{
    mr_model *m;
    const mr_shape *input =
        test->inputs == 1 ? &test->input[0].shape : NULL; /* for models that leave its size open */
    if (mr_model_load_sized(&m, file, input, &out->model))
        return;
    out->has_self_test = test->inputs > 0;
    if (out->has_self_test)
        mr_self_test_run(test, m->graph, &out->difference, &out->self_test);
    mr_model_free(m);
}

static void count_datasets(mr_verification *v)
{
    for (size_t i = 0; i < v->datasets.count; i++) {
        v->checked += v->datasets.dataset[i].has_checksum;
        v->damaged += v->datasets.dataset[i].has_checksum && !v->datasets.dataset[i].intact;
    }
}

static const char *first_damaged(const mr_verification *v)
{
    size_t i = 0;
    while (!v->datasets.dataset[i].has_checksum || v->datasets.dataset[i].intact)
        i++;
    return v->datasets.dataset[i].path;
}

static int verdict(const mr_verification *v, const char *file, mr_error *e)
{
    const mr_error *parts[] = {&v->seal, &v->model, &v->self_test};
    if (v->damaged)
        return mr_fail(e, MR_EFORMAT, "'%s': %zu of %zu datasets are damaged: %s%s", file, v->damaged,
                       v->checked, first_damaged(v), v->damaged > 1 ? ", …" : "");
    for (int i = 0; i < 3; i++)
        if (parts[i]->code)
            return mr_fail(e, parts[i]->code, "'%s': %s", file, parts[i]->message);
    return 0;
}

int mr_verify_file(mr_verification *out, const char *file, mr_error *e)
{
    mr_self_test test = {0};
    *out = (mr_verification){0};
    int status = check_container(out, &test, file, e);
    if (!status) {
        check_model(out, &test, file);
        count_datasets(out);
        status = verdict(out, file, e);
    }
    mr_self_test_clear(&test);
    return status;
}

void mr_verification_clear(mr_verification *v)
{
    mr_file_check_clear(&v->datasets);
}

int mr_verify_self_test(const char *file, const mr_graph *g, bool *found, mr_error *e)
{
    struct container c;
    mr_self_test test = {0};
    double difference;
    mr_hdf5_lock();
    int status = open_container(&c, file, e);
    if (!status)
        status = mr_self_test_read(&test, c.hdf5, e);
    close_container(&c, file);
    mr_hdf5_unlock();
    *found = test.inputs > 0;
    if (!status && *found)
        status = mr_self_test_run(&test, g, &difference, e);
    mr_self_test_clear(&test);
    return status;
}
