/* SPDX-License-Identifier: Apache-2.0 */
/* Models of other layouts give what their channels_last twins give: goldens are rewritten as channels_first,
 * as Keras 1's "th", as Theano's, and must not change a bit. */
#include "tests/keras.h"

#include "base/random.h"
#include "io/keras/canonical.h"
#include "tests/files.h"

/* What the twin is to be. */
struct form {
    bool flatten_turns; /* Flatten says channels_first and so turns by itself (Keras 2.2 on); else it flattens
                           (C,H,W) */
    bool keras_1_kernels; /* (out,in,h,w), version 1.2.2 */
    bool theano;          /* flipped kernels */
};

/* --- rewriting a configuration --------------------------------------------- */

static void swap_shape(json_t *config, const char *key)
{
    json_t *s = json_object_get(config, key);
    if (json_array_size(s) == 4)
        json_object_set_new(config, key,
                            json_pack("[O,O,O,O]", json_array_get(s, 0), json_array_get(s, 3),
                                      json_array_get(s, 1), json_array_get(s, 2)));
}

static bool is_class(const json_t *layer, const char *class)
{
    return !strcmp(mr_json_text(layer, "class_name"), class);
}

static void turn_layer(json_t *layer, struct form form)
{
    json_t *config = json_object_get(layer, "config");
    if (json_object_get(config, "data_format"))
        json_object_set_new(config, "data_format", json_string("channels_first"));
    if (is_class(layer, "Flatten") && !form.flatten_turns)
        json_object_del(config, "data_format");
    if (is_class(layer, "BatchNormalization") || is_class(layer, "Concatenate"))
        json_object_set_new(config, "axis", json_integer(1));
    swap_shape(config, "batch_shape");
    swap_shape(config, "batch_input_shape");
}

static void turn_config(json_t *model, struct form form)
{
    json_t *layer;
    size_t i;
    json_array_foreach (json_object_get(json_object_get(model, "config"), "layers"), i, layer) {
        if (is_class(layer, "Sequential") || is_class(layer, "Model"))
            turn_config(layer, form);
        else
            turn_layer(layer, form);
    }
}

/* --- rewriting weights --------------------------------------------------------- */

/* Rewrites the dataset at PATH, whose shape may change. */
static void replace(hid_t file, const char *path, const mr_shape *shape, const float *values)
{
    mr_error e = {0};
    assert_true(H5Ldelete(file, path, H5P_DEFAULT) >= 0);
    assert_int_equal(mr_hdf5_write_floats(file, path, shape, values, &e), 0);
}

/* A Dense's rows from (H,W,C) to (C,H,W). */
static void turn_rows(hid_t file, const char *path, const mr_shape *in)
{
    mr_shape s;
    mr_error e = {0};
    assert_int_equal(mr_hdf5_shape(&s, file, path, &e), 0);
    size_t n = mr_shape_count(&s), units = (size_t)s.dim[1], height = (size_t)in->dim[1],
           width = (size_t)in->dim[2], channels = (size_t)in->dim[3];
    float *a = malloc(n * sizeof *a), *b = malloc(n * sizeof *b);
    assert_int_equal(mr_hdf5_read_floats(a, n, file, path, &e), 0);
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++)
            for (size_t c = 0; c < channels; c++)
                memcpy(b + ((c * height + y) * width + x) * units,
                       a + ((y * width + x) * channels + c) * units, units * sizeof *b);
    replace(file, path, &s, b);
    free(a);
    free(b);
}

/* A kernel (h,w,in,out) to (out,in,h,w), or turned by 180 degrees, or both. */
static void turn_kernel(hid_t file, const char *path, bool oihw, bool flipped)
{
    mr_shape s, t;
    mr_error e = {0};
    assert_int_equal(mr_hdf5_shape(&s, file, path, &e), 0);
    size_t n = mr_shape_count(&s), h = (size_t)s.dim[0], w = (size_t)s.dim[1], in = (size_t)s.dim[2],
           out = (size_t)s.dim[3];
    float *a = malloc(n * sizeof *a), *b = malloc(n * sizeof *b);
    assert_int_equal(mr_hdf5_read_floats(a, n, file, path, &e), 0);
    for (size_t y = 0; y < h; y++)
        for (size_t x = 0; x < w; x++)
            for (size_t i = 0; i < in; i++)
                for (size_t o = 0; o < out; o++) {
                    size_t v = flipped ? h - 1 - y : y, u = flipped ? w - 1 - x : x;
                    b[oihw ? ((o * in + i) * h + y) * w + x : ((y * w + x) * in + i) * out + o] =
                        a[((v * w + u) * in + i) * out + o];
                }
    t = oihw ? (mr_shape){4, {s.dim[3], s.dim[2], s.dim[0], s.dim[1]}} : s;
    replace(file, path, &t, b);
    free(a);
    free(b);
}

