/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of JSONL, read by jansson and by the code that goes on with a file: a row comes back as it was given,
 * a file that was cut anywhere goes on to the same bytes, what is no row or another model's is not gone on
 * with. */
#include "tests/files.h"

#include "io/output/sink.h"
#include <jansson.h>
#include <math.h>

static char folder[256];
static const char *const classes[] = {"cat", "say \"dog\"\n", "\xc3\xbc"};
static const mr_sink_tensor tensors[] = {{"dense", {2, {0, 3}}}, {"a/b \"c\"", {3, {0, 2, 1}}}};
static const mr_sink_schema schema = {
    .classes = 3, .class_names = classes, .top = 2, .tensors = 2, .tensor = tensors};

static const float probability[] = {0.1f, 0.7f, 0.2f}, broken[] = {NAN, INFINITY, 1e-30f};
static const float dense[] = {-1.5f, 16777217.0f, 3e38f}, map[] = {0.0f, -0.0f};
static const float *const values[] = {dense, map};
static const int best[] = {1, 2};
static const mr_sink_row rows[] = {
    {.path = "a.jpg",
     .predicted = 1,
     .confidence = 0.7f,
     .probability = probability,
     .top = best,
     .tensor = values},
    {.path = "new\nline\t\"q\".jpg", .error = "not a file\n"},
    {.path = "b\xff\xc3.jpg",
     .predicted = 2,
     .confidence = 0.2f,
     .probability = probability,
     .top = best,
     .tensor = values},
    {.path = "\xe6\x97\xa5.jpg",
     .predicted = -1,
     .unsure = true,
     .confidence = 0.7f,
     .probability = probability,
     .top = best,
     .tensor = values},
    {.path = "\xed\xa0\x80", .error = "ok?"}, /* half of a surrogate pair is no UTF-8 */
    {.path = "nan", .predicted = 0, .confidence = NAN, .probability = broken, .top = best, .tensor = values},
};
enum { ROWS = sizeof rows / sizeof *rows };

static int make(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "%s", temporary_folder());
    return 0;
}

static int clear(void **state)
{
    (void)state;
    remove_folder(folder);
    return 0;
}

static void must(int status, const mr_error *e)
{
    if (status < 0)
        fail_msg("%s", e->message);
}

static void write_rows(const char *file, const mr_sink_schema *s, int count)
{
    mr_error e = {0};
    mr_sink *sink;
    must(mr_sink_open(&sink, file, s, &e), &e);
    for (int i = 0; i < count; i++) {
        must(mr_sink_add(sink, &rows[i], &e), &e);
        if (i % 2)
            must(mr_sink_flush(sink, &e), &e);
    }
    must(mr_sink_close(sink, true, &e), &e);
}

/* --- written ------------------------------------------------------------------------------------------- */

static void assert_number(const json_t *value, float want)
{
    if (isfinite(want))
        assert_true(json_is_number(value) && (float)json_number_value(value) == want);
    else
        assert_true(json_is_null(value)); /* JSON has no such number */
}

static void check_prediction(const json_t *o, const mr_sink_row *r)
{
    const json_t *p = json_object_get(o, "probabilities"), *top = json_object_get(o, "top"),
                 *outputs = json_object_get(o, "outputs");
    const char *predicted = json_string_value(json_object_get(o, "predicted"));
    if (r->predicted < 0)
        assert_true(json_is_null(json_object_get(o, "predicted")));
    else
        assert_string_equal(predicted, classes[r->predicted]);
    assert_number(json_object_get(o, "confidence"), r->confidence);
    assert_int_equal(json_object_size(p), 3);
    for (int i = 0; i < 3; i++)
        assert_number(json_object_get(p, classes[i]), r->probability[i]);
    assert_int_equal(json_array_size(top), 2);
    for (int i = 0; i < 2; i++) {
        const json_t *one = json_array_get(top, (size_t)i);
        assert_string_equal(json_string_value(json_object_get(one, "class")), classes[best[i]]);
        assert_number(json_object_get(one, "probability"), r->probability[best[i]]);
    }
    assert_int_equal(json_object_size(outputs), 2);
    for (int i = 0; i < 2; i++) {
        const json_t *flat = json_object_get(outputs, tensors[i].name);
        assert_int_equal(json_array_size(flat), i ? 2 : 3);
        for (size_t k = 0; k < json_array_size(flat); k++)
            assert_number(json_array_get(flat, k), values[i][k]);
    }
}

/* The bytes of a path: as they are where they are UTF-8, in hexadecimal beside it where not. */
static void check_path(const json_t *o, const char *path)
{
    const char *hex = json_string_value(json_object_get(o, "path_hex"));
    bool is_text = path[0] != 'b' && (unsigned char)path[0] != 0xed;
    assert_int_equal(!hex, is_text);
    if (is_text) {
        assert_string_equal(json_string_value(json_object_get(o, "path")), path);
        return;
    }
    assert_int_equal(strlen(hex), 2 * strlen(path));
    for (; *path; path++, hex += 2) {
        unsigned byte;
        assert_int_equal(sscanf(hex, "%2x", &byte), 1);
        assert_int_equal(byte, (unsigned char)*path);
    }
}

