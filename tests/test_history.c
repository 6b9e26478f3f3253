/* SPDX-License-Identifier: Apache-2.0 */
/* The history of a run: as a checkpoint keeps it, and as version 1 of its state had it. */
#include "tests/shared.h"

#include "pipeline/trainer/history.h"

#include <math.h>
#include <stdlib.h>

static const mr_class_tally first_tally[] = {{5, 4, 3}, {INT64_C(9007199254740991), 0, 0}};

static mr_epoch_record record(int epoch, const mr_class_tally *tally)
{
    return (mr_epoch_record){.epoch = epoch,
                             .loss = epoch == 2 ? INFINITY : 1. / 3 + epoch,
                             .accuracy = .5,
                             .val_loss = NAN,
                             .val_accuracy = NAN,
                             .learning_rate = 1e-3 / 7,
                             .seconds = 1e300,
                             .images_per_second = 5e-324,
                             .classes = tally ? 2 : 0,
                             .of_class = (mr_class_tally *)tally};
}

static bool same(double a, double b)
{
    return isnan(a) ? isnan(b) : a == b;
}

static void assert_same(const mr_history *a, const mr_history *b)
{
    assert_int_equal(a->count, b->count);
    for (int i = 0; i < a->count; i++) {
        const mr_epoch_record *p = &a->record[i], *q = &b->record[i];
        assert_int_equal(p->epoch, q->epoch);
        assert_true(same(p->loss, q->loss) && same(p->accuracy, q->accuracy) &&
                    same(p->val_loss, q->val_loss) && same(p->val_accuracy, q->val_accuracy) &&
                    same(p->learning_rate, q->learning_rate) && same(p->seconds, q->seconds) &&
                    same(p->images_per_second, q->images_per_second) && same(p->top, q->top) &&
                    same(p->val_top, q->val_top));
        assert_int_equal(p->of_class != NULL, q->of_class != NULL);
        if (p->of_class)
            assert_memory_equal(p->of_class, q->of_class, 2 * sizeof *p->of_class);
    }
}

/* EPOCHS records; the first has no tallies, as of a run that began without validation data. */
static void fill(mr_history *h, int epochs)
{
    mr_error e = {0};
    for (int i = 1; i <= epochs; i++) {
        mr_class_tally tally[2] = {first_tally[0], first_tally[1]};
        tally[0].truth = i;
        mr_epoch_record r = record(i, i == 1 ? NULL : tally);
        assert_int_equal(mr_history_append(h, &r, &e), 0);
    }
}

static void there_and_back(void **state)
{
    (void)state;
    for (int epochs = 0; epochs < 100; epochs += 33) {
        mr_history h = {0}, copy, back;
        mr_error e = {0};
        fill(&h, epochs);
        assert_int_equal(mr_history_copy(&copy, &h, &e), 0);
        assert_same(&h, &copy);
        size_t width = (size_t)mr_history_width(&h), rows = (size_t)epochs;
        assert_int_equal(width, epochs ? 15 : 9);
        double *table = malloc(rows * width * sizeof *table + 1);
        json_t *description = mr_history_description(&h);
        mr_history_table(table, &h);
        mr_history_free(&h);
        assert_int_equal(mr_history_from_table(&back, description, table, rows, width, &e), 0);
        assert_same(&copy, &back);
        mr_history_free(&back);
        mr_history_free(&copy);
        json_decref(description);
        free(table);
    }
}

/* A program that knows other columns: they are found by their names. */
static void other_columns(void **state)
{
    (void)state;
    mr_history h;
    mr_error e = {0};
    const double table[] = {7, .25, 2, 8, .5, 1};
    json_t *description =
        json_pack("{s:[s,s,s], s:i}", "columns", "of_another_time", "loss", "accuracy", "classes", 0);
    assert_int_equal(mr_history_from_table(&h, description, table, 2, 3, &e), 0);
    assert_true(h.count == 2 && h.record[1].loss == .5 && h.record[1].accuracy == 1 &&
                isnan(h.record[1].val_loss));
    mr_history_free(&h);
    json_decref(description);
}

