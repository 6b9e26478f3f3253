/* SPDX-License-Identifier: Apache-2.0 */
/* Class folders made in a temporary folder: order, counts, links, names that must be, every error, splits,
 * layouts. */
#include "tests/files.h"

#include "io/files/class_name.h"
#include "io/files/held_out.h"
#include "io/image/preprocess.h"

static const char *folder;

static int make_folder(void **state)
{
    (void)state;
    folder = temporary_folder();
    return 0;
}

static int drop_folder(void **state)
{
    (void)state;
    remove_folder(folder);
    return 0;
}

static void touch(const char *name)
{
    write_file(below(folder, name), "x", 1);
}

static const char *name_of(const mr_dataset *d, size_t i)
{
    return d->samples[i].path + strlen(folder) + 1;
}

/* --- scanning --------------------------------------------------------------------------------- */

static void order_and_counts(void **state)
{
    (void)state;
    static const char *const files[] = {"b/2.jpg",    "b/10.jpg",   "b/sub/1.PNG",   "B/z.jpeg",
                                        "B/a.jpe",    "B/note.txt", "B/.hidden.jpg", "b/x.TIFF",
                                        "b/noending", "readme",     ".git/x.jpg"};
    static const char *const wanted[] = {"B/a.jpe", "B/z.jpeg",    "b/10.jpg",
                                         "b/2.jpg", "b/sub/1.PNG", "b/x.TIFF"};
    mr_dataset *d;
    mr_error e = {0};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        touch(files[i]);
    assert_int_equal(mr_dataset_scan(&d, folder, NULL, 0, 2, &e), 0);
    assert_int_equal(d->classes, 2);
    assert_string_equal(d->class_names[0], "B");
    assert_string_equal(d->class_names[1], "b");
    assert_int_equal(d->count, 6);
    for (size_t i = 0; i < 6; i++) {
        assert_string_equal(name_of(d, i), wanted[i]);
        assert_int_equal(d->samples[i].label, i < 2 ? 0 : 1);
    }
    assert_int_equal(d->class_counts[0], 2);
    assert_int_equal(d->class_counts[1], 4);
    assert_int_equal(d->passed.hidden, 2); /* .hidden.jpg, .git */
    mr_text passed = {0};                  /* note.txt, noending, readme */
    mr_endings_text(&d->passed.not_images, &passed);
    assert_string_equal(mr_text_string(&passed), "2 without ending, 1 .txt");
    mr_text_destroy(&passed);
    mr_dataset_free(d);
}

static void links(void **state)
{
    (void)state;
    mr_dataset *d;
    mr_error e = {0};
    touch("a/1.jpg");
    touch(".elsewhere/deep/3.jpg");
    touch("c/2.jpg");
    assert_int_equal(symlink("..", below(folder, "a/up")), 0);     /* a loop, through the root */
    assert_int_equal(symlink("../a", below(folder, "a/self")), 0); /* a loop */
    assert_int_equal(symlink("1.jpg", below(folder, "a/4.jpg")), 0);
    assert_int_equal(symlink("nowhere", below(folder, "a/5.jpg")), 0); /* reading will report it */
    assert_int_equal(symlink("nowhere", below(folder, "a/nowhere")), 0);
    assert_int_equal(symlink("../.elsewhere", below(folder, "c/link")), 0);
    assert_int_equal(mkfifo(below(folder, "c/fifo.png"), 0600), 0);
    assert_int_equal(mr_dataset_scan(&d, folder, NULL, 0, 2, &e), 0);
    assert_int_equal(d->classes, 2);
    assert_int_equal(d->class_counts[0], 3); /* 1.jpg, 4.jpg, 5.jpg */
    assert_int_equal(d->class_counts[1], 3); /* fifo.png, 2.jpg, link/deep/3.jpg */
    assert_string_equal(name_of(d, d->class_counts[0]), "c/2.jpg");
    assert_int_equal(d->passed.not_images.total, 1); /* nowhere */
    assert_int_equal(d->passed.back, 1);             /* up */
    mr_dataset_free(d);
    /* to another class's folder, and, where that is a link itself, to what is around it */
    assert_int_equal(symlink("../c", below(folder, "a/c")), 0);
    assert_int_equal(mr_dataset_scan(&d, folder, NULL, 0, 2, &e), MR_EINVAL);
    assert_non_null(strstr(e.message, "c also belongs to class \"a\""));
    mr_error_clear(&e);
    unlink(below(folder, "a/c"));
    touch(".far/b/4.jpg");
    assert_int_equal(symlink("..", below(folder, ".far/b/up")), 0);
    assert_int_equal(symlink(".far/b", below(folder, "b")), 0);
    assert_int_equal(mr_dataset_scan(&d, folder, NULL, 0, 2, &e), 0);
    assert_int_equal(d->class_counts[1], 1);
    mr_dataset_free(d);
}

