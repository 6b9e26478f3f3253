/* SPDX-License-Identifier: Apache-2.0 */
/* Files sorted into folders by class: what lies where afterwards, with which bytes, times and rights. */
#include "tests/files.h"

#include "pipeline/predict/placing.h"

#include <fcntl.h>
#include <limits.h>

static char folder[256], elsewhere[256]; /* elsewhere: in another file system, "" where there is none */
static const char *const names[] = {"cat", "dog"};

/* A folder of its own in a file system that the temporary one is not in. */
static void find_elsewhere(void)
{
    static const char *const candidates[] = {"/dev/shm", "/tmp", "/var/tmp", "/run"};
    struct stat here, there;
    assert_int_equal(stat(folder, &here), 0);
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++)
        if (stat(candidates[i], &there) == 0 && there.st_dev != here.st_dev) {
            snprintf(elsewhere, sizeof elsewhere, "%s/millrace-test-XXXXXX", candidates[i]);
            if (mkdtemp(elsewhere))
                return;
        }
    elsewhere[0] = '\0';
}

static int make_folders(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "%s", temporary_folder());
    assert_int_equal(chdir(folder), 0);
    find_elsewhere();
    return 0;
}

static int remove_folders(void **state)
{
    (void)state;
    assert_int_equal(chdir("/"), 0);
    remove_folder(folder);
    if (elsewhere[0])
        remove_folder(elsewhere);
    return 0;
}

static mr_placing placing(mr_placing_way way, const char *dir)
{
    mr_placing p = {.way = way, .dir = dir, .class_names = names, .classes = 2};
    mr_error e = {0};
    if (mr_placing_prepare(&p, &e))
        fail_msg("%s", e.message);
    return p;
}

/* Puts PATH into CLASS; fails unless it then lies at WANT. */
static void put(const mr_placing *p, const char *path, int class, const char *want)
{
    mr_text placed = {0};
    mr_error e = {0};
    if (mr_placing_put(p, path, class, &placed, &e))
        fail_msg("%s", e.message);
    assert_string_equal(mr_text_string(&placed), want);
    mr_text_destroy(&placed);
}

static void assert_holds(const char *path, const char *text)
{
    size_t size;
    char *bytes = (char *)read_file(path, &size);
    assert_non_null(bytes);
    assert_int_equal(size, strlen(text));
    assert_memory_equal(bytes, text, size);
    free(bytes);
}

