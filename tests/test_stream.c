/* SPDX-License-Identifier: Apache-2.0 */
/* The public face: the same predictions as the program's from files, bytes and pixels; order, ends, bounds
 * and ownership with many threads. Whatever would hang is ended by the alarm. */
#include "tests/files.h"

#include "io/image.h"
#include "io/model_file.h"
#include "io/sample.h"
#include "nn/arch/arch.h"

#include <math.h>
#include <millrace/stream.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

enum { SIDE = 32, FILES = 40, BATCH = 8, WATCHDOG_SECONDS = 400 };
#ifdef MR_SANITIZED
enum { PUSHES = 400 };
#else
enum { PUSHES = 4000 };
#endif

static char folder[256], model_file[512], bare_file[512], paths[FILES][600];
static struct {
    uint8_t *bytes;
    size_t size;
} files[FILES];

/* --- a model and its images ---------------------------------------------------------------------------- */

static void must(int status, const mr_error *e)
{
    if (status < 0)
        fail_msg("%s", e->message);
}

static void save_models(void)
{
    mr_error e = {0};
    mr_model *m;
    mr_arch_options o = mr_arch_options_default();
    o.height = o.width = SIDE;
    o.stages[0] = o.stages[1] = 1;
    o.stage_count = 2;
    o.filters[0] = 8;
    o.filters[1] = 8;
    o.filters[2] = 16;
    o.filter_count = 3;
    must(mr_model_from_config(&m, mr_arch_find("resnet")->config(&o, &e), &e), &e);
    must(mr_graph_initialize(m->graph, 7, &e), &e);
    must(mr_model_save(m, bare_file, NULL, &e), &e);
    m->has_preprocess = true;
    m->preprocess = mr_preprocess_default();
    m->preprocess.height = m->preprocess.width = SIDE;
    m->preprocess.interpolation = MR_BILINEAR;
    m->preprocess.rescale = 1 / 127.5;
    m->preprocess.offset = -1;
    m->classes = 2;
    m->class_names = calloc(2, sizeof *m->class_names);
    m->class_names[0] = strdup("cat");
    m->class_names[1] = strdup("dog");
    must(mr_model_save(m, model_file, NULL, &e), &e);
    mr_model_free(m);
}

static int make_files(void **state)
{
    (void)state;
    mr_error e = {0};
    alarm(WATCHDOG_SECONDS);
    snprintf(folder, sizeof folder, "%s", temporary_folder());
    snprintf(model_file, sizeof model_file, "%s/m.h5", folder);
    snprintf(bare_file, sizeof bare_file, "%s/bare.h5", folder);
    save_models();
    must(mr_sample_write(below(folder, "cells"), FILES, 3, NULL, NULL, &e), &e);
    char line[600];
    snprintf(line, sizeof line, "find %s/cells -name '*.jpg' | LC_ALL=C sort", folder);
    FILE *list = popen(line, "r");
    for (int i = 0; i < FILES; i++) {
        assert_non_null(fgets(paths[i], sizeof paths[i], list));
        paths[i][strcspn(paths[i], "\n")] = '\0';
        files[i].bytes = read_file(paths[i], &files[i].size);
    }
    pclose(list);
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    for (int i = 0; i < FILES; i++)
        free(files[i].bytes);
    remove_folder(folder);
    return 0;
}

static mr_stream *open_stream(const mr_stream_options *o)
{
    mr_error e = {0};
    mr_stream *s;
    must(mr_stream_open(&s, model_file, o, &e), &e);
    assert_non_null(s);
    return s;
}

static mr_stream_options small_options(void)
{
    mr_stream_options o = mr_stream_options_default();
    o.batch_size = BATCH;
    o.threads = o.decode_threads = 2;
    return o;
}

static mr_result *receive(mr_stream *s)
{
    mr_error e = {0};
    mr_result *r;
    must(mr_stream_receive(s, &r, -1, &e), &e);
    assert_non_null(r);
    return r;
}

static void push(mr_stream *s, mr_input in)
{
    mr_error e = {0};
    must(mr_stream_push(s, &in, -1, &e), &e);
}

/* --- equal to the program --------------------------------------------------------------------------- */

static float program_says[FILES][2];