static void replace_text(hid_t object, const char *name, const char *text)
{
    mr_error e = {0};
    if (mr_hdf5_has_attribute(object, name, &e) == 1)
        H5Adelete(object, name);
    assert_int_equal(mr_hdf5_write_text(object, name, text, false, &e), 0);
}

/* Where P's numbers stand in a file that millrace wrote. */
static const char *dataset_of(const mr_param *p)
{
    static char path[512];
    snprintf(path, sizeof path, "model_weights/%s/%s/%s:0", p->layer->name, p->layer->name, p->kind);
    return path;
}

/* The input of the Flatten whose output layer L works on, or NULL. */
static const mr_shape *flattened_before(const mr_graph *g, const mr_layer *l)
{
    for (int i = 0; i < g->nodes; i++)
        for (int n = i; g->node[i].layer == l && g->node[n].inputs == 1; n = g->node[n].input[0]) {
            if (!strcmp(g->node[n].layer->class->name, "Flatten"))
                return &g->node[g->node[n].input[0]].shape;
            if (n != i && !strcmp(g->node[n].layer->class->name, "Dense"))
                break;
        }
    return NULL;
}

static void turn_weights(hid_t file, const mr_model *m, struct form form)
{
    for (int i = 0; i < m->graph->params; i++) {
        const mr_param *p = m->graph->param[i];
        const char *class = p->layer->class->name;
        const mr_shape *flat = flattened_before(m->graph, p->layer);
        if (!strcmp(class, "Conv2D") && !strcmp(p->kind, "kernel") && (form.keras_1_kernels || form.theano))
            turn_kernel(file, dataset_of(p), form.keras_1_kernels, form.theano);
        if (!strcmp(class, "Dense") && !strcmp(p->kind, "kernel") && flat && !form.flatten_turns)
            turn_rows(file, dataset_of(p), flat);
    }
}

/* Writes the twin of M to a temporary file. */
static const char *write_twin(const mr_model *m, struct form form, bool channels_first)
{
    const char *path = keras_temporary("twin.h5"), *version = form.keras_1_kernels ? "1.2.2"
                                                              : form.theano        ? "2.1.3"
                                                                                   : "3.3.0";
    mr_error e = {0};
    char *text;
    size_t size;
    json_t *config;
    assert_int_equal(mr_model_save(m, path, &(mr_save_options){.no_optimizer = true, .iterations = -1}, &e),
                     0);
    mr_hdf5_lock();
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    assert_true(file >= 0);
    assert_int_equal(mr_hdf5_read_text(&text, &size, file, "model_config", &e), 0);
    assert_int_equal(mr_json_parse(&config, text, size, "twin", &e), 0);
    free(text);
    if (channels_first)
        turn_config(config, form);
    text = mr_json_dump(config);
    replace_text(file, "model_config", text);
    replace_text(file, "keras_version", version);
    hid_t weights = H5Gopen2(file, "model_weights", H5P_DEFAULT);
    replace_text(weights, "keras_version", version);
    replace_text(weights, "backend", form.theano ? "theano" : "tensorflow");
    turn_weights(file, m, form);
    H5Adelete(file, "millrace_seal"); /* it is of what we wrote */
    H5Gclose(weights);
    H5Fclose(file);
    mr_hdf5_unlock();
    free(text);
    json_decref(config);
    return path;
}

/* --- comparing --------------------------------------------------------------------- */

