/* SPDX-License-Identifier: Apache-2.0 */
/* The public face: the same predictions as the program's from files, bytes and pixels, and as evaluate's;
 * what is refused, and how. */
#include "tests/stream_files.h"

#include "io/image/image.h"
#include "pipeline/train/train.h"

#include <math.h>

/* --- equal to the program --------------------------------------------------------------------------- */

static float program_says[FILES][2];

/* The rows that `millrace predict` writes: floats in the shortest form that reads back as the same. */
static void ask_program(void)
{
    const char *build = getenv("MILLRACE_BUILD");
    if (!build)
        skip();
    char line[2048];
    snprintf(line, sizeof line, "%s/millrace predict --quiet --model %s --images %s/cells --output %s/p.csv",
             build, model_file, folder, folder);
    assert_int_equal(system(line), 0);
    FILE *csv = fopen(below(folder, "p.csv"), "r");
    assert_non_null(csv);
    assert_non_null(fgets(line, sizeof line, csv));
    for (int i = 0; i < FILES; i++) {
        char path[600], class[16];
        float confidence;
        assert_int_equal(fscanf(csv, "%599[^,],%15[^,],%f,%f,%f,ok\n", path, class, &confidence,
                                &program_says[i][0], &program_says[i][1]),
                         5);
        assert_string_equal(path, paths[i]);
    }
    fclose(csv);
}

static void expect_program(mr_stream *s)
{
    mr_error e = {0};
    mr_result *r;
    mr_stream_finish(s);
    for (int i = 0; i < FILES; i++) {
        r = receive(s);
        assert_int_equal(r->serial, i);
        assert_ptr_equal(r->tag, &files[i]);
        assert_int_equal(r->error, 0);
        assert_int_equal(r->classes, 2);
        assert_memory_equal(r->probability, program_says[i], sizeof program_says[i]);
        assert_string_equal(r->class_name, r->probability[0] >= r->probability[1] ? "cat" : "dog");
        assert_true(r->confidence == fmaxf(r->probability[0], r->probability[1]));
        assert_int_equal(r->outputs, 1);
        assert_memory_equal(r->output[0].value, program_says[i], sizeof program_says[i]);
        mr_result_free(r);
    }
    assert_int_equal(mr_stream_receive(s, &r, -1, &e), 0);
    assert_null(r);
    mr_stream_close(s);
}

static void equal_from_paths(void **state)
{
    (void)state;
    ask_program();
    mr_stream *s = open_stream(NULL);
    for (int i = 0; i < FILES; i++)
        push(s, (mr_input){.path = paths[i], .tag = &files[i]});
    expect_program(s);
}

static void equal_from_bytes(void **state)
{
    (void)state;
    ask_program();
    mr_stream_options o = small_options(); /* the batch's size does not matter either */
    mr_stream *s = open_stream(&o);
    for (int i = 0; i < FILES; i++) {
        void *copy = malloc(files[i].size);
        memcpy(copy, files[i].bytes, files[i].size);
        push(s, (mr_input){.bytes = copy, .size = files[i].size, .tag = &files[i]});
        memset(copy, 0, files[i].size); /* it was copied */
        free(copy);
    }
    expect_program(s);
}

/* Rows with gaps between them, as image libraries align them. */
static void push_pixels(mr_stream *s, mr_decoder *d, int i)
{
    mr_error e = {0};
    mr_image image;
    mr_preprocess pre = mr_preprocess_default();
    must(mr_decode(d, files[i].bytes, files[i].size, &pre, &image, &e), &e);
    size_t row = (size_t)image.width * 3, stride = row + (size_t)i % 3;
    uint8_t *gaps = malloc(stride * (size_t)image.height);
    for (int y = 0; y < image.height; y++)
        memcpy(gaps + (size_t)y * stride, image.pixels + (size_t)y * row, row);
    push(s, (mr_input){.pixels = gaps,
                       .width = image.width,
                       .height = image.height,
                       .channels = 3,
                       .stride = stride,
                       .tag = &files[i],
                       .release = free,
                       .release_context = gaps});
}

static void equal_from_pixels(void **state)
{
    (void)state;
    mr_error e = {0};
    mr_decoder *d;
    ask_program();
    must(mr_decoder_create(&d, (mr_decode_limits){.max_pixels = 1 << 24}, &e), &e);
    mr_stream *s = open_stream(NULL);
    for (int i = 0; i < FILES; i++)
        push_pixels(s, d, i);
    mr_decoder_destroy(d);
    expect_program(s);
}

/* Validation in training and evaluate see the same numbers: the same kernels, whatever the batch. */
static int collect_row(void *context, const mr_examples *ex, const mr_plan *plan, mr_error *e)
{
    int *done = context;
    (void)e;
    for (int i = 0; i < ex->count; i++, ++*done)
        assert_memory_equal(mr_plan_output(plan, 0) + (size_t)i * 2, program_says[*done],
                            sizeof program_says[0]);
    return 0;
}

