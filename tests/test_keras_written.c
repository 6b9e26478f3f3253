/* SPDX-License-Identifier: Apache-2.0 */
/* What stands in files that are written, where Keras would not open them otherwise, or would open something
 * else: forms of inputs and outputs, compile information, optimizer state. */
#include "tests/keras.h"

#include "io/keras/zip.h"
#include "tests/files.h"

/* --- optimizer state and compile information ---------------------------------- */

/* State of optimizers that we do not have, or have without what it counts: it is not passed over in silence.
 */
static void dropped_state(void **state)
{
    (void)state;
    static const struct {
        const char *folder;
        bool dropped;
    } cases[] = {{"lion", true}, {"ftrl", true},         {"lamb", true},
                 {"ema", true},  {"accumulate_3", true}, {"softmax_logits", false},
                 {"mae", false}};
    static const char *const endings[] = {"h5", "keras"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int k = 0; k < 2; k++) {
            char path[200];
            snprintf(path, sizeof path, "golden/training2/%s/end.%s", cases[i].folder, endings[k]);
            mr_model *m = keras_load(shared_or_skip(path));
            assert_int_equal(m->dropped_state, cases[i].dropped);
            assert_int_equal(m->has_optimizer_state, !cases[i].dropped);
            mr_model_free(m);
            snprintf(path, sizeof path, "golden/training2/%s/start.%s", cases[i].folder, endings[k]);
            m = keras_load(shared_or_skip(path));
            assert_false(m->dropped_state); /* there is nothing yet */
            mr_model_free(m);
        }
}

static void write_number(hid_t group, const char *name, int64_t number, bool integer)
{
    mr_error e = {0};
    const mr_shape scalar = {.rank = 0};
    const float value = (float)number;
    assert_int_equal(integer ? mr_hdf5_write_int(group, name, number, &e)
                             : mr_hdf5_write_floats(group, name, &scalar, &value, &e),
                     0);
}

/* An Adam inside a LossScaleOptimizer: the outer one's iteration comes first and is 0. */
static void loss_scale_in_h5(void)
{
    mr_error e = {0};
    mr_names names, all = {0};
    const char *path = keras_copy("golden/training/adam/end.h5", "scaled.h5");
    hid_t file = keras_open_to_write(path), group = H5Gopen2(file, "optimizer_weights", H5P_DEFAULT);
    assert_int_equal(mr_hdf5_read_names(&names, group, "weight_names", &e), 0);
    static const char *const outer[] = {
        "loss_scale_optimizer/iteration", "loss_scale_optimizer/learning_rate",
        "loss_scale_optimizer/step_counter", "loss_scale_optimizer/dynamic_scale"};
    for (int i = 0; i < 4; i++) {
        write_number(group, outer[i], i == 3 ? 32768 : 0, i % 2 == 0);
        assert_int_equal(mr_names_add(&all, outer[i], &e), 0);
    }
    for (size_t i = 0; i < names.count; i++)
        assert_int_equal(mr_names_add(&all, names.name[i], &e), 0);
    H5Adelete(group, "weight_names");
    assert_int_equal(mr_hdf5_write_names(group, "weight_names", &all, &e), 0);
    mr_names_free(&names);
    mr_names_free(&all);
    keras_close_file(file);
    mr_model *m = keras_load(path), *plain = keras_load(shared_or_skip("golden/training/adam/end.h5"));
    assert_true(m->has_optimizer_state && plain->iterations > 0);
    assert_int_equal(m->iterations, plain->iterations);
    mr_model_free(m);
    mr_model_free(plain);
}

static char *member(const char *path, const char *name, size_t *size)
{
    mr_keras_zip *zip;
    mr_error e = {0};
    char *bytes = NULL;
    assert_int_equal(mr_keras_zip_open(&zip, path, NULL, 0, &e), 0);
    assert_int_equal(mr_keras_zip_read(&bytes, size, zip, name, 1 << 24, &e), 0);
    mr_keras_zip_close(zip);
    return bytes;
}

