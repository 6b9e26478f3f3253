/* SPDX-License-Identifier: Apache-2.0 */
/* Optimizers against closed forms and against the update rules as the papers print them, one number at a time
 * (in double: linked with libnn_double). How they act together with real models and Keras's own numbers:
 * tests/test_training.c. */
#include "tests/shared.h"

#include "nn/arch/builder.h"
#include "nn/learn/optimizer.h"
#include "base/random.h"

#include <math.h>

/* --- a graph whose variables are all that matters ---------------------------------------------- */

struct bed {
    mr_graph *g;
    mr_team *team;
    mr_optimizer *o;
    mr_real *gradients;
};

/* Two dense layers: the kernels (300x70, 70x3) are cut into several pieces, and into one. */
static void lay(struct bed *b, const char *optimizer, double l2, int threads)
{
    mr_error e = {0};
    mr_builder m;
    mr_builder_start(&m, "bed");
    const char *x = mr_builder_flatten(&m, "flat", mr_builder_input(&m, "in", 10, 10, 3));
    x = mr_builder_dense(&m, "wide", x, 70, NULL, l2);
    json_t *model = mr_builder_finish(&m, mr_builder_dense(&m, "narrow", x, 3, NULL, 0));
    json_t *config = json_loads(optimizer, 0, NULL);
    memset(b, 0, sizeof *b);
    assert_non_null(config);
    if (mr_graph_create(&b->g, model, NULL, &e) || mr_team_create(&b->team, threads, &e) ||
        mr_optimizer_create(&b->o, config, &e) || mr_optimizer_attach(b->o, b->g, NULL, 0, NULL, &e))
        fail_msg("%s: %s", optimizer, e.message);
    b->gradients = mr_state_alloc(b->g->weights);
    assert_non_null(b->gradients);
    memset(b->gradients, 0, b->g->weights * sizeof *b->gradients);
    json_decref(model);
    json_decref(config);
}

static void clear_away(struct bed *b)
{
    mr_state_free(b->gradients);
    mr_optimizer_free(b->o);
    mr_team_destroy(b->team);
    mr_graph_free(b->g);
}

static void fill(const struct bed *b, mr_real *to, double value)
{
    for (int i = 0; i < b->g->params; i++)
        for (size_t k = 0; k < b->g->param[i]->count; k++)
            to[b->g->param[i]->offset + k] = value;
}

static void draw(const struct bed *b, mr_real *to, uint64_t number)
{
    mr_philox random;
    mr_philox_init(&random, 11, MR_DRAW_TEST, 0, number);
    for (int i = 0; i < b->g->params; i++)
        for (size_t k = 0; k < b->g->param[i]->count; k++)
            to[b->g->param[i]->offset + k] = mr_philox_uniform(&random, -1, 1);
}

static void step(struct bed *b)
{
    mr_optimizer_step(b->o, b->g, b->team, b->gradients, b->g->state);
}

static void near(const char *what, double got, double expected)
{
    if (!(fabs(got - expected) <= 1e-11 * (1 + fabs(expected))))
        fail_msg("%s: %.15g, expected %.15g", what, got, expected);
}

/* --- closed forms: N steps of a constant gradient G from w = 1 --------------------------------- */

#define OPTIMIZER(class, keys)                                                                               \
    "{\"class_name\": \"" class "\", \"config\": {\"learning_rate\": 0.01" keys "}}"
enum { STEPS = 12 };
static const double lr = .01;

static double sgd(double g, int n)
{
    return 1 - lr * g * n;
}

/* v_k = -lr*g*(1 + m + … + m^(k-1)) */
static double momentum(double g, int n)
{
    const double m = .9;
    return 1 - lr * g * (n - m * (1 - pow(m, n)) / (1 - m)) / (1 - m);
}

static double nesterov(double g, int n)
{
    double w = 1;
    for (int k = 1; k <= n; k++) /* m * v_k - lr*g = v_(k+1) */
        w -= lr * g * (1 - pow(.9, k + 1)) / (1 - .9);
    return w;
}

static double adam(double g, int n)
{
    double w = 1;
    for (int k = 1; k <= n;
         k++) /* both bias corrections cancel against a constant gradient; epsilon's does not */
        w -= lr * g * sqrt(1 - pow(.999, k)) / (sqrt(1 - pow(.999, k)) * fabs(g) + 1e-3);
    return w;
}

static double adamw(double g, int n)
{
    double w = 1;
    for (int k = 1; k <= n; k++)
        w = w * (1 - lr * .1) - lr * g * sqrt(1 - pow(.999, k)) / (sqrt(1 - pow(.999, k)) * fabs(g) + 1e-3);
    return w;
}

static double rmsprop(double g, int n)
{
    double w = 1;
    for (int k = 1; k <= n; k++)
        w -= lr * g / sqrt((1 - pow(.9, k)) * g * g + 1e-3);
    return w;
}

