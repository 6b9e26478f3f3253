/* SPDX-License-Identifier: Apache-2.0 */
/* Built-in architectures against Keras's own: structure layer by layer, parameter counts, and with Keras's
 * weights in them Keras's outputs. */
#include "tests/shared.h"

#include "io/hdf5/arrays.h"
#include "io/model_file/model_file.h"
#include "nn/arch/arch.h"
#include "nn/layers/moving_statistics.h"
#include "nn/plan/plan.h"

#include <math.h>

static void must(int status, const mr_error *e)
{
    if (status < 0)
        fail_msg("%s", e->message);
}

static mr_model *build(const char *name, const mr_arch_options *o)
{
    mr_model *m;
    mr_error e = {0};
    const mr_arch *arch = mr_arch_find(name);
    assert_non_null(arch);
    json_t *config = arch->config(o, &e);
    if (!config)
        fail_msg("%s: %s", name, e.message);
    must(mr_model_from_config(&m, config, &e), &e);
    return m;
}

static mr_arch_options options(int size, int classes)
{
    mr_arch_options o = mr_arch_options_default();
    o.height = o.width = size;
    o.classes = classes;
    return o;
}

struct counts {
    size_t all, trainable;
};

static struct counts count(const mr_graph *g)
{
    struct counts c = {0};
    for (int i = 0; i < g->params; i++) {
        c.all += g->param[i]->count;
        c.trainable += g->param[i]->trainable ? g->param[i]->count : 0;
    }
    return c;
}

/* The numbers that keras.applications documents and model.summary() prints. */
static void parameter_counts(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int size, classes, layers;
        size_t all, trainable;
    } known[] = {
        {"resnet50", 224, 1000, 177, 25636712, 25583592},
        {"mobilenet_v2", 224, 1000, 156, 3538984, 3504872},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        mr_arch_options o = options(known[i].size, known[i].classes);
        mr_model *m = build(known[i].name, &o);
        struct counts c = count(m->graph);
        assert_int_equal(m->graph->layers, known[i].layers);
        assert_int_equal(c.all, known[i].all);
        assert_int_equal(c.trainable, known[i].trainable);
        mr_model_free(m);
    }
}

/* --- layer by layer ---------------------------------------------------------------------------- */

/* io/ leaves out what says nothing: groups of 1. Any other missing key is a difference. */
static bool is_unset(const char *key, const json_t *v)
{
    return !v || json_is_null(v) || (!strcmp(key, "groups") && json_integer_value(v) == 1);
}

static void same_value(const char *layer, const char *key, const json_t *a, const json_t *b)
{
    bool numbers = json_is_number(a) && json_is_number(b);
    if (is_unset(key, a) && is_unset(key, b))
        return;
    if (numbers ? json_number_value(a) != json_number_value(b) : !json_equal((json_t *)a, (json_t *)b))
        fail_msg("layer %s: \"%s\" is not Keras's", layer, key);
}

