/* SPDX-License-Identifier: Apache-2.0 */
/* New heads and frozen layers: what changes, and above all what does not. */
#include "tests/files.h"

#include "nn/arch/builder.h"
#include "base/random.h"
#include "pipeline/train/fine_tune.h"
#include "pipeline/trainer/trainer.h"

#include <math.h>

static void must(int status, const mr_error *e)
{
    if (status < 0)
        fail_msg("%s", e->message);
}

/* --- small models ----------------------------------------------------------------------------------- */

static mr_model *model_of(json_t *config)
{
    mr_model *m;
    mr_error e = {0};
    assert_non_null(config);
    must(mr_model_from_config(&m, config, &e), &e);
    must(mr_graph_initialize(m->graph, 5, &e), &e);
    for (int i = 0; i < m->graph->params; i++) /* no bias, no statistic is what it starts as */
        for (size_t k = 0; k < m->graph->param[i]->count; k++)
            mr_param_value(m->graph, m->graph->param[i])[k] += (mr_real)1e-3 * (mr_real)(k % 7 + 1);
    return m;
}

static const char *body(mr_builder *b)
{
    mr_builder_start(b, "small");
    const char *x = mr_builder_input(b, "in", 8, 8, 3);
    x = mr_builder_conv(b, "conv1", x, (mr_conv_spec){.filters = 6, .kernel = 3, .stride = 1, .same = true});
    x = mr_builder_batchnorm(b, "bn1", x, .9, 1e-3);
    x = mr_builder_activation(b, "relu1", x, "relu");
    x = mr_builder_conv(b, "conv2", x,
                        (mr_conv_spec){.filters = 5, .kernel = 3, .stride = 2, .same = true, .bias = true});
    return mr_builder_batchnorm(b, "bn2", x, .9, 1e-3);
}

static json_t *functional(const char *activation, const char *behind)
{
    mr_builder b;
    const char *x = mr_builder_global_average(&b, "pool", body(&b));
    x = mr_builder_dense(&b, "features", x, 4, "relu", 0);
    x = mr_builder_dense(&b, "classifier", x, 7, activation, 1e-3);
    return mr_builder_finish(&b, behind ? mr_builder_activation(&b, "last", x, behind) : x);
}

static json_t *convolutional(void)
{
    mr_builder b;
    const char *x = mr_builder_conv(&b, "predictions", body(&b),
                                    (mr_conv_spec){.filters = 7, .kernel = 1, .stride = 1, .bias = true});
    return mr_builder_finish(
        &b, mr_builder_activation(&b, "last", mr_builder_global_average(&b, "pool", x), "softmax"));
}

/* A Sequential around the functional model and a Sequential head, as Teachable Machine writes it. */
static json_t *nested(void)
{
    json_t *inner = functional("relu", NULL), *config = json_object_get(inner, "config");
    json_object_set_new(config, "name", json_string("base"));
    json_t *outer = json_loads(
        "{\"class_name\": \"Sequential\", \"config\": {\"name\": \"outer\", \"layers\": ["
        "{\"class_name\": \"InputLayer\", \"name\": \"x\", \"config\": {\"name\": \"x\", \"batch_shape\": "
        "[null, 8, 8, 3]}},"
        "{\"class_name\": \"Functional\", \"name\": \"base\", \"config\": {}},"
        "{\"class_name\": \"Sequential\", \"name\": \"head\", \"config\": {\"name\": \"head\", \"layers\": ["
        "{\"class_name\": \"InputLayer\", \"name\": \"y\", \"config\": {\"name\": \"y\", \"batch_shape\": "
        "[null, 7]}},"
        "{\"class_name\": \"Dense\", \"name\": \"d1\", \"config\": {\"name\": \"d1\", \"units\": 5, "
        "\"activation\": \"tanh\"}},"
        "{\"class_name\": \"Dense\", \"name\": \"d2\", \"config\": {\"name\": \"d2\", \"units\": 4, "
        "\"activation\": \"softmax\"}}"
        "]}}]}}",
        0, NULL);
    assert_non_null(outer);
    json_object_set(json_array_get(json_object_get(json_object_get(outer, "config"), "layers"), 1), "config",
                    config);
    json_decref(inner);
    return outer;
}

