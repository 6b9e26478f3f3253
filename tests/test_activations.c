/* SPDX-License-Identifier: Apache-2.0 */
/* Every activation against tests/data/activations.tsv (made from the definitions by activations.py beside
 * it), alone and at every length of a vector; how a configuration names one. */
#include "nn/layers/activation.h"
#include "tests/call.h"
#include "tests/shared.h"

#include <math.h>

enum { PLACES = 12 };

static FILE *open_table(void)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/tests/data/activations.tsv",
             getenv("MILLRACE_SRC") ? getenv("MILLRACE_SRC") : ".");
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    return f;
}

static bool read_row(FILE *f, char name[64], double values[PLACES])
{
    if (fscanf(f, "%63s", name) != 1)
        return false;
    for (int i = 0; i < PLACES; i++)
        assert_int_equal(fscanf(f, "%lf", &values[i]), 1);
    return true;
}

static void check_row(const char *name, const double x[PLACES], const double y[PLACES])
{
    const mr_activation *a = mr_activation_find(name);
    mr_real in[PLACES], out[PLACES];
    if (!a)
        fail_msg("no activation %s", name);
    for (int i = 0; i < PLACES; i++)
        in[i] = (mr_real)x[i];
    a->forward(a, in, out, PLACES, PLACES);
    for (int i = 0; i < PLACES; i++)
        if (!(fabs((double)out[i] - y[i]) <= 3e-7 * fabs(y[i]) + 1e-7 * fabs(x[i])))
            fail_msg("%s(%g) is %.9g, not %.9g", name, x[i], (double)out[i], y[i]);
    for (int length = 1; length < PLACES && !a->by_rows;
         length++) { /* what is left over after whole vectors, in place */
        mr_real part[PLACES];
        memcpy(part, in, sizeof part);
        a->forward(a, part, part, (size_t)length, PLACES);
        for (int i = 0; i < PLACES; i++)
            assert_true(fabs((double)part[i] - (double)(i < length ? out[i] : in[i])) <=
                        2e-7 * fabs((double)part[i]));
    }
}

static void values(void **state)
{
    (void)state;
    FILE *f = open_table();
    char name[64];
    double x[PLACES], y[PLACES];
    int rows = 0;
    assert_true(read_row(f, name, x));
    for (; read_row(f, name, y); rows++)
        check_row(name, x, y);
    assert_int_equal(rows, 31);
    fclose(f);
}

/* A NaN is never hidden, except where the answer does not depend on it. */
static void not_a_number(void **state)
{
    (void)state;
    static const char *const names[] = {
        "relu",     "relu6",        "leaky_relu", "elu",         "sigmoid",     "tanh",        "silu", "gelu",
        "softplus", "hard_sigmoid", "softmax",    "log_softmax", "exponential", "soft_shrink", "mish"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const mr_activation *a = mr_activation_find(names[i]);
        mr_real x[2] = {(mr_real)NAN, 1}, y[2];
        a->forward(a, x, y, 2, 2);
        if (!isnan(y[0]))
            fail_msg("%s hides NaN", names[i]);
    }
}

/* Large differences and long rows. */
static void softmax_of_large_numbers(void **state)
{
    (void)state;
    const mr_activation *a = mr_activation_find("softmax");
    mr_real x[4] = {1000, 1000, -1000, 999}, y[4];
    a->forward(a, x, y, 4, 4);
    assert_true(fabs((double)y[0] - 0.422318798) < 1e-6 && y[0] == y[1] && y[2] < 1e-30f);
    enum { LONG = 1003 };
    mr_real row[LONG];
    double sum = 0;
    draw_reals(1, 1, -20, 20, row, LONG);
    a->forward(a, row, row, LONG, LONG);
    for (int i = 0; i < LONG; i++)
        sum += (double)row[i];
    assert_true(fabs(sum - 1) < 1e-6);
}

static int read_activation(const char *json, mr_activation *out, mr_error *e)
{
    mr_layer l = {.class = mr_layer_class_find("Dense"), .name = (char *)"head", .local_name = "head"};
    char text[512];
    snprintf(text, sizeof text, "{\"activation\":%s}", json);
    json_t *c = json_loads(text, 0, NULL);
    assert_non_null(c);
    mr_error_clear(e);
    int status = mr_config_activation(&l, c, "activation", out, e);
    json_decref(c);
    return status;
}

