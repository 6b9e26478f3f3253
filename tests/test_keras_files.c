/* SPDX-License-Identifier: Apache-2.0 */
/* What stands in files: attributes of every kind, odd layouts of weights, optimizer state of every writer,
 * what is ours; and files that are wrong. */
#include "tests/keras.h"

#include "tests/files.h"

/* --- helpers -------------------------------------------------------------- */

/* The error that PATH gives. */
static mr_error load_error(const char *path, int code)
{
    mr_error e = {0};
    mr_model *m;
    assert_int_equal(mr_model_load(&m, path, &e), code);
    return e;
}

/* --- what is ours ----------------------------------------------------------- */

static void add_class_names(mr_model *m)
{
    static const char *const names[] = {"Parasitized", "\xc3\xa4 \"quoted\"", "not \xff UTF-8"};
    m->classes = 3;
    m->class_names = calloc(3, sizeof *m->class_names);
    for (int i = 0; i < 3; i++)
        m->class_names[i] = strdup(names[i]);
}

static int write_extra(void *context, int64_t file, mr_error *e)
{
    ++*(int *)context;
    return mr_hdf5_write_text((hid_t)file, "millrace_checkpoint", "{}", false, e);
}

static void contract_and_foreign_attributes(void **state)
{
    (void)state;
    static const char *const texts[] = {"one", "two"};
    static const double numbers[] = {1.5, -2, 1e300};
    hsize_t two = 2, three = 3;
    const char *source = keras_copy("golden/layers/sequential_mlp.h5", "foreign.h5");
    hid_t file = keras_open_to_write(source),
          vlen = keras_string_type(H5T_VARIABLE, H5T_STR_NULLTERM, H5T_CSET_UTF8);
    keras_write_attribute(file, "authors", vlen, H5Screate_simple(1, &two, NULL), texts);
    keras_write_attribute(file, "scores", H5T_IEEE_F64BE, H5Screate_simple(1, &three, NULL), NULL);
    hid_t a = H5Aopen(file, "scores", H5P_DEFAULT);
    H5Awrite(a, H5T_NATIVE_DOUBLE, numbers);
    H5Aclose(a);
    H5Tclose(vlen);
    keras_close_file(file);
    mr_model *m = keras_load(source);
    assert_int_equal(json_object_size(m->extra), 2);
    m->has_preprocess = true;
    m->preprocess = mr_preprocess_default();
    m->preprocess.rescale = 1.0 / 255;
    m->preprocess.interpolation = MR_LANCZOS;
    add_class_names(m);
    int calls = 0;
    mr_save_options options = {.iterations = -1, .extra = write_extra, .extra_context = &calls};
    static const char *const copies[] = {"own.h5", "own.keras"};
    for (int i = 0; i < 2; i++) {
        const char *path = keras_temporary(copies[i]);
        keras_save(m, path, &options);
        assert_int_equal(calls, i + 1);
        mr_model *back = keras_load(path);
        assert_string_equal(back->class_names[2], "not \\xff UTF-8");
        free(m->class_names[2]);
        m->class_names[2] = strdup("not \\xff UTF-8");
        assert_null(keras_difference(m, back));
        assert_true(back->preprocess.rescale == 1.0 / 255);
        mr_model_free(back);
    }
    mr_model_free(m);
}

static void broken_contract(void **state)
{
    (void)state;
    const char *path = keras_copy("golden/layers/sequential_mlp.h5", "contract.h5");
    mr_error e = {0};
    hid_t file = keras_open_to_write(path);
    assert_int_equal(mr_hdf5_write_text(file, "millrace_preprocessing",
                                        "{\"color_mode\": \"rgb\", \"height\": -3}", false, &e),
                     0);
    keras_close_file(file);
    e = load_error(path, MR_EFORMAT);
    assert_non_null(strstr(e.message, "millrace_preprocessing"));
}

