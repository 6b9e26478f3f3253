/* SPDX-License-Identifier: Apache-2.0 */
/* JSON as Python's json module reads and writes it. */
#include "tests/shared.h"

#include "base/json_read.h"

static json_t *parse(const char *text, int code)
{
    mr_error e = {0};
    json_t *v;
    assert_int_equal(mr_json_parse(&v, text, strlen(text), "test", &e), code);
    return v;
}

static void pythons_json(void **state)
{
    (void)state;
    json_t *v = parse(
        "{\"a\": NaN, \"b\": [-Infinity, Infinity], \"NaN\": \"Infinity \\\" NaN\", \"z\": \"x\\u0000y\"}",
        0);
    assert_true(json_is_null(json_object_get(v, "a")));
    assert_true(json_real_value(json_array_get(json_object_get(v, "b"), 0)) < -1e308);
    assert_string_equal(mr_json_text(v, "NaN"), "Infinity \" NaN");
    assert_int_equal(json_string_length(json_object_get(v, "z")), 3);
    json_decref(v);
    json_decref(parse("[NaNN]", MR_EFORMAT));
    char deep[2 * MR_JSON_MAX_DEPTH + 8];
    memset(deep, '[', sizeof deep);
    deep[sizeof deep - 1] = '\0';
    json_decref(parse(deep, MR_ELIMIT));
}

static void numbers_read_back(void **state)
{
    (void)state;
    static const char text[] = "[0.1, 1e-07, 0.30000000000000004, 1.0, -2.5e+300, 123456789012, true, null, "
                               "\"\\u00e9\\ud83d\\ude00\\n\", {\"k\": []}]";
    json_t *v = parse(text, 0);
    char *dumped = mr_json_dump(v);
    assert_string_equal(dumped, "[0.1, 1e-07, 0.30000000000000004, 1.0, -2.5e+300, 123456789012, true, null, "
                                "\"\\u00E9\\uD83D\\uDE00\\n\", {\"k\": []}]");
    free(dumped);
    json_decref(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pythons_json),
        cmocka_unit_test(numbers_read_back),
    };
    return cmocka_run_group_tests_name("JSON", tests, NULL, NULL);
}
