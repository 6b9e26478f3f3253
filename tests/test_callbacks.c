/* SPDX-License-Identifier: Apache-2.0 */
/* Callbacks on histories whose outcome was worked out by hand from Keras's rules; and once more with the
 * memory taken to JSON and back after every epoch, as a run that is stopped and resumed each time. */
#include "tests/shared.h"

#include "nn/arch/builder.h"
#include "pipeline/train/callbacks.h"

#include <math.h>

static void must(int status, const mr_error *e)
{
    if (status < 0)
        fail_msg("%s", e->message);
}

static mr_monitor monitor(const char *metric, double min_delta)
{
    mr_monitor m;
    mr_error e = {0};
    must(mr_monitor_create(&m, metric, min_delta, true, NULL, &e), &e);
    return m;
}

static mr_epoch_record record(int epoch, const char *metric, double value)
{
    mr_epoch_record r = {.epoch = epoch, .loss = NAN, .accuracy = NAN, .val_loss = NAN, .val_accuracy = NAN};
    *(!strcmp(metric, "loss")       ? &r.loss
      : !strcmp(metric, "accuracy") ? &r.accuracy
      : !strcmp(metric, "val_loss") ? &r.val_loss
                                    : &r.val_accuracy) = value;
    return r;
}

/* What a callback remembers, through text, into one that knows nothing. */
static void carry_over(const mr_callback *from, const mr_callback *to)
{
    mr_error e = {0};
    json_t *memory = from->save(from->context);
    char *text = json_dumps(memory, JSON_REAL_PRECISION(17));
    json_t *again = json_loads(text, 0, NULL);
    must(to->restore(to->context, again, &e), &e);
    json_decref(memory);
    json_decref(again);
    free(text);
}

/* --- early stopping ------------------------------------------------------------------------------ */

/* The epoch after which the run ends; 0: it does not. */
static int stops(const char *metric, int patience, double min_delta, const double *values, int count,
                 bool resumed)
{
    mr_early_stopping state[2] = {{.monitor = monitor(metric, min_delta), .patience = patience}};
    state[1] = state[0];
    mr_callback c = mr_early_stopping_callback(&state[0]);
    for (int i = 0; i < count; i++) {
        bool stop = false;
        mr_epoch_record r = record(i + 1, metric, values[i]);
        must(c.epoch_end(c.context, NULL, &r, &stop, NULL), NULL);
        if (stop)
            return i + 1;
        if (resumed) {
            mr_callback next = mr_early_stopping_callback(&state[(i + 1) % 2]);
            carry_over(&c, &next);
            c = next;
        }
    }
    return 0;
}

static void early_stopping(void **state)
{
    (void)state;
    static const struct {
        const char *metric;
        int patience;
        double min_delta, values[8];
        int count, expected;
    } cases[] = {
        {"val_loss", 2, 0, {1, .9, .95, .91, .5}, 5, 4},
        {"val_loss", 3, 0, {1, .9, .95, .91, .5}, 5, 0},
        {"val_loss", 1, 0, {1, 1}, 2, 2},             /* equal is no improvement */
        {"val_loss", 1, 0, {1}, 1, 0},                /* never after the first epoch */
        {"val_loss", 2, .1, {1, .95, .92, .8}, 4, 3}, /* too small to count */
        {"val_accuracy", 2, 0, {.5, .6, .6, .6, .7}, 5, 4},
        {"accuracy", 2, .05, {.5, .54, .56, .5, .5}, 5, 5},
        {"loss", 2, 0, {NAN, NAN, .5}, 3, 2}, /* nothing to improve on is no improvement */
        {"loss", 2, 0, {.5, NAN, .4, .45, .45}, 5, 5},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int resumed = 0; resumed < 2; resumed++) {
            int epoch = stops(cases[i].metric, cases[i].patience, cases[i].min_delta, cases[i].values,
                              cases[i].count, resumed);
            if (epoch != cases[i].expected)
                fail_msg("case %zu (resumed %d): ends after %d, not %d", i, resumed, epoch,
                         cases[i].expected);
        }
}

/* --- a model for the others ---------------------------------------------------------------------- */

struct bed {
    mr_model *m;
    mr_trainer t;
};

static void open_bed(struct bed *b)
{
    mr_error e = {0};
    mr_builder m;
    mr_builder_start(&m, "bed");
    const char *x = mr_builder_flatten(&m, "flat", mr_builder_input(&m, "in", 2, 2, 1));
    must(
        mr_model_from_config(&b->m, mr_builder_finish(&m, mr_builder_dense(&m, "d", x, 3, "softmax", 0)), &e),
        &e);
    json_t *config = json_loads("{\"class_name\": \"SGD\", \"config\": {\"learning_rate\": 1.0}}", 0, NULL);
    b->t = (mr_trainer){.model = b->m};
    must(mr_optimizer_create(&b->t.optimizer, config, &e), &e);
    json_decref(config);
}

static void close_bed(struct bed *b)
{
    mr_optimizer_free(b->t.optimizer);
    mr_model_free(b->m);
}

static void fill(struct bed *b, double value)
{
    for (size_t i = 0; i < b->m->graph->weights; i++)
        b->m->graph->state[i] = (mr_real)value;
}

/* --- plateaus -------------------------------------------------------------------------------------- */