/* Another thread's numbers, and none of the training state. */
static void saving_another_state(void **state)
{
    (void)state;
    mr_model *m = keras_load(shared_or_skip("golden/training/adam/end.h5")), *back;
    mr_real *other = mr_state_alloc(m->graph->state_size);
    for (size_t i = 0; i < m->graph->state_size; i++)
        other[i] = (mr_real)(i % 1000) / 8;
    keras_save(m, keras_temporary("state.h5"), &(mr_save_options){.state = other, .iterations = 77});
    back = keras_load(keras_temporary("state.h5"));
    assert_int_equal(back->iterations, 77);
    assert_true(back->has_optimizer_state);
    const mr_param *p = back->graph->param[5];
    assert_memory_equal(back->graph->state + p->offset, other + m->graph->param[5]->offset,
                        p->count * sizeof *other);
    assert_memory_equal(back->graph->state + back->slot[9].offset, other + m->slot[9].offset,
                        back->slot[9].param->count * sizeof *other);
    mr_model_free(back);
    keras_save(m, keras_temporary("bare.keras"), &(mr_save_options){.no_optimizer = true, .iterations = -1});
    back = keras_load(keras_temporary("bare.keras"));
    assert_null(back->training);
    assert_false(back->has_optimizer_state);
    mr_model_free(back);
    mr_state_free(other);
    mr_model_free(m);
}

/* --- names and switches --------------------------------------------------- */

/* Keras 1 and 2 let names hold '/': one may begin as another does. */
static void names_with_slashes(void **state)
{
    (void)state;
    static const char *const names[] = {"layer1/conv", "layer1/conv/bn", "layer1"};
    mr_error e = {0};
    mr_model *m;
    json_t *layers = json_pack("[{s:s, s:s, s:{s:s, s:[n,i,i,i]}}]", "class_name", "InputLayer", "name", "x",
                               "config", "name", "x", "batch_shape", 6, 6, 2);
    json_array_append_new(layers,
                          json_pack("{s:s, s:s, s:{s:s, s:i, s:[i,i]}}", "class_name", "Conv2D", "name",
                                    names[0], "config", "name", names[0], "filters", 3, "kernel_size", 3, 3));
    json_array_append_new(layers, json_pack("{s:s, s:s, s:{s:s}}", "class_name", "BatchNormalization", "name",
                                            names[1], "config", "name", names[1]));
    json_array_append_new(layers, json_pack("{s:s, s:s, s:{s:s, s:i}}", "class_name", "Dense", "name",
                                            names[2], "config", "name", names[2], "units", 2));
    json_t *config =
        json_pack("{s:s, s:{s:s, s:o}}", "class_name", "Sequential", "config", "name", "m", "layers", layers);
    assert_int_equal(mr_model_from_config(&m, config, &e), 0);
    for (size_t i = 0; i < m->graph->weights; i++)
        m->graph->state[i] = (mr_real)i;
    static const char *const copies[] = {"slashes.h5", "slashes.keras"};
    for (int i = 0; i < 2; i++) {
        keras_save(m, keras_temporary(copies[i]), NULL);
        mr_model *back = keras_load(keras_temporary(copies[i]));
        for (int k = 0; k < m->graph->params; k++) {
            const mr_param *p = m->graph->param[k], *q = back->graph->param[k];
            assert_string_equal(p->layer->name, q->layer->name);
            assert_memory_equal(mr_param_value(m->graph, p), mr_param_value(back->graph, q),
                                p->count * sizeof(mr_real));
        }
        mr_model_free(back);
    }
    mr_model_free(m);
}

/* What training froze is frozen in the file, in nested models too. */
static void frozen_layers_stay_frozen(void **state)
{
    (void)state;
    static const char *const copies[] = {"frozen.h5", "frozen.keras"};
    mr_model *m = keras_load(shared_or_skip("golden/layers/nested.h5"));
    mr_layer *inner = mr_graph_layer(m->graph, "inner/conv2d_18");
    assert_non_null(inner);
    assert_true(inner->trainable);
    mr_layer_set_trainable(inner, false);
    for (int i = 0; i < 2; i++) {
        keras_save(m, keras_temporary(copies[i]), NULL);
        mr_model *back = keras_load(keras_temporary(copies[i]));
        for (int k = 0; k < m->graph->layers; k++)
            if (m->graph->layer[k]->params)
                assert_int_equal(back->graph->layer[k]->trainable, m->graph->layer[k]->trainable);
        assert_memory_equal(m->graph->state, back->graph->state, m->graph->weights * sizeof(mr_real));
        mr_model_free(back);
    }
    mr_model_free(m);
}

/* --- optimizer state of other writers ------------------------------------------ */

/* Rewrites /optimizer_weights of a Keras 3 file of Adam with the names that FORM gives: the k-th of m and v
 * for P. */
