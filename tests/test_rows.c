/* SPDX-License-Identifier: Apache-2.0 */
/* CSV rows read back by a parser written from RFC 4180's grammar, JSON by jansson. */
#include "tests/shared.h"

#include "base/csv.h"
#include "base/json_write.h"
#include "base/random.h"
#include <jansson.h>
#include <math.h>

/* Takes one field off *AT into OUT; returns the character that ended it (',' or '\n'). */
static char take_field(const char **at, char *out)
{
    const char *s = *at;
    bool quoted = *s == '"';
    for (s += quoted; quoted || (*s != ',' && *s != '\n'); *out++ = *s++) {
        assert_int_not_equal(*s, 0);
        if (quoted && *s == '"' && *++s != '"')
            break;
    }
    *out = '\0';
    *at = s + 1;
    return *s;
}

static void strings_come_back(void **state)
{
    (void)state;
    static const char *const fields[] = {"plain", "",        "a,b", "say \"hi\"", "two\nlines",
                                         "cr\r",  " blank ", "\"",  "é\xff",      "\"\","};
    enum { N = sizeof fields / sizeof *fields };
    mr_csv w = {0};
    char out[64];
    for (int row = 0; row < 2; row++) {
        for (int i = 0; i < N; i++)
            mr_csv_string(&w, fields[i]);
        mr_csv_end_row(&w);
    }
    const char *at = mr_text_string(&w.text);
    assert_memory_equal(at, "plain,,\"a,b\",\"say \"\"hi\"\"\",", 26);
    for (int i = 0; i < 2 * N; i++) {
        assert_int_equal(take_field(&at, out), i % N == N - 1 ? '\n' : ',');
        assert_string_equal(out, fields[i % N]);
    }
    assert_int_equal(*at, 0);
    mr_csv_destroy(&w);
}

static void numbers(void **state)
{
    (void)state;
    mr_csv w = {0};
    mr_csv_integer(&w, INT64_MIN);
    mr_csv_float(&w, 0.1f);
    mr_csv_double(&w, 0.1);
    mr_csv_float(&w, 1e20f);
    mr_csv_float(&w, -NAN);
    mr_csv_double(&w, -INFINITY);
    mr_csv_empty(&w);
    mr_csv_float(&w, 16777217.0f);
    mr_csv_end_row(&w);
    assert_string_equal(mr_text_string(&w.text), "-9223372036854775808,0.1,0.1,1e+20,nan,-inf,,16777216\n");
    mr_csv_destroy(&w);
}

/* Any bits of a number come back, and no form with fewer digits would have done. */
static void numbers_round_trip(void **state)
{
    (void)state;
    mr_philox g;
    mr_philox_init(&g, 5, MR_DRAW_TEST, 0, 0);
    for (int i = 0; i < 200000; i++) {
        uint32_t bits[2] = {mr_philox_u32(&g), mr_philox_u32(&g)};
        float f;
        double d;
        char text[MR_NUMBER_SIZE], shorter[MR_NUMBER_SIZE];
        memcpy(&f, bits, sizeof f);
        memcpy(&d, bits, sizeof d);
        mr_format_double(text, d);
        double back = strtod(text, NULL);
        assert_true(isnan(d) ? isnan(back) : memcmp(&d, &back, sizeof d) == 0);
        mr_format_float(text, f);
        float again = strtof(text, NULL);
        assert_true(isnan(f) ? isnan(again) : memcmp(&f, &again, sizeof f) == 0);
        for (int digits = 6; isfinite(f); digits++) {
            snprintf(shorter, sizeof shorter, "%.*g", digits, (double)f);
            if (strtof(shorter, NULL) == f)
                break;
        }
        assert_true(!isfinite(f) || strcmp(text, shorter) == 0);
    }
}

static void flush_writes_and_says_failures(void **state)
{
    (void)state;
    mr_csv w = {0};
    mr_error e = {0};
    char read[32] = {0};
    FILE *f = tmpfile();
    mr_csv_string(&w, "a");
    mr_csv_end_row(&w);
    assert_int_equal(mr_csv_flush(&w, f, "x.csv", &e), 0);
    mr_csv_string(&w, "b");
    mr_csv_end_row(&w);
    assert_int_equal(mr_csv_flush(&w, f, "x.csv", &e), 0);
    rewind(f);
    assert_int_equal(fread(read, 1, sizeof read, f), 4);
    assert_string_equal(read, "a\nb\n");
    fclose(f);
    f = fopen("/dev/full", "w");
    if (f) {
        mr_csv_string(&w, "c");
        assert_int_equal(mr_csv_flush(&w, f, "/dev/full", &e), MR_EIO);
        assert_string_equal(e.message, "cannot write /dev/full: No space left on device");
        fclose(f);
    }
    mr_csv_destroy(&w);
}

static void write_event(mr_json *w, const char *text)
{
    mr_json_begin_object(w);
    mr_json_key(w, "text");
    mr_json_string(w, text);
    mr_json_key(w, "numbers");
    mr_json_begin_array(w);
    mr_json_integer(w, -7);
    mr_json_float(w, 0.1f);
    mr_json_double(w, 1e300);
    mr_json_double(w, NAN);
    mr_json_float(w, INFINITY);
    mr_json_end_array(w);
    mr_json_key(w, "empty \"\n");
    mr_json_begin_object(w);
    mr_json_end_object(w);
    mr_json_key(w, "flag");
    mr_json_boolean(w, true);
    mr_json_key(w, "none");
    mr_json_string(w, NULL);
    mr_json_end_object(w);
    mr_json_end_line(w);
}

static void json_is_read_by_jansson(void **state)
{
    (void)state;
    static const char text[] = "\x01\b\t\n\v\f\r\x1f\"\\/\x7f é 日本 \xf0\x9f\x98\x80";
    mr_json w = {0};
    json_error_t why;
    write_event(&w, text);
    json_t *root = json_loads(mr_text_string(&w.text), 0, &why);
    assert_non_null(root);
    assert_string_equal(json_string_value(json_object_get(root, "text")), text);
    json_t *numbers_read = json_object_get(root, "numbers");
    assert_int_equal(json_array_size(numbers_read), 5);
    assert_int_equal(json_integer_value(json_array_get(numbers_read, 0)), -7);
    assert_true((float)json_real_value(json_array_get(numbers_read, 1)) == 0.1f);
    assert_true(json_real_value(json_array_get(numbers_read, 2)) == 1e300);
    assert_true(json_is_null(json_array_get(numbers_read, 3)) &&
                json_is_null(json_array_get(numbers_read, 4)));
    assert_int_equal(json_object_size(json_object_get(root, "empty \"\n")), 0);
    assert_true(json_is_object(json_object_get(root, "empty \"\n")) &&
                json_is_true(json_object_get(root, "flag")));
    assert_true(json_is_null(json_object_get(root, "none")));
    json_decref(root);
    mr_text_clear(&w.text);
    write_event(&w, "bad \xff\xc3 bytes");
    root = json_loads(mr_text_string(&w.text), 0, &why);
    assert_non_null(root);
    assert_string_equal(json_string_value(json_object_get(root, "text")),
                        "bad \xef\xbf\xbd\xef\xbf\xbd bytes");
    json_decref(root);
    mr_json_destroy(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_come_back),       cmocka_unit_test(numbers),
        cmocka_unit_test(numbers_round_trip),      cmocka_unit_test(flush_writes_and_says_failures),
        cmocka_unit_test(json_is_read_by_jansson),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