/* The keys that decide what a layer computes. Initializers: their class. */
static void same_config(const mr_layer *a, const mr_layer *b)
{
    static const char *const keys[] = {
        "filters",   "kernel_size", "strides",       "padding",        "use_bias", "groups",
        "momentum",  "epsilon",     "max_value",     "negative_slope", "axis",     "units",
        "threshold", "activation",  "dilation_rate", "center",         "scale",    "depth_multiplier"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        same_value(a->name, keys[i], json_object_get(a->config, keys[i]),
                   json_object_get(b->config, keys[i]));
    const json_t *x = json_object_get(a->config, "kernel_initializer"),
                 *y = json_object_get(b->config, "kernel_initializer");
    same_value(a->name, "kernel_initializer", json_object_get(x, "class_name"),
               json_object_get(y, "class_name"));
}

static void same_layer(const mr_layer *a, const mr_layer *b)
{
    assert_string_equal(a->class->name, b->class->name);
    bool numbered =
        !strcmp(a->class->name, "InputLayer") || !strcmp(a->class->name, "GlobalAveragePooling2D");
    if (!numbered) /* Keras counts these over the whole program */
        assert_string_equal(a->name, b->name);
    same_config(a, b);
    assert_int_equal(a->params, b->params);
    for (int i = 0; i < a->params; i++) {
        assert_string_equal(a->param[i].kind, b->param[i].kind);
        assert_true(mr_shape_equal(&a->param[i].shape, &b->param[i].shape));
    }
}

static const mr_node *call_of(const mr_graph *g, const mr_layer *l)
{
    for (int i = 0; i < g->nodes; i++)
        if (g->node[i].layer == l)
            return &g->node[i];
    return NULL;
}

static void same_calls(const mr_graph *g, const mr_graph *h, int layer)
{
    const mr_node *a = call_of(g, g->layer[layer]), *b = call_of(h, h->layer[layer]);
    assert_true(mr_shape_equal(&a->shape, &b->shape));
    assert_int_equal(a->inputs, b->inputs);
    for (int k = 0; k < a->inputs; k++)
        assert_string_equal(g->node[a->input[k]].layer->class->name, h->node[b->input[k]].layer->class->name);
}

/* The outputs of M for X, malloc'ed. */
static mr_real *outputs(mr_model *m, const mr_array *x)
{
    mr_team *team;
    mr_plan *plan;
    mr_error e = {0};
    int batch = (int)x->shape.dim[0];
    const mr_real *input[] = {x->f32};
    size_t size = (size_t)batch * mr_shape_sample(&m->graph->node[m->graph->output[0]].shape);
    mr_real *out = malloc(size * sizeof *out);
    assert_non_null(out);
    must(mr_team_create(&team, 2, &e), &e);
    must(mr_plan_create(&plan, m->graph, team, (mr_plan_options){.kind = MR_PLAN_INFERENCE, .batch = batch},
                        &e),
         &e);
    mr_plan_forward(plan, input, batch, 0);
    memcpy(out, mr_plan_output(plan, 0), size * sizeof *out);
    mr_plan_free(plan);
    mr_team_destroy(team);
    return out;
}

/* With the same weights the two are the same function, to the bit. (How close the golden model comes to what
 * Keras itself computed is for tests/test_keras_models.c: this one is ill-conditioned.) */
static void same_outputs(mr_model *m, mr_model *keras, const char *io)
{
    mr_array x;
    mr_error e = {0};
    must(mr_array_read(&x, io, "input_0", &e), &e);
    mr_real *a = outputs(m, &x), *b = outputs(keras, &x);
    assert_memory_equal(a, b, (size_t)x.shape.dim[0] * 7 * sizeof *a);
    free(a);
    free(b);
    mr_array_free(&x);
}

static void mobilenet_v2_is_keras(void **state)
{
    (void)state;
    const char *path = shared_or_skip("golden/layers/mobilenet_v2.h5");
    mr_error e = {0};
    mr_model *keras;
    mr_arch_options o = options(64, 7);
    o.alpha = .35;
    mr_model *m = build("mobilenet_v2", &o);
    must(mr_model_load(&keras, path, &e), &e);
    assert_int_equal(m->graph->layers, keras->graph->layers);
    for (int i = 0; i < m->graph->layers; i++) {
        same_layer(m->graph->layer[i], keras->graph->layer[i]);
        same_calls(m->graph, keras->graph, i);
    }
    must(mr_model_load_weights(m, path, &e), &e);
    same_outputs(m, keras, shared_or_skip("golden/layers/mobilenet_v2.io.h5"));
    mr_model_free(keras);
    mr_model_free(m);
}

/* Odd sizes are padded above, too, as keras.applications' correct_pad does. */
static void odd_sizes(void **state)
{
    (void)state;
    mr_arch_options o = options(97, 3);
    mr_model *m = build("mobilenet_v2", &o);
    const mr_layer *first = mr_graph_layer(m->graph, "block_1_pad");
    json_t *expected = json_loads("[[1, 1], [1, 1]]", 0, NULL); /* 97 → 49 */
    assert_true(json_equal(json_object_get(first->config, "padding"), expected));
    json_decref(expected);
    mr_model_free(m);
}

/* --- resnet50, cnn -------------------------------------------------------------------------------- */

static void resnet50_details(void **state)
{
    (void)state;
    mr_arch_options o = options(64, 5);
    mr_model *m = build("resnet50", &o);
    const mr_graph *g = m->graph;
    for (int i = 0; i < g->layers; i++)
        if (!strcmp(g->layer[i]->class->name, "BatchNormalization"))
            assert_true(json_number_value(json_object_get(g->layer[i]->config, "epsilon")) == 1.001e-5);
    static const struct {
        const char *name;
        int size, channels;
    } shapes[] = {{"conv1_conv", 32, 64},        {"pool1_pool", 16, 64},
                  {"conv2_block3_out", 16, 256}, {"conv3_block1_1_conv", 8, 128},
                  {"conv4_block6_out", 4, 1024}, {"conv5_block3_out", 2, 2048}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const mr_shape *s = &call_of(g, mr_graph_layer(g, shapes[i].name))->shape;
        assert_int_equal(s->dim[1], shapes[i].size);
        assert_int_equal(s->dim[3], shapes[i].channels);
    }
    mr_model_free(m);
}

static void cnn_options(void **state)
{
    (void)state;
    mr_error e = {0};
    mr_arch_options o = options(32, 4);
    mr_model *m = build("cnn", &o);
    const size_t kernels = 9 * (3 * 32 + 32 * 32 + 32 * 64 + 64 * 64 + 64 * 128 + 128 * 128), norms = 2 * 4 * (32 + 64 + 128);
    assert_int_equal(count(m->graph).all, kernels + norms + 4 * 4 * 128 * 128 + 128 + 128 * 4 + 4);
    mr_model_free(m);
    o.filters_given = o.stages_given = true;
    o.stage_count = o.filter_count = 2;
    o.stages[0] = o.stages[1] = 1;
    o.filters[0] = 8;
    o.filters[1] = 16;
    o.dropout = 0;
    m = build("cnn", &o);
    assert_null(mr_graph_layer(m->graph, "dropout"));
    assert_null(mr_graph_layer(m->graph, "block1_conv2"));
    mr_model_free(m);
    o.stage_count = 1;
    assert_null(mr_arch_find("cnn")->config(&o, &e));
    assert_non_null(strstr(e.message, "--stages"));
}

/* --- sizes ---------------------------------------------------------------------------------------- */

static int64_t window(const mr_graph *g, int axis)
{
    const json_t *size = json_object_get(mr_graph_layer(g, "final_pool")->config, "pool_size");
    return json_integer_value(json_array_get(size, (size_t)axis));
}

/* The last pooling's windows tile all features: nothing of the image is passed over. At 64x64, and wherever the tutorial's
 * windows of 8 tile them, they are the tutorial's. */
static void resnet_sees_all_at_every_size(void **state)
{
    (void)state;
    static const struct {
        int height, width, rows, columns; /* of the last features */
    } sizes[] = {{32, 32, 4, 4},     {33, 57, 5, 8},   {63, 64, 8, 8},     {64, 64, 8, 8},    {65, 96, 9, 12},
                 {120, 120, 15, 15}, {128, 64, 16, 8}, {100, 224, 13, 28}, {32, 300, 4, 38}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        mr_arch_options o = options(64, 2);
        o.height = sizes[i].height;
        o.width = sizes[i].width;
        mr_model *m = build("resnet", &o);
        const mr_graph *g = m->graph;
        const mr_shape *features = &call_of(g, mr_graph_layer(g, "final_relu"))->shape,
                       *pooled = &call_of(g, mr_graph_layer(g, "final_pool"))->shape;
        const int whole[] = {sizes[i].rows, sizes[i].columns};
        for (int axis = 0; axis < 2; axis++) {
            assert_int_equal(features->dim[1 + axis], whole[axis]);
            assert_int_equal(pooled->dim[1 + axis] * window(g, axis), whole[axis]);
            assert_int_equal(window(g, axis), whole[axis] % 8 ? whole[axis] : 8);
        }
        mr_model_free(m);
    }
}

/* What is too small is told with a size that is taken. */
static void too_small(void **state)
{
    (void)state;
    for (int i = 0; mr_archs[i]; i++) {
        mr_error e = {0};
        mr_arch_options o = options(32, 2);
        json_t *config = mr_archs[i]->config(&o, &e);
        assert_non_null(config);
        json_decref(config);
        if (!strcmp(mr_archs[i]->name, "cnn")) /* halves thrice: 8 are enough */
            continue;
        o.height = 31;
        assert_null(mr_archs[i]->config(&o, &e));
        assert_non_null(strstr(e.message, "images of 31x32 are too small (at least 32x32)"));
        assert_non_null(strstr(e.hint, "--image-size 32x32"));
    }
}

/* --- moving statistics ------------------------------------------------------------------------------ */

static void momentum_fits_the_run(void **state)
{
    (void)state;
    static const struct {
        int64_t steps;
        double most, fit;
    } runs[] = {{1, .99, .9},        {180, .999, .9}, {690, .999, .935}, {4600, .999, .99},
                {100000, .999, .999}, {690, .9, .9},   {690, .5, .5}};
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        double fit = mr_moving_fit(runs[i].steps, runs[i].most);
        assert_true(fabs(fit - runs[i].fit) < 1e-9);
    }
    assert_true(mr_moving_too_slow(.999, 46 * 25));
    assert_false(mr_moving_too_slow(.999, 46 * 101));
    assert_false(mr_moving_too_slow(.9, 4));
}

