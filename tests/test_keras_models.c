/* SPDX-License-Identifier: Apache-2.0 */
/* Model files of real Keras and of strangers: their outputs, what is refused, and that reading, writing and
 * reading again gives the same model, in files that keep the rules of tests/keras_rules.py. */
#include "tests/keras.h"

#include <dirent.h>
#include <sys/wait.h>

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

/* Of the large folders of goldens a sanitized build takes every fourth model, by a sum over its name without
 * the ending, so that all files of one model are taken together; the plain build and `make check-long` take
 * all. */
static unsigned share(void)
{
#ifdef MR_SANITIZED
    const char *everything = getenv("MILLRACE_LONG");
    return everything && *everything ? 1 : 4;
#else
    return 1;
#endif
}

static bool is_taken(const char *name)
{
    unsigned sum = 0;
    for (const char *at = name; *at && *at != '.'; at++)
        sum = sum * 31 + (unsigned char)*at;
    return sum % share() == 0;
}

/* COUNT of all files as a count of those taken, with room for a sum that does not spread evenly. */
static int at_least(int count)
{
    return share() == 1 ? count : count / 6;
}

/* --- goldens -------------------------------------------------------------- */

static int check_golden(const char *folder, const char *file, const char *ending)
{
    char path[1024], io_path[1024];
    mr_error e = {0};
    mr_model *m;
    keras_io io;
    snprintf(path, sizeof path, "%s/%s", folder, file);
    snprintf(io_path, sizeof io_path, "%s/%.*s.io.h5", folder, (int)(strlen(file) - strlen(ending)), file);
    if (mr_model_load(&m, path, &e)) {
        print_message("%s: %s\n", file, e.message);
        return 1;
    }
    keras_io_read(&io, io_path);
    bool agrees = keras_agrees(m, &io, file);
    keras_io_free(&io);
    mr_model_free(m);
    return !agrees;
}

enum { REFUSED, OPENED, WRONG };

static int check_matrix_file(const char *folder, const char *file, const char *ending)
{
    char path[1024], io_path[1024];
    mr_error e = {0};
    mr_model *m;
    keras_io io;
    snprintf(path, sizeof path, "%s/%s", folder, file);
    snprintf(io_path, sizeof io_path, "%s/%.*s.io.h5", folder, (int)(strlen(file) - strlen(ending)), file);
    keras_io_read(&io, io_path);
    if (strstr(file, "graph_cf_"))
        keras_io_channels_last(&io);
    int result = REFUSED;
    if (!mr_model_load_sized(&m, path, &io.input_shape[0], &e)) {
        result = keras_agrees(m, &io, file) ? OPENED : WRONG;
        mr_model_free(m);
    } else {
        assert_true(strlen(e.message) > 0);
    }
    keras_io_free(&io);
    return result;
}

static void check_layers(const char *ending)
{
    const char *folder = shared_or_skip("golden/layers");
    int files = 0, wrong = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *entry; (entry = readdir(d));)
        if (ends_with(entry->d_name, ending) && !ends_with(entry->d_name, ".io.h5") &&
            is_taken(entry->d_name)) {
            wrong += check_golden(folder, entry->d_name, ending);
            files++;
        }
    closedir(d);
    assert_int_equal(wrong, 0);
    assert_true(files >= at_least(80));
}

static void layers_from_h5(void **state)
{
    (void)state;
    check_layers(".h5");
}

static void layers_from_keras(void **state)
{
    (void)state;
    check_layers(".keras");
}

/* Files of golden/matrix with ENDING: millrace refuses, by name, what it cannot compute; what it opens gives
 * Keras's outputs. */
static void check_matrix(const char *ending)
{
    const char *folder = shared_or_skip("golden/matrix");
    int opened = 0, wrong = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *entry; (entry = readdir(d));)
        if (ends_with(entry->d_name, ending) && !ends_with(entry->d_name, ".io.h5") &&
            is_taken(entry->d_name)) {
            int result = check_matrix_file(folder, entry->d_name, ending);
            opened += result == OPENED;
            wrong += result == WRONG;
        }
    closedir(d);
    assert_int_equal(wrong, 0);
    assert_true(opened >= at_least(320));
}

static void matrix_from_h5(void **state)
{
    (void)state;
    check_matrix(".h5");
}

static void matrix_from_keras(void **state)
{
    (void)state;
    check_matrix(".keras");
}