static void equal_to_evaluation(void **state)
{
    (void)state;
    mr_error e = {0};
    mr_model *m;
    mr_team *team;
    mr_trainer *t;
    mr_sample samples[FILES];
    int done = 0;
    ask_program();
    for (int i = 0; i < FILES; i++)
        samples[i] = (mr_sample){.path = paths[i], .label = i % 2};
    mr_dataset set = {.samples = samples, .count = FILES, .classes = 2};
    must(mr_model_load(&m, model_file, &e), &e);
    must(mr_team_create(&team, 2, &e), &e);
    must(mr_trainer_create(&t, m, team, &(mr_trainer_options){.batch_size = 13}, &e), &e);
    mr_pass pass = {.loader = mr_loader_options_default(), .context = &done, .batch = collect_row};
    pass.loader.batch_size = 13;
    pass.loader.preprocess = m->preprocess;
    must(mr_infer_pass(t, (mr_data){.set = &set}, &pass, NULL, &e), &e);
    assert_int_equal(done, FILES);
    mr_trainer_free(t);
    mr_team_destroy(team);
    mr_model_free(m);
}

/* --- images that cannot be used ------------------------------------------------------------ */

static void unusable_images_have_results(void **state)
{
    (void)state;
    mr_stream *s = open_stream(NULL);
    push(s, (mr_input){.path = "/nowhere/at/all.jpg"});
    push(s, (mr_input){.path = "\xff\n", .bytes = "GIF89a", .size = 6});
    push(s, (mr_input){.bytes = "", .size = 0});
    push(s, (mr_input){.path = paths[0]});
    mr_stream_finish(s);
    mr_result *r = receive(s);
    assert_int_equal(r->error, MR_ENOTFOUND);
    assert_non_null(strstr(r->message, "No such file"));
    assert_int_equal(r->predicted, -1);
    assert_int_equal(r->classes + r->outputs, 0);
    mr_result_free(r);
    r = receive(s);
    assert_int_equal(r->error, MR_EUNSUPPORTED);
    assert_string_equal(r->path, "\xff\n");
    mr_result_free(r);
    r = receive(s);
    assert_int_equal(r->error, MR_EFORMAT);
    assert_string_equal(r->path, "");
    mr_result_free(r);
    r = receive(s);
    mr_stream_close(s);
    assert_int_equal(r->error, 0); /* a result outlives its stream */
    assert_int_equal(r->serial, 3);
    assert_true(r->predicted >= 0);
    mr_result_free(r);
}