static void plateaus(const mr_plateau *settings, const double *values, const double *rates, int count)
{
    for (int resumed = 0; resumed < 2; resumed++) {
        struct bed b;
        mr_plateau state[2] = {*settings, *settings};
        open_bed(&b);
        mr_callback c = mr_plateau_callback(&state[0]);
        for (int i = 0; i < count; i++) {
            bool stop = false;
            mr_epoch_record r = record(i + 1, settings->monitor.metric, values[i]);
            must(c.epoch_end(c.context, &b.t, &r, &stop, NULL), NULL);
            assert_false(stop);
            double rate = mr_optimizer_rate(b.t.optimizer);
            if (fabs(rate - rates[i]) > 1e-12)
                fail_msg("epoch %d (resumed %d): the rate is %g, not %g", i + 1, resumed, rate, rates[i]);
            mr_callback next = resumed ? mr_plateau_callback(&state[(i + 1) % 2]) : c;
            if (resumed)
                carry_over(&c, &next);
            c = next;
        }
        close_bed(&b);
    }
}

static void reduce_on_plateau(void **state)
{
    (void)state;
    const mr_plateau plain = {.monitor = monitor("val_loss", 1e-4), .patience = 2, .factor = .5};
    plateaus(&plain, (double[]){1, 1, 1, 1, 1, .5, .5}, (double[]){1, 1, .5, .5, .25, .25, .25}, 7);
    mr_plateau cooled = plain;
    cooled.patience = 1;
    cooled.cooldown = 2; /* the epoch in which the counter reaches 0 counts again, as in Keras */
    plateaus(&cooled, (double[]){1, 1, 1, 1, 1}, (double[]){1, .5, .5, .25, .25}, 5);
    mr_plateau bounded = plain;
    bounded.patience = 1;
    bounded.factor = .1;
    bounded.least = .03;
    plateaus(&bounded, (double[]){1, 1, 1, 1}, (double[]){1, .1, .03, .03}, 4);
    mr_plateau rising = plain;
    rising.monitor = monitor("val_accuracy", 1e-4);
    rising.patience = 1;
    plateaus(&rising, (double[]){.5, .6, .59, .61}, (double[]){1, 1, .5, .5}, 4);
}

/* --- the best weights -------------------------------------------------------------------------------- */

static void best_of(const char *metric, const double *values, int count, int expected)
{
    struct bed b;
    mr_best_weights s = {.monitor = monitor(metric, 0)};
    open_bed(&b);
    mr_callback c = mr_best_weights_callback(&s);
    for (int i = 1; i <= count; i++) {
        bool stop = false;
        mr_error e = {0};
        mr_epoch_record r = record(i, metric, values[i - 1]);
        fill(&b, i);
        must(c.epoch_end(c.context, &b.t, &r, &stop, &e), &e);
        assert_false(stop);
    }
    must(c.run_end(c.context, &b.t, NULL), NULL);
    for (size_t i = 0; i < b.m->graph->weights; i++)
        assert_true(b.m->graph->state[i] == (mr_real)expected);
    assert_int_equal(s.epoch, expected);
    mr_best_weights_clear(&s);
    close_bed(&b);
}

static void best_weights(void **state)
{
    (void)state;
    best_of("val_loss", (double[]){3, 1, 2, 4}, 4, 2);
    best_of("val_loss", (double[]){3, 1, 1}, 3, 2); /* the first of equals */
    best_of("val_accuracy", (double[]){.1, .2, .9, .3}, 4, 3);
    best_of("loss", (double[]){NAN, 2, 3}, 3, 2);
    best_of("loss", (double[]){NAN, NAN}, 2, 1);
}

/* Resumed without any checkpoint of that epoch: it says so and leaves the weights that are there. */
static void best_weights_that_are_lost(void **state)
{
    (void)state;
    struct bed b;
    mr_error e = {0};
    mr_best_weights s = {.monitor = monitor("val_loss", 0)};
    open_bed(&b);
    mr_callback c = mr_best_weights_callback(&s);
    json_t *memory = json_pack("{s:f, s:i}", "best", .25, "epoch", 4);
    must(c.restore(c.context, memory, &e), &e);
    json_decref(memory);
    fill(&b, 9);
    must(c.run_end(c.context, &b.t, &e), &e);
    assert_true(s.lost);
    assert_true(b.m->graph->state[0] == 9);
    mr_best_weights_clear(&s);
    close_bed(&b);
}

static void wrong(void **state)
{
    (void)state;
    mr_monitor m;
    mr_error e = {0};
    assert_int_equal(mr_monitor_create(&m, "val_losses", 0, true, NULL, &e), MR_EINVAL);
    mr_error_clear(&e);
    assert_int_equal(mr_monitor_create(&m, "val_loss", 0, false, NULL, &e), MR_EINVAL);
    assert_non_null(strstr(e.message, "validation"));
    mr_early_stopping s = {.monitor = monitor("loss", 0), .patience = 1};
    mr_callback c = mr_early_stopping_callback(&s);
    static const char *const memories[] = {"{}", "{\"best\": 1, \"wait\": -1}",
                                           "{\"best\": 1, \"wait\": \"x\"}"};
    for (size_t i = 0; i < 3; i++) {
        json_t *memory = json_loads(memories[i], 0, NULL);
        assert_int_equal(c.restore(c.context, memory, NULL), MR_EFORMAT);
        json_decref(memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(early_stopping), cmocka_unit_test(reduce_on_plateau),
        cmocka_unit_test(best_weights),   cmocka_unit_test(best_weights_that_are_lost),
        cmocka_unit_test(wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
