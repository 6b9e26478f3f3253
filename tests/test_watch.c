/* SPDX-License-Identifier: Apache-2.0 */
/* What a watch tells of, after what was done to its folders. Nothing is waited for: an event is there when
 * the call that causes it returns. */
#include "tests/files.h"
#include "tests/list_source.h"

#include "pipeline/source/watch.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>

enum { WATCHDOG_SECONDS = 120, MOST = 16 };

static char folder[256];

static int make_folder(void **state)
{
    (void)state;
    alarm(WATCHDOG_SECONDS);
    snprintf(folder, sizeof folder, "%s", temporary_folder());
    return chdir(folder);
}

static int remove_all(void **state)
{
    (void)state;
    assert_int_equal(chdir("/"), 0);
    remove_folder(folder);
    return 0;
}

static mr_watch *watch(const char *const *dirs, int count, mr_watch_options o)
{
    mr_watch *w;
    mr_error e = {0};
    o.dir = dirs;
    o.dirs = count;
    if (mr_watch_create(&w, &o, &e))
        fail_msg("%s", e.message);
    return w;
}

static mr_watch *watch_one(const char *dir)
{
    static const char *dirs[1];
    dirs[0] = dir;
    return watch(dirs, 1, (mr_watch_options){0});
}

static void write_text(const char *path, const char *text)
{
    write_file(below(folder, path), text, strlen(text));
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Fails unless W tells of exactly WANT (sorted, up to NULL), in any order: that of a folder's entries is the
 * system's. */
static void check_arrivals(mr_watch *w, const char *const *want)
{
    mr_source s = mr_watch_source(w);
    mr_source_item item;
    mr_error e = {0};
    char *told[MOST], text[1024] = "";
    int n = 0, wanted = 0;
    while (s.ready(s.context, 0) || s.ready(s.context, 0)) {
        if (s.next(s.context, &item, &e) != 1)
            fail_msg("%s", e.message);
        assert_null(item.failure);
        assert_true(n < MOST);
        told[n++] = strdup(item.path);
        s.release(s.context, item.path);
    }
    qsort(told, (size_t)n, sizeof *told, by_name);
    for (int i = 0; i < n; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), " %s", told[i]);
    while (want[wanted])
        wanted++;
    if (n != wanted)
        fail_msg("told of:%s", text);
    for (int i = 0; i < n; i++) {
        assert_string_equal(told[i], want[i]);
        free(told[i]);
    }
}

#define ARRIVALS(w, ...) check_arrivals(w, (const char *const[]){__VA_ARGS__, NULL})
#define NOTHING NULL

/* --- files --------------------------------------------------------------------------------------------- */

static void files_arrive_when_they_are_whole(void **state)
{
    (void)state;
    write_text("f/before.jpg", "");
    write_text("aside/moved.jpg", "");
    mr_watch *w = watch_one("f");
    ARRIVALS(w, NOTHING);
    int fd = open("f/slow.jpg", O_CREAT | O_WRONLY, 0666);
    assert_int_equal(write(fd, "x", 1), 1);
    ARRIVALS(w, NOTHING); /* it is open for writing */
    assert_int_equal(rename("aside/moved.jpg", "f/moved.jpg"), 0);
    assert_int_equal(link("f/moved.jpg", "f/linked.jpg"), 0);
    assert_int_equal(symlink("before.jpg", "f/soft.jpg"), 0);
    ARRIVALS(w, "f/linked.jpg", "f/moved.jpg", "f/soft.jpg");
    close(fd);
    ARRIVALS(w, "f/slow.jpg");
    write_text("f/before.jpg", "written again");
    ARRIVALS(w, "f/before.jpg");
    assert_int_equal(rename("f/before.jpg", "aside/gone.jpg") | unlink("f/slow.jpg"), 0);
    ARRIVALS(w, NOTHING);
    mr_watch_free(w);
}