static double rmsprop_centered(double g, int n)
{
    double w = 1, velocity = 0;
    for (int k = 1; k <= n; k++) {
        double share = 1 - pow(.9, k);
        velocity = .5 * velocity + lr * g / sqrt(share * g * g - share * share * g * g + 1e-3);
        w -= velocity;
    }
    return w;
}

static double adagrad(double g, int n)
{
    double w = 1;
    for (int k = 1; k <= n; k++)
        w -= lr * g / sqrt(.25 + k * g * g + 1e-3);
    return w;
}

static double adamax(double g, int n)
{
    return 1 - n * lr * g / (fabs(g) + 1e-3);
}

/* Dozat 2016, algorithm 2, with the momenta mu_k = beta_1 (1 - 0.96^k / 2). */
static double nadam(double g, int n)
{
    double w = 1, product = 1, m = 0, v = 0;
    for (int k = 1; k <= n; k++) {
        double now = .9 * (1 - pow(.96, k) / 2), next = .9 * (1 - pow(.96, k + 1) / 2);
        product *= now;
        m = .9 * m + .1 * g;
        v = .999 * v + .001 * g * g;
        double ahead = next * m / (1 - product * next) + (1 - now) * g / (1 - product);
        w -= lr * ahead / (sqrt(v / (1 - pow(.999, k))) + 1e-3);
    }
    return w;
}

/* Zeiler 2012, algorithm 1, times a rate. */
static double adadelta(double g, int n)
{
    double w = 1, squares = 0, deltas = 0;
    for (int k = 1; k <= n; k++) {
        squares = .95 * squares + .05 * g * g;
        double delta = -sqrt(deltas + 1e-3) / sqrt(squares + 1e-3) * g;
        deltas = .95 * deltas + .05 * delta * delta;
        w += lr * delta;
    }
    return w;
}

static const struct form {
    const char *optimizer;
    double (*after)(double g, int steps);
} forms[] = {
    {OPTIMIZER("SGD", ""), sgd},
    {OPTIMIZER("SGD", ", \"momentum\": 0.9"), momentum},
    {OPTIMIZER("SGD", ", \"momentum\": 0.9, \"nesterov\": true"), nesterov},
    {OPTIMIZER("Adam", ", \"epsilon\": 1e-3"), adam},
    {OPTIMIZER("Adam", ", \"epsilon\": 1e-3, \"amsgrad\": true"),
     adam}, /* the second moment only rises here */
    {OPTIMIZER("AdamW", ", \"epsilon\": 1e-3, \"weight_decay\": 0.1"), adamw},
    {OPTIMIZER("RMSprop", ", \"epsilon\": 1e-3"), rmsprop},
    {OPTIMIZER("RMSprop", ", \"epsilon\": 1e-3, \"momentum\": 0.5, \"centered\": true"), rmsprop_centered},
    {OPTIMIZER("Adagrad", ", \"epsilon\": 1e-3, \"initial_accumulator_value\": 0.25"), adagrad},
    {OPTIMIZER("Adadelta", ", \"epsilon\": 1e-3"), adadelta},
    {OPTIMIZER("Adamax", ", \"epsilon\": 1e-3"), adamax},
    {OPTIMIZER("Nadam", ", \"epsilon\": 1e-3"), nadam},
};

static void closed_forms(void **state)
{
    (void)state;
    const double gradients[] = {.5, -.02, 3};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        for (size_t k = 0; k < sizeof gradients / sizeof *gradients; k++) {
            struct bed b;
            lay(&b, forms[i].optimizer, 0, 2);
            fill(&b, b.g->state, 1);
            for (int n = 1; n <= STEPS; n++) {
                fill(&b, b.gradients, gradients[k]);
                step(&b);
                for (int p = 0; p < b.g->params; p++) {
                    const mr_real *w = mr_param_value(b.g, b.g->param[p]);
                    near(forms[i].optimizer, w[0], forms[i].after(gradients[k], n));
                    near(forms[i].optimizer, w[b.g->param[p]->count - 1], forms[i].after(gradients[k], n));
                }
            }
            assert_int_equal(b.o->iterations, STEPS);
            clear_away(&b);
        }
}

/* AMSGrad differs from Adam where gradients shrink: the largest second moment stays. */
static void amsgrad_keeps_the_largest(void **state)
{
    (void)state;
    struct bed b;
    double w = 1, m = 0, v = 0, most = 0;
    lay(&b, OPTIMIZER("Adam", ", \"amsgrad\": true, \"beta_2\": 0.5"), 0, 1);
    fill(&b, b.g->state, 1);
    for (int n = 1; n <= STEPS; n++) {
        double g = pow(.3, n);
        fill(&b, b.gradients, g);
        step(&b);
        m = .9 * m + .1 * g;
        v = .5 * v + .5 * g * g;
        most = v > most ? v : most;
        w -= lr * sqrt(1 - pow(.5, n)) / (1 - pow(.9, n)) * m / (sqrt(most) + 1e-7);
        near("amsgrad", mr_param_value(b.g, b.g->param[0])[5], w);
    }
    clear_away(&b);
}