/* What does not move is neither counted nor changed; what is changed is in the configuration, which is saved. */
static void momentum_of_a_model(void **state)
{
    (void)state;
    mr_error e = {0};
    mr_arch_options o = options(32, 2);
    mr_model *m = build("mobilenet_v2", &o);
    mr_layer *frozen = mr_graph_layer(m->graph, "bn_Conv1"), *moves = mr_graph_layer(m->graph, "Conv_1_bn");
    mr_layer_set_trainable(frozen, false);
    assert_true(mr_moving_momentum(m->graph) == .999);
    must(mr_moving_set_momentum(m->graph, .95, &e), &e);
    assert_true(mr_moving_momentum(m->graph) == .95);
    assert_true(json_number_value(json_object_get(moves->config, "momentum")) == .95);
    assert_true(json_number_value(json_object_get(frozen->config, "momentum")) == .999);
    for (int i = 0; i < m->graph->layers; i++)
        mr_layer_set_trainable(m->graph->layer[i], false);
    assert_true(mr_moving_momentum(m->graph) < 0);
    mr_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameter_counts), cmocka_unit_test(mobilenet_v2_is_keras),
        cmocka_unit_test(odd_sizes),        cmocka_unit_test(resnet50_details),
        cmocka_unit_test(cnn_options),      cmocka_unit_test(resnet_sees_all_at_every_size),
        cmocka_unit_test(too_small),        cmocka_unit_test(momentum_fits_the_run),
        cmocka_unit_test(momentum_of_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