static void given_classes(void **state)
{
    (void)state;
    mr_dataset *d;
    mr_error e = {0};
    char *names[] = {"z", "a"};
    touch("a/1.jpg");
    touch("z/2.jpg");
    assert_int_equal(mr_dataset_scan(&d, folder, names, 2, 2, &e), 0);
    assert_string_equal(d->class_names[0], "z");
    assert_string_equal(name_of(d, 0), "z/2.jpg");
    assert_int_equal(d->samples[0].label, 0);
    assert_int_equal(d->samples[1].label, 1);
    mr_dataset_free(d);
}

/* --- errors ----------------------------------------------------------------------------------- */

static void fails(const char *dir, char *const *names, int classes, int min_classes, int code,
                  const char *named)
{
    mr_dataset *d;
    mr_error e = {0};
    assert_int_equal(mr_dataset_scan(&d, dir, names, classes, min_classes, &e), code);
    assert_null(d);
    assert_int_equal(e.code, code);
    if (!strstr(e.message, named))
        fail_msg("\"%s\" does not name %s", e.message, named);
}

static void scan_errors(void **state)
{
    (void)state;
    char *names[] = {"a", "missing"}, *one[] = {"a"};
    fails(below(folder, "none"), NULL, 0, 2, MR_ENOTFOUND, "none");
    fails(folder, NULL, 0, 2, MR_EINVAL, folder);
    touch("file.jpg");
    fails(folder, NULL, 0, 2, MR_EINVAL, "no class folders");
    fails(below(folder, "file.jpg"), NULL, 0, 2, MR_EIO, "file.jpg");
    touch("a/1.jpg");
    fails(folder, NULL, 0, 2, MR_EINVAL, "\"a\"");
    touch("empty/.hidden.jpg");
    touch("empty/notes.txt");
    fails(folder, NULL, 0, 2, MR_EINVAL, "empty");
    touch("bare/.hidden.jpg");
    fails(folder, NULL, 0, 2, MR_EINVAL, "bare, empty");
    fails(folder, names, 2, 2, MR_EINVAL, "bare");
    fails(folder, one, 1, 1, MR_EINVAL, "bare");
    char *none[] = {"bare", "empty", "missing"};
    remove_folder(below(folder, "a"));
    fails(folder, none, 3, 2, MR_EINVAL, "no images");
}

/* Folders are found by their names: a class may lack its images or its folder. */
static void given_classes_may_lack_images(void **state)
{
    (void)state;
    mr_dataset *d;
    mr_error e = {0};
    mr_text empty = {0};
    char *names[] = {"z", "none", "a", "bare"};
    touch("a/1.jpg");
    touch("z/2.jpg");
    touch("bare/.hidden");
    assert_int_equal(mr_dataset_scan(&d, folder, names, 4, 2, &e), 0);
    assert_int_equal(d->classes, 4);
    assert_int_equal(d->samples[1].label, 2);
    assert_int_equal(mr_dataset_empty_classes(d, &empty), 2);
    assert_string_equal(mr_text_string(&empty), "none, bare");
    mr_text_destroy(&empty);
    mr_dataset_free(d);
}

/* Bytes that are no UTF-8 are written out; two folders never become one class. */
static void names_of_any_bytes(void **state)
{
    (void)state;
    mr_dataset *d;
    mr_error e = {0};
    char *names[] = {"b", "caf\\xe9"};
    touch("caf\xe9/1.jpg");
    touch("b/1.jpg");
    assert_int_equal(mr_dataset_scan(&d, folder, NULL, 0, 2, &e), 0);
    assert_string_equal(d->class_names[1], "caf\\xe9");
    assert_string_equal(name_of(d, 1), "caf\xe9/1.jpg");
    mr_dataset_free(d);
    assert_int_equal(mr_dataset_scan(&d, folder, names, 2, 2, &e), 0);
    assert_int_equal(d->class_counts[1], 1);
    mr_dataset_free(d);
    touch("caf\\xe9/1.jpg");
    assert_int_equal(mr_dataset_scan(&d, folder, NULL, 0, 2, &e), MR_EINVAL);
    char *name = mr_class_name_of("\xc3\xa9\xff");
    assert_string_equal(name, "\xc3\xa9\\xff");
    free(name);
}