static void each_line_is_an_object(void **state)
{
    (void)state;
    char line[4096];
    const char *file = below(folder, "a.jsonl");
    write_rows(file, &schema, ROWS);
    FILE *f = fopen(file, "r");
    for (int i = 0; i < ROWS; i++) {
        assert_non_null(fgets(line, sizeof line, f));
        json_t *o = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(o);
        check_path(o, rows[i].path);
        assert_string_equal(json_string_value(json_object_get(o, "status")), rows[i].error    ? rows[i].error
                                                                             : rows[i].unsure ? "unsure"
                                                                                              : "ok");
        if (rows[i].error)
            assert_int_equal(json_object_size(o), json_object_get(o, "path_hex") ? 3 : 2);
        else
            check_prediction(o, &rows[i]);
        json_decref(o);
    }
    assert_null(fgets(line, sizeof line, f));
    fclose(f);
}

/* A model without classes: outputs alone. */
static void parts_that_a_schema_has_not(void **state)
{
    (void)state;
    char line[4096];
    static const mr_sink_schema bare = {0}, outputs = {.tensors = 1, .tensor = tensors};
    write_rows(below(folder, "bare.ndjson"), &bare, 1);
    write_rows(below(folder, "outputs.JSONL"), &outputs, 1);
    FILE *f = fopen(below(folder, "bare.ndjson"), "r");
    assert_non_null(fgets(line, sizeof line, f));
    assert_string_equal(line, "{\"path\":\"a.jpg\",\"status\":\"ok\"}\n");
    fclose(f);
    f = fopen(below(folder, "outputs.JSONL"), "r");
    assert_non_null(fgets(line, sizeof line, f));
    assert_string_equal(
        line, "{\"path\":\"a.jpg\",\"outputs\":{\"dense\":[-1.5,16777216,3e+38]},\"status\":\"ok\"}\n");
    fclose(f);
}

/* --- read again ---------------------------------------------------------------------------------------- */

static void check_past_row(mr_past *p, const mr_sink_row *want)
{
    mr_past_row r;
    mr_error e = {0};
    must(mr_past_next(p, &r, &e), &e);
    assert_string_equal(r.path, want->path);
    assert_string_equal(r.status, want->error ? want->error : want->unsure ? "unsure" : "ok");
    assert_int_equal(r.failed, want->error != NULL);
    assert_int_equal(r.predicted, want->error ? -1 : want->predicted);
}

/* Every place around the end of a row, and some within. */
static bool is_worth_a_cut(const char *bytes, size_t size, size_t cut)
{
    bool at_end = cut == 0 || cut == size || bytes[cut] == '\n' || bytes[cut - 1] == '\n';
    return at_end || cut % 23 == 0;
}

/* Cut at many places: rows that are whole are gone on with, and the file ends with the same bytes. */
static void cut_anywhere_it_goes_on(void **state)
{
    (void)state;
    size_t size = 0, again = 0;
    const char *file = below(folder, "cut.jsonl");
    write_rows(file, &schema, ROWS);
    char *whole = (char *)read_file(file, &size);
    for (size_t cut = 0; cut <= size; cut++) {
        mr_error e = {0};
        mr_past *past;
        mr_past_row r;
        mr_sink *sink;
        int kept = 0;
        if (!is_worth_a_cut(whole, size, cut))
            continue;
        for (size_t i = 0; i < cut; i++)
            kept += whole[i] == '\n';
        write_file(file, whole, cut);
        must(mr_past_open(&past, file, &schema, &e), &e);
        assert_non_null(past);
        for (int i = 0; i < kept; i++)
            check_past_row(past, &rows[i]);
        mr_past_keep(past);
        assert_int_equal(mr_past_next(past, &r, &e), 0);
        must(mr_sink_resume(&sink, past, &e), &e);
        mr_past_close(past);
        for (int i = kept; i < ROWS; i++)
            must(mr_sink_add(sink, &rows[i], &e), &e);
        must(mr_sink_close(sink, true, &e), &e);
        char *bytes = (char *)read_file(file, &again);
        assert_int_equal(again, size);
        assert_memory_equal(bytes, whole, size);
        free(bytes);
    }
    free(whole);
}

