/* SPDX-License-Identifier: Apache-2.0 */
/* How many inputs may be unusable: by count, by share, none. */
#include "tests/shared.h"

#include "pipeline/load/budget.h"

static void texts(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    "x",   "-1",  "1.5",  "5%%", "5 %", "101%",
                                      "-1%", "nan", "inf", "1e16", "0x",  "3x"};
    static const struct {
        const char *text;
        int64_t most;
        double percent;
    } good[] = {{"0", 0, 0},   {"20", 20, 0},     {"1e3", 1000, 0},
                {"0%", -1, 0}, {"2.5%", -1, 2.5}, {"100%", -1, 100}};
    mr_budget b = mr_budget_default();
    mr_error e = {0};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(mr_budget_parse(&b, good[i].text, &e), 0);
        assert_int_equal(b.most, good[i].most);
        assert_true(b.percent == good[i].percent);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        mr_error_clear(&e);
        if (mr_budget_parse(&b, bad[i], &e) != MR_EUSAGE)
            fail_msg("'%s' is taken", bad[i]);
        assert_non_null(strstr(e.message, "--max-errors"));
    }
}

/* Spends until it is refused; how many were allowed. */
static int spend(mr_budget *b, int64_t total, mr_error *e)
{
    int n = 0;
    while (n < 1000 && !mr_budget_spend(b, total, "some.jpg", "it is torn", e))
        n++;
    return n;
}

static void counts_and_shares(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t total;
        int allowed;
    } cases[] = {{"0", 10, 0},   {"3", 10, 3},   {"3", 0, 3},  {"0%", 10, 0},
                 {"5%", 100, 5}, {"5%", 101, 6}, {"5%", 1, 1}, {"100%", 7, 7}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mr_budget b = mr_budget_default();
        mr_error e = {0};
        assert_int_equal(mr_budget_parse(&b, cases[i].text, &e), 0);
        assert_int_equal(spend(&b, cases[i].total, &e), cases[i].allowed);
        assert_int_equal(e.code, MR_ELIMIT);
        assert_non_null(strstr(e.message, "some.jpg: it is torn"));
        assert_non_null(strstr(e.hint, "--max-errors"));
    }
}

/* A share of a number that is not known yet is looked at in the end. */
static void a_share_of_what_is_not_known(void **state)
{
    (void)state;
    mr_budget b = mr_budget_default(); /* 5% */
    mr_error e = {0};
    assert_int_equal(spend(&b, 0, &e), 1000);
    assert_int_equal(mr_budget_check(&b, 20000, &e), 0);
    assert_int_equal(mr_budget_check(&b, 19981, &e), 0);
    assert_int_equal(mr_budget_check(&b, 19980, &e), MR_ELIMIT);
    assert_non_null(strstr(e.message, "1000 inputs could not be used, 999 are allowed"));
}

static void the_first_ends_it(void **state)
{
    (void)state;
    mr_budget b = mr_budget_default();
    mr_error e = {0};
    b.fail = true;
    assert_int_equal(mr_budget_spend(&b, 1000, "some.jpg", "it is torn", &e), MR_EFORMAT);
    assert_string_equal(e.message, "some.jpg: it is torn");
    assert_non_null(strstr(e.hint, "--on-error skip"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),
        cmocka_unit_test(counts_and_shares),
        cmocka_unit_test(a_share_of_what_is_not_known),
        cmocka_unit_test(the_first_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
