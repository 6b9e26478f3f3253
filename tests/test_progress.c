/* SPDX-License-Identifier: Apache-2.0 */
/* Progress as a person sees it: what is written is played on a little terminal, with a clock that the test
 * holds. */
#include "tests/shared.h"

#include "cli/show/progress.h"
#include "cli/process/terminal.h"
#include <jansson.h>
#include <math.h>

static double now;
static double test_clock(void)
{
    return now;
}

static char *written;
static size_t written_size;
static FILE *stream;

static mr_progress *start(int columns, bool quiet, bool log_json)
{
    mr_progress *p;
    stream = open_memstream(&written, &written_size);
    mr_progress_options o = mr_progress_options_default();
    o.file = stream;
    o.columns = columns;
    o.quiet = quiet;
    o.log_json = log_json;
    o.clock = test_clock;
    now = 1000;
    assert_int_equal(mr_progress_create_with(&p, &o, NULL), 0);
    return p;
}

static void finish(mr_progress *p)
{
    mr_progress_destroy(p);
    fclose(stream);
}

/* Whether the line at I is ended by a line feed, not drawn over. */
static bool ends_here(size_t i)
{
    return written[i + strcspn(written + i, "\r\n")] == '\n';
}

/* The screen after WRITTEN was played: lines of text, trailing blanks off. Fails where a line goes past
 * COLUMNS - 1, unless it is ended at once (then the terminal wraps it, and nothing is drawn over it). */
static char *play(int columns)
{
    char *screen = calloc(1, written_size * 2 + 512), *line = screen;
    size_t at = 0;
    for (size_t i = 0; i < written_size; i++) {
        if (written[i] == '\r') {
            at = 0;
        } else if (written[i] == '\n') {
            size_t length = strlen(line);
            while (length > 0 && line[length - 1] == ' ')
                length--;
            strcpy(line + length, "\n");
            line += length + 1;
            at = 0;
        } else {
            line[at++] = written[i];
            assert_true(columns == 0 || at < (size_t)columns || ends_here(i));
        }
    }
    return screen;
}

static void train_two_epochs(mr_progress *p)
{
    mr_progress_begin(p, "train", "images");
    for (int epoch = 1; epoch <= 2; epoch++) {
        mr_progress_epoch_begin(p, epoch, 2, 12);
        for (int step = 1; step <= 12; step++) {
            now += 0.25;
            mr_metric m[] = {{"loss", 1.0 / step / epoch}, {"accuracy", 1 - 0.5 / step}};
            mr_progress_step(p, step, step * 32, m, 2);
            if (epoch == 1 && step == 5)
                mr_progress_message(p, MR_LOG_WARNING, "%s: not a JPEG (skipped)", "a\nb.jpg");
        }
        mr_progress_note(p, "validating");
        now += 2;
        mr_metric m[] = {{"loss", 0.25}, {"accuracy", 0.875}, {"val_loss", NAN}, {"val_accuracy", 0.0005}};
        mr_progress_epoch_end(p, m, 4);
    }
}

static void on_a_terminal(void **state)
{
    (void)state;
    mr_progress *p = start(120, false, false);
    train_two_epochs(p);
    finish(p);
    char *screen = play(120);
    assert_non_null(strstr(screen, "Epoch 1/2\nwarning: a?b.jpg: not a JPEG (skipped)\n12/12 "));
    assert_non_null(
        strstr(screen, "loss: 0.2500 - accuracy: 0.8750 - val_loss: nan - val_accuracy: 5.0000e-04\n"));
    assert_non_null(strstr(
        written, "\r 3/12 [======>.......................] - ETA: 2s - 250ms/step - 128 images/s - loss: "
                 "0.3333 - accuracy: 0.8333"));
    assert_non_null(strstr(written, " - validating"));
    assert_non_null(strstr(screen, "\n12/12 [==========] - 5s - 128 images/s - loss: 0.2500 - accuracy: "));
    free(screen);
    free(written);
}

