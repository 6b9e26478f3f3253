/* SPDX-License-Identifier: Apache-2.0 */
/* Learning-rate schedules against closed forms worked out by hand, and the way of a configuration there and
 * back. */
#include "tests/shared.h"

#include "nn/learn/schedule.h"

#include <math.h>

struct point {
    const char *json; /* what a configuration's learning_rate holds */
    int64_t step;
    double rate;
};

#define OBJECT(class, keys) "{\"class_name\": \"" class "\", \"config\": {" keys "}}"
#define EXPONENTIAL(more)                                                                                    \
    OBJECT("ExponentialDecay", "\"initial_learning_rate\": 0.1, \"decay_steps\": 4, \"decay_rate\": "        \
                               "0.5" more)
#define INVERSE(more)                                                                                        \
    OBJECT("InverseTimeDecay", "\"initial_learning_rate\": 0.1, \"decay_steps\": 4, \"decay_rate\": "        \
                               "0.5" more)
#define POLYNOMIAL(more)                                                                                     \
    OBJECT("PolynomialDecay",                                                                                \
           "\"initial_learning_rate\": 0.1, \"decay_steps\": 10, \"end_learning_rate\": 0.02" more)
#define PIECEWISE OBJECT("PiecewiseConstantDecay", "\"boundaries\": [3, 7], \"values\": [1.0, 0.5, 0.1]")
#define COSINE(more) OBJECT("CosineDecay", "\"initial_learning_rate\": 0.1, \"decay_steps\": 12" more)
#define WARM COSINE(", \"alpha\": 0.1, \"warmup_target\": 0.4, \"warmup_steps\": 3")
#define RESTARTS(more)                                                                                       \
    OBJECT("CosineDecayRestarts", "\"initial_learning_rate\": 0.1, \"first_decay_steps\": 10" more)

static const struct point points[] = {
    {"0.25", 0, .25},
    {"0.25", 1000000, .25},
    {"1", 7, 1},
    {EXPONENTIAL(""), 0, .1},
    {EXPONENTIAL(""), 4, .05},
    {EXPONENTIAL(""), 8, .025},
    {EXPONENTIAL(""), 2, .070710678118654752},
    {EXPONENTIAL(", \"staircase\": true"), 3, .1},
    {EXPONENTIAL(", \"staircase\": true"), 7, .05},
    {INVERSE(""), 0, .1},
    {INVERSE(""), 4, .1 / 1.5},
    {INVERSE(""), 2, .08},
    {INVERSE(", \"staircase\": true"), 7, .1 / 1.5},
    {POLYNOMIAL(""), 0, .1},
    {POLYNOMIAL(""), 5, .06},
    {POLYNOMIAL(""), 10, .02},
    {POLYNOMIAL(""), 99, .02},
    {POLYNOMIAL(", \"power\": 2"), 5, .04},
    {POLYNOMIAL(", \"cycle\": true"), 0, .1},
    {POLYNOMIAL(", \"cycle\": true"), 10, .02},
    {POLYNOMIAL(", \"cycle\": true"), 15, .04},
    {POLYNOMIAL(", \"cycle\": true"), 20, .02},
    {PIECEWISE, 0, 1},
    {PIECEWISE, 3, 1},
    {PIECEWISE, 4, .5},
    {PIECEWISE, 7, .5},
    {PIECEWISE, 8, .1},
    {PIECEWISE, 1000, .1},
    {COSINE(""), 0, .1},
    {COSINE(""), 4, .075},
    {COSINE(""), 6, .05},
    {COSINE(""), 8, .025},
    {COSINE(""), 12, 0},
    {COSINE(""), 99, 0},
    {WARM, 0, .1},
    {WARM, 1, .2},
    {WARM, 2, .3},
    {WARM, 3, .4},
    {WARM, 9, .22},
    {WARM, 15, .04},
    {WARM, 500, .04},
    /* periods of 10, 20, 40 … */
    {RESTARTS(""), 0, .1},
    {RESTARTS(""), 5, .05},
    {RESTARTS(""), 10, .1},
    {RESTARTS(""), 20, .05},
    {RESTARTS(""), 30, .1},
    {RESTARTS(""), 50, .05},
    {RESTARTS(", \"t_mul\": 1.0"), 25, .05},
    {RESTARTS(", \"m_mul\": 0.5"), 10, .05},
    {RESTARTS(", \"m_mul\": 0.5"), 20, .025},
    {RESTARTS(", \"t_mul\": 1.0, \"m_mul\": 0.5, \"alpha\": 0.2"), 25, .2 * .1 + .8 * .1 * .25 / 2},
};