static void unwanted_files_do_not_arrive(void **state)
{
    (void)state;
    static const char *const dirs[] = {"u"}, *const exclude[] = {"thumb*", "old/*"},
                             *const include[] = {"*.txt"};
    write_text("u/old/x.jpg", "");
    mkdir("u/thumbs", 0777);
    mkdir("u/sorted", 0777);
    mr_watch *w = watch(dirs, 1,
                        (mr_watch_options){.selection = {.exclude = exclude, .excludes = 2},
                                           .avoid = "u/../u/sorted"}),
             *texts = watch(dirs, 1, (mr_watch_options){.selection = {.include = include, .includes = 1}});
    write_text("u/.hidden.jpg", "");
    write_text("u/.h/a.jpg", "");
    write_text("u/notes.txt", "");
    write_text("u/thumb.jpg", "");
    write_text("u/thumbs/a.jpg", "");
    write_text("u/new/thumbs/a.jpg", "");
    write_text("u/old/y.jpg", "");
    write_text("u/sorted/z.jpg", "");
    write_text("u/good.jpg", "");
    ARRIVALS(w, "u/good.jpg");
    ARRIVALS(texts, "u/notes.txt");
    mr_watch_free(texts);
    mr_watch_free(w);
}

/* --- folders ------------------------------------------------------------------------------------------- */

/* What is in a folder when it arrives is told of once, though the events of some of it come, too. */
static void folders_arrive_with_what_is_in_them(void **state)
{
    (void)state;
    mkdir("d", 0777);
    write_text("outside/in/deep/b.jpg", "b");
    write_text("outside/a.jpg", "a");
    mr_watch *w = watch_one("d");
    assert_int_equal(rename("outside", "d/new"), 0);
    ARRIVALS(w, "d/new/a.jpg", "d/new/in/deep/b.jpg");
    write_text("d/new/in/deep/c.jpg", "c");
    ARRIVALS(w, "d/new/in/deep/c.jpg");
    write_text("d/made/deep/e.jpg", "e"); /* before the watch has seen the folder */
    ARRIVALS(w, "d/made/deep/e.jpg");
    write_text("d/made/deep/e.jpg", "another");
    ARRIVALS(w, "d/made/deep/e.jpg");
    assert_int_equal(symlink("made", "d/link"), 0); /* not followed, and no image by its name */
    ARRIVALS(w, NOTHING);
    mr_watch_free(w);
}

/* Found in a folder that arrived while somebody writes it: told of when that one closes it, and once. */
static void half_a_file_in_a_new_folder_waits(void **state)
{
    (void)state;
    write_text("leased", "");
    int leased = open("leased", O_RDONLY);
    int can_lease = fcntl(leased, F_SETLEASE, F_RDLCK) == 0;
    close(leased);
    if (!can_lease) /* a file system, or a user, without leases: who writes is not to be known */
        skip();
    mkdir("h", 0777);
    mr_watch *w = watch_one("h");
    mkdir("h/new", 0777);
    int fd = open("h/new/slow.jpg", O_CREAT | O_WRONLY, 0666);
    ARRIVALS(w, NOTHING);
    assert_int_equal(write(fd, "x", 1), 1);
    ARRIVALS(w, NOTHING);
    close(fd);
    ARRIVALS(w, "h/new/slow.jpg");
    mr_watch_free(w);
}

static void folders_that_go_are_forgotten(void **state)
{
    (void)state;
    write_text("g/a/b/x.jpg", "");
    write_text("g/ab/y.jpg", "");
    mr_watch *w = watch_one("g");
    assert_int_equal(rename("g/a", "taken"), 0);
    ARRIVALS(w, NOTHING);
    write_text("taken/b/not-ours.jpg", "");
    write_text("g/ab/ours.jpg", ""); /* not below g/a, whose name it begins with */
    ARRIVALS(w, "g/ab/ours.jpg");
    assert_int_equal(rename("taken", "g/c"), 0);
    ARRIVALS(w, "g/c/b/not-ours.jpg", "g/c/b/x.jpg");
    mr_watch_free(w);
}

/* Under another name its files are new ones: whoever wants rows by path wants these paths. */
static void a_renamed_folder_arrives_anew(void **state)
{
    (void)state;
    write_text("r/old/x.jpg", "");
    mr_watch *w = watch_one("r");
    assert_int_equal(rename("r/old", "r/new"), 0);
    ARRIVALS(w, "r/new/x.jpg");
    write_text("r/new/y.jpg", "");
    ARRIVALS(w, "r/new/y.jpg");
    mr_watch_free(w);
}

