/* SPDX-License-Identifier: Apache-2.0 */
/* The report against scikit-learn: goldens of ../shared, and tests/data/report.txt (82 confusion matrices and
 * the texts that scikit-learn 1.2.1 made of them, classes never seen and counts on rounding borders among
 * them). */
#include "tests/shared.h"

#include "nn/learn/report.h"
#include <hdf5.h>

#define MAX_CLASSES 256

static char *names[MAX_CLASSES];

static char *read_whole_attribute(hid_t group, const char *name)
{
    hid_t a = H5Aopen(group, name, H5P_DEFAULT);
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    char *text = NULL;
    assert_true(H5Aread(a, type, &text) >= 0);
    H5Tclose(type);
    H5Aclose(a);
    return text;
}

static int read_names(hid_t group)
{
    hid_t a = H5Aopen(group, "names", H5P_DEFAULT);
    hid_t space = H5Aget_space(a), type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    int classes = (int)H5Sget_simple_extent_npoints(space);
    assert_true(H5Aread(a, type, names) >= 0);
    H5Tclose(type);
    H5Sclose(space);
    H5Aclose(a);
    return classes;
}

static size_t read_indices(hid_t group, const char *name, hid_t type, void *out, size_t room)
{
    hid_t d = H5Dopen2(group, name, H5P_DEFAULT), space = H5Dget_space(d);
    size_t n = (size_t)H5Sget_simple_extent_npoints(space);
    assert_true(n <= room);
    assert_true(H5Dread(d, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) >= 0);
    H5Sclose(space);
    H5Dclose(d);
    return n;
}

static void golden_case(hid_t file, const char *name)
{
    static int32_t truth[4096], predicted[4096];
    int64_t expected[100], counts[100] = {0};
    hid_t group = H5Gopen2(file, name, H5P_DEFAULT);
    int classes = read_names(group);
    char *text = read_whole_attribute(group, "text");
    size_t n = read_indices(group, "truth", H5T_NATIVE_INT32, truth, 4096);
    assert_int_equal(read_indices(group, "predicted", H5T_NATIVE_INT32, predicted, 4096), n);
    read_indices(group, "confusion", H5T_NATIVE_INT64, expected, 100);
    mr_error e = {0};
    mr_report r;
    mr_text out = {0};
    assert_int_equal(mr_report_compute(&r, truth, predicted, n, classes, &e), 0);
    assert_int_equal(mr_report_text(&out, &r, (const char *const *)names, &e), 0);
    assert_string_equal(mr_text_string(&out), text);
    assert_int_equal(mr_confusion_add(counts, classes, truth, predicted, n, &e), 0);
    assert_memory_equal(counts, expected, (size_t)(classes * classes) * sizeof *counts);
    mr_text_destroy(&out);
    mr_report_destroy(&r);
    H5free_memory(text);
    for (int c = 0; c < classes; c++)
        H5free_memory(names[c]);
    H5Gclose(group);
}

static void equals_golden(void **state)
{
    (void)state;
    hid_t file = H5Fopen(shared_or_skip("golden/images/report.h5"), H5F_ACC_RDONLY, H5P_DEFAULT);
    assert_true(file >= 0);
    golden_case(file, "case_0");
    golden_case(file, "case_1");
    golden_case(file, "case_2");
    H5Fclose(file);
}

/* Reads one line without its end into a new string. */
static char *read_line(FILE *f)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t n = getline(&line, &size, f);
    assert_true(n > 0);
    line[n - 1] = '\0';
    return line;
}

typedef struct pairs {
    int32_t *truth, *predicted;
    size_t n;
} pairs;

/* Reads a matrix of counts and writes it out as single decisions. */
static pairs read_pairs(FILE *f, int classes)
{
    pairs p = {0};
    for (int t = 0; t < classes; t++)
        for (int c = 0; c < classes; c++) {
            long count;
            assert_int_equal(fscanf(f, "%ld", &count), 1);
            p.truth = realloc(p.truth, (p.n + (size_t)count + 1) * sizeof(int32_t));
            p.predicted = realloc(p.predicted, (p.n + (size_t)count + 1) * sizeof(int32_t));
            for (long i = 0; i < count; i++, p.n++) {
                p.truth[p.n] = t;
                p.predicted[p.n] = c;
            }
        }
    return p;
}

