/* SPDX-License-Identifier: Apache-2.0 */
/* Losses: values by hand, gradients against central differences (in double: linked with libnn_double). */
#include "tests/shared.h"

#include "nn/learn/loss.h"
#include "base/random.h"

enum { ROWS = 5, WIDTH = 4 };

static const char *const names[] = {"categorical_crossentropy",
                                    "sparse_categorical_crossentropy",
                                    "binary_crossentropy",
                                    "categorical_focal_crossentropy",
                                    "binary_focal_crossentropy",
                                    "mse",
                                    "mae",
                                    "mape",
                                    "msle",
                                    "huber",
                                    "log_cosh",
                                    "poisson",
                                    "kl_divergence",
                                    "hinge",
                                    "squared_hinge",
                                    "categorical_hinge",
                                    "cosine_similarity"};

static void draw(mr_philox *g, const mr_loss *l, mr_real *target, mr_real *p)
{
    for (int r = 0; r < ROWS; r++) {
        int label = (int)mr_philox_below(g, WIDTH);
        for (int i = 0; i < WIDTH; i++) {
            p[r * WIDTH + i] = mr_philox_uniform(g, .05, .95);
            target[r * WIDTH + i] = i == label;
            if (strstr(l->class->name, "percentage")) /* divides by the target: 0 is not for differences */
                target[r * WIDTH + i] = mr_philox_uniform(g, .5, 1);
        }
        if (l->class->sparse)
            target[r] = label;
    }
}

static void check_gradient(const char *name, bool from_logits, double smoothing)
{
    const mr_shape out = {2, {0, WIDTH}};
    mr_real target[ROWS * WIDTH], p[ROWS * WIDTH], d[ROWS * WIDTH], weight[ROWS];
    double scratch[WIDTH];
    mr_loss l;
    mr_philox g;
    json_t *config = json_pack("{s:s, s:{s:b, s:f}}", "class_name", name, "config", "from_logits",
                               from_logits, "label_smoothing", smoothing);
    assert_int_equal(mr_loss_configure(&l, config, NULL), 0);
    json_decref(config);
    mr_philox_init(&g, 3, MR_DRAW_TEST, 0, 0);
    draw(&g, &l, target, p);
    for (int r = 0; r < ROWS; r++)
        weight[r] = mr_philox_uniform(&g, .2, 2);
    mr_loss_batch(&l, &out, ROWS, target, p, weight, scratch, d);
    for (int i = 0; i < ROWS * WIDTH; i++) {
        const mr_real step = 1e-6, at = p[i];
        p[i] = at + step;
        double high = mr_loss_batch(&l, &out, ROWS, target, p, weight, scratch, NULL);
        p[i] = at - step;
        double low = mr_loss_batch(&l, &out, ROWS, target, p, weight, scratch, NULL);
        p[i] = at;
        double numeric = (high - low) / (2 * step);
        if (fabs(numeric - d[i]) > 1e-6 * (1 + fabs(numeric)))
            fail_msg("%s logits %d: gradient %d is %.9g, differences give %.9g", name, from_logits, i,
                     (double)d[i], numeric);
    }
}

static void gradients(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        check_gradient(names[i], false, 0);
    for (size_t i = 0; i < 5; i++)
        check_gradient(names[i], true, 0);
    check_gradient("categorical_crossentropy", false, .1);
    check_gradient("categorical_crossentropy", true, .1);
    check_gradient("binary_crossentropy", false, .2);
}

static double value(const char *name, const mr_real *target, const mr_real *p, int rows, int width)
{
    const mr_shape out = {2, {0, width}};
    double scratch[WIDTH];
    mr_loss l;
    json_t *config = json_string(name);
    assert_int_equal(mr_loss_configure(&l, config, NULL), 0);
    json_decref(config);
    return mr_loss_batch(&l, &out, rows, target, p, NULL, scratch, NULL);
}

static void near(double a, double b)
{
    if (fabs(a - b) > 1e-9 * (1 + fabs(b)))
        fail_msg("%.12g is not %.12g", a, b);
}

static void values_by_hand(void **state)
{
    (void)state;
    const mr_real t[] = {0, 1, 0, 1, 0, 0}, p[] = {.2, .7, .1, .5, .25, .25};
    near(value("categorical_crossentropy", t, p, 2, 3), -(log(.7) + log(.5)) / 2);
    near(value("mse", t, p, 2, 3), (.04 + .09 + .01 + .25 + .0625 + .0625) / 6);
    near(value("binary_crossentropy", t, p, 1, 3), -(log(.8) + log(.7) + log(.9)) / 3);
    const mr_real index[] = {1, 0};
    near(value("sparse_categorical_crossentropy", index, p, 2, 3), -(log(.7) + log(.5)) / 2);
    const mr_real wrong[] = {1, 0, 0}, certain[] = {0, 1, 0}; /* clipped as Keras clips, not infinite */
    near(value("categorical_crossentropy", wrong, certain, 1, 3), -log(1e-7));
}

static void unknown_loss(void **state)
{
    (void)state;
    mr_loss l;
    mr_error e = {0};
    json_t *config = json_string("my_loss");
    assert_int_equal(mr_loss_configure(&l, config, &e), MR_EUNSUPPORTED);
    assert_non_null(strstr(e.message, "my_loss"));
    json_decref(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients),
        cmocka_unit_test(values_by_hand),
        cmocka_unit_test(unknown_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