/* --- new heads ---------------------------------------------------------------------------------------- */

static mr_real *copy_state(const mr_graph *g)
{
    mr_real *copy = malloc((g->weights + 1) * sizeof *copy);
    assert_non_null(copy);
    memcpy(copy, g->state, g->weights * sizeof *copy);
    return copy;
}

static const char *config_text(const mr_layer *l, const char *key)
{
    return json_string_value(json_object_get(l->config, key));
}

/* A head called NAME of CLASSES in place of the one there; all else has the bits that it had. */
static mr_model *with_head(json_t *config, const char *name, int classes)
{
    mr_model *m = model_of(config);
    mr_error e = {0};
    mr_layer *head;
    mr_real *before = copy_state(m->graph);
    size_t layers = (size_t)m->graph->layers, at = mr_graph_layer(m->graph, name)->param[0].offset;
    m->has_optimizer_state = true;
    must(mr_fine_tune_new_head(m, classes, 9, &head, &e), &e);
    const mr_graph *g = m->graph;
    assert_string_equal(head->name, name);
    assert_ptr_equal(head, mr_graph_layer(g, name));
    assert_int_equal(g->layers, layers);
    assert_int_equal(g->node[g->output[0]].shape.dim[1], classes);
    assert_memory_equal(g->state, before, at * sizeof *before); /* these heads come last */
    assert_true(fabs((double)mr_param_value(g, &head->param[0])[0]) > 0);
    assert_true(mr_param_value(g, &head->param[1])[0] == 0);
    assert_false(m->has_optimizer_state);
    assert_null(m->training);
    free(before);
    return m;
}

static void freeze_all(json_t *model)
{
    json_t *config = json_object_get(model, "config"), *layer;
    size_t i;
    json_object_set_new(config, "trainable", json_false());
    json_array_foreach (json_object_get(config, "layers"), i, layer)
        freeze_all(layer);
}

/* All was frozen, the models around the head too: the head is trained all the same, and nothing else. */
static void new_head_is_trainable(void **state)
{
    (void)state;
    json_t *config = nested();
    freeze_all(config);
    mr_model *m = with_head(config, "head/d2", 3);
    for (int i = 0; i < m->graph->layers; i++) {
        const mr_layer *l = m->graph->layer[i];
        if (l->params)
            assert_int_equal(l->trainable, !strcmp(l->name, "head/d2"));
    }
    mr_model_free(m);
}

static void dense_with_activation(void **state)
{
    (void)state;
    mr_model *m = with_head(functional("sigmoid", NULL), "classifier", 3);
    const mr_layer *l = mr_graph_layer(m->graph, "classifier");
    assert_string_equal(config_text(l, "activation"), "softmax");
    assert_true(l->param[0].l2 == 1e-3); /* what else it was, it is */
    mr_model_free(m);
}

static void dense_and_activation_layer(void **state)
{
    (void)state;
    mr_model *m = with_head(functional(NULL, "sigmoid"), "classifier", 3);
    assert_string_equal(config_text(mr_graph_layer(m->graph, "classifier"), "activation"), "linear");
    assert_string_equal(config_text(mr_graph_layer(m->graph, "last"), "activation"), "softmax");
    mr_model_free(m);
}

static void dense_of_logits(void **state)
{
    (void)state;
    mr_model *m = with_head(functional(NULL, NULL), "classifier", 12);
    assert_string_equal(config_text(mr_graph_layer(m->graph, "classifier"), "activation"), "softmax");
    mr_model_free(m);
}

static void convolution_as_head(void **state)
{
    (void)state;
    mr_model *m = with_head(convolutional(), "predictions", 3);
    assert_int_equal(mr_graph_layer(m->graph, "predictions")->param[0].shape.dim[3], 3);
    mr_model_free(m);
}

static void nested_head(void **state)
{
    (void)state;
    mr_model *m = with_head(nested(), "head/d2", 2);
    mr_model_free(m);
}