static void rename_state(const char *path, void (*form)(char *name, size_t size, int slot, int number),
                         bool interleaved, const char *iterations, const mr_model *m)
{
    mr_error e = {0};
    mr_names names = {0};
    hid_t file = keras_open_to_write(path), group;
    assert_true(H5Ldelete(file, "optimizer_weights", H5P_DEFAULT) >= 0);
    assert_int_equal(mr_hdf5_make_group(&group, file, "optimizer_weights", &e), 0);
    assert_int_equal(mr_hdf5_write_int(group, iterations, m->iterations, &e), 0);
    assert_int_equal(mr_names_add(&names, iterations, &e), 0);
    for (int i = 0; i < m->slots; i++) { /* the model holds them interleaved */
        int pairs = m->slots / 2, slot = interleaved ? i % 2 : i / pairs,
            number = interleaved ? i / 2 : i % pairs;
        const mr_slot *s = &m->slot[2 * number + slot];
        char name[200];
        form(name, sizeof name, slot, number);
        assert_int_equal(mr_names_add(&names, name, &e), 0);
        assert_int_equal(mr_hdf5_write_floats(group, name, &s->param->shape, m->graph->state + s->offset, &e),
                         0);
    }
    assert_int_equal(mr_hdf5_write_names(group, "weight_names", &names, &e), 0);
    mr_names_free(&names);
    mr_hdf5_release(group);
    keras_close_file(file);
}

static void as_keras_2(char *name, size_t size, int slot, int number)
{
    snprintf(name, size, "training/Adam/Variable_%d:0", 1000 * slot + number);
}

static void as_tf_keras(char *name, size_t size, int slot, int number)
{
    snprintf(name, size, "Adam/layer_%d/kernel/%c:0", number, slot ? 'v' : 'm');
}

static void as_tf_keras_2_11(char *name, size_t size, int slot, int number)
{
    snprintf(name, size, "Adam/%c/layer_%d/kernel:0", slot ? 'v' : 'm', number);
}

static void state_of_every_writer(void **state)
{
    (void)state;
    static const struct {
        void (*form)(char *name, size_t size, int slot, int number);
        bool interleaved;
        const char *iterations;
    } writers[] = {{as_keras_2, false, "Adam/iterations:0"},
                   {as_tf_keras, false, "Adam/iter:0"},
                   {as_tf_keras_2_11, true, "iteration:0"}};
    mr_model *m = keras_load(shared_or_skip("golden/training/adam/end.h5"));
    assert_int_equal(m->iterations, 6);
    for (size_t i = 0; i < sizeof writers / sizeof *writers; i++) {
        const char *path = keras_copy("golden/training/adam/end.h5", "writer.h5");
        rename_state(path, writers[i].form, writers[i].interleaved, writers[i].iterations, m);
        mr_model *other = keras_load(path);
        const char *difference = keras_difference(m, other);
        if (difference)
            fail_msg("writer %zu: %s", i, difference);
        mr_model_free(other);
    }
    mr_model_free(m);
}

/* State that does not fit is left out: the model is whole without. */
static void state_that_does_not_fit(void **state)
{
    (void)state;
    const char *path = keras_copy("golden/training/adam/end.h5", "unfit.h5");
    hid_t file = keras_open_to_write(path);
    assert_true(H5Ldelete(file, "optimizer_weights/adam/conv2d_kernel_velocity", H5P_DEFAULT) >= 0);
    keras_close_file(file);
    mr_model *m = keras_load(path);
    assert_false(m->has_optimizer_state);
    assert_int_equal(m->slots, 0);
    assert_non_null(m->training);
    mr_model_free(m);
}

/* --- training configurations ------------------------------------------------------ */