static void one_class_may_do(void **state)
{
    (void)state;
    mr_dataset *d;
    mr_error e = {0};
    touch("a/1.jpg");
    assert_int_equal(mr_dataset_scan(&d, folder, NULL, 0, 1, &e), 0);
    assert_int_equal(d->count, 1);
    mr_dataset_free(d);
    mr_dataset_free(NULL);
}

/* --- splitting -------------------------------------------------------------------------------- */

static mr_dataset *many(void)
{
    mr_dataset *d;
    mr_error e = {0};
    char name[64];
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "%s/%03d.jpg", i < 30 ? "first" : "second", i);
        touch(name);
    }
    assert_int_equal(mr_dataset_scan(&d, folder, NULL, 0, 2, &e), 0);
    return d;
}

static void check_order(const mr_dataset *d)
{
    for (size_t i = 1; i < d->count; i++)
        assert_true(strcmp(d->samples[i - 1].path, d->samples[i].path) < 0);
}

static void split(void **state)
{
    (void)state;
    mr_error e = {0};
    mr_dataset *v, *w, *d = many(), *f = many();
    assert_int_equal(mr_dataset_split(d, 0.2, 11, &v, &e), 0);
    assert_int_equal(mr_dataset_split(f, 0.2, 12, &w, &e), 0);
    assert_int_equal(v->count, 10);
    assert_int_equal(v->class_counts[0], 6);
    assert_int_equal(v->class_counts[1], 4);
    assert_int_equal(d->count, 40);
    assert_int_equal(d->class_counts[0], 24);
    check_order(v);
    check_order(d);
    int same = 0, shuffled = 0;
    for (size_t i = 0; i < v->count; i++) {
        same += strcmp(v->samples[i].path, w->samples[i].path) == 0;
        shuffled += atoi(strrchr(v->samples[i].path, '/') + 1) < 20;
        for (size_t k = 0; k < d->count; k++)
            assert_string_not_equal(v->samples[i].path, d->samples[k].path);
    }
    assert_true(same < 10);    /* another seed, another share */
    assert_true(shuffled > 0); /* not the files that come last by name */
    mr_dataset_free(d);        /* the strings live on */
    assert_non_null(strstr(v->samples[9].path, "second/"));
    assert_string_equal(v->class_names[1], "second");
    mr_dataset_free(v);
    mr_dataset_free(f);
    mr_dataset_free(w);
}

static void split_edges(void **state)
{
    (void)state;
    mr_error e = {0};
    mr_dataset *v, *d = many();
    assert_int_equal(mr_dataset_split(d, 0, 1, &v, &e), 0);
    assert_int_equal(v->count, 0);
    mr_dataset_free(v);
    assert_int_equal(mr_dataset_split(d, 0.001, 1, &v, &e), 0);
    assert_int_equal(v->count, 2); /* one of each class at least */
    mr_dataset_free(v);
    assert_int_equal(mr_dataset_split(d, 1.0, 1, &v, &e), MR_EINVAL);
    assert_null(v);
    mr_error_clear(&e);
    assert_int_equal(mr_dataset_split(d, -0.1, 1, &v, &e), MR_EINVAL);
    mr_dataset_free(d);
}

/* What was held out is found again, also when files came and went, and is forgotten once it was trained on.
 */
