/* SPDX-License-Identifier: Apache-2.0 */
/* What a model's outputs mean, by its last operation, loss, targets and what the user says; and what follows from it. */
#include "tests/shared.h"

#include "nn/learn/task.h"

#include <math.h>
#include <stdio.h>

/* --- models: an input of 2x2x3, and what LAYERS say; each gets the one before as its input ------------ */

static mr_graph *graph_of(const char *layers)
{
    char text[4096];
    mr_error e = {0};
    mr_graph *g;
    snprintf(text, sizeof text,
             "{'class_name': 'Sequential', 'config': {'name': 's', 'layers': [{'class_name': 'InputLayer', 'name': 'in',"
             " 'config': {'name': 'in', 'batch_shape': [null, 2, 2, 3]}}, %s]}}",
             layers);
    for (char *c = text; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    json_t *config = json_loads(text, 0, NULL);
    assert_non_null(config);
    if (mr_graph_create(&g, config, NULL, &e))
        fail_msg("%s: %s", layers, e.message);
    json_decref(config);
    return g;
}

#define LAYER(class, name, config) "{'class_name': '" class "', 'name': '" name "', 'config': {'name': '" name "'" config "}}"
#define FLAT LAYER("Flatten", "flat", "") ", "
#define DENSE(units, activation) LAYER("Dense", "d", ", 'units': " #units ", 'activation': '" activation "'")
#define CONV(filters, activation)                                                                                      \
    LAYER("Conv2D", "c", ", 'filters': " #filters ", 'kernel_size': [1, 1], 'activation': '" activation "'")
#define LINEAR(units) FLAT DENSE(units, "linear")

static void last_operations(void **state)
{
    (void)state;
    static const struct {
        const char *layers;
        mr_last_operation last;
    } cases[] = {
        {LINEAR(3), MR_LAST_LINEAR},
        {FLAT DENSE(3, "softmax"), MR_LAST_SOFTMAX},
        {FLAT DENSE(3, "sigmoid"), MR_LAST_SIGMOID},
        {FLAT DENSE(3, "relu"), MR_LAST_OTHER},
        {LINEAR(3) ", " LAYER("Activation", "a", ", 'activation': 'softmax'"), MR_LAST_SOFTMAX},
        {LINEAR(3) ", " LAYER("Softmax", "a", ""), MR_LAST_SOFTMAX},
        {FLAT DENSE(3, "softmax") ", " LAYER("Activation", "a", ", 'activation': 'linear'"), MR_LAST_SOFTMAX},
        {LINEAR(3) ", " LAYER("Dropout", "a", ", 'rate': 0.5"), MR_LAST_LINEAR},
        {CONV(3, "softmax") ", " LAYER("GlobalAveragePooling2D", "p", ""), MR_LAST_SOFTMAX},
        {CONV(3, "linear") ", " LAYER("GlobalAveragePooling2D", "p", ""), MR_LAST_LINEAR},
        /* four softmaxes in a row are none, four sigmoids are sigmoids */
        {CONV(3, "softmax") ", " LAYER("Flatten", "flat", ""), MR_LAST_OTHER},
        {CONV(3, "sigmoid") ", " LAYER("Flatten", "flat", ""), MR_LAST_SIGMOID},
        {LINEAR(3) ", " LAYER("BatchNormalization", "b", ""), MR_LAST_OTHER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mr_graph *g = graph_of(cases[i].layers);
        if (mr_graph_last_operation(g, 0) != cases[i].last)
            fail_msg("%s: %d", cases[i].layers, (int)mr_graph_last_operation(g, 0));
        mr_graph_free(g);
    }
}

/* --- decisions ----------------------------------------------------------------------------------------- */

static bool loss_of(mr_loss *l, const char *name, bool from_logits)
{
    json_t *config = name ? json_pack("{s:s, s:{s:b}}", "class_name", name, "config", "from_logits", from_logits) : NULL;
    if (config)
        assert_int_equal(mr_loss_configure(l, config, NULL), 0);
    json_decref(config);
    return name != NULL;
}

struct decision {
    const char *layers, *loss;
    bool from_logits, named;
    mr_targets targets;
    mr_given_activation given;
    mr_task_kind kind;
    mr_link link;
};

static const struct decision decisions[] = {
    /* by the model and its loss */
    {FLAT DENSE(3, "softmax"), NULL, 0, 0, 0, 0, MR_TASK_CLASSES, MR_LINK_IDENTITY},
    {FLAT DENSE(2, "softmax"), "BinaryCrossentropy", 0, 0, 0, 0, MR_TASK_CLASSES, MR_LINK_IDENTITY},
    {FLAT DENSE(3, "softmax"), "SparseCategoricalCrossentropy", 1, 0, 0, 0, MR_TASK_CLASSES, MR_LINK_IDENTITY},
    {FLAT DENSE(3, "softmax"), "MeanSquaredError", 0, 0, 0, 0, MR_TASK_CLASSES, MR_LINK_IDENTITY},
    {FLAT DENSE(1, "sigmoid"), NULL, 0, 0, 0, 0, MR_TASK_CLASSES, MR_LINK_IDENTITY},
    {FLAT DENSE(1, "sigmoid"), "BinaryCrossentropy", 0, 0, 0, 0, MR_TASK_CLASSES, MR_LINK_IDENTITY},
    {FLAT DENSE(1, "sigmoid"), "BinaryCrossentropy", 1, 0, 0, 0, MR_TASK_CLASSES, MR_LINK_IDENTITY},
    {FLAT DENSE(1, "sigmoid"), "MeanSquaredError", 0, 0, 0, 0, MR_TASK_NUMBERS, MR_LINK_IDENTITY},
    {FLAT DENSE(1, "sigmoid"), "MeanSquaredError", 0, 1, 0, 0, MR_TASK_CLASSES, MR_LINK_IDENTITY},
    {FLAT DENSE(3, "sigmoid"), "BinaryCrossentropy", 0, 0, 0, 0, MR_TASK_LABELS, MR_LINK_IDENTITY},
    {FLAT DENSE(3, "sigmoid"), NULL, 0, 0, 0, 0, MR_TASK_LABELS, MR_LINK_IDENTITY},
    {FLAT DENSE(3, "sigmoid"), "CategoricalCrossentropy", 0, 0, 0, 0, MR_TASK_CLASSES, MR_LINK_IDENTITY},
    {FLAT DENSE(3, "sigmoid"), "BinaryCrossentropy", 0, 1, 0, 0, MR_TASK_CLASSES, MR_LINK_IDENTITY},
    {LINEAR(1), "BinaryCrossentropy", 1, 0, 0, 0, MR_TASK_CLASSES, MR_LINK_SIGMOID},
    {LINEAR(3), "SparseCategoricalCrossentropy", 1, 0, 0, 0, MR_TASK_CLASSES, MR_LINK_SOFTMAX},
    {LINEAR(3), "CategoricalFocalCrossentropy", 1, 0, 0, 0, MR_TASK_CLASSES, MR_LINK_SOFTMAX},
    {LINEAR(3), "BinaryCrossentropy", 1, 0, 0, 0, MR_TASK_LABELS, MR_LINK_SIGMOID},
    {LINEAR(3), "SparseCategoricalCrossentropy", 0, 0, 0, 0, MR_TASK_NUMBERS, MR_LINK_NONE},
    {LINEAR(3), NULL, 0, 0, 0, 0, MR_TASK_NUMBERS, MR_LINK_NONE},
    {LINEAR(1), NULL, 0, 0, 0, 0, MR_TASK_NUMBERS, MR_LINK_NONE},
    {LINEAR(1), "MeanSquaredError", 0, 0, 0, 0, MR_TASK_NUMBERS, MR_LINK_NONE},
    {FLAT DENSE(2, "relu"), "Huber", 0, 0, 0, 0, MR_TASK_NUMBERS, MR_LINK_NONE},
    /* what the user says */
    {LINEAR(3), NULL, 0, 0, 0, MR_GIVEN_SOFTMAX, MR_TASK_CLASSES, MR_LINK_SOFTMAX},
    {LINEAR(3), NULL, 0, 0, 0, MR_GIVEN_SIGMOID, MR_TASK_LABELS, MR_LINK_SIGMOID},
    {LINEAR(1), "MeanSquaredError", 0, 0, 0, MR_GIVEN_SIGMOID, MR_TASK_CLASSES, MR_LINK_SIGMOID},
    {LINEAR(3), "SparseCategoricalCrossentropy", 1, 0, 0, MR_GIVEN_LINEAR, MR_TASK_NUMBERS, MR_LINK_NONE},
    {FLAT DENSE(1, "sigmoid"), "MeanSquaredError", 0, 0, 0, MR_GIVEN_SIGMOID, MR_TASK_CLASSES, MR_LINK_IDENTITY},
    /* with targets */
    {LINEAR(3), NULL, 0, 0, MR_TARGETS_CLASSES, 0, MR_TASK_NUMBERS, MR_LINK_NONE},
    {LINEAR(2), "MeanSquaredError", 0, 0, MR_TARGETS_CLASSES, 0, MR_TASK_NUMBERS, MR_LINK_NONE},
    {FLAT DENSE(2, "relu"), NULL, 0, 0, MR_TARGETS_CLASSES, 0, MR_TASK_NUMBERS, MR_LINK_NONE},
    {FLAT DENSE(2, "log_softmax"), NULL, 0, 0, MR_TARGETS_CLASSES, 0, MR_TASK_NUMBERS, MR_LINK_NONE},
    {FLAT DENSE(2, "log_softmax"), NULL, 0, 0, MR_TARGETS_CLASSES, MR_GIVEN_SOFTMAX, MR_TASK_CLASSES, MR_LINK_SOFTMAX},
    {LINEAR(3), "SparseCategoricalCrossentropy", 1, 0, MR_TARGETS_CLASSES, 0, MR_TASK_CLASSES, MR_LINK_SOFTMAX},
    {LINEAR(3), "CategoricalHinge", 0, 0, MR_TARGETS_CLASSES, 0, MR_TASK_CLASSES, MR_LINK_NONE},
    {LINEAR(3), "MeanSquaredError", 0, 1, MR_TARGETS_CLASSES, 0, MR_TASK_CLASSES, MR_LINK_NONE},
    {LINEAR(1), "MeanSquaredError", 0, 0, MR_TARGETS_CLASSES, 0, MR_TASK_NUMBERS, MR_LINK_NONE},
    {LINEAR(1), "MeanSquaredError", 0, 1, MR_TARGETS_CLASSES, 0, MR_TASK_CLASSES, MR_LINK_NONE},
    {LINEAR(1), "Hinge", 0, 0, MR_TARGETS_CLASSES, 0, MR_TASK_CLASSES, MR_LINK_NONE},
    {FLAT DENSE(1, "sigmoid"), "MeanSquaredError", 0, 0, MR_TARGETS_CLASSES, 0, MR_TASK_NUMBERS, MR_LINK_IDENTITY},
    {FLAT DENSE(1, "sigmoid"), "MeanSquaredError", 0, 1, MR_TARGETS_CLASSES, 0, MR_TASK_CLASSES, MR_LINK_IDENTITY},
    {FLAT DENSE(3, "sigmoid"), "BinaryCrossentropy", 0, 0, MR_TARGETS_CLASSES, 0, MR_TASK_LABELS, MR_LINK_IDENTITY},
    {FLAT DENSE(3, "sigmoid"), "BinaryCrossentropy", 0, 1, MR_TARGETS_CLASSES, 0, MR_TASK_CLASSES, MR_LINK_IDENTITY},
    {FLAT DENSE(3, "sigmoid"), "CategoricalCrossentropy", 0, 0, MR_TARGETS_CLASSES, 0, MR_TASK_CLASSES, MR_LINK_IDENTITY},
    {FLAT DENSE(3, "sigmoid"), "BinaryCrossentropy", 0, 0, MR_TARGETS_LABELS, 0, MR_TASK_LABELS, MR_LINK_IDENTITY},
    {LINEAR(3), "BinaryCrossentropy", 1, 0, MR_TARGETS_LABELS, 0, MR_TASK_LABELS, MR_LINK_SIGMOID},
    {FLAT DENSE(3, "softmax"), "CategoricalCrossentropy", 0, 0, MR_TARGETS_LABELS, 0, MR_TASK_NUMBERS, MR_LINK_IDENTITY},
    {FLAT DENSE(3, "softmax"), "CategoricalCrossentropy", 0, 0, MR_TARGETS_SHARES, 0, MR_TASK_CLASSES, MR_LINK_IDENTITY},
    {FLAT DENSE(3, "softmax"), "CategoricalCrossentropy", 0, 0, MR_TARGETS_NUMBERS, 0, MR_TASK_NUMBERS, MR_LINK_IDENTITY},
    {LINEAR(2), "MeanSquaredError", 0, 0, MR_TARGETS_SHARES, 0, MR_TASK_NUMBERS, MR_LINK_NONE},
    {LINEAR(2), "MeanSquaredError", 0, 0, MR_TARGETS_NUMBERS, 0, MR_TASK_NUMBERS, MR_LINK_NONE},
};

static void tasks(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof decisions / sizeof *decisions; i++) {
        const struct decision *d = &decisions[i];
        mr_loss l;
        bool known = loss_of(&l, d->loss, d->from_logits);
        mr_graph *g = graph_of(d->layers);
        mr_task_facts f = {
            .graph = g, .loss = known ? &l : NULL, .targets = d->targets, .named = d->named, .given = d->given};
        mr_output_task t = mr_task_of(&f);
        if (t.kind != d->kind || t.link != d->link)
            fail_msg("decision %zu: kind %d, link %d", i, (int)t.kind, (int)t.link);
        assert_true(t.vector);
        assert_int_equal(mr_task_check_given(&f, NULL), 0);
        mr_graph_free(g);
    }
}

static void a_map_is_no_vector(void **state)
{
    (void)state;
    mr_graph *g = graph_of(CONV(3, "softmax"));
    mr_output_task t = mr_task_of(&(mr_task_facts){.graph = g});
    assert_false(t.vector);
    assert_int_equal(t.kind, MR_TASK_CLASSES);
    assert_int_equal(t.width, 3);
    mr_graph_free(g);
}

static void contradictions_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *layers;
        mr_given_activation given;
    } cases[] = {{FLAT DENSE(3, "softmax"), MR_GIVEN_SIGMOID},
                 {FLAT DENSE(3, "sigmoid"), MR_GIVEN_SOFTMAX},
                 {LINEAR(1), MR_GIVEN_SOFTMAX}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mr_graph *g = graph_of(cases[i].layers);
        mr_error e = {0};
        assert_int_equal(mr_task_check_given(&(mr_task_facts){.graph = g, .given = cases[i].given}, &e), MR_EUSAGE);
        assert_non_null(strstr(e.message, "activation"));
        mr_graph_free(g);
    }
}