static void old_training_configuration(void **state)
{
    (void)state;
    const char *path = keras_copy("golden/training/sgd/end.h5", "decay.h5");
    mr_error e = {0};
    hid_t file = keras_open_to_write(path);
    H5Adelete(file, "training_config");
    H5Adelete(file, "keras_version");
    assert_int_equal(mr_hdf5_write_text(file, "keras_version", "2.2.4", false, &e), 0);
    assert_int_equal(
        mr_hdf5_write_text(
            file, "training_config",
            "{\"optimizer_config\": {\"class_name\": \"SGD\", \"config\": {\"lr\": 0.1, \"momentum\": 0.9, "
            "\"decay\": 0.004, "
            "\"nesterov\": false}}, \"loss\": \"binary_crossentropy\", \"metrics\": [\"accuracy\"], "
            "\"sample_weight_mode\": null, \"loss_weights\": null}",
            false, &e),
        0);
    keras_close_file(file);
    mr_model *m = keras_load(path), *back;
    mr_optimizer *o;
    assert_int_equal(mr_optimizer_create(&o, json_object_get(m->training, "optimizer_config"), &e), 0);
    assert_true(o->momentum == 0.9);
    assert_true(fabs(mr_schedule_rate(o->schedule, 0) - .1) < 1e-12);
    assert_true(fabs(mr_schedule_rate(o->schedule, 250) - .1 / 2) < 1e-12);
    mr_optimizer_free(o);
    keras_save(m, keras_temporary("decay2.h5"), NULL);
    back = keras_load(keras_temporary("decay2.h5"));
    assert_null(keras_difference(m, back));
    mr_model_free(back);
    mr_model_free(m);
}

/* --- layouts of Keras 3 -------------------------------------------------------------- */

/* Writes the two Dense layers' weights of the MLP into GROUPS of a new file. */
static void write_store(const char *path, const mr_model *m, const char *const groups[2])
{
    mr_error e = {0};
    hid_t file = keras_new_file(path);
    for (int i = 0; i < m->graph->params; i++) {
        char name[200];
        const mr_param *p = m->graph->param[i];
        snprintf(name, sizeof name, "%s/vars/%d", groups[i / 2], i % 2);
        assert_int_equal(mr_hdf5_write_floats(file, name, &p->shape, m->graph->state + p->offset, &e), 0);
    }
    keras_close_file(file);
}

static void odd_layouts(void **state)
{
    (void)state;
    static const char *const layouts[][2] = {
        {"layers/dense", "layers/dense_1"},
        {"_layer_checkpoint_dependencies/dense", "_layer_checkpoint_dependencies/dense_2"},
        {"layers\\dense", "layers\\dense_1"},
        {"_layer_checkpoint_dependencies\\dense", "_layer_checkpoint_dependencies\\dense_2"},
    };
    mr_model *m = keras_load(shared_or_skip("golden/layers/sequential_mlp.h5")),
             *other = keras_load(shared_or_skip("golden/layers/sequential_mlp.h5"));
    assert_int_equal(m->graph->params, 4);
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        mr_error e = {0};
        const char *path = keras_temporary("store.weights.h5");
        write_store(path, m, layouts[i]);
        memset(other->graph->state, 0, other->graph->weights * sizeof(mr_real));
        if (mr_model_load_weights(other, path, &e))
            fail_msg("layout %zu: %s", i, e.message);
        assert_null(keras_difference(m, other));
    }
    mr_model_free(m);
    mr_model_free(other);
}

static void stores_that_are_wrong(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {{"layers/dense", "layers/dense_7"},
                                           {"layers/dense_1", "layers/dense"}};
    static const char *const said[] = {"layers/dense_1/vars/0", "expected shape (13, 9), found (9, 4)"};
    mr_model *m = keras_load(shared_or_skip("golden/layers/sequential_mlp.h5"));
    for (int i = 0; i < 2; i++) {
        mr_error e = {0};
        const char *path = keras_temporary("wrong.weights.h5");
        write_store(path, m, wrong[i]);
        assert_int_equal(mr_model_load_weights(m, path, &e), MR_EFORMAT);
        if (!strstr(e.message, said[i]))
            fail_msg("%s", e.message);
    }
    mr_model_free(m);
}

/* --- weights of the .h5 --------------------------------------------------------------- */

/* Files of weights alone, and of other layers' names in the same order. */
static void weights_into_an_architecture(void **state)
{
    (void)state;
    mr_model *m = keras_load(shared_or_skip("golden/layers/vgg_like.h5")), *other;
    mr_error e = {0};
    char *text = mr_json_dump(m->graph->config), *at;
    const char *arch = keras_temporary("arch.json");
    while ((at = strstr(text, "conv2d_"))) /* other names, of the same length */
        memcpy(at, "CONV2D_", 7);
    FILE *f = fopen(arch, "w");
    fputs(text, f);
    fclose(f);
    assert_int_equal(mr_model_from_json_file(&other, arch, &e), 0);
    static const char *const sources[] = {"golden/layers/vgg_like.h5", "golden/layers/vgg_like.keras"};
    for (int i = 0; i < 2; i++) {
        memset(other->graph->state, 0, other->graph->weights * sizeof(mr_real));
        if (mr_model_load_weights(other, shared_or_skip(sources[i]), &e))
            fail_msg("%s", e.message);
        assert_memory_equal(m->graph->state, other->graph->state, m->graph->weights * sizeof(mr_real));
    }
    free(text);
    mr_model_free(m);
    mr_model_free(other);
}

