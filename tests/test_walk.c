/* SPDX-License-Identifier: Apache-2.0 */
/* What a walk gives out, and what a census counts beforehand, against lists of what was put into the folders.
 */
#include "tests/files.h"

#include "pipeline/source/count.h"
#include "pipeline/source/walk.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>

enum { MOST = 64, MANY = 300, WATCHDOG_SECONDS = 120 };

static char folder[256];

static int make_tree(void **state)
{
    static const char *const names[] = {"t/a.jpg",        "t/a-b.jpg",  "t/a/x.jpg",   "t/a/b/y.png",
                                        "t/.hidden.jpg",  "t/.h/z.jpg", "t/notes.txt", "t/a/thumbs/u.jpg",
                                        "t/sorted/v.jpg", "one.unusual"};
    (void)state;
    alarm(WATCHDOG_SECONDS);
    snprintf(folder, sizeof folder, "%s", temporary_folder());
    assert_int_equal(chdir(folder), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        write_file(below(folder, names[i]), "x", 1);
    for (int i = 0; i < MANY; i++) {
        char name[32];
        snprintf(name, sizeof name, "many/%02d/%03d.jpg", i % 16, i);
        write_file(below(folder, name), "", 0);
    }
    assert_int_equal(symlink("..", "t/a/up"), 0);
    assert_int_equal(symlink("../a", "t/sorted/again"), 0);
    assert_int_equal(symlink("nowhere", "t/dangling.jpg"), 0);
    return 0;
}

static int remove_tree(void **state)
{
    (void)state;
    assert_int_equal(chdir("/"), 0);
    remove_folder(folder);
    return 0;
}

/* --- walks --------------------------------------------------------------------------------------------- */

/* Fails unless a walk gives out exactly PATHS (up to NULL), in this order, none with a failure. */
static void check_walk(const mr_walk_options *o, const char *const *paths)
{
    mr_walk *w;
    mr_error e = {0};
    mr_source_item item;
    uint64_t n = 0;
    assert_int_equal(mr_walk_create(&w, o, &e), 0);
    mr_source s = mr_walk_source(w);
    for (; *paths; paths++, n++) {
        assert_true(s.ready(s.context, 0));
        assert_int_equal(s.next(s.context, &item, &e), 1);
        assert_string_equal(item.path, *paths);
        assert_null(item.failure);
        assert_int_equal(item.id, n);
        assert_int_equal(item.label, -1);
        s.release(s.context, item.path);
    }
    assert_int_equal(s.next(s.context, &item, &e), 0);
    mr_walk_free(w);
}

/* Byte order of whole paths; "t/a/up" leads back into a folder around it, and is not followed. */
static void order_is_that_of_paths(void **state)
{
    (void)state;
    static const char *const roots[] = {"t"};
    static const char *const want[] = {"t/a-b.jpg",
                                       "t/a.jpg",
                                       "t/a/b/y.png",
                                       "t/a/thumbs/u.jpg",
                                       "t/a/x.jpg",
                                       "t/dangling.jpg",
                                       "t/sorted/again/b/y.png",
                                       "t/sorted/again/thumbs/u.jpg",
                                       "t/sorted/again/x.jpg",
                                       "t/sorted/v.jpg",
                                       NULL};
    check_walk(&(mr_walk_options){.root = roots, .roots = 1}, want);
    check_walk(&(mr_walk_options){.root = roots, .roots = 1, .names_in_memory = 1}, want);
}

/* A link to a folder around the root, not only one in it, leads nowhere. */
static void nothing_around_the_root_is_entered(void **state)
{
    (void)state;
    static const char *const roots[] = {"t/a/b"};
    static const char *const want[] = {"t/a/b/y.png", NULL};
    mr_walk *w;
    assert_int_equal(symlink("../..", "t/a/b/top"), 0);
    check_walk(&(mr_walk_options){.root = roots, .roots = 1}, want);
    assert_int_equal(unlink("t/a/b/top"), 0);
    assert_int_equal(
        mr_walk_create(&w, &(mr_walk_options){.root = (const char *const[]){"t"}, .roots = 1}, NULL), 0);
    mr_source s = mr_walk_source(w);
    mr_source_item item;
    while (s.next(s.context, &item, NULL) == 1)
        s.release(s.context, item.path);
    assert_int_equal(mr_walk_passed_over(w)->total, 1); /* notes.txt */
    mr_walk_free(w);
}

/* A root that is a file is taken whatever its name, and roots come as they are given. */
static void globs_and_roots(void **state)
{
    (void)state;
    static const char *const roots[] = {"one.unusual", "t/", "t/a.jpg"};
    static const char *const include[] = {"*.txt", "a/b/*"}, *const exclude[] = {"sorted"};
    static const char *const want[] = {"one.unusual", "t/a/b/y.png", "t/notes.txt", "t/a.jpg", NULL};
    check_walk(&(mr_walk_options){.root = roots, .roots = 3, .selection = {include, 2, exclude, 1}}, want);
}

/* However it is reached: "again" leads to it, too. */
static void a_folder_to_avoid_is_not_entered(void **state)
{
    (void)state;
    static const char *const roots[] = {"t"};
    static const char *const want[] = {"t/a-b.jpg", "t/a.jpg", "t/dangling.jpg", "t/sorted/v.jpg", NULL};
    check_walk(&(mr_walk_options){.root = roots, .roots = 1, .avoid = "t/../t/a"}, want);
}

static bool stop_now(void *context)
{
    return --*(int *)context < 0;
}

static void a_stop_is_the_end(void **state)
{
    (void)state;
    static const char *const roots[] = {"t"};
    static const char *const want[] = {"t/a-b.jpg", "t/a.jpg", NULL};
    int looks = 3; /* at the root, and at the two files */
    check_walk(&(mr_walk_options){.root = roots, .roots = 1, .stop = stop_now, .context = &looks}, want);
}

static void a_missing_root_is_named(void **state)
{
    (void)state;
    static const char *const roots[] = {"t", "no such"};
    mr_walk *w;
    mr_error e = {0};
    assert_int_equal(mr_walk_create(&w, &(mr_walk_options){.root = roots, .roots = 2}, &e), MR_ENOTFOUND);
    assert_non_null(strstr(e.message, "no such"));
    assert_null(w);
}

/* Folders within one another until a path is longer than the system opens: the hole is an item with a
 * failure, and what comes after is found all the same. */
static void a_folder_that_cannot_be_opened_is_told(void **state)
{
    (void)state;
    static const char *const roots[] = {"deep"};
    char name[NAME_MAX + 1];
    mr_walk *w;
    mr_error e = {0};
    mr_source_item item;
    memset(name, 'n', NAME_MAX);
    name[NAME_MAX] = '\0';
    write_file(below(folder, "deep/z.jpg"), "", 0);
    int at = open("deep", O_PATH | O_DIRECTORY);
    for (int i = 0; i <= PATH_MAX / NAME_MAX; i++) {
        assert_int_equal(mkdirat(at, name, 0777), 0);
        int in = openat(at, name, O_PATH | O_DIRECTORY);
        close(at);
        at = in;
    }
    close(at);
    assert_int_equal(mr_walk_create(&w, &(mr_walk_options){.root = roots, .roots = 1}, &e), 0);
    mr_source s = mr_walk_source(w);
    assert_int_equal(s.next(s.context, &item, &e), 1);
    assert_non_null(item.failure);
    assert_non_null(strstr(item.failure->message, "File name too long"));
    assert_true(strlen(item.path) >= PATH_MAX - NAME_MAX);
    s.release(s.context, item.path);
    assert_int_equal(s.next(s.context, &item, &e), 1);
    assert_null(item.failure);
    assert_string_equal(item.path, "deep/z.jpg");
    s.release(s.context, item.path);
    assert_int_equal(s.next(s.context, &item, &e), 0);
    mr_walk_free(w);
    assert_int_equal(system("rm -r deep"), 0);
}

/* --- the census ---------------------------------------------------------------------------------------- */

/* Waits until all is counted; no other number is ever seen. */
static void check_count(const mr_walk_options *o, int64_t want)
{
    mr_census *c;
    mr_error e = {0};
    int64_t n;
    assert_int_equal(mr_census_start(&c, o, &e), 0);
    assert_non_null(c);
    while ((n = mr_census_total(c)) == 0)
        sched_yield();
    assert_int_equal(n, want);
    assert_int_equal(mr_census_total(c), want);
    mr_census_stop(c);
}

static void census_counts_what_a_walk_finds(void **state)
{
    (void)state;
    static const char *const roots[] = {"t", "many", "one.unusual"}, *const exclude[] = {"07", "u*"};
    check_count(&(mr_walk_options){.root = roots, .roots = 1}, 10);
    check_count(&(mr_walk_options){.root = roots + 1, .roots = 2}, MANY + 1);
    check_count(&(mr_walk_options){.root = roots, .roots = 2, .avoid = "t/a"}, MANY + 4);
    check_count(
        &(mr_walk_options){.root = roots + 1, .roots = 1, .selection = {.exclude = exclude, .excludes = 2}},
        MANY - (MANY - 7 + 15) / 16);
}

/* The walk's own stop belongs to the walk that is run beside the census. */
static void census_has_a_stop_of_its_own(void **state)
{
    (void)state;
    static const char *const roots[] = {"t"};
    int looks = 0;
    check_count(&(mr_walk_options){.root = roots, .roots = 1, .stop = stop_now, .context = &looks}, 10);
    assert_int_equal(looks, 0);
}

static void what_cannot_be_counted(void **state)
{
    (void)state;
    static const char *const list[] = {"t", "-"}, *const missing[] = {"no such"};
    mr_census *c;
    mr_error e = {0};
    assert_int_equal(mr_census_start(&c, &(mr_walk_options){.root = list, .roots = 2}, &e), 0);
    assert_null(c);
    assert_int_equal(mr_census_total(c), 0);
    mr_census_stop(c);
    assert_int_equal(mr_census_start(&c, &(mr_walk_options){.root = missing, .roots = 1}, &e), MR_ENOTFOUND);
    assert_non_null(strstr(e.message, "no such"));
    assert_null(c);
}

/* Wherever it is: what it has not come to the end of it does not give out. */
static void census_is_stopped_anywhere(void **state)
{
    (void)state;
    static const char *const roots[] = {"many"};
    for (int i = 0; i < 50; i++) {
        mr_census *c;
        mr_error e = {0};
        assert_int_equal(mr_census_start(&c, &(mr_walk_options){.root = roots, .roots = 1}, &e), 0);
        for (int k = 0; k < i; k++) {
            int64_t n = mr_census_total(c);
            assert_true(n == 0 || n == MANY);
            sched_yield();
        }
        mr_census_stop(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_is_that_of_paths),
        cmocka_unit_test(nothing_around_the_root_is_entered),
        cmocka_unit_test(globs_and_roots),
        cmocka_unit_test(a_folder_to_avoid_is_not_entered),
        cmocka_unit_test(a_stop_is_the_end),
        cmocka_unit_test(a_missing_root_is_named),
        cmocka_unit_test(a_folder_that_cannot_be_opened_is_told),
        cmocka_unit_test(census_counts_what_a_walk_finds),
        cmocka_unit_test(census_has_a_stop_of_its_own),
        cmocka_unit_test(what_cannot_be_counted),
        cmocka_unit_test(census_is_stopped_anywhere),
    };
    return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