static void impossible_images_are_refused(void **state)
{
    (void)state;
    uint8_t pixel[4] = {0};
    mr_stream_options o = small_options();
    o.max_pixels = 100;
    mr_stream *s = open_stream(&o);
    const struct {
        mr_input in;
        int code;
    } refused[] = {
        {{0}, MR_EINVAL},
        {{.bytes = pixel, .size = 1, .pixels = pixel, .width = 1, .height = 1, .channels = 3}, MR_EINVAL},
        {{.pixels = pixel, .width = 0, .height = 1, .channels = 3}, MR_EINVAL},
        {{.pixels = pixel, .width = 1, .height = -1, .channels = 3}, MR_EINVAL},
        {{.pixels = pixel, .width = 1, .height = 1, .channels = 4}, MR_EINVAL},
        {{.pixels = pixel, .width = 2, .height = 1, .channels = 3, .stride = 5}, MR_EINVAL},
        {{.pixels = pixel, .width = 101, .height = 1, .channels = 1}, MR_ELIMIT},
        {{.pixels = pixel, .width = 1 << 30, .height = 1 << 30, .channels = 3}, MR_EINVAL},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_int_equal(mr_stream_push(s, &refused[i].in, -1, NULL), refused[i].code);
    mr_stream_close(s);
}

/* --- opening ------------------------------------------------------------------------------ */

static void expect_refusal(const char *file, const mr_stream_options *o, int code, const char *says)
{
    mr_error e = {0};
    mr_stream *s = (mr_stream *)&e;
    assert_int_equal(mr_stream_open(&s, file, o, &e), code);
    assert_null(s);
    if (!strstr(e.message, says))
        fail_msg("'%s' does not say '%s'", e.message, says);
}

static void contract_is_obeyed(void **state)
{
    (void)state;
    mr_stream_options o = small_options();
    mr_preprocessing p = mr_preprocessing_default();
    expect_refusal(bare_file, NULL, MR_EINVAL, "nothing about its preprocessing");
    o.preprocessing = &p;
    expect_refusal(bare_file, &o, MR_EINVAL, "no rescale");
    p.rescale = 1.0 / 255;
    mr_stream *s;
    mr_error e = {0};
    must(mr_stream_open(&s, bare_file, &o, &e), &e);
    assert_int_equal(mr_stream_preprocessing(s)->height, SIDE);
    assert_int_equal(mr_stream_preprocessing(s)->channels, 3);
    assert_int_equal(mr_stream_classes(s), 2);
    assert_string_equal(mr_stream_class_name(s, 1), "1");
    mr_stream_close(s);
    expect_refusal(model_file, &o, MR_EINVAL, "interpolation given contradicts");
    o.override_preprocessing = true;
    must(mr_stream_open(&s, model_file, &o, &e), &e);
    assert_true(mr_stream_preprocessing(s)->rescale == 1.0 / 255);
    assert_string_equal(mr_stream_class_name(s, 1), "dog");
    assert_null(mr_stream_class_name(s, 2));
    mr_stream_close(s);
    p.width = 10;
    expect_refusal(model_file, &o, MR_EINVAL, "do not fit the model's input");
}

static void bad_options_are_refused(void **state)
{
    (void)state;
    mr_stream_options o = {0};
    expect_refusal("/nowhere.h5", NULL, MR_ENOTFOUND, "/nowhere.h5");
    expect_refusal(paths[0], NULL, MR_EFORMAT, paths[0]);
    expect_refusal(model_file, &o, MR_EINVAL, "less than 1");
    o = small_options();
    o.capacity = BATCH - 1;
    expect_refusal(model_file, &o, MR_EINVAL, "capacity");
    o = small_options();
    o.linger_ms = -2;
    expect_refusal(model_file, &o, MR_EINVAL, "negative");
    o = small_options();
    o.precision = "float16";
    expect_refusal(model_file, &o, MR_EINVAL, "float16");
    o = small_options();
    o.layers = (const char *const[]){"nobody"};
    o.layer_count = 1;
    expect_refusal(model_file, &o, MR_ENOTFOUND, "no layer 'nobody'");
}

static void layers_come_along(void **state)
{
    (void)state;
    mr_error e = {0};
    mr_model *m;
    must(mr_model_load(&m, model_file, &e), &e);
    const char *name = m->graph->node[1].layer->name;
    mr_stream_options o = small_options();
    o.layers = &name;
    o.layer_count = 1;
    mr_stream *s = open_stream(&o);
    push(s, (mr_input){.path = paths[0]});
    mr_stream_finish(s);
    mr_result *r = receive(s);
    assert_int_equal(r->outputs, 2);
    assert_string_equal(r->output[1].name, name);
    size_t count = 1;
    for (int i = 0; i < r->output[1].rank; i++)
        count *= (size_t)r->output[1].dim[i];
    assert_int_equal(r->output[1].count, count);
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += fabs(r->output[1].value[i]);
    assert_true(sum > 0 && isfinite(sum));
    mr_stream_close(s);
    mr_result_free(r);
    mr_model_free(m);
}

/* Close to float32, but computed otherwise. */
static void precision_may_be_chosen(void **state)
{
    (void)state;
    ask_program();
    mr_stream_options o = small_options();
    o.precision = "mixed_bfloat16";
    mr_stream *s = open_stream(&o);
    push(s, (mr_input){.path = paths[0]});
    mr_stream_finish(s);
    mr_result *r = receive(s);
    assert_true(fabsf(r->probability[0] - program_says[0][0]) < .05f);
    assert_true(r->probability[0] != program_says[0][0]);
    mr_result_free(r);
    mr_stream_close(s);
}

/* --- what the numbers are ------------------------------------------------------------------- */

/* A network without last activation, compiled with LOSS; LOGITS: from_logits. */
static void save_linear(const char *file, const char *loss, bool logits)
{
    mr_error e = {0};
    mr_model *m;
    json_t *config = json_pack(
        "{s:s, s:{s:s, s:[{s:s, s:s, s:{s:s, s:[n,i,i,i]}}, {s:s, s:s, s:{s:s}}, {s:s, s:s, s:{s:s, s:i}}]}}",
        "class_name", "Sequential", "config", "name", "s", "layers", "class_name", "InputLayer", "name", "in",
        "config", "name", "in", "batch_shape", 8, 8, 3, "class_name", "Flatten", "name", "flat", "config", "name",
        "flat", "class_name", "Dense", "name", "d", "config", "name", "d", "units", 3);
    assert_non_null(config);
    must(mr_model_from_config(&m, config, &e), &e);
    must(mr_graph_initialize(m->graph, 7, &e), &e);
    m->training = json_pack("{s:{s:s, s:{s:b}}, s:{s:s, s:{s:f}}}", "loss", "class_name", loss, "config", "from_logits",
                            logits, "optimizer_config", "class_name", "SGD", "config", "learning_rate", .1);
    m->has_preprocess = true;
    m->preprocess = mr_preprocess_default();
    m->preprocess.height = m->preprocess.width = 8;
    m->preprocess.rescale = 1 / 255.;
    must(mr_model_save(m, file, NULL, &e), &e);
    mr_model_free(m);
}

static mr_result *first_result_as(const char *loss, bool logits, const char *activation)
{
    mr_error e = {0};
    mr_stream *s;
    const char *file = below(folder, "linear.h5");
    save_linear(file, loss, logits);
    must(mr_stream_open(&s, file, NULL, &e), &e);
    must(mr_stream_set_activation(s, activation, &e), &e);
    push(s, (mr_input){.path = paths[0]});
    mr_stream_finish(s);
    mr_result *r = receive(s);
    assert_int_equal(r->error, 0);
    assert_int_equal(mr_stream_classes(s), r->classes);
    mr_stream_close(s);
    return r;
}

static mr_result *first_result(const char *loss, bool logits)
{
    return first_result_as(loss, logits, NULL);
}

static void logits_become_probabilities(void **state)
{
    (void)state;
    mr_result *r = first_result("SparseCategoricalCrossentropy", true);
    const float *z = r->output[0].value;
    double sum = exp((double)z[0]) + exp((double)z[1]) + exp((double)z[2]);
    assert_int_equal(r->classes, 3);
    for (int i = 0; i < 3; i++)
        assert_true(fabs((double)r->probability[i] - exp((double)z[i]) / sum) < 1e-6);
    assert_true(r->predicted >= 0 && r->confidence == r->probability[r->predicted]);
    mr_result_free(r);
    r = first_result("BinaryCrossentropy", true); /* labels: each for itself */
    assert_int_equal(r->classes, 3);
    assert_int_equal(r->predicted, -1);
    assert_null(r->class_name);
    for (int i = 0; i < 3; i++)
        assert_true(fabs((double)r->probability[i] - 1 / (1 + exp(-(double)r->output[0].value[i]))) < 1e-6);
    mr_result_free(r);
    r = first_result("MeanSquaredError", false); /* numbers */
    assert_int_equal(r->classes, 0);
    assert_int_equal(r->predicted, -1);
    assert_int_equal(r->output[0].count, 3);
    mr_result_free(r);
}

/* A file that does not say what its outputs are, and a caller who knows. */
static void activation_may_be_given(void **state)
{
    (void)state;
    mr_result *known = first_result("SparseCategoricalCrossentropy", true),
              *given = first_result_as("MeanSquaredError", false, "softmax");
    assert_int_equal(given->classes, 3);
    assert_memory_equal(given->probability, known->probability, 3 * sizeof(float));
    assert_int_equal(given->predicted, known->predicted);
    mr_result_free(known);
    mr_result_free(given);
    known = first_result("BinaryCrossentropy", true);
    given = first_result_as("MeanSquaredError", false, "sigmoid");
    assert_int_equal(given->classes, 3);
    assert_memory_equal(given->probability, known->probability, 3 * sizeof(float));
    mr_result_free(known);
    mr_result_free(given);
    given = first_result_as("SparseCategoricalCrossentropy", true, "linear");
    assert_int_equal(given->classes, 0);
    assert_int_equal(given->predicted, -1);
    mr_result_free(given);
}

static void wrong_activations_are_refused(void **state)
{
    (void)state;
    mr_error e = {0};
    mr_stream *s = open_stream(NULL);
    int classes = mr_stream_classes(s);
    assert_int_equal(mr_stream_set_activation(s, "tanh", &e), MR_EINVAL);
    assert_non_null(strstr(e.message, "tanh"));
    e = (mr_error){0};
    assert_int_equal(mr_stream_set_activation(s, "sigmoid", &e), MR_EINVAL); /* it ends in softmax */
    assert_int_equal(e.code, MR_EINVAL);
    assert_non_null(strstr(e.message, "already applies softmax"));
    assert_int_equal(mr_stream_classes(s), classes);
    push(s, (mr_input){.path = paths[0]});
    assert_int_equal(mr_stream_set_activation(s, "softmax", NULL), MR_EINVAL);
    mr_stream_finish(s);
    mr_result *r = receive(s);
    assert_int_equal(r->classes, classes);
    mr_result_free(r);
    mr_stream_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_from_paths),
        cmocka_unit_test(equal_from_bytes),
        cmocka_unit_test(equal_from_pixels),
        cmocka_unit_test(equal_to_evaluation),
        cmocka_unit_test(unusable_images_have_results),
        cmocka_unit_test(impossible_images_are_refused),
        cmocka_unit_test(contract_is_obeyed),
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(layers_come_along),
        cmocka_unit_test(precision_may_be_chosen),
        cmocka_unit_test(logits_become_probabilities),
        cmocka_unit_test(activation_may_be_given),
        cmocka_unit_test(wrong_activations_are_refused),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