/* Behind a line that is no row nothing is taken for one. */
static void lines_that_are_no_rows(void **state)
{
    (void)state;
    static const char good[] = "{\"status\": \"ok\", \"more\": [1], \"path\": \"g\"}\n";
    static const char *const bad[] = {"",
                                      "[]",
                                      "nonsense",
                                      "{\"path\":\"a\",\"status\":\"ok\"",
                                      "{\"path\":\"a\",\"status\":\"ok\"} x",
                                      "{\"path\":\"a\"}",
                                      "{\"status\":\"ok\"}",
                                      "{\"path\":1,\"status\":\"ok\"}",
                                      "{\"path\":\"a\",\"status\":null}",
                                      "{\"path\":\"a\",\"path_hex\":\"616\",\"status\":\"ok\"}",
                                      "{\"path\":\"a\",\"path_hex\":\"6g\",\"status\":\"ok\"}",
                                      "{\"path\":\"\xff\",\"status\":\"ok\"}"};
    static const mr_sink_schema bare = {0};
    const char *file = below(folder, "bad.jsonl");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[512];
        mr_error e = {0};
        mr_past *past;
        mr_past_row r;
        int n = snprintf(text, sizeof text, "%s%s\n%s", good, bad[i], good);
        write_file(file, text, (size_t)n);
        must(mr_past_open(&past, file, &bare, &e), &e);
        assert_int_equal(mr_past_next(past, &r, &e), 1);
        assert_string_equal(r.path, "g");
        assert_int_equal(r.predicted, -1);
        assert_int_equal(mr_past_next(past, &r, &e), 0);
        assert_int_equal(mr_past_next(past, &r, &e), 0);
        mr_past_close(past);
    }
}

/* Fails unless going on with the two first rows of FILE with schema S is refused. */
static void refuse(const char *file, const mr_sink_schema *s)
{
    mr_error e = {0};
    mr_past *past;
    mr_past_row r;
    int status = mr_past_open(&past, file, s, &e);
    while (!status && (status = mr_past_next(past, &r, &e)) == 1)
        status = 0;
    assert_int_equal(status, MR_EINVAL);
    assert_non_null(strstr(e.message, "other columns"));
    mr_past_close(past);
}

/* Another model's rows, or those of other options, do not come into the same file: of no kind. */
static void other_columns_are_refused(void **state)
{
    (void)state;
    static const char *const others[] = {"cat", "cow", "\xc3\xbc"}, *const kinds[] = {"c.jsonl", "c.csv",
                                                                                      "c.h5"};
    static const mr_sink_tensor renamed[] = {{"dense", {2, {0, 3}}}, {"a/b", {3, {0, 2, 1}}}},
                                longer[] = {{"dense", {2, {0, 4}}}, {"a/b \"c\"", {3, {0, 2, 1}}}};
    mr_sink_schema s[] = {schema, schema, schema, schema, schema, schema, schema};
    s[0].class_names = others;
    s[1].classes = 2;
    s[2].top = 1;
    s[3].top = 0;
    s[4].tensor = renamed;
    s[5].tensor = longer;
    s[6].tensors = 0;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        const char *file = below(folder, kinds[k]);
        mr_error e = {0};
        mr_sink *sink;
        must(mr_sink_open(&sink, file, &schema, &e), &e);
        must(mr_sink_add(sink, &rows[1], &e), &e); /* a row without a prediction says nothing */
        must(mr_sink_add(sink, &rows[0], &e), &e);
        must(mr_sink_close(sink, false, &e), &e);
        for (size_t i = 0; i < sizeof s / sizeof *s; i++)
            refuse(file, &s[i]);
    }
}

static void what_there_is_not(void **state)
{
    (void)state;
    mr_error e = {0};
    mr_past *past;
    mr_sink *sink;
    assert_int_equal(mr_past_open(&past, below(folder, "none.jsonl"), &schema, &e), 0);
    assert_null(past);
    assert_int_equal(mr_past_open(&past, NULL, &schema, &e), MR_EUSAGE);
    mr_error_clear(&e);
    assert_int_equal(mr_past_open(&past, below(folder, "x.txt"), &schema, &e), MR_EUSAGE);
    mr_error_clear(&e);
    assert_int_equal(mr_sink_open(&sink, below(folder, "noending"), &schema, &e), MR_EUSAGE);
    assert_non_null(strstr(e.hint, ".jsonl"));
    mr_error_clear(&e);
    assert_int_equal(mr_sink_open(&sink, below(folder, "no/such/x.jsonl"), &schema, &e), MR_ENOTFOUND);
    assert_null(sink);
    assert_int_equal(mr_sink_close(NULL, true, &e), 0);
    mr_error_clear(&e);
    if (access("/dev/full", W_OK) == 0 && symlink("/dev/full", below(folder, "full.jsonl")) == 0) {
        must(mr_sink_open(&sink, below(folder, "full.jsonl"), &schema, &e), &e);
        must(mr_sink_add(sink, &rows[0], &e), &e);
        assert_int_equal(mr_sink_flush(sink, &e), MR_EIO);
        assert_non_null(strstr(e.message, "full.jsonl: No space left"));
        mr_sink_close(sink, false, &e);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_line_is_an_object),    cmocka_unit_test(parts_that_a_schema_has_not),
        cmocka_unit_test(cut_anywhere_it_goes_on),   cmocka_unit_test(lines_that_are_no_rows),
        cmocka_unit_test(other_columns_are_refused), cmocka_unit_test(what_there_is_not),
    };
    return cmocka_run_group_tests(tests, make, clear);
}
