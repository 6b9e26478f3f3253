/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/shared.h"

#include "cli/show/table.h"
#include "base/random.h"

static const mr_table_column summary[] = {
    {"Layer (type)", MR_ALIGN_LEFT}, {"Output Shape", MR_ALIGN_LEFT}, {"Param #", MR_ALIGN_RIGHT}};

static mr_table small_table(void)
{
    mr_table t;
    assert_int_equal(mr_table_create(&t, summary, 3, NULL), 0);
    const char *first[] = {"dense (Dense)", "(None, 64)", "6,464"};
    const char *second[] = {"stage1_unit2_batch_normalization (BatchNormalization)", "(None, 32, 32, 128)",
                            "256"};
    assert_int_equal(mr_table_add(&t, first, NULL), 0);
    assert_int_equal(mr_table_add(&t, second, NULL), 0);
    return t;
}

static void expect(const mr_table *t, int width, mr_table_style style, const char *expected)
{
    mr_text out = {0};
    assert_int_equal(mr_table_text(&out, t, width, style, NULL), 0);
    assert_string_equal(mr_text_string(&out), expected);
    mr_text_destroy(&out);
}

static void as_keras_draws_it(void **state)
{
    (void)state;
    mr_table t = small_table();
    t.ruled = true;
    expect(&t, 65, MR_TABLE_BOX,
           "┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━┓\n"
           "┃ Layer (type)                  ┃ Output Shape        ┃ Param # ┃\n"
           "┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━┩\n"
           "│ dense (Dense)                 │ (None, 64)          │   6,464 │\n"
           "├───────────────────────────────┼─────────────────────┼─────────┤\n"
           "│ stage1_unit2_batch_           │ (None, 32, 32, 128) │     256 │\n"
           "│ normalization                 │                     │         │\n"
           "│ (BatchNormalization)          │                     │         │\n"
           "└───────────────────────────────┴─────────────────────┴─────────┘\n");
    mr_table_destroy(&t);
}

static void ascii_and_as_wide_as_it_comes(void **state)
{
    (void)state;
    mr_table t = small_table();
    expect(&t, 0, MR_TABLE_ASCII,
           "+-------------------------------------------------------+---------------------+---------+\n"
           "| Layer (type)                                          | Output Shape        | Param # |\n"
           "+=======================================================+=====================+=========+\n"
           "| dense (Dense)                                         | (None, 64)          |   6,464 |\n"
           "| stage1_unit2_batch_normalization (BatchNormalization) | (None, 32, 32, 128) |     256 |\n"
           "+-------------------------------------------------------+---------------------+---------+\n");
    mr_table_destroy(&t);
}

static void odd_cells(void **state)
{
    (void)state;
    const mr_table_column columns[] = {{"a", MR_ALIGN_CENTER}, {"b", MR_ALIGN_LEFT}};
    const char *cells[] = {"", "two\nlines\x1b[m"};
    const char *wide[] = {"日本", "Wörter"};
    mr_table t;
    assert_int_equal(mr_table_create(&t, columns, 2, NULL), 0);
    assert_int_equal(mr_table_add(&t, cells, NULL), 0);
    assert_int_equal(mr_table_add(&t, wide, NULL), 0);
    expect(&t, 80, MR_TABLE_ASCII,
           "+------+----------+\n"
           "|  a   | b        |\n"
           "+======+==========+\n"
           "|      | two      |\n"
           "|      | lines?[m |\n"
           "| 日本 | Wörter   |\n"
           "+------+----------+\n");
    mr_table_destroy(&t);
    mr_table_destroy(NULL);
    assert_int_equal(mr_table_create(&t, columns, 0, NULL), MR_EINVAL);
    assert_int_equal(mr_table_create(&t, columns, MR_TABLE_MAX_COLUMNS + 1, NULL), MR_EINVAL);
}

/* Whatever is in the cells: all lines are equally long, none is longer than asked for, and no letter is lost.
 */
static void any_text_fits(void **state)
{
    (void)state;
    static const char letters[] = "abc _-/,\n";
    mr_philox g;
    mr_philox_init(&g, 1, MR_DRAW_TEST, 0, 0);
    for (int round = 0; round < 500; round++) {
        char text[3][64];
        const char *cells[3] = {text[0], text[1], text[2]};
        int written = 0, found = 0;
        for (int c = 0; c < 3; c++) {
            int length = (int)mr_philox_below(&g, 60);
            for (int i = 0; i < length; i++)
                text[c][i] = letters[mr_philox_below(&g, sizeof letters - 1)];
            text[c][length] = '\0';
            for (int i = 0; i < length; i++)
                written += text[c][i] >= 'a';
        }
        mr_table t;
        mr_text out = {0};
        const mr_table_column columns[] = {{"", MR_ALIGN_LEFT}, {"", MR_ALIGN_RIGHT}, {"", MR_ALIGN_CENTER}};
        assert_int_equal(mr_table_create(&t, columns, 3, NULL), 0);
        assert_int_equal(mr_table_add(&t, cells, NULL), 0);
        int width = 30 + (int)mr_philox_below(&g, 60);
        assert_int_equal(mr_table_text(&out, &t, width, MR_TABLE_ASCII, NULL), 0);
        size_t first = strcspn(mr_text_string(&out), "\n");
        assert_true(first <= (size_t)width);
        for (const char *line = mr_text_string(&out); *line; line += first + 1)
            assert_int_equal(strcspn(line, "\n"), first);
        for (const char *s = mr_text_string(&out); *s; s++)
            found += *s >= 'a' && *s <= 'c';
        assert_int_equal(found, written);
        mr_text_destroy(&out);
        mr_table_destroy(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_keras_draws_it),
        cmocka_unit_test(ascii_and_as_wide_as_it_comes),
        cmocka_unit_test(odd_cells),
        cmocka_unit_test(any_text_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