static void narrow_terminals(void **state)
{
    (void)state;
    for (int columns = 2; columns < 200; columns++) {
        mr_progress *p = start(columns, false, false);
        train_two_epochs(p);
        finish(p);
        char *screen = play(columns);
        assert_non_null(
            strstr(screen, "loss: 0.2500 - accuracy: 0.8750 - val_loss: nan - val_accuracy: 5.0000e-04\n"));
        free(screen);
        free(written);
    }
}

/* The usual terminal has 80 columns: the numbers of an epoch go on in a second line, none of them wrapped. */
static void eighty_columns(void **state)
{
    (void)state;
    mr_progress *p = start(80, false, false);
    train_two_epochs(p);
    finish(p);
    char *screen = play(80);
    assert_non_null(strstr(screen,
                           "\n12/12 [==========] - 5s - 250ms/step - 128 images/s\n"
                           "  loss: 0.2500 - accuracy: 0.8750 - val_loss: nan - val_accuracy: 5.0000e-04\n"));
    free(screen);
    free(written);
}

static void in_a_file(void **state)
{
    (void)state;
    mr_progress *p = start(0, false, false);
    train_two_epochs(p);
    mr_progress_epoch_begin(p, 3, 3, 1000);
    for (int step = 1; step <= 1000; step++) {
        now += 0.03125;
        mr_metric m = {"loss", 0.5};
        mr_progress_step(p, step, step * 32, &m, 1);
    }
    mr_progress_epoch_end(p, &(mr_metric){"loss", 0.5}, 1);
    finish(p);
    assert_string_equal(written,
                        "warning: a?b.jpg: not a JPEG (skipped)\n"
                        "Epoch 1/2 - 12/12 - 5s - 250ms/step - 128 images/s - loss: 0.2500 - accuracy: "
                        "0.8750 - val_loss: nan - "
                        "val_accuracy: 5.0000e-04\n"
                        "Epoch 2/2 - 12/12 - 5s - 250ms/step - 128 images/s - loss: 0.2500 - accuracy: "
                        "0.8750 - val_loss: nan - "
                        "val_accuracy: 5.0000e-04\n"
                        "Epoch 3/3 -  320/1000 - ETA: 21s - 31ms/step - 1024 images/s - loss: 0.5000\n"
                        "Epoch 3/3 -  640/1000 - ETA: 11s - 31ms/step - 1024 images/s - loss: 0.5000\n"
                        "Epoch 3/3 -  960/1000 - ETA: 1s - 31ms/step - 1024 images/s - loss: 0.5000\n"
                        "Epoch 3/3 - 1000/1000 - 31s - 31ms/step - 1024 images/s - loss: 0.5000\n");
    free(written);
}

static void as_json(void **state)
{
    (void)state;
    mr_progress *p = start(0, false, true);
    train_two_epochs(p);
    finish(p);
    int steps = 0, ends = 0, lines = 0;
    for (char *line = strtok(written, "\n"); line; line = strtok(NULL, "\n"), lines++) {
        json_error_t why;
        json_t *o = json_loads(line, 0, &why);
        assert_non_null(o);
        const char *event = json_string_value(json_object_get(o, "event"));
        assert_true(json_number_value(json_object_get(o, "time")) > 1e9);
        if (lines == 0)
            assert_string_equal(json_string_value(json_object_get(o, "run")), "train");
        steps += strcmp(event, "step") == 0;
        if (strcmp(event, "message") == 0)
            assert_string_equal(json_string_value(json_object_get(o, "text")),
                                "a\nb.jpg: not a JPEG (skipped)");
        if (strcmp(event, "epoch_end") == 0) {
            assert_int_equal(json_integer_value(json_object_get(o, "epoch")), ++ends);
            assert_int_equal(json_integer_value(json_object_get(o, "images")), 384);
            assert_true(json_number_value(json_object_get(o, "images_per_second")) == 128);
            assert_true(json_number_value(json_object_get(o, "seconds")) == 5);
            assert_true(json_is_null(json_object_get(o, "val_loss")));
            assert_true(json_real_value(json_object_get(o, "val_accuracy")) == 0.0005);
        }
        json_decref(o);
    }
    assert_int_equal(lines, 1 + 2 + steps + 1 + 2);
    assert_int_equal(ends, 2);
    assert_int_equal(steps, 6); /* one a second */
    free(written);
}

