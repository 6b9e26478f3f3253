/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/shared.h"

#include "base/text.h"

static void appends(void **state)
{
    (void)state;
    mr_text t = {0};
    assert_string_equal(mr_text_string(&t), "");
    mr_text_append(&t, "ab");
    mr_text_repeat(&t, "-", 3);
    mr_text_repeat(&t, "-", -1);
    mr_text_format(&t, "%d:%s", 42, "x");
    mr_text_append_char(&t, '!');
    assert_string_equal(mr_text_string(&t), "ab---42:x!");
    assert_int_equal(t.length, 10);
    for (int i = 0; i < 10000; i++)
        mr_text_format(&t, "%04d", i);
    assert_int_equal(t.length, 40010);
    assert_string_equal(mr_text_string(&t) + 40006, "9999");
    assert_int_equal(mr_text_check(&t, "numbers", NULL), 0);
    mr_text_clear(&t);
    assert_string_equal(mr_text_string(&t), "");
    mr_text_destroy(&t);
    mr_text_destroy(NULL);
}

static void remembers_failure(void **state)
{
    (void)state;
    mr_text t = {0};
    mr_error e = {0};
    mr_text_append_bytes(&t, "", SIZE_MAX / 2);
    mr_text_append(&t, "lost");
    assert_string_equal(mr_text_string(&t), "");
    assert_int_equal(mr_text_check(&t, "a text", &e), MR_ENOMEM);
    assert_string_equal(e.message, "out of memory for a text");
    mr_text_destroy(&t);
}

/* Every code point there and back; every sequence that is none. */
static void utf8_round_trip(void **state)
{
    (void)state;
    for (uint32_t c = 1; c < 0x110000; c++) {
        char s[8] = {0};
        if (c < 0x80) {
            s[0] = (char)c;
        } else if (c < 0x800) {
            s[0] = (char)(0xc0 | c >> 6), s[1] = (char)(0x80 | (c & 63));
        } else if (c < 0x10000) {
            s[0] = (char)(0xe0 | c >> 12), s[1] = (char)(0x80 | (c >> 6 & 63)),
            s[2] = (char)(0x80 | (c & 63));
        } else {
            s[0] = (char)(0xf0 | c >> 18), s[1] = (char)(0x80 | (c >> 12 & 63));
            s[2] = (char)(0x80 | (c >> 6 & 63)), s[3] = (char)(0x80 | (c & 63));
        }
        size_t size;
        uint32_t code = mr_utf8_next(s, &size);
        bool surrogate = c >= 0xd800 && c < 0xe000;
        assert_int_equal(code, surrogate ? 0xfffd : c);
        assert_int_equal(size, surrogate ? 1 : strlen(s));
    }
}

static void utf8_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80",         "\xbf",     "\xc0\x80",         "\xc1\xbf",         "\xe0\x80\x80",
        "\xe2\x82",     "\xf5\x80", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xff",
        "\xe2\x28\xa1", "\xc3"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        size_t size;
        assert_int_equal(mr_utf8_next(bad[i], &size), 0xfffd);
        assert_int_equal(size, 1);
    }
    assert_int_equal(mr_utf8_length("a\xff\xfe"), 3);
    mr_text t = {0};
    mr_text_append_clean(&t, "a\xff\n\x1b[0m\xc2\x85é\u202e\u2028\u2069\u200d");
    assert_string_equal(mr_text_string(&t), "a\xef\xbf\xbd??[0m?é???\u200d");
    mr_text_destroy(&t);
}

static void columns(void **state)
{
    (void)state;
    assert_int_equal(mr_utf8_columns("naïve"), 5);
    assert_int_equal(mr_utf8_columns("e\xcc\x81"), 1); /* combining acute accent */
    assert_int_equal(mr_utf8_columns("日本"), 4);
    assert_int_equal(mr_utf8_length("日本"), 2);
    assert_int_equal(mr_utf8_fit("日本", 3), 3);
    mr_text t = {0};
    mr_text_append_padded(&t, "日本", 6, true);
    mr_text_append_padded(&t, "|", 3, false);
    mr_text_append_cut(&t, "Parasitized", 6);
    mr_text_append_cut(&t, "日本語", 4);
    mr_text_append_cut(&t, "gone", 0);
    assert_string_equal(mr_text_string(&t), "  日本|  Paras…日…");
    mr_text_destroy(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends),         cmocka_unit_test(remembers_failure),
        cmocka_unit_test(utf8_round_trip), cmocka_unit_test(utf8_refuses),
        cmocka_unit_test(columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