/* The rows that `millrace predict` writes: floats in the shortest form that reads back as the same. */
static void ask_program(void)
{
    const char *build = getenv("MILLRACE_BUILD");
    if (!build)
        skip();
    char line[2048];
    snprintf(line, sizeof line, "%s/millrace predict --quiet --model %s --images %s/cells --output %s/p.csv",
             build, model_file, folder, folder);
    assert_int_equal(system(line), 0);
    FILE *csv = fopen(below(folder, "p.csv"), "r");
    assert_non_null(csv);
    assert_non_null(fgets(line, sizeof line, csv));
    for (int i = 0; i < FILES; i++) {
        char path[600], class[16];
        float confidence;
        assert_int_equal(fscanf(csv, "%599[^,],%15[^,],%f,%f,%f,ok\n", path, class, &confidence,
                                &program_says[i][0], &program_says[i][1]),
                         5);
        assert_string_equal(path, paths[i]);
    }
    fclose(csv);
}

static void expect_program(mr_stream *s)
{
    mr_error e = {0};
    mr_result *r;
    mr_stream_finish(s);
    for (int i = 0; i < FILES; i++) {
        r = receive(s);
        assert_int_equal(r->serial, i);
        assert_ptr_equal(r->tag, &files[i]);
        assert_int_equal(r->error, 0);
        assert_int_equal(r->classes, 2);
        assert_memory_equal(r->probability, program_says[i], sizeof program_says[i]);
        assert_string_equal(r->class_name, r->probability[0] >= r->probability[1] ? "cat" : "dog");
        assert_true(r->confidence == fmaxf(r->probability[0], r->probability[1]));
        assert_int_equal(r->outputs, 1);
        assert_memory_equal(r->output[0].value, program_says[i], sizeof program_says[i]);
        mr_result_free(r);
    }
    assert_int_equal(mr_stream_receive(s, &r, -1, &e), 0);
    assert_null(r);
    mr_stream_close(s);
}

static void equal_from_paths(void **state)
{
    (void)state;
    ask_program();
    mr_stream *s = open_stream(NULL);
    for (int i = 0; i < FILES; i++)
        push(s, (mr_input){.path = paths[i], .tag = &files[i]});
    expect_program(s);
}

static void equal_from_bytes(void **state)
{
    (void)state;
    ask_program();
    mr_stream_options o = small_options(); /* the batch's size does not matter either */
    mr_stream *s = open_stream(&o);
    for (int i = 0; i < FILES; i++) {
        void *copy = malloc(files[i].size);
        memcpy(copy, files[i].bytes, files[i].size);
        push(s, (mr_input){.bytes = copy, .size = files[i].size, .tag = &files[i]});
        memset(copy, 0, files[i].size); /* it was copied */
        free(copy);
    }
    expect_program(s);
}

/* Rows with gaps between them, as image libraries align them. */
static void push_pixels(mr_stream *s, mr_decoder *d, int i)
{
    mr_error e = {0};
    mr_image image;
    mr_preprocess pre = mr_preprocess_default();
    must(mr_decode(d, files[i].bytes, files[i].size, &pre, &image, &e), &e);
    size_t row = (size_t)image.width * 3, stride = row + (size_t)i % 3;
    uint8_t *gaps = malloc(stride * (size_t)image.height);
    for (int y = 0; y < image.height; y++)
        memcpy(gaps + (size_t)y * stride, image.pixels + (size_t)y * row, row);
    push(s, (mr_input){.pixels = gaps,
                       .width = image.width,
                       .height = image.height,
                       .channels = 3,
                       .stride = stride,
                       .tag = &files[i],
                       .release = free,
                       .release_context = gaps});
}

static void equal_from_pixels(void **state)
{
    (void)state;
    mr_error e = {0};
    mr_decoder *d;
    ask_program();
    must(mr_decoder_create(&d, (mr_decode_limits){.max_pixels = 1 << 24}, &e), &e);
    mr_stream *s = open_stream(NULL);
    for (int i = 0; i < FILES; i++)
        push_pixels(s, d, i);
    mr_decoder_destroy(d);
    expect_program(s);
}

/* --- many threads --------------------------------------------------------------------------------------- */

enum { PUSHERS = 4, RECEIVERS = 3 };

static struct crowd {
    mr_stream *s;
    _Atomic int pusher, released;
    _Atomic int seen[PUSHERS * PUSHES]; /* times each tag came back */
    uint64_t serial[PUSHERS * PUSHES];
} crowd;

static void count_release(void *context)
{
    (void)context;
    atomic_fetch_add(&crowd.released, 1);
}