/* Runs M on random images; the output is the caller's to free. */
static float *run(mr_model *m, size_t *count)
{
    mr_error e = {0};
    mr_team *team;
    mr_plan *plan;
    mr_philox random;
    const mr_shape *in = &m->graph->node[m->graph->input[0]].shape,
                   *out = &m->graph->node[m->graph->output[0]].shape;
    size_t n = 2 * mr_shape_sample(in);
    float *x = malloc(n * sizeof *x);
    mr_philox_init(&random, 1, MR_DRAW_TEST, 0, 0);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)mr_philox_uniform(&random, -1, 1);
    assert_int_equal(mr_team_create(&team, 1, &e), 0);
    assert_int_equal(
        mr_plan_create(&plan, m->graph, team, (mr_plan_options){.kind = MR_PLAN_INFERENCE, .batch = 2}, &e),
        0);
    mr_plan_forward(plan, (const mr_real *const *)&x, 2, 0);
    *count = 2 * mr_shape_sample(out);
    float *y = malloc(*count * sizeof *y);
    memcpy(y, mr_plan_output(plan, 0), *count * sizeof *y);
    mr_plan_free(plan);
    mr_team_destroy(team);
    free(x);
    return y;
}

static void expect_output(mr_model *m, const float *wanted, size_t n, const char *what)
{
    size_t k;
    float *y = run(m, &k);
    assert_int_equal(n, k);
    if (memcmp(y, wanted, n * sizeof *y) != 0)
        fail_msg("%s gives other numbers (%g, %g, …)", what, (double)y[0], (double)wanted[0]);
    free(y);
}

/* Written in either format, and read as a model or as weights of the same architecture, TWIN gives WANTED;
 * and it is the same model. */
static void check_written(mr_model *twin, const float *wanted, size_t n)
{
    static const char *const names[] = {"again.h5", "again.keras"};
    for (int i = 0; i < 2; i++) {
        const char *path = keras_temporary(names[i]);
        mr_error e = {0};
        keras_save(twin, path, NULL);
        mr_model *again = keras_load(path);
        assert_true(json_equal(twin->graph->config, again->graph->config));
        expect_output(again, wanted, n, path);
        memset(again->graph->state, 0, again->graph->weights * sizeof(mr_real));
        if (mr_model_load_weights(again, path, &e))
            fail_msg("%s", e.message);
        expect_output(again, wanted, n, path);
        memset(again->graph->state, 0, again->graph->weights * sizeof(mr_real));
        mr_model_free(again);
    }
}

static void check_twin(const char *golden, struct form form, bool channels_first)
{
    mr_error e = {0};
    mr_model *m, *twin;
    size_t n, k;
    assert_int_equal(mr_model_load(&m, shared_or_skip(golden), &e), 0);
    if (mr_model_load(&twin, write_twin(m, form, channels_first), &e))
        fail_msg("%s: %s", golden, e.message);
    float *a = run(m, &n), *b = run(twin, &k);
    assert_int_equal(n, k);
    if (memcmp(a, b, n * sizeof *a) != 0)
        fail_msg("%s: the twin gives other numbers (%g, %g, …)", golden, (double)a[0], (double)b[0]);
    check_written(twin, b, n);
    free(a);
    free(b);
    mr_model_free(m);
    mr_model_free(twin);
}

static const char *const models[] = {"golden/layers/vgg_like.h5",           "golden/layers/preact_resnet.h5",
                                     "golden/training/sgd_momentum/end.h5", "golden/layers/nested.h5",
                                     "golden/layers/mobilenet.h5",          "golden/layers/merge_concat.h5"};
enum { MODELS = sizeof models / sizeof *models };

static void channels_first(void **state)
{
    (void)state;
    for (int i = 0; i < MODELS; i++)
        check_twin(models[i], (struct form){.flatten_turns = true}, true);
}

static void channels_first_flattened(void **state)
{
    (void)state;
    for (int i = 0; i < MODELS; i++)
        if (!strstr(models[i], "nested"))
            check_twin(models[i], (struct form){0}, true);
}

static void kernels_of_keras_1(void **state)
{
    (void)state;
    check_twin(models[0], (struct form){.keras_1_kernels = true}, true);
    check_twin(models[0], (struct form){.keras_1_kernels = true, .theano = true}, true);
}

static void kernels_of_theano(void **state)
{
    (void)state;
    check_twin(models[0], (struct form){.flatten_turns = true, .theano = true}, false);
    check_twin(models[0], (struct form){.flatten_turns = true, .theano = true}, true);
}