static void schedules_are_followed(void **state)
{
    (void)state;
    struct bed b;
    lay(&b,
        "{\"class_name\": \"SGD\", \"config\": {\"learning_rate\": {\"class_name\": "
        "\"PiecewiseConstantDecay\", "
        "\"config\": {\"boundaries\": [1], \"values\": [0.5, 0.125]}}}}",
        0, 1);
    fill(&b, b.g->state, 1);
    for (int n = 0; n < 4; n++) {
        near("rate", mr_optimizer_rate(b.o), n < 2 ? .5 : .125);
        fill(&b, b.gradients, .1);
        step(&b);
    }
    near("piecewise", *b.g->state, 1 - .1 * (.5 + .5 + .125 + .125));
    clear_away(&b);
}

/* --- clipping and regularizers ----------------------------------------------------------------- */

static void clipped(const char *keys, double kernel, double bias)
{
    struct bed b;
    char config[256];
    snprintf(config, sizeof config, "{\"class_name\": \"SGD\", \"config\": {\"learning_rate\": 1.0, %s}}",
             keys);
    lay(&b, config, 0, 2);
    fill(&b, b.gradients, .5);
    step(&b);
    near(keys, -mr_param_value(b.g, b.g->param[0])[20999], kernel); /* wide: 300 x 70 */
    near(keys, -mr_param_value(b.g, b.g->param[1])[0], bias);
    clear_away(&b);
}

static void clipping(void **state)
{
    (void)state;
    const double kernel = .5 * sqrt(21000), bias = .5 * sqrt(70), all = .5 * sqrt(21000 + 70 + 210 + 3);
    clipped("\"clipvalue\": 0.3", .3, .3);
    clipped("\"clipvalue\": 0.7", .5, .5);
    clipped("\"clipnorm\": 10.0", 10 / kernel * .5, .5); /* the bias's norm is below 10 */
    clipped("\"clipnorm\": 2.0", 2 / kernel * .5, 2 / bias * .5);
    clipped("\"global_clipnorm\": 10.0", 10 / all * .5, 10 / all * .5);
    clipped("\"global_clipnorm\": 1000.0", .5, .5);
}

/* Keras's L2 is l2 * w², so its gradient is 2 * l2 * w; it is clipped with the rest. */
static void regularizers(void **state)
{
    (void)state;
    struct bed b;
    lay(&b, "{\"class_name\": \"SGD\", \"config\": {\"learning_rate\": 1.0}}", .01, 1);
    fill(&b, b.g->state, .5);
    b.g->param[1]->l1 = .03;
    near("penalty", mr_regularization(b.g), .01 * 21000 * .25 + .03 * 70 * .5);
    step(&b);
    near("l2", mr_param_value(b.g, b.g->param[0])[7], .5 - 2 * .01 * .5);
    near("l1", mr_param_value(b.g, b.g->param[1])[7], .5 - .03);
    near("none", mr_param_value(b.g, b.g->param[2])[7], .5);
    clear_away(&b);
}

/* --- where the new state goes ------------------------------------------------------------------ */

/* STEPS updates by drawn gradients; OUT_OF_PLACE: each into another buffer, as beside a checkpoint. */
static mr_real *trained(const char *optimizer, bool out_of_place, int threads, size_t *size)
{
    struct bed b;
    lay(&b, optimizer, 1e-3, threads);
    draw(&b, b.g->state, 1000);
    mr_real *spare = mr_state_alloc(b.g->state_size);
    assert_non_null(spare);
    memset(spare, 0xff, b.g->state_size * sizeof *spare); /* NaN wherever nothing is written */
    for (int n = 0; n < STEPS; n++) {
        draw(&b, b.gradients, (uint64_t)n);
        mr_real *old = b.g->state, *out = out_of_place ? spare : old;
        mr_optimizer_step(b.o, b.g, b.team, b.gradients, out);
        b.g->state = out;
        spare = out_of_place ? old : spare;
    }
    mr_real *packed =
        calloc(b.g->state_size, sizeof *packed); /* variables and slots, without what pads them */
    *size = 0;
    for (int i = 0; i < b.g->params; i++)
        for (size_t k = 0; k < b.g->param[i]->count; k++)
            packed[(*size)++] = b.g->state[b.g->param[i]->offset + k];
    for (int i = 0; i < b.o->slots; i++)
        for (size_t k = 0; k < (b.o->slot[i].param ? b.o->slot[i].param->count : 1); k++)
            packed[(*size)++] = b.g->state[b.o->slot[i].offset + k];
    mr_state_free(spare);
    clear_away(&b);
    return packed;
}

