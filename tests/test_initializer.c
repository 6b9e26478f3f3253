/* SPDX-License-Identifier: Apache-2.0 */
/* Initial weights by every initializer: the bounds, means and deviations that Keras's documentation gives
 * them. */
#include "tests/shared.h"

#include "nn/graph/initializer.h"
#include <jansson.h>
#include <math.h>
#include <stdbool.h>

enum { MOST = 3 * 3 * 40 * 60 };

static mr_real drawn[MOST];

typedef struct moments {
    double mean, deviation, low, high;
} moments;

static const mr_layer_class class = {.name = "Conv2D"};
static mr_layer layer = {.name = "conv", .class = &class};

static mr_param param(mr_shape shape)
{
    return (mr_param){.kind = "kernel", .shape = shape, .count = mr_shape_count(&shape), .layer = &layer};
}

static const mr_shape kernel = {4, {3, 3, 40, 60}}; /* fan in 360, fan out 540 */

/* What initializer JSON (or a name) gives P, into DRAWN. */
static int draw(mr_param p, const char *json, mr_error *e)
{
    mr_philox g;
    mr_philox_init(&g, 11, MR_DRAW_TEST, 0, 0);
    json_t *config = json_loads(json, JSON_DECODE_ANY, NULL);
    assert_non_null(config);
    p.initializer = config;
    int status = mr_initialize(&p, &g, drawn, e);
    json_decref(config);
    return status;
}

static moments measure(size_t n)
{
    moments m = {0, 0, drawn[0], drawn[0]};
    double squares = 0;
    for (size_t i = 0; i < n; i++) {
        m.mean += (double)drawn[i] / (double)n;
        squares += (double)drawn[i] * (double)drawn[i] / (double)n;
        m.low = fmin(m.low, drawn[i]);
        m.high = fmax(m.high, drawn[i]);
    }
    m.deviation = sqrt(squares - m.mean * m.mean);
    return m;
}

/* The largest value and the deviation of MOST draws; 0 for LIMIT: any. The deviation of so many is within 2%.
 */
static void check(const char *json, double mean, double deviation, double limit)
{
    mr_error e = {0};
    if (draw(param(kernel), json, &e))
        fail_msg("%s", e.message);
    moments m = measure(MOST);
    bool fits =
        fabs(m.mean - mean) <= 5 * deviation / sqrt(MOST) && fabs(m.deviation - deviation) <= .02 * deviation;
    bool within = !limit || (m.low >= mean - limit * (1 + 1e-6) && m.high <= mean + limit * (1 + 1e-6) &&
                             m.low < mean - .98 * limit && m.high > mean + .98 * limit);
    if (!fits || !within)
        fail_msg("%s: mean %g, deviation %g, %g … %g", json, m.mean, m.deviation, m.low, m.high);
}

static void check_uniform(const char *json, double limit)
{
    check(json, 0, limit / sqrt(3), limit);
}

/* Cut at two of its own deviations, which is .8796 of what it was. */
static void check_truncated(const char *json, double deviation)
{
    check(json, 0, deviation, 2 * deviation / .87962566103423978);
}

/* Glorot: variance 2 / (in + out), He: 2 / in, LeCun: 1 / in. */
static void named_scales(void **state)
{
    (void)state;
    check_uniform("\"glorot_uniform\"", sqrt(6. / 900));
    check_uniform("{\"class_name\": \"GlorotUniform\", \"config\": {\"seed\": null}}", sqrt(6. / 900));
    check_uniform("\"he_uniform\"", sqrt(6. / 360));
    check_uniform("{\"class_name\": \"LecunUniform\"}", sqrt(3. / 360));
    check_truncated("\"glorot_normal\"", sqrt(2. / 900));
    check_truncated("{\"class_name\": \"HeNormal\", \"config\": {}}", sqrt(2. / 360));
    check_truncated("\"lecun_normal\"", sqrt(1. / 360));
}

#define SCALING(config) "{\"class_name\": \"VarianceScaling\", \"config\": {" config "}}"

static void variance_scaling(void **state)
{
    (void)state;
    check_truncated(SCALING(""), sqrt(1. / 360));
    check_truncated(SCALING("\"scale\": 3, \"mode\": \"fan_out\", \"distribution\": \"truncated_normal\""),
                    sqrt(3. / 540));
    check_truncated(SCALING("\"mode\": \"fan_avg\", \"distribution\": \"normal\""), sqrt(1. / 450));
    check(SCALING("\"mode\": \"fan_out\", \"distribution\": \"untruncated_normal\""), 0, sqrt(1. / 540), 0);
    moments m = measure(MOST);
    assert_true(m.high > 3.5 * m.deviation && m.low < -3.5 * m.deviation);
    check_uniform(SCALING("\"scale\": 0.5, \"distribution\": \"uniform\""), sqrt(1.5 / 360));
}