/* Where the order of a flattened image is seen, it is the original's: (C,H,W). */
static void order_that_is_seen(void **state)
{
    (void)state;
    mr_error e = {0};
    mr_model *m, *twin;
    size_t n, k;
    assert_int_equal(mr_model_load(&m, shared_or_skip("golden/layers/flatten.h5"), &e), 0);
    assert_int_equal(mr_model_load(&twin, write_twin(m, (struct form){0}, true), &e), 0);
    const mr_shape *in = &m->graph->node[m->graph->input[0]].shape;
    size_t height = (size_t)in->dim[1], width = (size_t)in->dim[2], channels = (size_t)in->dim[3];
    float *a = run(m, &n), *b = run(twin, &k);
    assert_int_equal(n, k);
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++)
            for (size_t c = 0; c < channels; c++)
                assert_true(a[(y * width + x) * channels + c] == b[(c * height + y) * width + x]);
    free(a);
    free(b);
    mr_model_free(m);
    mr_model_free(twin);
}

/* --- words of older times --------------------------------------------------------- */

/* Of Keras 2 with Theano: 'same' with strides, hard_sigmoid within a convolution and alone. */
static mr_model *old_model(const char *format, int a, int b, int c)
{
    mr_error e = {0};
    mr_model *m;
    char text[1600];
    snprintf(text, sizeof text,
             "{\"class_name\": \"Sequential\", \"keras_version\": \"2.1.3\", \"backend\": \"theano\", \"config\": ["
             "{\"class_name\": \"Conv2D\", \"config\": {\"name\": \"c\", \"batch_input_shape\": [null, %d, %d, %d], "
             "\"filters\": 4, \"kernel_size\": [3, 4], \"strides\": [2, 2], \"padding\": \"same\", "
             "\"activation\": \"hard_sigmoid\", \"data_format\": \"%s\"}},"
             "{\"class_name\": \"Activation\", \"config\": {\"name\": \"h\", \"activation\": \"hard_sigmoid\"}},"
             "{\"class_name\": \"Conv2D\", \"config\": {\"name\": \"d\", \"filters\": 5, \"kernel_size\": [2, 2], "
             "\"padding\": \"same\", \"data_format\": \"%s\"}},"
             "{\"class_name\": \"GlobalAveragePooling2D\", \"config\": {\"name\": \"g\", \"data_format\": \"%s\"}},"
             "{\"class_name\": \"Dense\", \"config\": {\"name\": \"e\", \"units\": 3}}]}",
             a, b, c, format, format, format);
    json_t *config = json_loads(text, 0, NULL);
    assert_non_null(config);
    json_t *canonical;
    mr_keras_origin origin = {0};
    if (mr_keras_canonical(&canonical, &origin, config, &e) || mr_model_from_config(&m, canonical, &e))
        fail_msg("%s", e.message);
    json_decref(config);
    mr_keras_origin_clear(&origin);
    assert_int_equal(mr_graph_initialize(m->graph, 5, &e), 0);
    return m;
}

/* What PATH says of channels_first: how often. */
static int times_first(const char *path)
{
    mr_error e = {0};
    char *text;
    size_t size;
    int times = 0;
    mr_hdf5_lock();
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    assert_int_equal(mr_hdf5_read_text(&text, &size, file, "model_config", &e), 0);
    H5Fclose(file);
    mr_hdf5_unlock();
    assert_null(strstr(text, "channels_last"));
    for (const char *p = text; (p = strstr(p, "\"channels_first\"")); p++)
        times++;
    free(text);
    return times;
}

/* Newer words are put in the place of older ones, and the model stays what it was: channels_first. */
static void older_words(void **state)
{
    (void)state;
    mr_model *last = old_model("channels_last", 9, 8, 3), *first = old_model("channels_first", 3, 9, 8);
    size_t n;
    float *wanted = run(last, &n);
    expect_output(first, wanted, n, "channels_first");
    const char *path = keras_temporary("older.h5");
    keras_save(first, path, NULL);
    assert_int_equal(times_first(path), 5); /* three layers and two ZeroPadding2D */
    mr_model *again = keras_load(path);
    check_written(again, wanted, n);
    free(wanted);
    mr_model_free(again);
    mr_model_free(last);
    mr_model_free(first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(channels_first),     cmocka_unit_test(channels_first_flattened),
        cmocka_unit_test(kernels_of_keras_1), cmocka_unit_test(kernels_of_theano),
        cmocka_unit_test(order_that_is_seen), cmocka_unit_test(older_words),
    };
    return cmocka_run_group_tests_name("keras layouts", tests, NULL, NULL);
}