/* --- numbers ------------------------------------------------------------------------------------------- */

static void near(double a, double b)
{
    if (fabs(a - b) > 1e-6)
        fail_msg("%.9g is not %.9g", a, b);
}

static void logits_become_probabilities(void **state)
{
    (void)state;
    mr_output_task softmax = {.kind = MR_TASK_CLASSES, .link = MR_LINK_SOFTMAX, .width = 3, .classes = 3};
    mr_output_task one = {.kind = MR_TASK_CLASSES, .link = MR_LINK_SIGMOID, .width = 1, .classes = 2};
    mr_output_task labels = {.kind = MR_TASK_LABELS, .link = MR_LINK_SIGMOID, .width = 3, .classes = 3};
    const mr_real x[] = {1, 1.2f, -2}, far[] = {1000, -1000, 999}, tiny[] = {1e-12f};
    mr_real p[3];
    mr_task_probabilities(&softmax, x, p);
    near(p[0], exp(1) / (exp(1) + exp(1.2) + exp(-2)));
    near(p[0] + p[1] + p[2], 1);
    mr_task_probabilities(&softmax, far, p); /* no overflow */
    near(p[0], 1 / (1 + exp(-1)));
    near(p[1], 0);
    mr_task_probabilities(&one, &(mr_real){.3f}, p);
    near(p[1], 1 / (1 + exp(-.3)));
    near(p[0] + p[1], 1);
    mr_task_probabilities(&one, tiny, p); /* the class by the probability is the one by the logit */
    assert_true(p[1] > p[0]);
    assert_int_equal(mr_task_class(&one, tiny), 1);
    assert_int_equal(mr_task_class(&one, &(mr_real){0}), 0);
    mr_task_probabilities(&labels, x, p);
    near(p[2], 1 / (1 + exp(2)));
    near(p[0], 1 / (1 + exp(-1)));
}