static void check_case(FILE *f, int classes)
{
    for (int c = 0; c < classes; c++)
        names[c] = read_line(f);
    pairs p = read_pairs(f, classes);
    int lines;
    assert_int_equal(fscanf(f, " text %d", &lines), 1);
    assert_int_equal(fgetc(f), '\n');
    mr_text expected = {0}, out = {0};
    for (char *line; lines > 0; lines--, free(line)) {
        line = read_line(f);
        mr_text_format(&expected, "%s\n", line);
    }
    mr_error e = {0};
    mr_report r;
    assert_int_equal(mr_report_compute(&r, p.truth, p.predicted, p.n, classes, &e), 0);
    assert_int_equal(mr_report_text(&out, &r, (const char *const *)names, &e), 0);
    assert_string_equal(mr_text_string(&out), mr_text_string(&expected));
    mr_report_destroy(&r);
    mr_text_destroy(&out);
    mr_text_destroy(&expected);
    free(p.truth);
    free(p.predicted);
    for (int c = 0; c < classes; c++)
        free(names[c]);
}

static void equals_sklearn(void **state)
{
    (void)state;
    char path[1024];
    const char *other = getenv("MILLRACE_REPORT_CASES"); /* a longer list from the same oracle */
    snprintf(path, sizeof path, "%s/tests/data/report.txt",
             getenv("MILLRACE_SRC") ? getenv("MILLRACE_SRC") : ".");
    FILE *f = fopen(other ? other : path, "r");
    assert_non_null(f);
    int classes, cases = 0;
    for (; fscanf(f, "case %d\n", &classes) == 1; cases++) {
        assert_in_range(classes, 1, MAX_CLASSES);
        check_case(f, classes);
    }
    assert_true(feof(f) && cases >= 82);
    fclose(f);
}

static void refuses_wrong_indices(void **state)
{
    (void)state;
    mr_error e = {0};
    mr_report r;
    const int32_t good[2] = {0, 1}, high[2] = {0, 2}, low[2] = {0, -1};
    int64_t counts[4] = {0};
    assert_int_equal(mr_report_compute(&r, good, high, 2, 2, &e), MR_EINVAL);
    assert_string_equal(e.message, "report: predicted class of sample 1 is 2, but there are 2 classes");
    mr_error_clear(&e);
    assert_int_equal(mr_report_compute(&r, low, good, 2, 2, &e), MR_EINVAL);
    assert_null(r.per_class);
    assert_int_equal(mr_report_compute(&r, good, good, 2, 0, NULL), MR_EINVAL);
    assert_int_equal(mr_confusion_add(counts, 2, good, low, 2, NULL), MR_EINVAL);
    assert_int_equal(counts[0], 1);
}

static void no_samples(void **state)
{
    (void)state;
    mr_report r;
    assert_int_equal(mr_report_compute(&r, NULL, NULL, 0, 3, NULL), 0);
    assert_true(r.accuracy == 0 && r.macro.f1 == 0 && r.weighted.recall == 0 && r.samples == 0);
    mr_report_destroy(&r);
}

static void confusion_table(void **state)
{
    (void)state;
    const int64_t counts[4] = {92, 8, 5, 1095};
    const char *const two[] = {"Parasitized", "Uninfected"};
    mr_text out = {0};
    assert_int_equal(mr_confusion_text(&out, counts, 2, two, NULL), 0);
    assert_string_equal(mr_text_string(&out),
                        "Confusion matrix (rows: true class, columns: predicted class)\n\n"
                        "             Parasitized   Uninfected\n"
                        "Parasitized           92            8\n"
                        " Uninfected            5         1095\n");
    mr_text_destroy(&out);
}

static void confusion_numbered_and_listed(void **state)
{
    (void)state;
    enum { N = 31 };
    static int64_t counts[N * N];
    static char buffer[N][64];
    const char *list[N];
    for (int c = 0; c < N; c++) {
        snprintf(buffer[c], sizeof buffer[c], "class called %d\x1b[31m", c);
        list[c] = buffer[c];
    }
    counts[1] = 7;
    counts[2 * N] = 12;
    mr_text out = {0};
    assert_int_equal(mr_confusion_text(&out, counts, 12, list, NULL), 0);
    assert_non_null(strstr(mr_text_string(&out), "\n[11] class called 11?[31m "));
    assert_null(strchr(mr_text_string(&out), '\x1b'));
    mr_text_clear(&out);
    assert_int_equal(mr_confusion_text(&out, counts, N, list, NULL), 0);
    const char *first =
        strstr(mr_text_string(&out), "12  class called 2?[31m   taken for  class called 0?[31m\n");
    const char *second =
        strstr(mr_text_string(&out), "7  class called 0?[31m   taken for  class called 1?[31m\n");
    assert_non_null(first);
    assert_non_null(second);
    assert_true(first < second);
    mr_text_destroy(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_golden),         cmocka_unit_test(equals_sklearn),
        cmocka_unit_test(refuses_wrong_indices), cmocka_unit_test(no_samples),
        cmocka_unit_test(confusion_table),       cmocka_unit_test(confusion_numbered_and_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
