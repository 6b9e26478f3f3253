/* SPDX-License-Identifier: Apache-2.0 */
/* The helpers of base/ that have no test program of their own: lists, hexadecimal, paths, threads. */
#include "base/list.h"
#include "base/number.h"
#include "base/path.h"
#include "base/thread.h"
#include "base/utf8.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void an_array_grows_by_one(void **state)
{
    (void)state;
    int *item = NULL;
    for (size_t n = 0; n < 1000; n++) {
        assert_true(mr_list_grow(&item, n, sizeof *item));
        item[n] = (int)n;
    }
    for (int n = 0; n < 1000; n++)
        assert_int_equal(item[n], n);
    free(item);
}

static void names_are_found_and_sorted(void **state)
{
    (void)state;
    mr_names names = {0};
    mr_error e = {0};
    assert_int_equal(mr_names_add(&names, "b", &e), 0);
    assert_int_equal(mr_names_add(&names, "\xc3\xa4", &e), 0);
    assert_int_equal(mr_names_take(&names, strdup("a"), &e), 0);
    assert_int_equal(mr_names_find(&names, "a"), 2);
    mr_names_sort(&names);
    assert_string_equal(names.name[0], "a");
    assert_string_equal(names.name[1], "b");
    assert_int_equal(mr_names_find(&names, "c"), -1);
    assert_int_equal(mr_names_take(&names, NULL, &e), MR_ENOMEM);
    assert_string_equal(e.message, "out of memory for a list of names");
    assert_int_equal(names.count, 3);
    mr_names_free(&names);
    assert_int_equal(names.count, 0);
}

static void hexadecimal_there_and_back(void **state)
{
    (void)state;
    const char bytes[] = "\0\x7f\x80\xff";
    size_t size;
    char *text = mr_hex_encode(bytes, 4), *back = mr_hex_decode(text, &size);
    assert_string_equal(text, "007f80ff");
    assert_int_equal(size, 4);
    assert_memory_equal(back, bytes, 5); /* with the NUL behind it */
    free(text);
    free(back);
    const char *const wrong[] = {"0", "0g", "AB", " 00", NULL};
    for (int i = 0; i < 5; i++)
        assert_null(mr_hex_decode(wrong[i], &size));
    assert_true(mr_is_hex(""));
}

static void utf8_or_not(void **state)
{
    (void)state;
    assert_true(mr_utf8_valid("\xc3\xa4 \xef\xbf\xbd")); /* U+FFFD itself is */
    assert_false(mr_utf8_valid("caf\xe9"));
    assert_false(mr_utf8_valid("\xed\xa0\x80")); /* a surrogate */
}

static void check_folder(const char *path, const char *folder, const char *name)
{
    char *found = mr_folder_of(path);
    assert_string_equal(found, folder);
    assert_string_equal(mr_file_name(path), name);
    free(found);
}

static void parts_of_paths(void **state)
{
    (void)state;
    check_folder("a", "./", "a");
    check_folder("/a", "/", "a");
    check_folder("a/b.c", "a/", "b.c");
    check_folder("a/", "a/", "");
    check_folder("", "./", "");
}

static void entries_and_files(void **state)
{
    (void)state;
    char dir[] = "/tmp/millrace-base-XXXXXX", path[4][64];
    assert_non_null(mkdtemp(dir));
    snprintf(path[0], sizeof path[0], "%s/a", dir);
    snprintf(path[1], sizeof path[1], "%s/b", dir);
    snprintf(path[2], sizeof path[2], "%s/./a", dir);
    snprintf(path[3], sizeof path[3], "%s/none/a", dir);
    assert_true(mr_same_entry(path[0], path[2])); /* neither is there */
    assert_false(mr_same_file(path[0], path[2]));
    assert_int_equal(symlink("/dev/null", path[0]), 0);
    assert_int_equal(link(path[0], path[1]), 0);
    assert_true(mr_same_file(path[0], path[1]));
    assert_false(mr_same_entry(path[0], path[1]));
    assert_false(mr_same_entry(path[0], path[3]));
    unlink(path[0]);
    unlink(path[1]);
    rmdir(dir);
}

static void *look_at_signals(void *blocked)
{
    pthread_sigmask(SIG_SETMASK, NULL, blocked);
    return NULL;
}

static void threads_leave_signals_to_others(void **state)
{
    (void)state;
    sigset_t before, after, inside;
    pthread_t thread;
    mr_error e = {0};
    sigemptyset(&inside);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_int_equal(mr_thread_start(&thread, look_at_signals, &inside, "mr-test", &e), 0);
    pthread_join(thread, NULL);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_int_equal(sigismember(&inside, SIGTERM), 1);
    assert_int_equal(sigismember(&after, SIGTERM), sigismember(&before, SIGTERM));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_array_grows_by_one),
        cmocka_unit_test(names_are_found_and_sorted),
        cmocka_unit_test(hexadecimal_there_and_back),
        cmocka_unit_test(utf8_or_not),
        cmocka_unit_test(parts_of_paths),
        cmocka_unit_test(entries_and_files),
        cmocka_unit_test(threads_leave_signals_to_others),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