static double right(mr_task_kind kind, double threshold, const char *loss, int width, int batch, const mr_real *t,
                    const mr_real *p)
{
    mr_loss l;
    mr_output_task task = {.kind = kind, .width = (size_t)width, .threshold = (mr_real)threshold, .vector = true};
    loss_of(&l, loss, false);
    return mr_task_right(&task, &l, &(mr_shape){2, {0, width}}, batch, t, p);
}

static void accuracies(void **state)
{
    (void)state;
    const mr_real t[] = {0, 1, 1, 0}, p[] = {.4f, .6f, .9f, .1f}, one[] = {.6f, .4f, .7f, .2f};
    near(right(MR_TASK_CLASSES, .5, "BinaryCrossentropy", 2, 2, t, p), 2);
    near(right(MR_TASK_CLASSES, .5, "BinaryCrossentropy", 1, 4, t, one), 2);
    const mr_real logits[] = {-.1f, .3f, .4f, .2f}; /* above 0, not above .5 */
    near(right(MR_TASK_CLASSES, 0, "BinaryCrossentropy", 1, 4, t, logits), 3);
    /* multi-hot rows: the share of the labels that is right, as Keras's binary_accuracy */
    const mr_real many[] = {1, 1, 0, 0, 0, 0}, given[] = {.9f, .6f, .7f, .1f, .2f, .3f};
    near(right(MR_TASK_LABELS, .5, "BinaryCrossentropy", 3, 2, many, given), 2. / 3 + 1);
    const mr_real index[] = {1, 0};
    near(right(MR_TASK_CLASSES, .5, "SparseCategoricalCrossentropy", 2, 2, index, p), 2);
    near(right(MR_TASK_NUMBERS, .5, "MeanSquaredError", 1, 4, t, one), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(last_operations),
        cmocka_unit_test(tasks),
        cmocka_unit_test(a_map_is_no_vector),
        cmocka_unit_test(contradictions_are_refused),
        cmocka_unit_test(logits_become_probabilities),
        cmocka_unit_test(accuracies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