static void refused(void **state)
{
    (void)state;
    mr_builder b;
    mr_error e = {0};
    mr_model *m = model_of(mr_builder_finish(&b, mr_builder_global_average(&b, "pool", body(&b))));
    assert_int_equal(mr_fine_tune_new_head(m, 2, 1, NULL, &e), MR_EUNSUPPORTED);
    assert_non_null(strstr(e.message, "bn2"));
    assert_int_equal(mr_fine_tune_new_head(m, 1, 1, NULL, NULL), MR_EINVAL);
    mr_model_free(m);
    m = model_of(mr_builder_finish(&b, mr_builder_dense(&b, "per_pixel", body(&b), 4, "softmax", 0)));
    mr_error_clear(&e);
    assert_int_equal(mr_fine_tune_new_head(m, 2, 1, NULL, &e), MR_EUNSUPPORTED); /* (None, 4, 4, 2) */
    assert_non_null(strstr(e.message, "4, 4, 2"));
    assert_int_equal(m->graph->node[m->graph->output[0]].shape.dim[3], 4); /* and it is as it was */
    mr_model_free(m);
}

/* --- freezing ------------------------------------------------------------------------------------------- */

static void expect_trainable(const mr_graph *g, const char *names)
{
    char have[512] = "";
    for (int i = 0; i < g->layers; i++)
        if (g->layer[i]->trainable && g->layer[i]->params) {
            strcat(have, g->layer[i]->name);
            strcat(have, " ");
        }
    assert_string_equal(have, names);
    for (int i = 0; i < g->params; i++)
        assert_int_equal(g->param[i]->trainable, g->param[i]->layer->trainable && !g->param[i]->statistic);
}

/* The configuration says the same as the graph: a graph made from it is the same. */
static void expect_in_config(const mr_graph *g, const char *names)
{
    mr_graph *again;
    mr_error e = {0};
    expect_trainable(g, names);
    must(mr_graph_create(&again, g->config, NULL, &e), &e);
    expect_trainable(again, names);
    mr_graph_free(again);
}

static void patterns(void **state)
{
    (void)state;
    mr_model *m = model_of(nested());
    mr_graph *g = m->graph;
    mr_error e = {0};
    must(mr_fine_tune_set_trainable(g, "conv*", false, NULL, &e), &e);
    expect_in_config(g, "base/bn1 base/bn2 base/features base/classifier head/d1 head/d2 ");
    must(mr_fine_tune_set_trainable(g, "base/bn?", false, NULL, &e), &e);
    expect_in_config(g, "base/features base/classifier head/d1 head/d2 ");
    must(mr_fine_tune_set_trainable(g, "conv2", true, NULL, &e), &e);
    expect_in_config(g, "base/conv2 base/features base/classifier head/d1 head/d2 ");
    must(mr_fine_tune_set_trainable(g, "base", false, NULL, &e), &e);
    expect_in_config(g, "head/d1 head/d2 ");
    must(mr_fine_tune_set_trainable(g, "*", false, mr_graph_layer(g, "head/d2"), &e), &e);
    expect_in_config(g, "head/d2 ");
    must(mr_fine_tune_set_trainable(g, "*", true, NULL, &e), &e);
    must(mr_fine_tune_freeze_until(g, "features", &e), &e);
    expect_in_config(g, "base/features base/classifier head/d1 head/d2 ");
    must(mr_fine_tune_freeze_until(g, "head", &e), &e);
    expect_in_config(g, "head/d1 head/d2 ");
    assert_int_equal(mr_fine_tune_set_trainable(g, "dense*", false, NULL, &e), MR_ENOTFOUND);
    assert_non_null(strstr(e.message, "dense*"));
    assert_int_equal(mr_fine_tune_freeze_until(g, "d3", NULL), MR_ENOTFOUND);
    mr_model_free(m);
}