/* What an underflow or rounding must not hide. */
static void huge_numbers(void **state)
{
    (void)state;
    static const char *const fades[] = {"silu", "mish", "gelu", "hard_silu"};
    mr_real x[2] = {(mr_real)-3e38, (mr_real)-1e30}, y[2], dy[2] = {1, 1}, dx[2];
    for (size_t i = 0; i < sizeof fades / sizeof *fades; i++) {
        const mr_activation *a = mr_activation_find(fades[i]);
        a->forward(a, x, y, 2, 2);
        a->backward(a, x, y, dy, dx, 2, 2);
        for (int k = 0; k < 2; k++)
            if (y[k] != 0 || dx[k] != 0)
                fail_msg("%s(%g): %g, slope %g", fades[i], (double)x[k], (double)y[k], (double)dx[k]);
    }
    const mr_activation *a = mr_activation_find("log_softmax");
    mr_real large[2] = {(mr_real)1e6, (mr_real)1e6};
    a->forward(a, large, y, 2, 2);
    assert_true(fabs((double)y[0] + 0.69314718) < 1e-6);
}

static void names_in_configurations(void **state)
{
    (void)state;
    mr_activation a;
    mr_error e = {0};
    assert_int_equal(read_activation("null", &a, &e), 0);
    assert_true(mr_activation_is_linear(&a));
    assert_int_equal(read_activation("\"relu\"", &a, &e), 0);
    assert_string_equal(a.name, "relu");
    assert_int_equal(read_activation("{\"class_name\":\"function\",\"config\":\"gelu\"}", &a, &e), 0);
    assert_string_equal(a.name, "gelu");
    assert_int_equal(read_activation("{\"class_name\":\"LeakyReLU\",\"config\":{\"alpha\":0.1}}", &a, &e), 0);
    assert_true(a.slope == 0.1);
    assert_int_equal(
        read_activation("{\"class_name\":\"LeakyReLU\",\"config\":{\"negative_slope\":0.25}}", &a, &e), 0);
    assert_true(a.slope == 0.25);
    assert_int_equal(read_activation("{\"class_name\":\"ReLU\",\"config\":{\"max_value\":6.0}}", &a, &e), 0);
    assert_string_equal(a.name, "relu6");
    assert_int_equal(
        read_activation("{\"class_name\":\"Activation\",\"config\":{\"activation\":\"tanh\"}}", &a, &e), 0);
    assert_string_equal(a.name, "tanh");
    assert_int_equal(read_activation("{\"class_name\":\"Softmax\",\"config\":{\"axis\":-1}}", &a, &e), 0);
    assert_true(a.by_rows);
}

static void check_refused(const char *json, int code, const char *named)
{
    mr_activation a;
    mr_error e = {0};
    assert_int_equal(read_activation(json, &a, &e), code);
    if (!strstr(e.message, named) || !strstr(e.message, "head"))
        fail_msg("%s: \"%s\" does not name %s and the layer", json, e.message, named);
}

static void refusals(void **state)
{
    (void)state;
    check_refused("\"my_activation\"", MR_EUNSUPPORTED, "my_activation");
    check_refused("{\"class_name\":\"function\",\"config\":\"snake\"}", MR_EUNSUPPORTED, "snake");
    check_refused("{\"class_name\":\"Custom>Wave\",\"config\":{}}", MR_EUNSUPPORTED, "Custom>Wave");
    check_refused("{\"class_name\":\"Softmax\",\"config\":{\"axis\":1}}", MR_EUNSUPPORTED, "axis");
    check_refused("{\"class_name\":\"LeakyReLU\",\"config\":{\"alpha\":\"much\"}}", MR_EINVAL, "alpha");
    check_refused("7", MR_EINVAL, "activation");
    check_refused("{\"config\":{}}", MR_EINVAL, "activation");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
        cmocka_unit_test(not_a_number),
        cmocka_unit_test(softmax_of_large_numbers),
        cmocka_unit_test(huge_numbers),
        cmocka_unit_test(refusals),
        cmocka_unit_test(names_in_configurations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