static void *push_many(void *context)
{
    (void)context;
    int me = atomic_fetch_add(&crowd.pusher, 1);
    for (int i = 0; i < PUSHES; i++) {
        int file = (i * 7 + me) % FILES, tag = me * PUSHES + i;
        mr_input in = {.tag = (void *)(intptr_t)tag};
        if (i % 3 == 0)
            in.path = paths[file];
        else
            in.bytes = files[file].bytes, in.size = files[file].size;
        if (i % 3 == 1)
            in.release = count_release;
        int status;
        while ((status = mr_stream_push(crowd.s, &in, me % 2 ? -1 : 1, NULL)) == MR_EAGAIN)
            ;
        if (status)
            return (void *)1;
        if (i % 97 == 0)
            mr_stream_flush(crowd.s);
    }
    return NULL;
}

static void *receive_many(void *context)
{
    (void)context;
    mr_result *r;
    uint64_t last = 0;
    bool first = true, ordered = true;
    int status;
    while ((status = mr_stream_receive(crowd.s, &r, 50, NULL)) != 0) {
        if (status == MR_EAGAIN)
            continue;
        if (status < 0)
            return (void *)1;
        ordered = ordered && (first || r->serial > last) && !r->error;
        first = false;
        last = r->serial;
        crowd.serial[(intptr_t)r->tag] = r->serial;
        atomic_fetch_add(&crowd.seen[(intptr_t)r->tag], 1);
        mr_result_free(r);
    }
    return ordered ? NULL : (void *)1;
}

static void many_threads_push_and_receive(void **state)
{
    (void)state;
    pthread_t pusher[PUSHERS], receiver[RECEIVERS];
    void *failed;
    mr_stream_options o = small_options();
    o.capacity = 3 * BATCH;
    o.linger_ms = 1;
    crowd.s = open_stream(&o);
    for (int i = 0; i < PUSHERS; i++)
        pthread_create(&pusher[i], NULL, push_many, NULL);
    for (int i = 0; i < RECEIVERS; i++)
        pthread_create(&receiver[i], NULL, receive_many, NULL);
    for (int i = 0; i < PUSHERS; i++) {
        pthread_join(pusher[i], &failed);
        assert_null(failed);
    }
    mr_stream_finish(crowd.s);
    for (int i = 0; i < RECEIVERS; i++) {
        pthread_join(receiver[i], &failed);
        assert_null(failed);
    }
    mr_stream_close(crowd.s);
    for (int i = 0; i < PUSHERS * PUSHES; i++) {
        assert_int_equal(crowd.seen[i], 1);
        assert_true(i % PUSHES == 0 || crowd.serial[i] > crowd.serial[i - 1]); /* each pusher's own order */
    }
    assert_int_equal(crowd.released, PUSHERS * ((PUSHES + 1) / 3));
}

/* --- bounds and ends --------------------------------------------------------------------------------------
 */

static void push_is_bounded(void **state)
{
    (void)state;
    mr_stream_options o = small_options();
    o.capacity = 2 * BATCH + 1;
    o.linger_ms = 0;
    mr_stream *s = open_stream(&o);
    int pushed = 0;
    mr_error e = {0};
    while (mr_stream_push(s, &(mr_input){.path = paths[pushed % FILES]}, 0, &e) == 0)
        pushed++;
    assert_int_equal(pushed, o.capacity);
    assert_int_equal(e.code, MR_EAGAIN);
    assert_int_equal(mr_stream_push(s, &(mr_input){.path = paths[0]}, 20, NULL), MR_EAGAIN);
    mr_result_free(receive(s));
    assert_int_equal(mr_stream_push(s, &(mr_input){.path = paths[0]}, 0, NULL), 0);
    mr_stream_finish(s);
    for (int i = 0; i < o.capacity; i++)
        mr_result_free(receive(s));
    mr_stream_close(s);
}

static void batches_wait_for_a_flush(void **state)
{
    (void)state;
    mr_stream_options o = small_options();
    o.linger_ms = -1;
    mr_stream *s = open_stream(&o);
    mr_result *r;
    for (int i = 0; i < 3; i++)
        push(s, (mr_input){.path = paths[i]});
    assert_int_equal(mr_stream_receive(s, &r, 100, NULL), MR_EAGAIN);
    mr_stream_flush(s);
    for (int i = 0; i < 3; i++)
        mr_result_free(receive(s));
    for (int i = 0; i < BATCH; i++) /* a full one goes by itself */
        push(s, (mr_input){.path = paths[i]});
    for (int i = 0; i < BATCH; i++)
        mr_result_free(receive(s));
    mr_stream_flush(s);
    mr_stream_flush(s); /* of nothing: nothing */
    push(s, (mr_input){.path = paths[0]});
    mr_stream_finish(s);
    mr_result_free(receive(s));
    assert_int_equal(mr_stream_receive(s, &r, -1, NULL), 0);
    assert_int_equal(mr_stream_push(s, &(mr_input){.path = paths[0]}, -1, NULL), MR_EINVAL);
    mr_stream_close(s);
}