static void it_ends_with_its_last_folder(void **state)
{
    (void)state;
    static const char *const dirs[] = {"e1", "e2/"};
    mr_watch *w;
    mr_error e = {0};
    mr_source_item item;
    write_text("e1/x/y/z.jpg", "");
    mkdir("e2", 0777);
    assert_int_equal(mr_watch_create(&w, &(mr_watch_options){.dir = dirs, .dirs = 2}, &e), 0);
    mr_source s = mr_watch_source(w);
    write_text("e2/last.jpg", "");
    assert_int_equal(system("rm -r e1"), 0);
    assert_int_equal(s.next(s.context, &item, &e), 1);
    assert_string_equal(item.path, "e2/last.jpg");
    s.release(s.context, item.path);
    assert_false(s.ready(s.context, 0)); /* e2 is still there: more may come */
    assert_int_equal(system("rm -r e2"), 0);
    assert_int_equal(s.next(s.context, &item, &e), 0);
    assert_true(s.ready(s.context, 1000000));
    mr_watch_free(w);
}

/* --- at the start --------------------------------------------------------------------------------------- */

/* What is there arrives in the order of the paths, but for what was handled before, whatever path that had. */
static void files_at_the_start_arrive(void **state)
{
    (void)state;
    static const char *const dirs[] = {"p"}, *const want[] = {"p/a.jpg", "p/d/c.jpg", "p/e.jpg", "p/b.jpg"};
    mr_error e = {0};
    mr_source_item item;
    write_text("p/e.jpg", "");
    write_text("p/b.jpg", "");
    write_text("p/d/c.jpg", "");
    write_text("p/d/done.jpg", "");
    write_text("p/a.jpg", "");
    mr_watch *w = watch(dirs, 1, (mr_watch_options){.present = true});
    assert_int_equal(mr_watch_pass_over(w, "p/b.jpg", &e) | mr_watch_pass_over(w, "./p/d/../d/done.jpg", &e), 0);
    assert_int_equal(mr_watch_pass_over(w, "gone/e.jpg", &e), 0);
    mr_source s = mr_watch_source(w);
    for (int i = 0; i < 4; i++) {
        if (i == 3)
            write_text("p/b.jpg", "written again");
        assert_true(s.ready(s.context, 0) || s.ready(s.context, 0));
        assert_int_equal(s.next(s.context, &item, &e), 1);
        assert_string_equal(item.path, want[i]);
        s.release(s.context, item.path);
    }
    ARRIVALS(w, NOTHING);
    mr_watch_free(w);
}

/* Nothing is left to wait for where all that is there was handled. */
static void handled_files_are_not_announced(void **state)
{
    (void)state;
    static const char *const dirs[] = {"k"}, *const list[] = {"k/one.jpg"};
    list_source first = list_of(list, 1);
    mr_source_item item;
    mr_error e = {0};
    write_text("k/one.jpg", "");
    mr_watch *w = watch(dirs, 1, (mr_watch_options){.present = true, .first = face_of(&first)});
    mr_source s = mr_watch_source(w);
    assert_int_equal(s.next(s.context, &item, &e), 1);
    assert_string_equal(item.path, "k/one.jpg");
    s.release(s.context, item.path);
    write_text("k/two.jpg", "");
    assert_int_equal(s.next(s.context, &item, &e), 1); /* the list's end, and on */
    assert_string_equal(item.path, "k/two.jpg");
    s.release(s.context, item.path);
    ARRIVALS(w, NOTHING);
    mr_watch_free(w);
}

/* --- before, and trouble ------------------------------------------------------------------------------- */

static void what_comes_first_comes_first(void **state)
{
    (void)state;
    static const char *const dirs[] = {"w"}, *const list[] = {"one.jpg", "two.jpg"};
    list_source first = list_of(list, 2), torn = list_of(list, 2);
    mr_source_item item;
    mr_error e = {0};
    mkdir("w", 0777);
    mr_watch *w = watch(dirs, 1, (mr_watch_options){.first = face_of(&first)});
    mr_source s = mr_watch_source(w);
    write_text("w/three.jpg", "");
    for (int i = 0; i < 3; i++) {
        assert_true(s.ready(s.context, 0));
        assert_int_equal(s.next(s.context, &item, &e), 1);
        assert_string_equal(item.path, i < 2 ? list[i] : "w/three.jpg");
        assert_int_equal(item.id, i);
        s.release(s.context, item.path);
    }
    assert_int_equal(first.given_back, 2);
    mr_watch_free(w);
    torn.fail_at = 0;
    w = watch(dirs, 1, (mr_watch_options){.first = face_of(&torn)});
    s = mr_watch_source(w);
    assert_int_equal(s.next(s.context, &item, &e), MR_EIO);
    assert_string_equal(e.message, "the list is torn");
    mr_watch_free(w);
}