static void out_of_place_equals_in_place(void **state)
{
    (void)state;
    static const char *const keys[] = {"", ", \"clipnorm\": 0.5", ", \"global_clipnorm\": 0.5",
                                       ", \"weight_decay\": 0.01"};
    for (size_t i = 0; mr_optimizer_classes[i]; i++)
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
            char config[256];
            size_t size, other_size;
            snprintf(config, sizeof config,
                     "{\"class_name\": \"%s\", \"config\": {\"learning_rate\": 0.01%s%s}}",
                     mr_optimizer_classes[i]->class_name, i == 0 ? ", \"momentum\": 0.9" : "", keys[k]);
            mr_real *in_place = trained(config, false, 1, &size);
            for (int threads = 1; threads <= 3; threads++) {
                mr_real *other = trained(config, true, threads, &other_size);
                assert_int_equal(size, other_size);
                assert_memory_equal(in_place, other, size * sizeof *other);
                free(other);
            }
            free(in_place);
        }
}

static void frozen_variables_stay(void **state)
{
    (void)state;
    struct bed b;
    lay(&b, OPTIMIZER("SGD", ""), .01, 1);
    mr_layer_set_trainable(mr_graph_layer(b.g, "wide"), false);
    mr_optimizer_free(b.o);
    json_t *config = json_loads(OPTIMIZER("AdamW", ""), 0, NULL);
    assert_int_equal(mr_optimizer_create(&b.o, config, NULL), 0);
    assert_int_equal(mr_optimizer_attach(b.o, b.g, NULL, 0, NULL, NULL), 0);
    json_decref(config);
    assert_int_equal(b.o->slots, 2 * 2); /* of the other layer alone */
    assert_true(mr_regularization(b.g) == 0);
    draw(&b, b.g->state, 1);
    draw(&b, b.gradients, 2);
    mr_real *before = mr_state_alloc(b.g->state_size), *out = mr_state_alloc(b.g->state_size);
    memcpy(before, b.g->state, b.g->state_size * sizeof *before);
    mr_optimizer_step(b.o, b.g, b.team, b.gradients, out);
    for (int i = 0; i < 4; i++) {
        const mr_param *p = b.g->param[i];
        bool same = !memcmp(out + p->offset, before + p->offset, p->count * sizeof *out);
        assert_true(same == (i < 2));
    }
    mr_state_free(before);
    mr_state_free(out);
    clear_away(&b);
}

/* --- configurations ----------------------------------------------------------------------------------------
 */

static void complete_configurations(void **state)
{
    (void)state;
    for (int i = 0; mr_optimizer_classes[i]; i++) {
        json_t *config = json_pack("{s:s, s:{}}", "class_name", mr_optimizer_classes[i]->name, "config"),
               *whole;
        mr_optimizer *o, *again;
        assert_int_equal(mr_optimizer_create(&o, config, NULL), 0);
        assert_true(mr_optimizer_rate(o) == mr_optimizer_classes[i]->learning_rate);
        whole = mr_optimizer_config(o);
        assert_int_equal(mr_optimizer_create(&again, whole, NULL), 0);
        json_t *same = mr_optimizer_config(again);
        assert_true(json_equal(whole, same));
        json_decref(same);
        json_decref(whole);
        json_decref(config);
        mr_optimizer_free(o);
        mr_optimizer_free(again);
    }
}

static void refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "{\"class_name\": \"Lion\", \"config\": {}}",
        "{}",
        OPTIMIZER("SGD", ", \"beta_1\": 0.9"),
        OPTIMIZER("Adam", ", \"use_ema\": true"),
        OPTIMIZER("Adam", ", \"gradient_accumulation_steps\": 4"),
        OPTIMIZER("SGD", ", \"momentum\": 1.5"),
        OPTIMIZER("SGD", ", \"nesterov\": 1"),
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        mr_optimizer *o;
        mr_error e = {0};
        json_t *config = json_loads(wrong[i], 0, NULL);
        if (!mr_optimizer_create(&o, config, &e))
            fail_msg("%s was taken", wrong[i]);
        assert_null(o);
        assert_true(*e.message);
        json_decref(config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closed_forms),
        cmocka_unit_test(amsgrad_keeps_the_largest),
        cmocka_unit_test(schedules_are_followed),
        cmocka_unit_test(clipping),
        cmocka_unit_test(regularizers),
        cmocka_unit_test(out_of_place_equals_in_place),
        cmocka_unit_test(frozen_variables_stay),
        cmocka_unit_test(complete_configurations),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