/* A model that is frozen as a whole: unfreezing a layer in it unfreezes the model, not its other layers. */
static void frozen_models(void **state)
{
    (void)state;
    json_t *config = nested();
    mr_error e = {0};
    json_t *base = json_array_get(json_object_get(json_object_get(config, "config"), "layers"), 1);
    const char *const layers[] = {"conv1", "bn1", "conv2", "bn2", "features", "classifier"};
    json_object_set_new(json_object_get(base, "config"), "trainable", json_false());
    mr_model *m = model_of(config);
    expect_trainable(m->graph, "head/d1 head/d2 ");
    for (int i = 0; i < 6; i++) /* as io/ makes it */
        must(mr_fine_tune_set_trainable(m->graph, layers[i], false, NULL, &e), &e);
    must(mr_fine_tune_set_trainable(m->graph, "conv2", true, NULL, &e), &e);
    expect_in_config(m->graph, "base/conv2 head/d1 head/d2 ");
    mr_model_free(m);
}

/* --- training --------------------------------------------------------------------------------------------
 */

static void train(mr_model *m, int steps, int batch)
{
    mr_trainer *t;
    mr_team *team;
    mr_error e = {0};
    mr_sums sums = {0};
    const mr_shape *in = &m->graph->node[m->graph->input[0]].shape;
    size_t size = (size_t)batch * mr_shape_sample(in);
    float *x = malloc(size * sizeof *x);
    int32_t *labels = malloc((size_t)batch * sizeof *labels);
    json_t *optimizer =
        json_loads("{\"class_name\": \"AdamW\", \"config\": {\"learning_rate\": 0.01}}", 0, NULL);
    json_t *loss = json_string("categorical_crossentropy");
    mr_trainer_options o = {.batch_size = batch, .optimizer = optimizer, .loss = loss, .classes = 3};
    must(mr_team_create(&team, 2, &e), &e);
    must(mr_trainer_create(&t, m, team, &o, &e), &e);
    for (int s = 0; s < steps; s++) {
        mr_philox g;
        mr_philox_init(&g, 1, MR_DRAW_TEST, 0, (uint64_t)s);
        for (size_t i = 0; i < size; i++)
            x[i] = (float)mr_philox_uniform(&g, -1, 1);
        for (int i = 0; i < batch; i++)
            labels[i] = i % 3;
        mr_examples ex = {.count = batch, .inputs = 1, .x = {x}, .labels = labels};
        must(mr_trainer_step(t, &ex, m->graph->state, &sums, NULL, &e), &e);
    }
    must(mr_trainer_store(t, &e), &e);
    mr_trainer_free(t);
    mr_team_destroy(team);
    json_decref(optimizer);
    json_decref(loss);
    free(labels);
    free(x);
}

/* Frozen variables have the bits that they had, moving statistics included; the others have moved. */
static void expect_frozen_bits(const mr_graph *g, const mr_graph *before)
{
    int frozen = 0, moved = 0;
    for (int i = 0; i < g->params; i++) {
        const mr_param *p = g->param[i];
        bool same = !memcmp(mr_param_value(g, p), mr_param_value(before, before->param[i]),
                            p->count * sizeof(mr_real));
        if (same == p->layer->trainable)
            fail_msg("%s/%s (%s) is %s", p->layer->name, p->kind,
                     p->layer->trainable ? "trainable" : "frozen", same ? "unchanged" : "changed");
        frozen += same;
        moved += !same;
    }
    assert_true(frozen > 0 && moved > 0);
}

static mr_graph *clone(const mr_graph *g)
{
    mr_graph *copy;
    mr_error e = {0};
    must(mr_graph_create(&copy, g->config, &g->node[g->input[0]].shape, &e), &e);
    memcpy(copy->state, g->state, g->weights * sizeof *copy->state);
    return copy;
}

static void frozen_layers_keep_their_bits(void **state)
{
    (void)state;
    const char *folder = temporary_folder();
    static const char *const files[] = {"m.h5", "m.keras"};
    mr_error e = {0};
    mr_model *m = with_head(nested(), "head/d2", 3), *back;
    must(mr_fine_tune_set_trainable(m->graph, "*1", false, NULL, &e), &e);
    mr_graph *before = clone(m->graph);
    train(m, 4, 6);
    expect_frozen_bits(m->graph, before);
    for (int i = 0; i < 2; i++) { /* and the file says what is frozen, and has their bits */
        must(mr_model_save(m, below(folder, files[i]), NULL, &e), &e);
        must(mr_model_load(&back, below(folder, files[i]), &e), &e);
        expect_trainable(back->graph, "base/conv2 base/bn2 base/features base/classifier head/d2 ");
        assert_memory_equal(back->graph->state, m->graph->state, m->graph->weights * sizeof(mr_real));
        assert_int_equal(back->slots, m->slots);
        mr_model_free(back);
    }
    mr_graph_free(before);
    mr_model_free(m);
    remove_folder(folder);
}