/* Keras wrote these in its own order of layers, which sorting must find again. */
static int check_order(const char *path)
{
    mr_error e = {0};
    mr_model *m;
    char *text;
    size_t size, i;
    json_t *found, *layer;
    hid_t file;
    if (mr_model_load(&m, path, &e))
        return 1;
    mr_hdf5_lock();
    assert_int_equal(mr_hdf5_open(&file, path, &e), 0);
    assert_int_equal(mr_hdf5_read_text(&text, &size, file, "model_config", &e), 0);
    mr_hdf5_close(file, path, &e);
    mr_hdf5_unlock();
    assert_int_equal(mr_json_parse(&found, text, size, path, &e), 0);
    int wrong = 0;
    const json_t *ours = json_object_get(json_object_get(m->graph->config, "config"), "layers");
    json_array_foreach (json_object_get(json_object_get(found, "config"), "layers"), i, layer)
        wrong += strcmp(mr_json_text(json_object_get(layer, "config"), "name"),
                        mr_json_text(json_object_get(json_array_get(ours, i), "config"), "name")) != 0;
    if (wrong)
        print_message("%s: layers in another order than Keras's\n", path);
    json_decref(found);
    free(text);
    mr_model_free(m);
    return wrong != 0;
}

static void order_of_layers(void **state)
{
    (void)state;
    static const char *const files[] = {
        "golden/layers/preact_resnet.h5",
        "golden/layers/mobilenet_v2.h5",
        "golden/layers/mobilenet_v3_small.h5",
        "golden/layers/shared_layer.h5",
        "golden/layers/two_inputs.h5",
        "golden/layers/two_outputs.h5",
        "golden/training/sgd_momentum/start.h5",
        "golden/tutorial_resnet/start.h5",
        "models/mlcommons__tiny__pretrainedResnet.h5",
        "models/oarriaga__face_classification__fer2013_mini_XCEPTION.102-0.66.hdf5"};
    int wrong = 0;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        wrong += check_order(shared_or_skip(files[i]));
    assert_int_equal(wrong, 0);
}

/* --- models of strangers -------------------------------------------------- */

static int check_open(const char *path, const char *name)
{
    char io_path[1200];
    mr_error e = {0};
    mr_model *m;
    keras_io io;
    snprintf(io_path, sizeof io_path, "%s.io.h5", path);
    keras_io_read(&io, io_path);
    int status = mr_model_load_sized(&m, path, &io.input_shape[0], &e);
    if (status)
        print_message("%s: %s\n", name, e.message);
    else
        status = !keras_agrees(m, &io, name);
    keras_io_free(&io);
    if (!e.code)
        mr_model_free(m);
    return status != 0;
}

/* The message holds one of NAMES ("a|b|c"). */
static bool names_one(const char *message, char *names)
{
    for (char *name = strtok(names, "|"); name; name = strtok(NULL, "|"))
        if (strstr(message, name))
            return true;
    return false;
}

static int check_refuse(const char *path, const char *file, char *names)
{
    mr_error e = {0};
    mr_model *m;
    if (mr_model_load(&m, path, &e) == MR_EUNSUPPORTED && names_one(e.message, names))
        return 0;
    print_message("%s: not refused as it should: %s\n", file, e.message);
    return 1;
}

static int check_weights_only(const char *path, const char *file)
{
    mr_error e = {0};
    mr_model *m;
    if (mr_model_load(&m, path, &e) == MR_EFORMAT && strstr(e.hint, "--arch"))
        return 0;
    print_message("%s: %s\n", file, e.message);
    return 1;
}

static int check_row(char *line)
{
    char *file = strsep(&line, "\t"), *must = strsep(&line, "\t"), *names = strsep(&line, "\t"), path[1024];
    const char *there = shared_path("models");
    if (!there)
        return 0;
    snprintf(path, sizeof path, "%s/%s", there, file);
    if (!strcmp(must, "open"))
        return check_open(path, file);
    return !strcmp(must, "refuse") ? check_refuse(path, file, names) : check_weights_only(path, file);
}

static void strangers(void **state)
{
    (void)state;
    FILE *table = fopen(shared_or_skip("models/table.tsv"), "r");
    char line[4096];
    int rows = 0, wrong = 0;
    assert_non_null(table);
    assert_non_null(fgets(line, sizeof line, table));
    while (fgets(line, sizeof line, table)) {
        wrong += check_row(line);
        rows++;
    }
    fclose(table);
    assert_int_equal(wrong, 0);
    assert_true(rows > 15);
}

/* --- round trips ---------------------------------------------------------- */

static char written[1 << 17]; /* names of files for the checker, space separated */

static int check_round_trip(const char *path, const char *ending, int dialect)
{
    static int number;
    char name[64];
    mr_error e = {0};
    mr_model *a, *b = NULL;
    mr_shape open_size = {4, {0, 12, 12, 3}};
    if (mr_model_load_sized(&a, path, &open_size, &e))
        return 0; /* what must open is another test's; what must not is refused */
    snprintf(name, sizeof name, "%d%s", number++, ending);
    const char *copy = keras_temporary(name), *difference = NULL;
    int status = mr_model_save(a, copy, &(mr_save_options){.iterations = -1, .dialect = dialect}, &e);
    if (status == MR_EUNSUPPORTED && dialect == MR_DIALECT_KERAS_2) {
        mr_model_free(a);
        return 0;
    }
    if (!status)
        status = mr_model_load_sized(&b, copy, &open_size, &e);
    if (!status)
        difference = keras_difference(a, b);
    if (status || difference)
        print_message("%s as %s: %s\n", path, ending, status ? e.message : difference);
    assert_true(strlen(written) + strlen(copy) + strlen(path) + 3 < sizeof written);
    sprintf(written + strlen(written), " %s=%s", copy, path);
    mr_model_free(a);
    mr_model_free(b);
    return status || difference;
}