static void write_text(const char *path, const char *text)
{
    write_file(below(folder, path), text, strlen(text));
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* --- folders ------------------------------------------------------------------------------------------- */

static void folders_are_made_once(void **state)
{
    (void)state;
    struct stat st;
    for (int i = 0; i < 2; i++) {
        placing(MR_PLACE_MOVE, "f/g//h/");
        assert_true(stat("f/g/h/cat", &st) == 0 && S_ISDIR(st.st_mode));
        assert_true(stat("f/g/h/dog", &st) == 0 && S_ISDIR(st.st_mode));
    }
}

static void refuse(const char *dir, const char *class, int code, const char *said)
{
    mr_placing p = {.dir = dir, .class_names = &class, .classes = 1};
    mr_error e = {0};
    assert_int_equal(mr_placing_prepare(&p, &e), code);
    if (!strstr(e.message, said))
        fail_msg("%s: '%s' is not said", e.message, said);
}

/* Class names come from a stranger's model: none leads out of the folder. */
static void class_names_that_are_no_folders(void **state)
{
    (void)state;
    static const char *const bad[] = {"", ".", "..", "a/b", "/", "../x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refuse("b", bad[i], MR_EINVAL, bad[i]);
    placing(MR_PLACE_MOVE, "dots"); /* as many dots as one likes, but for these two */
    static const char *const good[] = {"...", ".a", "a b", "\xff"};
    mr_error e = {0};
    assert_int_equal(mr_placing_prepare(&(mr_placing){.dir = "dots", .class_names = good, .classes = 4}, &e),
                     0);
    assert_true(exists("dots/...") && exists("dots/\xff"));
}

/* Before any file is touched. */
static void places_that_are_no_folders(void **state)
{
    (void)state;
    char name[NAME_MAX + 2];
    memset(name, 'n', sizeof name);
    name[NAME_MAX + 1] = '\0';
    write_text("file", "");
    write_text("taken/cat", "");
    refuse("file", "cat", MR_EIO, "file");
    refuse("file/deeper", "cat", MR_EIO, "file");
    refuse("taken", "cat", MR_EIO, "taken/cat");
    refuse("", "cat", MR_ENOTFOUND, "folder");
    refuse("long", name, MR_EIO, "File name too long");
    assert_int_equal(symlink("nowhere/at/all", "dangling"), 0);
    refuse("dangling", "cat", MR_EIO, "dangling");
}

/* --- moving -------------------------------------------------------------------------------------------- */

static void moved_files_keep_their_names_where_they_can(void **state)
{
    (void)state;
    mr_placing p = placing(MR_PLACE_MOVE, "m");
    static const char *const from[] = {"in/a.b.jpg",   "in/1/a.b.jpg", "in/2/a.b.jpg", "in/.hidden",
                                       "in/3/.hidden", "in/plain",     "in/3/plain"};
    static const char *const to[] = {"m/dog/a.b.jpg",   "m/dog/a.b-2.jpg", "m/dog/a.b-3.jpg", "m/dog/.hidden",
                                     "m/dog/.hidden-2", "m/dog/plain",     "m/dog/plain-2"};
    for (size_t i = 0; i < sizeof from / sizeof *from; i++)
        write_text(from[i], from[i]);
    for (size_t i = 0; i < sizeof from / sizeof *from; i++) {
        put(&p, from[i], 1, to[i]);
        assert_false(exists(from[i]));
    }
    for (size_t i = 0; i < sizeof from / sizeof *from; i++)
        assert_holds(to[i], from[i]);
    put(&p, "m/dog/a.b-2.jpg", 0, "m/cat/a.b-2.jpg");
    put(&p, "m/cat/a.b-2.jpg", 0, "m/cat/a.b-2.jpg"); /* it is there already */
    assert_holds("m/cat/a.b-2.jpg", "in/1/a.b.jpg");
    write_text("bare.jpg", "bare"); /* a path without a folder */
    put(&p, "bare.jpg", 0, "m/cat/bare.jpg");
}

/* Two names of one file are two files to whoever sorts them: neither stays behind, none is lost. */
static void moved_hard_links_are_files_of_their_own(void **state)
{
    (void)state;
    mr_placing p = placing(MR_PLACE_MOVE, "hard");
    write_text("in/h.jpg", "h");
    write_text("in/x/other", "");
    assert_int_equal(link("in/h.jpg", "in/x/h.jpg"), 0);
    put(&p, "in/h.jpg", 0, "hard/cat/h.jpg");
    put(&p, "in/x/h.jpg", 0, "hard/cat/h-2.jpg");
    assert_false(exists("in/h.jpg") || exists("in/x/h.jpg"));
    assert_holds("hard/cat/h-2.jpg", "h");
    put(&p, "hard/../hard/cat/h.jpg", 0, "hard/cat/h.jpg"); /* by another way to the same name */
    assert_true(exists("hard/cat/h.jpg"));
}

static void a_moved_link_leads_where_it_led(void **state)
{
    (void)state;
    mr_placing p = placing(MR_PLACE_MOVE, "l");
    char target[PATH_MAX], want[PATH_MAX];
    write_text("in/target", "aim");
    assert_int_equal(symlink("target", "in/link.jpg"), 0);
    assert_non_null(realpath("in/target", want));
    put(&p, "in/link.jpg", 0, "l/cat/link.jpg");
    assert_holds("l/cat/link.jpg", "aim");
    assert_int_equal(readlink("in/link.jpg", target, sizeof target), -1);
    ssize_t n = readlink("l/cat/link.jpg", target, sizeof target);
    assert_int_equal(n, strlen(want));
    assert_memory_equal(target, want, n);
    assert_holds("in/target", "aim");
}

/* Copied: bytes, times and rights (whatever the umask) are those of the file that goes. */
static void moved_to_another_file_system(void **state)
{
    (void)state;
    if (!elsewhere[0])
        skip();
    mr_placing p = placing(MR_PLACE_MOVE, elsewhere);
    enum { SIZE = 3 * 1000 * 1000 };
    struct timespec times[2] = {{1000000001, 123456789}, {1100000002, 987654321}};
    char *bytes = malloc(SIZE), want[512];
    struct stat st;
    size_t size;
    for (int i = 0; i < SIZE; i++)
        bytes[i] = (char)((unsigned)i * 2654435761u >> 24);
    for (int i = 0; i < 2; i++) {
        write_file(below(folder, "in/big.jpg"), bytes, SIZE);
        assert_int_equal(chmod("in/big.jpg", i ? 0464 : 0622), 0);
        assert_int_equal(utimensat(AT_FDCWD, "in/big.jpg", times, 0), 0);
        snprintf(want, sizeof want, "%s/dog/big%s.jpg", elsewhere, i ? "-2" : "");
        put(&p, "in/big.jpg", 1, want);
        assert_false(exists("in/big.jpg"));
        assert_int_equal(stat(want, &st), 0);
        assert_int_equal(st.st_mode & 07777, i ? 0464 : 0622);
        assert_int_equal(st.st_mtim.tv_sec, times[1].tv_sec);
        assert_int_equal(st.st_mtim.tv_nsec, times[1].tv_nsec);
        assert_int_equal(st.st_atim.tv_sec, times[0].tv_sec);
        uint8_t *copied = read_file(want, &size);
        assert_int_equal(size, SIZE);
        assert_memory_equal(copied, bytes, SIZE);
        free(copied);
    }
    free(bytes);
}

/* --- linking ------------------------------------------------------------------------------------------- */

static void linked_files_are_the_same_file(void **state)
{
    (void)state;
    mr_placing p = placing(MR_PLACE_LINK, "k");
    struct stat a, b;
    write_text("in/k.jpg", "first");
    write_text("in/y/k.jpg", "second");
    for (int i = 0; i < 2; i++) { /* again: nothing is added */
        put(&p, "in/k.jpg", 0, "k/cat/k.jpg");
        put(&p, "in/y/k.jpg", 0, "k/cat/k-2.jpg");
    }
    assert_holds("k/cat/k-2.jpg", "second");
    assert_true(exists("in/k.jpg") && !exists("k/cat/k-3.jpg"));
    assert_true(stat("in/k.jpg", &a) == 0 && lstat("k/cat/k.jpg", &b) == 0 && a.st_ino == b.st_ino);
    assert_int_equal(a.st_nlink, 2);
    assert_int_equal(symlink("k.jpg", "in/soft.jpg"), 0); /* the file it leads to */
    put(&p, "in/soft.jpg", 1, "k/dog/soft.jpg");
    assert_true(lstat("k/dog/soft.jpg", &b) == 0 && S_ISREG(b.st_mode) && a.st_ino == b.st_ino);
}

static void linked_from_another_file_system(void **state)
{
    (void)state;
    if (!elsewhere[0])
        skip();
    mr_placing p = placing(MR_PLACE_LINK, elsewhere);
    char want[512];
    struct stat st;
    write_text("in/far.jpg", "far");
    write_text("in/z/far.jpg", "farther");
    for (int i = 0; i < 2; i++) {
        snprintf(want, sizeof want, "%s/cat/far.jpg", elsewhere);
        put(&p, "in/far.jpg", 0, want);
        snprintf(want, sizeof want, "%s/cat/far-2.jpg", elsewhere);
        put(&p, "in/z/far.jpg", 0, want);
    }
    assert_true(lstat(want, &st) == 0 && S_ISLNK(st.st_mode));
    assert_holds(want, "farther"); /* by a whole path: it was given a relative one */
}

static void what_cannot_be_placed_is_named(void **state)
{
    (void)state;
    mr_error e = {0};
    mr_placing move = placing(MR_PLACE_MOVE, "q"), link = placing(MR_PLACE_LINK, "q");
    assert_int_equal(mr_placing_put(&move, "in/nobody.jpg", 0, NULL, &e), MR_ENOTFOUND);
    assert_non_null(strstr(e.message, "cannot move in/nobody.jpg to q/cat/nobody.jpg"));
    mr_error_clear(&e);
    assert_int_equal(mr_placing_put(&link, "in/nobody.jpg", 1, NULL, &e), MR_ENOTFOUND);
    assert_non_null(strstr(e.message, "cannot link in/nobody.jpg to q/dog/nobody.jpg"));
    mr_error_clear(&e);
    write_text("in/late.jpg", "late");
    assert_int_equal(rmdir("q/cat"), 0); /* somebody took the folder away: the file stays where it is */
    assert_int_equal(mr_placing_put(&move, "in/late.jpg", 0, NULL, &e), MR_ENOTFOUND);
    assert_holds("in/late.jpg", "late");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folders_are_made_once),
        cmocka_unit_test(class_names_that_are_no_folders),
        cmocka_unit_test(places_that_are_no_folders),
        cmocka_unit_test(moved_files_keep_their_names_where_they_can),
        cmocka_unit_test(moved_hard_links_are_files_of_their_own),
        cmocka_unit_test(a_moved_link_leads_where_it_led),
        cmocka_unit_test(moved_to_another_file_system),
        cmocka_unit_test(linked_files_are_the_same_file),
        cmocka_unit_test(linked_from_another_file_system),
        cmocka_unit_test(what_cannot_be_placed_is_named),
    };
    return cmocka_run_group_tests(tests, make_folders, remove_folders);
}