static void unusable_images_have_results(void **state)
{
    (void)state;
    mr_stream *s = open_stream(NULL);
    push(s, (mr_input){.path = "/nowhere/at/all.jpg"});
    push(s, (mr_input){.path = "\xff\n", .bytes = "GIF89a", .size = 6});
    push(s, (mr_input){.bytes = "", .size = 0});
    push(s, (mr_input){.path = paths[0]});
    mr_stream_finish(s);
    mr_result *r = receive(s);
    assert_int_equal(r->error, MR_ENOTFOUND);
    assert_non_null(strstr(r->message, "No such file"));
    assert_int_equal(r->predicted, -1);
    assert_int_equal(r->classes + r->outputs, 0);
    mr_result_free(r);
    r = receive(s);
    assert_int_equal(r->error, MR_EUNSUPPORTED);
    assert_string_equal(r->path, "\xff\n");
    mr_result_free(r);
    r = receive(s);
    assert_int_equal(r->error, MR_EFORMAT);
    assert_string_equal(r->path, "");
    mr_result_free(r);
    r = receive(s);
    mr_stream_close(s);
    assert_int_equal(r->error, 0); /* a result outlives its stream */
    assert_int_equal(r->serial, 3);
    assert_true(r->predicted >= 0);
    mr_result_free(r);
}

