/* SPDX-License-Identifier: Apache-2.0 */
/* A folder's entries in the order of whole paths, against a plain sort: from memory, and in pieces through
 * the temporary file where few names may stay in memory. */
#include "tests/shared.h"

#include "io/files/listing.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ENTRIES = 700, LONGEST = 220 };

typedef struct tree {
    char path[64];
    char *key[ENTRIES]; /* names as they sort: a folder's with a slash */
    int count;
} tree;

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names of all lengths, many with one beginning, of bytes on both sides of '/'; every fifth is a folder. */
static void name_of(char *name, int i)
{
    static const char letters[] = "-.0aZ\xc3\xa9";
    int length = 1 + i * 37 % LONGEST,
        n = snprintf(name, LONGEST + 32, "%.*s%d", i % 3, "a--", i * 7919 % ENTRIES);
    for (; n < length; n++)
        name[n] = letters[(i + n * n) % (int)(sizeof letters - 1)];
    name[n] = '\0';
}

static int make_tree(void **state)
{
    static tree t = {.path = "/tmp/millrace-listing-XXXXXX"};
    assert_non_null(mkdtemp(t.path));
    for (int i = 0; i < ENTRIES; i++) {
        char name[LONGEST + 32], path[LONGEST + 128];
        name_of(name, i);
        snprintf(path, sizeof path, "%s/%s", t.path, name);
        if (i % 5 == 0)
            assert_int_equal(mkdir(path, 0777), 0);
        else
            assert_int_equal(close(open(path, O_CREAT | O_EXCL | O_WRONLY, 0666)), 0);
        assert_true(asprintf(&t.key[t.count++], "%s%s", name, i % 5 == 0 ? "/" : "") > 0);
    }
    qsort(t.key, (size_t)t.count, sizeof *t.key, by_bytes);
    *state = &t;
    return 0;
}

static int remove_tree(void **state)
{
    tree *t = *state;
    for (int i = 0; i < t->count; i++) {
        char path[LONGEST + 128];
        snprintf(path, sizeof path, "%s/%s", t->path, t->key[i]);
        remove(path);
        free(t->key[i]);
    }
    return rmdir(t->path);
}

static int everything(void *context, const char *name, bool folder, mr_error *e)
{
    (void)context, (void)name, (void)folder, (void)e;
    return true;
}

static int no_even_folders(void *context, const char *name, bool folder, mr_error *e)
{
    (void)context, (void)e;
    return !folder || strcspn(name, "/") % 2;
}

static int no_answer(void *context, const char *name, bool folder, mr_error *e)
{
    (void)context, (void)folder;
    return mr_fail(e, MR_ENOMEM, "no memory to look at %s", name);
}

static void check_listing(const tree *t, mr_listing_filter *wanted, size_t most)
{
    mr_listing *l;
    mr_error e = {0};
    const char *name;
    bool folder;
    assert_int_equal(mr_listing_open(&l, t->path, wanted, NULL, most, &e), 0);
    for (int i = 0; i < t->count; i++) {
        size_t length = strlen(t->key[i]);
        bool is_folder = t->key[i][length - 1] == '/';
        length -= is_folder;
        if (!wanted(NULL, t->key[i], is_folder, NULL))
            continue;
        assert_int_equal(mr_listing_next(l, &name, &folder, &e), 1);
        assert_int_equal(strlen(name), length);
        assert_memory_equal(name, t->key[i], length);
        assert_int_equal(folder, is_folder);
    }
    assert_int_equal(mr_listing_next(l, &name, &folder, &e), 0);
    mr_listing_close(l);
}

static void order_is_that_of_paths(void **state)
{
    check_listing(*state, everything, 0);
}

static void pieces_give_the_same(void **state)
{
    static const size_t most[] = {1, LONGEST, 1000, 5000, 40000};
    for (size_t i = 0; i < sizeof most / sizeof *most; i++)
        check_listing(*state, everything, most[i]);
}

static void unwanted_entries_are_left_out(void **state)
{
    check_listing(*state, no_even_folders, 0);
    check_listing(*state, no_even_folders, 1000);
}

static void no_folder_is_an_error(void **state)
{
    (void)state;
    mr_listing *l;
    mr_error e = {0};
    assert_int_equal(mr_listing_open(&l, "/nowhere", everything, NULL, 0, &e), MR_ENOTFOUND);
    assert_non_null(strstr(e.message, "/nowhere"));
}

/* An entry that the filter cannot tell about must not pass for one that is not wanted. */
static void no_answer_is_an_error(void **state)
{
    const tree *t = *state;
    mr_listing *l;
    mr_error e = {0};
    assert_int_equal(mr_listing_open(&l, t->path, no_answer, NULL, 0, &e), MR_ENOMEM);
    assert_non_null(strstr(e.message, "no memory to look at"));
    assert_null(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_is_that_of_paths),
        cmocka_unit_test(pieces_give_the_same),
        cmocka_unit_test(unwanted_entries_are_left_out),
        cmocka_unit_test(no_folder_is_an_error),
        cmocka_unit_test(no_answer_is_an_error),
    };
    return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