static void refusals(void **state)
{
    (void)state;
    static const struct {
        const char *description;
        double table[4];
        size_t width;
        const char *said;
    } cases[] = {
        {"{\"columns\": [\"loss\"], \"classes\": 1}", {1, 2, 3, 4}, 3, "not as it is described"},
        {"{\"columns\": [\"loss\"], \"classes\": -1}", {1}, 1, "not as it is described"},
        {"{\"columns\": [\"loss\"], \"classes\": 1000000}", {1}, 1, "not as it is described"},
        {"{\"columns\": [1, 2], \"classes\": 0}", {1}, 1, "not as it is described"},
        {"{\"columns\": [\"loss\"], \"classes\": 1}", {1, 2.5, 3, 4}, 4, "counts 2.5 samples"},
        {"{\"columns\": [\"loss\"], \"classes\": 1}", {1, 2, -3, 4}, 4, "counts -3 samples"},
        {"{\"columns\": [\"loss\"], \"classes\": 1}", {1, 2, 3, 1e300}, 4, "counts 1e+300 samples"},
        {"{\"columns\": [\"loss\"], \"classes\": 1}", {1, 2, NAN, 3}, 4, "samples of a class"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mr_history h;
        mr_error e = {0};
        json_t *description = json_loads(cases[i].description, 0, NULL);
        assert_int_equal(mr_history_from_table(&h, description, cases[i].table, 1, cases[i].width, &e),
                         MR_EFORMAT);
        assert_non_null(strstr(e.message, cases[i].said));
        json_decref(description);
    }
    mr_history h = {0};
    mr_error e = {0};
    mr_class_tally tally[3] = {{0}};
    mr_epoch_record two = record(1, first_tally), three = record(2, tally);
    three.classes = 3;
    assert_int_equal(mr_history_append(&h, &two, &e), 0);
    assert_int_equal(mr_history_append(&h, &three, &e), MR_EINVAL);
    assert_int_equal(h.count, 1);
    mr_history_free(&h);
}

static void version_1(void **state)
{
    (void)state;
    mr_history h;
    mr_error e = {0};
    json_t *rows = json_loads("[{\"epoch\": 1, \"loss\": 0.25, \"val_loss\": null}, "
                              "{\"epoch\": 2, \"loss\": \"inf\", \"classes\": [[5, 4, 3], [1, 0, 0]]}]",
                              0, NULL);
    assert_int_equal(mr_history_from_json(&h, rows, &e), 0);
    assert_int_equal(h.count, 2);
    assert_true(h.record[0].loss == .25 && isnan(h.record[0].val_loss) && !h.record[0].of_class);
    assert_true(isinf(h.record[1].loss) && h.record[1].of_class[0].right == 3 &&
                h.record[1].of_class[1].truth == 1);
    mr_history_free(&h);
    json_decref(rows);
    rows = json_loads("[{\"epoch\": 2}]", 0, NULL);
    assert_int_equal(mr_history_from_json(&h, rows, &e), MR_EFORMAT);
    assert_non_null(strstr(e.message, "row 1 is of epoch 2"));
    json_decref(rows);
}

/* By val_loss where there is one, and then an epoch without it (its validation gave no number) is never the
 * best. */
static void best(void **state)
{
    (void)state;
    static const double losses[] = {3, 2, 1, 2}, validations[] = {5, NAN, 4, 4};
    mr_history h = {0};
    assert_int_equal(mr_history_best(&h), 0);
    for (int i = 0; i < 4; i++) {
        mr_epoch_record r = {.epoch = i + 1, .loss = losses[i], .val_loss = NAN};
        assert_int_equal(mr_history_append(&h, &r, NULL), 0);
    }
    assert_int_equal(mr_history_best(&h), 3);
    h.record[1].loss = .5;
    assert_int_equal(mr_history_best(&h), 2);
    for (int i = 0; i < 4; i++)
        h.record[i].val_loss = validations[i];
    assert_int_equal(mr_history_best(&h), 3);
    mr_history_free(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(there_and_back), cmocka_unit_test(other_columns),
                                       cmocka_unit_test(refusals), cmocka_unit_test(version_1),
                                       cmocka_unit_test(best)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