/* All but warnings. */
static void quiet_is_quiet(void **state)
{
    (void)state;
    mr_progress *p = start(100, true, true);
    train_two_epochs(p);
    finish(p);
    assert_non_null(strstr(written, "not a JPEG"));
    assert_int_equal(strcspn(written, "\n"), written_size - 1); /* one line */
    free(written);
    train_two_epochs(NULL);
    mr_progress_destroy(NULL);
}

static void a_pass_of_unknown_length(void **state)
{
    (void)state;
    mr_progress *p = start(80, false, false);
    mr_progress_begin(p, "predict", "files");
    mr_progress_epoch_begin(p, 0, 0, 0);
    for (int step = 1; step <= 40; step++) {
        now += 2;
        mr_progress_step(p, step, step * 64, NULL, 0);
    }
    mr_progress_epoch_end(p, NULL, 0);
    finish(p);
    char *screen = play(80);
    assert_string_equal(screen, "2560 files - 1:20 - 32 files/s\n");
    free(screen);
    free(written);
}

/* Speeds count from where this process began, the counter from the epoch's begin. */
static void a_resumed_epoch(void **state)
{
    (void)state;
    mr_progress *p = start(0, false, false);
    mr_progress_epoch_begin(p, 2, 3, 100);
    now += 30; /* reading the checkpoint */
    for (int step = 51; step <= 100; step++) {
        now += 0.5;
        mr_progress_step(p, step, step * 10, NULL, 0);
    }
    mr_progress_epoch_end(p, NULL, 0);
    finish(p);
    char *end = strstr(written, "100/100");
    assert_string_equal(end, "100/100 - 55s - 500ms/step - 20 images/s\n");
    free(written);
}

static void an_interrupted_line_is_ended(void **state)
{
    (void)state;
    mr_progress *p = start(80, false, false);
    mr_progress_epoch_begin(p, 0, 0, 10);
    now += 1;
    mr_progress_step(p, 1, 8, NULL, 0);
    finish(p);
    assert_true(written_size > 2 && written[written_size - 1] == '\n');
    free(written);
}

static void durations(void **state)
{
    (void)state;
    static const struct {
        double seconds;
        const char *text;
    } cases[] = {{0, "0s"},         {0.4, "0s"}, {59.4, "59s"}, {59.6, "1:00"}, {125, "2:05"},
                 {3603, "1:00:03"}, {1e12, "?"}, {NAN, "?"},    {-5, "0s"},     {359999, "99:59:59"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mr_text t = {0};
        mr_text_append_duration(&t, cases[i].seconds);
        assert_string_equal(mr_text_string(&t), cases[i].text);
        mr_text_destroy(&t);
    }
}

static void no_terminal_here(void **state)
{
    (void)state;
    FILE *f = tmpfile();
    assert_int_equal(mr_terminal_columns(f), 0);
    assert_false(mr_terminal_is_utf8(f));
    fclose(f);
    f = open_memstream(&written, &written_size);
    assert_int_equal(mr_terminal_columns(f), 0);
    fclose(f);
    free(written);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_a_terminal),
        cmocka_unit_test(narrow_terminals),
        cmocka_unit_test(eighty_columns),
        cmocka_unit_test(in_a_file),
        cmocka_unit_test(as_json),
        cmocka_unit_test(quiet_is_quiet),
        cmocka_unit_test(a_pass_of_unknown_length),
        cmocka_unit_test(a_resumed_epoch),
        cmocka_unit_test(an_interrupted_line_is_ended),
        cmocka_unit_test(durations),
        cmocka_unit_test(no_terminal_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