static void what_cannot_be_watched_is_named(void **state)
{
    (void)state;
    static const char *const dirs[] = {"no such", "file.jpg"};
    mr_watch *w;
    mr_error e = {0};
    write_text("file.jpg", "");
    assert_int_equal(mr_watch_create(&w, &(mr_watch_options){.dir = dirs, .dirs = 1}, &e), MR_ENOTFOUND);
    assert_non_null(strstr(e.message, "no such"));
    assert_null(w);
    mr_error_clear(&e);
    assert_int_equal(mr_watch_create(&w, &(mr_watch_options){.dir = dirs + 1, .dirs = 1}, &e), MR_EIO);
    assert_non_null(strstr(e.message, "file.jpg: Not a directory"));
}

/* More events than the system keeps for us: a row says that some are missing. */
static void lost_events_are_told(void **state)
{
    (void)state;
    long most = 0;
    FILE *f = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
    if (!f || fscanf(f, "%ld", &most) != 1 || most > 50000)
        most = 0;
    if (f)
        fclose(f);
    if (!most)
        skip();
    mkdir("q", 0777);
    mr_watch *w = watch_one("q");
    mr_source s = mr_watch_source(w);
    mr_source_item item;
    mr_error e = {0};
    long told = 0, lost = 0;
    for (long i = 0; i <= most; i++) { /* two in turn: the system makes one event of equal ones */
        int fd = open(i % 2 ? "q/a.jpg" : "q/b.jpg", O_CREAT | O_WRONLY, 0666);
        assert_true(fd >= 0);
        close(fd);
    }
    while (s.ready(s.context, 0) && s.next(s.context, &item, &e) == 1) {
        lost += item.failure != NULL;
        told += item.failure == NULL;
        if (item.failure) {
            assert_string_equal(item.path, "q");
            assert_non_null(strstr(item.failure->message, "some are missing"));
        }
        s.release(s.context, item.path);
    }
    assert_int_equal(lost, 1);
    assert_true(told > most / 2 && told < most);
    mr_watch_free(w);
}

/* In a name space of its own, a child lets itself watch three folders. Exit status 0: as it should be. */
static int watch_four_folders(void)
{
    mr_watch *w;
    mr_error e = {0};
    mr_source_item item;
    static const char *const dirs[] = {"n"};
    if (mr_watch_create(&w, &(mr_watch_options){.dir = dirs, .dirs = 1}, &e))
        return 2;
    mr_source s = mr_watch_source(w);
    mkdir("n/1", 0777);
    mkdir("n/2", 0777);
    mkdir("n/3", 0777);
    int status = s.next(s.context, &item, &e);
    mr_watch_free(w);
    if (status != MR_ELIMIT || !strstr(e.message, "n/3") || !strstr(e.hint, "max_user_watches"))
        return 3;
    mr_error_clear(&e);
    return mr_watch_create(&w, &(mr_watch_options){.dir = dirs, .dirs = 1}, &e) == MR_ELIMIT && e.hint[0] ? 0
                                                                                                          : 4;
}

static void too_many_folders_are_an_error_with_a_way_out(void **state)
{
    (void)state;
    enum { CANNOT = 77 };
    int status = 0;
    mkdir("n", 0777);
    pid_t child = fork();
    if (!child) {
        int fd =
            unshare(CLONE_NEWUSER) ? -1 : open("/proc/sys/user/max_inotify_watches", O_WRONLY | O_CLOEXEC);
        _exit(fd < 0 || write(fd, "3", 1) != 1 ? CANNOT : watch_four_folders());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == CANNOT)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_arrive_when_they_are_whole),
        cmocka_unit_test(unwanted_files_do_not_arrive),
        cmocka_unit_test(folders_arrive_with_what_is_in_them),
        cmocka_unit_test(half_a_file_in_a_new_folder_waits),
        cmocka_unit_test(folders_that_go_are_forgotten),
        cmocka_unit_test(a_renamed_folder_arrives_anew),
        cmocka_unit_test(it_ends_with_its_last_folder),
        cmocka_unit_test(files_at_the_start_arrive),
        cmocka_unit_test(handled_files_are_not_announced),
        cmocka_unit_test(what_comes_first_comes_first),
        cmocka_unit_test(what_cannot_be_watched_is_named),
        cmocka_unit_test(lost_events_are_told),
        cmocka_unit_test(too_many_folders_are_an_error_with_a_way_out),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_all);
}