static void held_out(void **state)
{
    (void)state;
    mr_error e = {0};
    mr_held_out h;
    json_t *records = NULL;
    mr_dataset *v, *d = many(), *all = many();
    assert_int_equal(mr_dataset_split(d, 0.2, 11, &v, &e), 0);
    assert_int_equal(mr_held_out_add(&records, v, d, 0.2, 11, &e), 0);
    assert_int_equal(mr_held_out_add(&records, v, d, 0.2, 11, &e), 0); /* the same once more */
    assert_int_equal(json_array_size(records), 1);
    assert_int_equal(mr_held_out_check(records, &e), 0);
    mr_dataset_free(all);
    touch("first/000a.jpg");
    assert_int_equal(unlink(v->samples[0].path), 0);
    write_file(v->samples[1].path, "longer", 6); /* another file under the name */
    assert_int_equal(mr_dataset_scan(&all, folder, NULL, 0, 2, &e), 0);
    assert_int_equal(mr_held_out_find(&h, records, all, &e), 0);
    assert_int_equal(h.files, 10);
    assert_int_equal(h.found, 8);
    assert_int_equal(h.seed, 11);
    for (size_t i = 0; i < all->count; i++) {
        bool held = false;
        for (size_t k = 2; k < v->count; k++)
            held |= !strcmp(v->samples[k].path, all->samples[i].path);
        assert_int_equal(h.held[i], held);
    }
    free(h.held);
    assert_int_equal(mr_held_out_strike(records, d, &e), 0);
    assert_int_equal(json_array_size(records), 1);
    mr_dataset_free(v);
    assert_int_equal(mr_dataset_split(all, 0.01, 1, &v, &e), 0);
    assert_int_equal(mr_held_out_strike(records, all, &e), 0); /* all but two are trained on */
    assert_int_equal(mr_held_out_strike(records, v, &e), 0);
    json_object_set_new(json_array_get(records, 0), "held_out", json_string("12"));
    if (json_array_size(records))
        assert_int_equal(mr_held_out_check(records, &e), MR_EFORMAT);
    json_decref(records);
    mr_dataset_free(v);
    mr_dataset_free(d);
    mr_dataset_free(all);
}

static void split_of_one(void **state)
{
    (void)state;
    mr_error e = {0};
    mr_dataset *v, *d;
    touch("a/1.jpg");
    touch("b/1.jpg");
    touch("b/2.jpg");
    assert_int_equal(mr_dataset_scan(&d, folder, NULL, 0, 2, &e), 0);
    assert_int_equal(mr_dataset_split(d, 0.5, 1, &v, &e), 0);
    assert_int_equal(d->class_counts[0], 1); /* the only one is trained on */
    assert_int_equal(v->class_counts[0], 0);
    assert_int_equal(v->class_counts[1], 1);
    mr_dataset_free(v);
    mr_dataset_free(d);
}

/* --- layout ----------------------------------------------------------------------------------- */

static void layout(void **state)
{
    (void)state;
    char *training, *validation, *testing;
    mr_error e = {0};
    assert_int_equal(mr_dataset_layout(below(folder, "none"), &training, &validation, &testing, &e),
                     MR_ENOTFOUND);
    assert_null(training);
    mr_error_clear(&e);
    touch("class/1.jpg");
    assert_int_equal(mr_dataset_layout(folder, &training, &validation, &testing, &e), 0);
    assert_string_equal(training, folder);
    assert_null(validation);
    assert_null(testing);
    free(training);
    touch("train/class/1.jpg");
    touch("valid/class/1.jpg");
    assert_int_equal(mr_dataset_layout(folder, &training, &validation, &testing, &e), 0);
    assert_string_equal(training, below(folder, "train"));
    assert_string_equal(validation, below(folder, "valid"));
    assert_null(testing);
    free(training);
    free(validation);
    touch("val/class/1.jpg");
    assert_int_equal(mr_dataset_layout(folder, &training, &validation, &testing, &e), MR_EINVAL);
    assert_null(training);
    mr_error_clear(&e);
    assert_int_equal(mr_dataset_layout(below(folder, "class/1.jpg"), &training, &validation, &testing, &e),
                     MR_EINVAL);
}

/* PATHS: files, up to NULL. The layout is TRAINING, VALIDATION, TESTING (below the folder; "" for it, NULL:
 * none), or refused with words of REFUSED. */
static void laid_out(const char *const *paths, const char *training, const char *validation,
                     const char *testing, const char *refused)
{
    static int turn;
    char name[64], dir[320], *got[3];
    const char *want[3] = {training, validation, testing};
    mr_error e = {0};
    snprintf(name, sizeof name, "layout%d", turn++);
    snprintf(dir, sizeof dir, "%.200s/%s", folder, name);
    for (; *paths; paths++)
        write_file(below(dir, *paths), "x", 1);
    int status = mr_dataset_layout(dir, &got[0], &got[1], &got[2], &e);
    assert_int_equal(status, refused ? MR_EINVAL : 0);
    if (refused && !strstr(e.message, refused))
        fail_msg("\"%s\" does not say \"%s\"", e.message, refused);
    for (int i = 0; i < 3; i++) {
        const char *path = want[i] && *want[i] ? below(dir, want[i]) : want[i] ? dir : NULL;
        if (!got[i] != !path || (path && strcmp(path, got[i])))
            fail_msg("%s: %s instead of %s", dir, got[i] ? got[i] : "none", path ? path : "none");
        free(got[i]);
    }
}