static void missing_and_surplus_weights(void **state)
{
    (void)state;
    const char *path = keras_copy("golden/layers/conv_1x1.h5", "missing.h5");
    mr_error e = {0};
    mr_names names;
    hid_t file = keras_open_to_write(path), group = H5Gopen2(file, "model_weights", H5P_DEFAULT);
    mr_names layers;
    assert_int_equal(mr_hdf5_read_names(&layers, group, "layer_names", &e), 0);
    hid_t layer = H5Gopen2(group, layers.name[1], H5P_DEFAULT);
    assert_int_equal(mr_hdf5_read_names(&names, layer, "weight_names", &e), 0);
    assert_int_equal(names.count, 2);
    H5Adelete(layer, "weight_names");
    mr_names one = {.count = 1, .name = names.name};
    assert_int_equal(mr_hdf5_write_names(layer, "weight_names", &one, &e),
                     0); /* the bias is not listed any more */
    keras_close_file(file);
    mr_error said = load_error(path, MR_EFORMAT);
    if (!strstr(said.message, "'conv2d") || !strstr(said.message, "bias"))
        fail_msg("%s", said.message);

    path = keras_copy("golden/layers/conv_1x1.h5", "surplus.h5");
    file = keras_open_to_write(path);
    hid_t again = H5Gopen2(file, "model_weights", H5P_DEFAULT),
          into = H5Gopen2(again, layers.name[1], H5P_DEFAULT);
    H5Adelete(into, "weight_names");
    assert_int_equal(mr_names_add(&names, "conv/surplus:0", &e), 0);
    assert_int_equal(mr_hdf5_write_names(into, "weight_names", &names, &e), 0);
    keras_close_file(file);
    said = load_error(path, MR_EFORMAT);
    assert_non_null(strstr(said.message, "conv/surplus:0"));
    mr_names_free(&names);
    mr_names_free(&layers);
}

static void files_that_are_none(void **state)
{
    (void)state;
    const char *path = keras_temporary("none.h5");
    FILE *f = fopen(path, "w");
    fputs("no model", f);
    fclose(f);
    assert_non_null(strstr(load_error(path, MR_EFORMAT).message, path));
    f = fopen(path, "w");
    fwrite("PK\3\4 no zip either", 1, 19, f);
    fclose(f);
    assert_non_null(strstr(load_error(path, MR_EFORMAT).message, path));
    load_error(keras_temporary("absent.h5"), MR_ENOTFOUND);
    load_error("/", MR_EFORMAT);
}

static void from_memory(void **state)
{
    (void)state;
    static const char *const files[] = {"golden/layers/nested.h5", "golden/layers/nested.keras"};
    mr_model *m = keras_load(shared_or_skip(files[0]));
    for (int i = 0; i < 2; i++) {
        size_t size = 0;
        mr_error e = {0};
        mr_model *other;
        uint8_t *bytes = read_file(shared_or_skip(files[i]), &size);
        assert_int_equal(mr_model_load_memory(&other, bytes, size, "memory", &e), 0);
        free(bytes);
        assert_null(keras_difference(m, other));
        mr_model_free(other);
    }
    mr_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {

        cmocka_unit_test(contract_and_foreign_attributes),
        cmocka_unit_test(broken_contract),
        cmocka_unit_test(saving_another_state),
        cmocka_unit_test(state_of_every_writer),
        cmocka_unit_test(state_that_does_not_fit),
        cmocka_unit_test(old_training_configuration),
        cmocka_unit_test(odd_layouts),
        cmocka_unit_test(stores_that_are_wrong),
        cmocka_unit_test(weights_into_an_architecture),
        cmocka_unit_test(missing_and_surplus_weights),
        cmocka_unit_test(files_that_are_none),
        cmocka_unit_test(from_memory),
        cmocka_unit_test(names_with_slashes),
        cmocka_unit_test(frozen_layers_stay_frozen),

    };
    return cmocka_run_group_tests_name("keras files", tests, NULL, NULL);
}