static bool is_model_file(const char *name)
{
    static const char *const endings[] = {".h5", ".keras", ".hdf5", ".model"};
    bool model = false;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        model = model || ends_with(name, endings[i]);
    bool start = !strncmp(name, "start.", 6); /* like end. but for what was trained */
    return model && !start && !ends_with(name, ".io.h5") && strcmp(name, "data.h5") != 0;
}

static bool is_large(const char *folder)
{
    return ends_with(folder, "/layers") || ends_with(folder, "/matrix");
}

/* FROM: NULL, or the ending of files that are taken. */
static int round_trips_in(const char *folder, const char *from, const char *ending, int depth)
{
    int wrong = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *entry; (entry = readdir(d));) {
        char path[1024];
        const char *name = entry->d_name;
        snprintf(path, sizeof path, "%s/%s", folder, name);
        if (*name == '.' || !strcmp(name, "matrix"))
            continue;
        if (entry->d_type == DT_DIR && depth)
            wrong += round_trips_in(path, from, ending, depth - 1);
        if (is_model_file(name) && (!from || ends_with(name, from)) && (!is_large(folder) || is_taken(name)))
            wrong += check_round_trip(path, ending, MR_DIALECT_KERAS_3);
    }
    closedir(d);
    return wrong;
}

/* Runs tests/keras_rules.py over what was written; where there is no h5py, not. */
static void check_rules(void)
{
    static char command[(1 << 17) + 1024];
    const char *source = getenv("MILLRACE_SRC");
    int status = 0;
    if (!source || system("/usr/bin/python3 -c 'import h5py, numpy' 2>/dev/null") != 0) {
        print_message("python3-h5py is missing: the files written are not checked\n");
    } else {
        const char *list = keras_temporary("written.txt");
        FILE *f = fopen(list, "w");
        assert_non_null(f);
        fputs(written, f);
        assert_int_equal(fclose(f), 0);
        snprintf(command, sizeof command, "/usr/bin/python3 '%s/tests/keras_rules.py' @'%s'", source, list);
        status = system(command);
    }
    written[0] = '\0';
    keras_temporary_clear();
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void round_trips(const char *ending)
{
    const char *golden = shared_or_skip("golden"), *models = shared_path("models");
    int wrong = round_trips_in(golden, NULL, ending, 2);
    if (models)
        wrong += round_trips_in(models, NULL, ending, 0);
    check_rules();
    assert_int_equal(wrong, 0);
}

/* The matrix is large: each model once in either direction. */
static void round_trips_matrix(const char *from, const char *ending)
{
    int wrong = round_trips_in(shared_or_skip("golden/matrix"), from, ending, 0);
    check_rules();
    assert_int_equal(wrong, 0);
}

static void matrix_as_keras(void **state)
{
    (void)state;
    round_trips_matrix(".h5", ".keras");
}

static void matrix_as_h5(void **state)
{
    (void)state;
    round_trips_matrix(".keras", ".h5");
}

/* All but the models with activations that Keras 2 does not have. */
static void round_trips_keras_2(void **state)
{
    (void)state;
    const char *folder = shared_or_skip("golden/layers");
    int wrong = 0, written_files = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *entry; (entry = readdir(d));) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (ends_with(path, ".keras") && is_taken(entry->d_name))
            wrong += check_round_trip(path, ".h5", MR_DIALECT_KERAS_2);
    }
    closedir(d);
    for (const char *at = written; (at = strchr(at, '=')); at++)
        written_files++;
    assert_true(written_files > at_least(60));
    check_rules();
    assert_int_equal(wrong, 0);
}

static void round_trips_h5(void **state)
{
    (void)state;
    round_trips(".h5");
}

static void round_trips_keras(void **state)
{
    (void)state;
    round_trips(".keras");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_from_h5),      cmocka_unit_test(layers_from_keras),
        cmocka_unit_test(matrix_from_h5),      cmocka_unit_test(matrix_from_keras),
        cmocka_unit_test(order_of_layers),     cmocka_unit_test(strangers),
        cmocka_unit_test(round_trips_h5),      cmocka_unit_test(round_trips_keras),
        cmocka_unit_test(round_trips_keras_2), cmocka_unit_test(matrix_as_h5),
        cmocka_unit_test(matrix_as_keras),
    };
    return cmocka_run_group_tests_name("keras models", tests, NULL, NULL);
}