static void loss_scale_in_keras(void)
{
    const char *original = shared_or_skip("golden/training2/softmax_logits/end.keras"),
               *store = keras_temporary("scaled.weights.h5"), *path = keras_temporary("scaled.keras");
    size_t size;
    mr_error e = {0};
    char *metadata = member(original, "metadata.json", &size),
         *config = member(original, "config.json", &size),
         *bytes = member(original, "model.weights.h5", &size);
    FILE *f = fopen(store, "wb");
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    fclose(f);
    hid_t file = keras_open_to_write(store), vars = H5Gopen2(file, "optimizer/vars", H5P_DEFAULT);
    int count = 0;
    char from[16], to[16];
    while (snprintf(from, sizeof from, "%d", count) && H5Lexists(vars, from, H5P_DEFAULT) > 0)
        count++;
    for (int i = count - 1; i >= 0; i--) {
        snprintf(from, sizeof from, "%d", i);
        snprintf(to, sizeof to, "%d", i + 4);
        assert_true(H5Lmove(vars, from, vars, to, H5P_DEFAULT, H5P_DEFAULT) >= 0);
    }
    for (int i = 0; i < 4; i++) {
        snprintf(to, sizeof to, "%d", i);
        write_number(vars, to, i == 3 ? 32768 : 0, i % 2 == 0);
    }
    keras_close_file(file);
    const mr_keras_member members[] = {
        {"metadata.json", metadata, NULL}, {"config.json", config, NULL}, {"model.weights.h5", NULL, store}};
    assert_int_equal(mr_keras_zip_write(path, members, 3, &e), 0);
    mr_model *m = keras_load(path), *plain = keras_load(original);
    assert_true(m->has_optimizer_state && plain->iterations > 0);
    assert_int_equal(m->iterations, plain->iterations);
    mr_model_free(m);
    mr_model_free(plain);
    free(metadata);
    free(config);
    free(bytes);
}

static void iterations_of_a_loss_scale_optimizer(void **state)
{
    (void)state;
    loss_scale_in_h5();
    loss_scale_in_keras();
}

/* config.json or model_config of PATH. */
static json_t *config_in(const char *path)
{
    mr_error e = {0};
    char *text = NULL;
    size_t size = 0;
    json_t *config;
    hid_t file;
    if (mr_keras_is_zip(path, &e) == 1) {
        text = member(path, "config.json", &size);
    } else {
        mr_hdf5_lock();
        assert_int_equal(mr_hdf5_open(&file, path, &e), 0);
        assert_int_equal(mr_hdf5_read_text(&text, &size, file, "model_config", &e), 0);
        mr_hdf5_close(file, path, &e);
        mr_hdf5_unlock();
    }
    assert_int_equal(mr_json_parse(&config, text, size, path, &e), 0);
    free(text);
    return config;
}

static bool has_training(const char *path)
{
    mr_error e = {0};
    hid_t file;
    mr_hdf5_lock();
    assert_int_equal(mr_hdf5_open(&file, path, &e), 0);
    int has = mr_hdf5_has_attribute(file, "training_config", &e);
    mr_hdf5_close(file, path, &e);
    mr_hdf5_unlock();
    return has == 1;
}

/* Keras's compile() takes no null for steps_per_execution and no key that it does not know; without an
 * optimizer there is nothing that it could read. */
static void compile_information(void **state)
{
    (void)state;
    mr_model *m = keras_load(shared_or_skip("golden/training/adam/end.h5"));
    const char *zip = keras_temporary("compiled.keras"), *h5 = keras_temporary("compiled.h5");
    json_object_set_new(m->training, "steps_per_execution", json_null());
    json_object_set_new(m->training, "target_tensors", json_null());
    keras_save(m, zip, NULL);
    json_t *config = config_in(zip), *compile = json_object_get(config, "compile_config");
    assert_non_null(json_object_get(compile, "optimizer"));
    assert_null(json_object_get(compile, "steps_per_execution"));
    assert_null(json_object_get(compile, "target_tensors"));
    json_decref(config);
    json_object_del(m->training, "optimizer_config");
    keras_save(m, zip, NULL);
    keras_save(m, h5, NULL);
    config = config_in(zip);
    assert_int_equal(json_object_size(json_object_get(config, "compile_config")), 0);
    json_decref(config);
    assert_false(has_training(h5));
    mr_model_free(m);
}