/* In Keras a frozen BatchNormalization normalises by its moving statistics in training, too. */
static void frozen_batch_normalization_infers(void **state)
{
    (void)state;
    mr_model *m = model_of(functional("softmax", NULL));
    mr_error e = {0};
    mr_plan *plans[2];
    mr_team *team;
    float x[2 * 8 * 8 * 3];
    const float *input[] = {x};
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        x[i] = (float)(i * 37 % 101) / 101;
    must(mr_team_create(&team, 1, &e), &e);
    for (int frozen = 0; frozen < 2; frozen++) {
        must(mr_fine_tune_set_trainable(m->graph, "bn?", !frozen, NULL, &e), &e);
        for (int i = 0; i < 2; i++) {
            must(mr_plan_create(
                     &plans[i], m->graph, team,
                     (mr_plan_options){.kind = i ? MR_PLAN_TRAINING : MR_PLAN_INFERENCE, .batch = 2}, &e),
                 &e);
            mr_plan_forward(plans[i], input, 2, 0);
        }
        double most = 0;
        for (int i = 0; i < 14; i++)
            most = fmax(
                most, fabs((double)mr_plan_output(plans[0], 0)[i] - (double)mr_plan_output(plans[1], 0)[i]));
        assert_true(frozen ? most < 1e-6 : most > 1e-4);
        mr_plan_free(plans[0]);
        mr_plan_free(plans[1]);
    }
    mr_team_destroy(team);
    mr_model_free(m);
}

/* --- models of strangers
 * ------------------------------------------------------------------------------------ */

static void stranger(const char *file, const char *head, const char *frozen)
{
    const char *path = shared_or_skip(file);
    mr_error e = {0};
    mr_model *m;
    must(mr_model_load(&m, path, &e), &e);
    mr_graph *original = clone(m->graph);
    mr_layer *made;
    must(mr_fine_tune_new_head(m, 3, 1, &made, &e), &e);
    assert_string_equal(made->name, head);
    must(mr_fine_tune_set_trainable(m->graph, frozen, false, made, &e), &e);
    mr_graph *before = clone(m->graph);
    train(m, 2, 4);
    expect_frozen_bits(m->graph, before);
    for (int i = 0; i < m->graph->params; i++)
        if (!m->graph->param[i]->layer->trainable)
            assert_memory_equal(mr_param_value(m->graph, m->graph->param[i]),
                                mr_param_value(original, original->param[i]),
                                original->param[i]->count * sizeof(mr_real));
    mr_graph_free(before);
    mr_graph_free(original);
    mr_model_free(m);
}

static void teachable_machine(void **state)
{
    (void)state;
    stranger("models/AIAnytime__Waste-Classifier-Sustainability-App__keras_model.h5",
             "sequential_3/dense_Dense2", "sequential_1");
}

static void mlcommons_resnet(void **state)
{
    (void)state;
    stranger("models/mlcommons__tiny__pretrainedResnet.h5", "dense", "*");
}

static void mini_xception(void **state)
{
    (void)state;
    stranger("models/oarriaga__face_classification__fer2013_mini_XCEPTION.102-0.66.hdf5", "conv2d_7", "*");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_head_is_trainable),
        cmocka_unit_test(dense_with_activation),
        cmocka_unit_test(dense_and_activation_layer),
        cmocka_unit_test(dense_of_logits),
        cmocka_unit_test(convolution_as_head),
        cmocka_unit_test(nested_head),
        cmocka_unit_test(refused),
        cmocka_unit_test(patterns),
        cmocka_unit_test(frozen_models),
        cmocka_unit_test(frozen_layers_keep_their_bits),
        cmocka_unit_test(frozen_batch_normalization_infers),
        cmocka_unit_test(teachable_machine),
        cmocka_unit_test(mlcommons_resnet),
        cmocka_unit_test(mini_xception),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