static void impossible_images_are_refused(void **state)
{
    (void)state;
    uint8_t pixel[4] = {0};
    mr_stream_options o = small_options();
    o.max_pixels = 100;
    mr_stream *s = open_stream(&o);
    const struct {
        mr_input in;
        int code;
    } refused[] = {
        {{0}, MR_EINVAL},
        {{.bytes = pixel, .size = 1, .pixels = pixel, .width = 1, .height = 1, .channels = 3}, MR_EINVAL},
        {{.pixels = pixel, .width = 0, .height = 1, .channels = 3}, MR_EINVAL},
        {{.pixels = pixel, .width = 1, .height = -1, .channels = 3}, MR_EINVAL},
        {{.pixels = pixel, .width = 1, .height = 1, .channels = 4}, MR_EINVAL},
        {{.pixels = pixel, .width = 2, .height = 1, .channels = 3, .stride = 5}, MR_EINVAL},
        {{.pixels = pixel, .width = 101, .height = 1, .channels = 1}, MR_ELIMIT},
        {{.pixels = pixel, .width = 1 << 30, .height = 1 << 30, .channels = 3}, MR_EINVAL},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_int_equal(mr_stream_push(s, &refused[i].in, -1, NULL), refused[i].code);
    mr_stream_close(s);
}

static void count_one(void *context)
{
    ++*(_Atomic int *)context;
}

/* Borrowed data come back once each, whether they were computed or lie somewhere inside when all ends. */
static void close_gives_everything_back(void **state)
{
    (void)state;
    for (int round = 0; round < 12; round++) {
        static _Atomic int released;
        released = 0;
        mr_stream_options o = small_options();
        o.linger_ms = round % 3 - 1;
        mr_stream *s = open_stream(&o);
        int pushed = 0;
        for (; pushed < 4 * round; pushed++)
            push(s, (mr_input){.bytes = files[pushed % FILES].bytes,
                               .size = files[pushed % FILES].size,
                               .release = count_one,
                               .release_context = &released});
        if (round % 2)
            mr_stream_finish(s);
        if (round % 4 == 3)
            mr_result_free(receive(s));
        mr_stream_close(s);
        assert_int_equal(released, pushed);
    }
}

static void *push_until_refused(void *context)
{
    int status;
    while ((status = mr_stream_push(context, &(mr_input){.path = paths[0]}, -1, NULL)) == 0)
        ;
    return (void *)(intptr_t)status;
}

static void *receive_until_refused(void *context)
{
    mr_result *r;
    int status;
    while ((status = mr_stream_receive(context, &r, -1, NULL)) == 1)
        mr_result_free(r);
    return (void *)(intptr_t)status;
}

static void stop_wakes_those_who_wait(void **state)
{
    (void)state;
    for (int pushing = 0; pushing < 2; pushing++) {
        mr_stream_options o = small_options();
        mr_stream *s = open_stream(&o);
        pthread_t thread[2];
        for (int i = 0; i < 2; i++)
            pthread_create(&thread[i], NULL, pushing ? push_until_refused : receive_until_refused, s);
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
        mr_stream_stop(s);
        for (int i = 0; i < 2; i++) {
            void *status;
            pthread_join(thread[i], &status);
            assert_int_equal((intptr_t)status, MR_ECANCELED);
        }
        mr_stream_close(s);
    }
}

/* --- opening
 * ------------------------------------------------------------------------------------------------ */

static void expect_refusal(const char *file, const mr_stream_options *o, int code, const char *says)
{
    mr_error e = {0};
    mr_stream *s = (mr_stream *)&e;
    assert_int_equal(mr_stream_open(&s, file, o, &e), code);
    assert_null(s);
    if (!strstr(e.message, says))
        fail_msg("'%s' does not say '%s'", e.message, says);
}

static void contract_is_obeyed(void **state)
{
    (void)state;
    mr_stream_options o = small_options();
    mr_preprocessing p = mr_preprocessing_default();
    expect_refusal(bare_file, NULL, MR_EINVAL, "nothing about its preprocessing");
    o.preprocessing = &p;
    expect_refusal(bare_file, &o, MR_EINVAL, "no rescale");
    p.rescale = 1.0 / 255;
    mr_stream *s;
    mr_error e = {0};
    must(mr_stream_open(&s, bare_file, &o, &e), &e);
    assert_int_equal(mr_stream_preprocessing(s)->height, SIDE);
    assert_int_equal(mr_stream_preprocessing(s)->channels, 3);
    assert_int_equal(mr_stream_classes(s), 2);
    assert_string_equal(mr_stream_class_name(s, 1), "1");
    mr_stream_close(s);
    expect_refusal(model_file, &o, MR_EINVAL, "interpolation given contradicts");
    o.override_preprocessing = true;
    must(mr_stream_open(&s, model_file, &o, &e), &e);
    assert_true(mr_stream_preprocessing(s)->rescale == 1.0 / 255);
    assert_string_equal(mr_stream_class_name(s, 1), "dog");
    assert_null(mr_stream_class_name(s, 2));
    mr_stream_close(s);
    p.width = 10;
    expect_refusal(model_file, &o, MR_EINVAL, "do not fit the model's input");
}

static void bad_options_are_refused(void **state)
{
    (void)state;
    mr_stream_options o = {0};
    expect_refusal("/nowhere.h5", NULL, MR_ENOTFOUND, "/nowhere.h5");
    expect_refusal(paths[0], NULL, MR_EFORMAT, paths[0]);
    expect_refusal(model_file, &o, MR_EINVAL, "less than 1");
    o = small_options();
    o.capacity = BATCH - 1;
    expect_refusal(model_file, &o, MR_EINVAL, "capacity");
    o = small_options();
    o.linger_ms = -2;
    expect_refusal(model_file, &o, MR_EINVAL, "negative");
    o = small_options();
    o.layers = (const char *const[]){"nobody"};
    o.layer_count = 1;
    expect_refusal(model_file, &o, MR_ENOTFOUND, "no layer 'nobody'");
}

static void layers_come_along(void **state)
{
    (void)state;
    mr_error e = {0};
    mr_model *m;
    must(mr_model_load(&m, model_file, &e), &e);
    const char *name = m->graph->node[1].layer->name;
    mr_stream_options o = small_options();
    o.layers = &name;
    o.layer_count = 1;
    mr_stream *s = open_stream(&o);
    push(s, (mr_input){.path = paths[0]});
    mr_stream_finish(s);
    mr_result *r = receive(s);
    assert_int_equal(r->outputs, 2);
    assert_string_equal(r->output[1].name, name);
    size_t count = 1;
    for (int i = 0; i < r->output[1].rank; i++)
        count *= (size_t)r->output[1].dim[i];
    assert_int_equal(r->output[1].count, count);
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += fabs(r->output[1].value[i]);
    assert_true(sum > 0 && isfinite(sum));
    mr_stream_close(s);
    mr_result_free(r);
    mr_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_from_paths),
        cmocka_unit_test(equal_from_bytes),
        cmocka_unit_test(equal_from_pixels),
        cmocka_unit_test(many_threads_push_and_receive),
        cmocka_unit_test(push_is_bounded),
        cmocka_unit_test(batches_wait_for_a_flush),
        cmocka_unit_test(unusable_images_have_results),
        cmocka_unit_test(impossible_images_are_refused),
        cmocka_unit_test(close_gives_everything_back),
        cmocka_unit_test(stop_wakes_those_who_wait),
        cmocka_unit_test(contract_is_obeyed),
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(layers_come_along),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