#define FILES(...)                                                                                           \
    (const char *const[])                                                                                    \
    {                                                                                                        \
        __VA_ARGS__, NULL                                                                                    \
    }

static void layouts_of_people(void **state)
{
    (void)state;
    laid_out(FILES("Train/a/1.jpg", "Test/a/1.jpg"), "Train", NULL, "Test", NULL);
    laid_out(FILES("TRAINING_SET/a/1.jpg", "validation_data/a/1.jpg", "test-set/a/1.jpg"), "TRAINING_SET",
             "validation_data", "test-set", NULL);
    laid_out(FILES("seg_train/seg_train/a/1.jpg", "seg_test/seg_test/a/1.jpg", "seg_pred/1.jpg"),
             "seg_train/seg_train", NULL, "seg_test/seg_test", NULL);
    laid_out(FILES("data/train/a/1.jpg", "data/dev/a/1.jpg", "__MACOSX/x/1.jpg"), "data/train", "data/dev",
             NULL, NULL);
    laid_out(FILES("train2017/a/1.jpg", "val2017/a/1.jpg", "annotations/x.json", "docs/y.txt"), "train2017",
             "val2017", NULL, NULL);
    laid_out(FILES("train/a/1.jpg", "test/1.jpg"), "train", NULL, "test",
             NULL); /* a test set without labels */
    /* classes */
    laid_out(FILES("train/1.jpg", "bus/1.jpg", "car/1.jpg"), "", NULL, NULL, NULL);
    laid_out(FILES("valid/1.jpg", "invalid/1.jpg"), "", NULL, NULL, NULL);
    laid_out(FILES("trainers/1.jpg", "boots/1.jpg"), "", NULL, NULL, NULL);
    laid_out(FILES("images/1.jpg", "photos/1.jpg"), "", NULL, NULL, NULL);
    /* neither */
    laid_out(FILES("Train/1.jpg", "Test/1.jpg"), NULL, NULL, NULL, "named like parts");
    laid_out(FILES("train/1.jpg", "test1/1.jpg"), NULL, NULL, NULL, "named like parts");
    laid_out(FILES("train/1.jpg"), NULL, NULL, NULL, "named like a part");
    laid_out(FILES("train/x/1.jpg", "bus/1.jpg", "car/1.jpg"), NULL, NULL, NULL,
             "a part of the data or a class");
    laid_out(FILES("cat/train/1.jpg", "cat/test/1.jpg", "dog/train/1.jpg"), NULL, NULL, NULL,
             "cat is divided");
    laid_out(FILES("Train/a/1.jpg", "train_set/a/1.jpg"), NULL, NULL, NULL, "both");
}

/* --- the names of the preprocessing contract -------------------------------------------------- */

static void preprocess_names(void **state)
{
    (void)state;
    for (int i = 0; i < MR_INTERPOLATIONS; i++)
        assert_int_equal(mr_interpolation_by_name(mr_interpolation_name((mr_interpolation)i)), i);
    assert_int_equal(mr_interpolation_by_name("tf-bilinear"), MR_TF_BILINEAR);
    assert_int_equal(mr_interpolation_by_name("Nearest"), -1);
    assert_null(mr_interpolation_name(MR_INTERPOLATIONS));
    assert_int_equal(mr_color_mode_by_name("rgb"), 3);
    assert_int_equal(mr_color_mode_by_name("grayscale"), 1);
    assert_int_equal(mr_color_mode_by_name("rgba"), -1);
    assert_string_equal(mr_color_mode_name(MR_COLOR_GRAYSCALE), "grayscale");
    assert_null(mr_color_mode_name((mr_color_mode)2));
    assert_int_equal(mr_preprocess_default().width, 64);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make_folder, drop_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(order_and_counts),
        CASE(links),
        CASE(given_classes),
        CASE(scan_errors),
        CASE(one_class_may_do),
        CASE(split),
        CASE(split_edges),
        CASE(split_of_one),
        CASE(held_out),
        CASE(given_classes_may_lack_images),
        CASE(names_of_any_bytes),
        CASE(layouts_of_people),
        CASE(layout),
        CASE(preprocess_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