static mr_schedule *schedule(const char *json)
{
    mr_schedule *s;
    mr_error e = {0};
    json_t *config = json_loads(json, JSON_DECODE_ANY, NULL);
    assert_non_null(config);
    if (mr_schedule_create(&s, config, &e))
        fail_msg("%s: %s", json, e.message);
    json_decref(config);
    return s;
}

static void closed_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        mr_schedule *s = schedule(points[i].json);
        double rate = mr_schedule_rate(s, points[i].step);
        if (!(fabs(rate - points[i].rate) <= 1e-12))
            fail_msg("%s at step %d gives %.15g, expected %.15g", points[i].json, (int)points[i].step, rate,
                     points[i].rate);
        mr_schedule_free(s);
    }
}

static void there_and_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        mr_schedule *s = schedule(points[i].json), *again;
        json_t *config = mr_schedule_config(s);
        assert_int_equal(mr_schedule_create(&again, config, NULL), 0);
        assert_true(mr_schedule_rate(again, points[i].step) == mr_schedule_rate(s, points[i].step));
        json_decref(config);
        mr_schedule_free(again);
        mr_schedule_free(s);
    }
}

static void only_constants_change(void **state)
{
    (void)state;
    mr_schedule *constant = schedule("0.5"), *cosine = schedule(COSINE(""));
    assert_true(mr_schedule_is_constant(constant));
    assert_false(mr_schedule_is_constant(cosine));
    mr_schedule_set_constant(constant, .125);
    mr_schedule_set_constant(cosine, .125);
    assert_true(mr_schedule_rate(constant, 3) == .125);
    assert_true(mr_schedule_rate(cosine, 0) == .1);
    mr_schedule_free(constant);
    mr_schedule_free(cosine);
}

static void refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "\"fast\"",
        "{}",
        OBJECT("MySchedule", ""),
        OBJECT("CosineDecay", "\"initial_learning_rate\": 0.1"),
        OBJECT("ExponentialDecay", "\"initial_learning_rate\": 0.1, \"decay_steps\": 0, \"decay_rate\": 0.5"),
        OBJECT("ExponentialDecay",
               "\"initial_learning_rate\": 0.1, \"decay_steps\": -3, \"decay_rate\": 0.5"),
        OBJECT("PiecewiseConstantDecay", "\"boundaries\": [3, 7], \"values\": [1.0, 0.5]"),
        OBJECT("PiecewiseConstantDecay", "\"boundaries\": [7, 3], \"values\": [1.0, 0.5, 0.1]"),
        OBJECT("PiecewiseConstantDecay", "\"boundaries\": [3, \"x\"], \"values\": [1.0, 0.5, 0.1]"),
        OBJECT("CosineDecay", "\"initial_learning_rate\": \"x\", \"decay_steps\": 12"),
        OBJECT("CosineDecayRestarts",
               "\"initial_learning_rate\": 0.1, \"first_decay_steps\": 10, \"t_mul\": 0.0"),
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        mr_schedule *s;
        mr_error e = {0};
        json_t *config = json_loads(wrong[i], JSON_DECODE_ANY, NULL);
        assert_non_null(config);
        if (!mr_schedule_create(&s, config, &e))
            fail_msg("%s was taken", wrong[i]);
        assert_true(e.code < 0 && *e.message);
        assert_null(s);
        json_decref(config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closed_forms),
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(only_constants_change),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