static void plain_distributions(void **state)
{
    (void)state;
    check_uniform("\"random_uniform\"", .05);
    check("{\"class_name\": \"RandomUniform\", \"config\": {\"minval\": 1, \"maxval\": 5}}", 3, 4 / sqrt(12),
          2);
    check("\"random_normal\"", 0, .05, 0);
    check("{\"class_name\": \"RandomNormal\", \"config\": {\"mean\": -2, \"stddev\": 3}}", -2, 3, 0);
    check("\"normal\"", 0, .05, 0);
    check("{\"class_name\": \"TruncatedNormal\", \"config\": {\"mean\": 7, \"stddev\": 0.5}}", 7,
          .5 * .87962566103423978, 1);
}

/* One dimension is both fans, none is 1. */
static void fans_of_few_dimensions(void **state)
{
    (void)state;
    mr_error e = {0};
    assert_int_equal(draw(param((mr_shape){1, {10000}}), "\"he_uniform\"", &e), 0);
    moments m = measure(10000);
    assert_true(m.high <= sqrt(6. / 10000) && m.high > .99 * sqrt(6. / 10000));
    assert_int_equal(draw(param((mr_shape){2, {10, 1000}}), "\"he_uniform\"", &e), 0);
    m = measure(10000);
    assert_true(m.high <= sqrt(.6) && m.high > .99 * sqrt(.6));
    assert_int_equal(draw(param((mr_shape){0}), "\"lecun_uniform\"", &e), 0);
    assert_true(fabs((double)drawn[0]) <= sqrt(3.));
}

static void constants(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        double value;
    } cases[] = {{"\"zeros\"", 0},
                 {"{\"class_name\": \"Ones\", \"config\": {}}", 1},
                 {"\"one\"", 1},
                 {"{\"class_name\": \"Constant\", \"config\": {\"value\": -2.5}}", -2.5},
                 {"null", 0}};
    mr_error e = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memset(drawn, 0x55, sizeof drawn);
        assert_int_equal(draw(param(kernel), cases[i].json, &e), 0);
        moments m = measure(MOST);
        assert_true(m.low == cases[i].value && m.high == cases[i].value);
    }
    mr_param p = param(kernel);
    p.default_initializer = "ones";
    assert_int_equal(draw(p, "null", &e), 0);
    assert_true(measure(MOST).low == 1);
}

static void identity(void **state)
{
    (void)state;
    static const mr_shape shapes[] = {{2, {3, 3}}, {2, {2, 4}}, {2, {4, 2}}};
    static const char json[] = "{\"class_name\": \"Identity\", \"config\": {\"gain\": 1.5}}";
    mr_error e = {0};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        assert_int_equal(draw(param(shapes[i]), json, &e), 0);
        for (int row = 0; row < shapes[i].dim[0]; row++)
            for (int column = 0; column < shapes[i].dim[1]; column++)
                assert_true((double)drawn[row * shapes[i].dim[1] + column] == (row == column ? 1.5 : 0));
    }
    assert_int_equal(draw(param(kernel), json, &e), MR_EUNSUPPORTED); /* as in Keras: of matrices alone */
    assert_non_null(strstr(e.message, "conv") ? strstr(e.message, "Identity") : NULL);
}

static void unknown_ones_are_named(void **state)
{
    (void)state;
    static const char *const bad[] = {"\"orthogonal\"", "{\"class_name\": \"Mine\"}", "{}", "\"\""};
    static const char *const said[] = {"orthogonal", "Mine", "(none)", "''"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        mr_error e = {0};
        assert_int_equal(draw(param(kernel), bad[i], &e), MR_EUNSUPPORTED);
        assert_non_null(strstr(e.message, said[i]));
        assert_non_null(strstr(e.message, "kernel"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(named_scales),
        cmocka_unit_test(variance_scaling),
        cmocka_unit_test(plain_distributions),
        cmocka_unit_test(fans_of_few_dimensions),
        cmocka_unit_test(constants),
        cmocka_unit_test(identity),
        cmocka_unit_test(unknown_ones_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