/* --- inputs and outputs ---------------------------------------------------------- */

static void expect_forms(const char *path, const char *wanted)
{
    json_t *config = config_in(path), *inner = json_object_get(config, "config"),
           *forms = json_loads(wanted, 0, NULL);
    assert_non_null(forms);
    assert_true(json_equal(json_object_get(inner, "input_layers"), json_array_get(forms, 0)));
    assert_true(json_equal(json_object_get(inner, "output_layers"), json_array_get(forms, 1)));
    json_decref(forms);
    json_decref(config);
}

/* A model of Keras VERSION with that form of inputs and outputs is written with the form WANTED, in .h5,
 * .keras and what is made of those. */
static void check_form(const char *version, const char *inputs, const char *outputs, const char *wanted)
{
    static const char *const names[] = {"form.h5", "form.keras", "form2.h5"};
    mr_error e = {0};
    mr_model *m;
    const char *arch = keras_temporary("form.json");
    FILE *f = fopen(arch, "w");
    fprintf(f,
            "{\"keras_version\": \"%s\", \"class_name\": \"Functional\", \"config\": {\"name\": \"f\", "
            "\"layers\": ["
            "{\"class_name\": \"InputLayer\", \"name\": \"x\", \"config\": {\"batch_shape\": [null, 4], "
            "\"name\": \"x\"}, "
            "\"inbound_nodes\": []},"
            "{\"class_name\": \"ReLU\", \"name\": \"y\", \"config\": {\"name\": \"y\"}, \"inbound_nodes\": "
            "[[[\"x\", 0, 0, {}]]]}], \"input_layers\": %s, \"output_layers\": %s}}",
            version, inputs, outputs);
    assert_int_equal(fclose(f), 0);
    if (mr_model_from_json_file(&m, arch, &e))
        fail_msg("%s", e.message);
    for (int i = 0; i < 3; i++) {
        const char *path = keras_temporary(names[i]);
        keras_save(m, path, NULL);
        expect_forms(path, wanted);
        mr_model *back = keras_load(path);
        assert_true(json_equal(m->graph->config, back->graph->config));
        mr_model_free(m);
        m = back;
    }
    mr_model_free(m);
}

static void forms_of_inputs_and_outputs(void **state)
{
    (void)state;
    check_form("3.15.1", "[\"x\", 0, 0]", "[\"y\", 0, 0]", "[[\"x\", 0, 0], [\"y\", 0, 0]]");
    check_form("3.15.1", "[[\"x\", 0, 0]]", "[[\"y\", 0, 0]]", "[[[\"x\", 0, 0]], [[\"y\", 0, 0]]]");
    check_form("3.15.1", "{\"a\": [\"x\", 0, 0]}", "{\"b\": [[\"y\", 0, 0]]}",
               "[{\"a\": [\"x\", 0, 0]}, {\"b\": [[\"y\", 0, 0]]}]");
    check_form("3.5.0", "[[\"x\", 0, 0]]", "[[\"y\", 0, 0]]", "[[\"x\", 0, 0], [\"y\", 0, 0]]");
    check_form("2.3.1", "[[\"x\", 0, 0]]", "[[\"y\", 0, 0], [\"x\", 0, 0]]",
               "[[\"x\", 0, 0], [[\"y\", 0, 0], [\"x\", 0, 0]]]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dropped_state),
        cmocka_unit_test(iterations_of_a_loss_scale_optimizer),
        cmocka_unit_test(compile_information),
        cmocka_unit_test(forms_of_inputs_and_outputs),
    };
    return cmocka_run_group_tests_name("keras files as written", tests, NULL, NULL);
}
