/* SPDX-License-Identifier: Apache-2.0 */
/* The whole data plane over image files that this program writes itself. Whatever would hang is ended by the
 * alarm. */
#include "tests/image_files.h"
#include "tests/list_source.h"

#include "base/random.h"
#include "pipeline/load/epochs.h"
#include "pipeline/load/loader.h"

#include <time.h>

#ifdef MR_SANITIZED
enum { FILES = 24, CLOSINGS = 25, WATCHDOG_SECONDS = 400 };
#else
enum { FILES = 60, CLOSINGS = 150, WATCHDOG_SECONDS = 200 };
#endif
enum { SIDE = 24, ROW = SIDE * SIDE * 3, LABELS = 3 };

static char *const *const paths = image_folder.good;
static char *const *const bad_paths = image_folder.bad;
static mr_sample samples[FILES];
static mr_dataset set;

static int make_files(void **state)
{
    (void)state;
    make_image_folder(FILES);
    for (int i = 0; i < FILES; i++)
        samples[i] = (mr_sample){.path = paths[i], .label = i % LABELS};
    set = (mr_dataset){.samples = samples, .count = FILES, .classes = LABELS};
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    remove_image_folder();
    return 0;
}

/* --- running a loader --- */

static mr_loader_options small_options(int batch_size, int threads)
{
    mr_loader_options o = mr_loader_options_default();
    o.batch_size = batch_size;
    o.decode_threads = threads;
    o.preprocess.height = o.preprocess.width = SIDE;
    o.preprocess.interpolation = MR_BILINEAR;
    return o;
}

static mr_augmentation some_augmentation(void)
{
    mr_augmentation a = mr_augmentation_none();
    a.rotation_range = 20;
    a.width_shift_range = a.height_shift_range = 0.1;
    a.zoom_range[0] = 0.9;
    a.zoom_range[1] = 1.1;
    a.horizontal_flip = true;
    return a;
}

static mr_loader *open_loader(mr_source source, const mr_loader_options *o)
{
    mr_loader *l;
    mr_error e = {0};
    int status = mr_loader_open(&l, source, o, &e);
    if (status)
        fail_msg("%s", e.message);
    return l;
}

static uint64_t hash(uint64_t h, const void *data, size_t size)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < size; i++)
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    return h;
}

/* Everything of a batch but its serial number and addresses. */
static uint64_t hash_batch(uint64_t h, const mr_batch *b, size_t row)
{
    h = hash(h, &b->epoch, sizeof b->epoch);
    h = hash(h, &b->last_of_epoch, sizeof b->last_of_epoch);
    h = hash(h, &b->count, sizeof b->count);
    h = hash(h, &b->results, sizeof b->results);
    h = hash(h, b->x, (size_t)b->count * row * sizeof *b->x);
    h = hash(h, b->labels, (size_t)b->count * sizeof *b->labels);
    h = hash(h, b->row_result, (size_t)b->count * sizeof *b->row_result);
    for (int i = 0; i < b->results; i++) {
        h = hash(h, b->result[i].path, strlen(b->result[i].path));
        h = hash(h, &b->result[i].id, sizeof b->result[i].id);
        h = hash(h, b->result[i].message, strlen(b->result[i].message));
    }
    return h;
}

static void pause_now_and_then(mr_philox *g)
{
    if (mr_philox_below(g, 4) == 0)
        nanosleep(&(struct timespec){.tv_nsec = mr_philox_below(g, 3000000)}, NULL);
}

/* Runs to the end; the hash of every batch in HASHES. Returns how many there were. */
static int run_to_the_end(mr_source source, const mr_loader_options *o, uint64_t *hashes, int max)
{
    mr_loader *l = open_loader(source, o);
    mr_error e = {0};
    mr_batch *b;
    mr_philox g;
    mr_philox_init(&g, (uint64_t)o->decode_threads, MR_DRAW_TEST, 0, 0);
    int n = 0, status;
    while ((status = mr_loader_next(l, &b, &e)) == 1) {
        assert_int_equal(b->serial, n);
        assert_true(n < max);
        hashes[n++] = hash_batch(UINT64_C(0xcbf29ce484222325), b, ROW);
        pause_now_and_then(&g);
        mr_loader_release(l, b);
    }
    assert_int_equal(status, 0);
    assert_int_equal(mr_loader_next(l, &b, &e), 0); /* the end stays the end */
    mr_loader_close(l);
    return n;
}

static void *read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    uint8_t *bytes = malloc(1 << 16);
    assert_non_null(bytes);
    *size = fread(bytes, 1, 1 << 16, f);
    fclose(f);
    return bytes;
}

/* The row that sample ID of EPOCH must have, computed without any pipeline. */
static void expected_row(const char *path, uint64_t id, uint32_t epoch, const mr_loader_options *o,
                         float *row)
{
    const mr_preprocess *p = &o->preprocess;
    size_t size, n = (size_t)SIDE * SIDE * (size_t)p->color_mode;
    void *bytes = read_file(path, &size);
    mr_decoder *d;
    mr_error e = {0};
    assert_int_equal(mr_decoder_create(&d, (mr_decode_limits){.max_pixels = 1 << 20}, &e), 0);
    mr_preprocess plain = *p;
    plain.rescale = 1;
    plain.offset = 0;
    float pixels[ROW];
    assert_int_equal(mr_load_pixels(d, bytes, size, &plain, pixels, &e), 0);
    memcpy(row, pixels, n * sizeof *row);
    if (o->augmentation) {
        mr_transform t;
        mr_augmentation_draw(o->augmentation, o->seed, epoch, id, SIDE, SIDE, &t);
        mr_augmentation_apply(o->augmentation, &t, pixels, SIDE, SIDE, p->color_mode, row);
    }
    mr_rescale(row, n, (float)p->rescale, (float)p->offset);
    mr_decoder_destroy(d);
    free(bytes);
}

/* --- rows, order, epochs --- */

static void check_rows(const mr_loader_options *o, bool shuffle)
{
    mr_epoch_source *s;
    mr_error e = {0};
    size_t row = (size_t)SIDE * SIDE * (size_t)o->preprocess.color_mode;
    assert_int_equal(mr_epoch_source_create(&s, &set, 5, shuffle, 3, 5, 0, &e), 0);
    mr_loader *l = open_loader(mr_epoch_source_face(s), o);
    uint32_t order[FILES];
    float want[ROW];
    int seen = 0;
    mr_batch *b;
    while (mr_loader_next(l, &b, &e) == 1) {
        uint32_t epoch = 3 + (uint32_t)(seen / FILES);
        mr_philox_permutation(order, FILES, 5, MR_DRAW_SHUFFLE, epoch);
        assert_int_equal(b->epoch, epoch);
        assert_int_equal(b->count, b->results);
        for (int i = 0; i < b->count; i++, seen++) {
            uint32_t id = shuffle ? order[seen % FILES] : (uint32_t)seen % FILES;
            assert_int_equal(b->result[i].id, id);
            assert_string_equal(b->result[i].path, paths[id]);
            assert_int_equal(b->labels[i], id % LABELS);
            assert_int_equal(b->row_result[i], i);
            expected_row(paths[id], id, epoch, o, want);
            assert_memory_equal(b->x + (size_t)i * row, want, row * sizeof *want);
        }
        assert_int_equal(b->last_of_epoch, seen % FILES == 0);
        assert_true((uintptr_t)b->x % 64 == 0);
        mr_loader_release(l, b);
    }
    assert_int_equal(e.code, 0);
    assert_int_equal(seen, 2 * FILES);
    mr_loader_close(l);
    mr_epoch_source_free(s);
}

static void rows_are_what_the_files_hold(void **state)
{
    (void)state;
    mr_loader_options o = small_options(7, 2);
    check_rows(&o, false);
    o.preprocess.color_mode = MR_COLOR_GRAYSCALE;
    o.preprocess.rescale = 1 / 127.5;
    o.preprocess.offset = -1;
    check_rows(&o, false);
    o.batch_size = FILES / 4; /* batches end exactly where epochs do */
    check_rows(&o, true);
    o.batch_size = 4 * FILES; /* and are cut short by them */
    check_rows(&o, true);
}

static void rows_are_augmented_by_their_sample(void **state)
{
    (void)state;
    mr_augmentation a = some_augmentation();
    mr_loader_options o = small_options(5, 3);
    o.augmentation = &a;
    o.seed = 77;
    check_rows(&o, true);
    a.has_brightness = true;
    a.brightness_range[0] = 0.5;
    a.channel_shift_range = 30;
    a.fill_mode = MR_FILL_REFLECT;
    check_rows(&o, true);
    o.preprocess.interpolation = MR_TF_BILINEAR;
    check_rows(&o, false);
    o.preprocess.color_mode = MR_COLOR_GRAYSCALE;
    check_rows(&o, false);
}

/* --- determinism --- */

static void batches_do_not_depend_on_threads(void **state)
{
    (void)state;
    static const int threads[] = {1, 2, 8};
    uint64_t want[4 * FILES], got[4 * FILES];
    int batches = 0;
    mr_augmentation a = some_augmentation();
    for (int i = 0; i < 6; i++) {
        mr_loader_options o = small_options(8, threads[i % 3]);
        o.augmentation = &a;
        o.seed = 3;
        o.batches_ahead = 1 + i;
        o.force_pread = i >= 3;
        mr_epoch_source *s;
        assert_int_equal(mr_epoch_source_create(&s, &set, 9, true, 0, 3, 0, NULL), 0);
        int n = run_to_the_end(mr_epoch_source_face(s), &o, i ? got : want, 4 * FILES);
        mr_epoch_source_free(s);
        if (!i)
            batches = n;
        assert_int_equal(n, batches);
        assert_int_equal(n, 3 * ((FILES + 7) / 8));
        if (i)
            assert_memory_equal(got, want, (size_t)n * sizeof *want);
    }
}

static void a_resumed_run_is_the_tail_of_a_whole_one(void **state)
{
    (void)state;
    uint64_t whole[4 * FILES], tail[4 * FILES];
    mr_augmentation a = some_augmentation();
    mr_loader_options o = small_options(4, 2);
    o.augmentation = &a;
    mr_epoch_source *s;
    assert_int_equal(mr_epoch_source_create(&s, &set, 1, true, 0, 2, 0, NULL), 0);
    int n = run_to_the_end(mr_epoch_source_face(s), &o, whole, 4 * FILES);
    mr_epoch_source_free(s);
    int per_epoch = n / 2;
    for (int done = 0; done <= n; done += 3) { /* batches done before the stop */
        uint32_t epoch = done < per_epoch ? 0 : done < n ? 1 : 2;
        uint64_t start = epoch < 2 ? (uint64_t)(done - (int)epoch * per_epoch) * 4 : 0;
        assert_int_equal(mr_epoch_source_create(&s, &set, 1, true, epoch, 2, start, NULL), 0);
        assert_int_equal(run_to_the_end(mr_epoch_source_face(s), &o, tail, 4 * FILES), n - done);
        assert_memory_equal(tail, whole + done, (size_t)(n - done) * sizeof *tail);
        mr_epoch_source_free(s);
    }
    /* stopped right behind an epoch's last sample: the epoch has no batch left */
    assert_int_equal(mr_epoch_source_create(&s, &set, 1, true, 0, 2, FILES, NULL), 0);
    assert_int_equal(run_to_the_end(mr_epoch_source_face(s), &o, tail, 4 * FILES), n - per_epoch);
    assert_memory_equal(tail, whole + per_epoch, (size_t)(n - per_epoch) * sizeof *tail);
    mr_epoch_source_free(s);
    assert_int_equal(mr_epoch_source_create(&s, &set, 1, true, 0, 2, FILES + 1, NULL), MR_EINVAL);
    assert_null(s);
}

/* --- bad files --- */

static void bad_files_are_reported_and_closed_up(void **state)
{
    (void)state;
    enum { COUNT = 15 };
    const char *list[COUNT];
    for (int i = 0; i < COUNT; i++)
        list[i] = i % 3 == 1 ? bad_paths[i / 3] : paths[i];
    static const int codes[] = {MR_EFORMAT, MR_EUNSUPPORTED, MR_EFORMAT, MR_ENOTFOUND, MR_EIO};
    for (int threads = 1; threads <= 8; threads *= 2) {
        list_source s = list_of(list, COUNT);
        mr_loader_options o = small_options(COUNT, threads);
        o.force_pread = threads == 4;
        mr_loader *l = open_loader(face_of(&s), &o);
        mr_batch *b;
        float want[ROW];
        assert_int_equal(mr_loader_next(l, &b, NULL), 1);
        assert_int_equal(b->results, COUNT);
        assert_int_equal(b->count, 10);
        for (int i = 0, row = 0; i < COUNT; i++) {
            assert_int_equal(b->result[i].error, i % 3 == 1 ? codes[i / 3] : 0);
            assert_int_equal(b->result[i].message[0] != 0, i % 3 == 1);
            if (i % 3 == 1)
                continue;
            assert_int_equal(b->row_result[row], i);
            expected_row(list[i], (uint64_t)i, 0, &o, want);
            assert_memory_equal(b->x + (size_t)row++ * ROW, want, sizeof want);
        }
        mr_loader_release(l, b);
        assert_int_equal(s.given_back, COUNT);
        mr_loader_close(l);
    }
}

static void a_batch_of_bad_files_comes_empty(void **state)
{
    (void)state;
    const char *list[15];
    for (int i = 0; i < 15; i++)
        list[i] = i < 5 || i >= 10 ? paths[i] : bad_paths[i - 5];
    list_source s = list_of(list, 15);
    mr_loader_options o = small_options(5, 2);
    mr_loader *l = open_loader(face_of(&s), &o);
    mr_batch *b;
    for (int n = 0; n < 3; n++) {
        assert_int_equal(mr_loader_next(l, &b, NULL), 1);
        assert_int_equal(b->results, 5);
        assert_int_equal(b->count, n == 1 ? 0 : 5);
        assert_int_equal(b->last_of_epoch, n == 2);
        mr_loader_release(l, b);
    }
    assert_int_equal(mr_loader_next(l, &b, NULL), 0);
    mr_loader_close(l);
}

static void too_many_pixels_are_an_error_of_the_sample(void **state)
{
    (void)state;
    const char *list[] = {paths[1]};
    list_source s = list_of(list, 1);
    mr_loader_options o = small_options(5, 1);
    o.max_pixels = 100;
    mr_loader *l = open_loader(face_of(&s), &o);
    mr_batch *b;
    assert_int_equal(mr_loader_next(l, &b, NULL), 1);
    assert_int_equal(b->count, 0);
    assert_int_equal(b->result[0].error, MR_ELIMIT);
    mr_loader_close(l);
}

/* --- the source --- */

static void flushes_end_batches(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 2; threads++) {
        list_source s = list_of((const char *const *)paths, 20);
        s.flush_every = 6;
        mr_loader_options o = small_options(3, threads);
        mr_loader *l = open_loader(face_of(&s), &o);
        static const int sizes[] = {3, 3, 3, 3, 3, 3, 2};
        mr_batch *b;
        for (int n = 0; n < 7; n++) {
            assert_int_equal(mr_loader_next(l, &b, NULL), 1);
            assert_int_equal(b->count, sizes[n]);
            assert_int_equal(b->epoch, n / 2);
            assert_int_equal(b->last_of_epoch, n % 2 == 1 || n == 6);
            mr_loader_release(l, b);
        }
        assert_int_equal(mr_loader_next(l, &b, NULL), 0);
        mr_loader_close(l);
        assert_int_equal(s.given_back, s.taken);
    }
}

static void a_failing_source_fails_behind_its_whole_batches(void **state)
{
    (void)state;
    for (int fail_at = 0; fail_at < 12; fail_at++)
        for (int threads = 1; threads <= 2; threads++) {
            list_source s = list_of((const char *const *)paths, 20);
            s.fail_at = fail_at;
            mr_loader_options o = small_options(4, threads);
            mr_loader *l = open_loader(face_of(&s), &o);
            mr_error e = {0};
            mr_batch *b;
            int status, n = 0;
            while ((status = mr_loader_next(l, &b, &e)) == 1) {
                assert_int_equal(b->count, 4);
                n++;
                mr_loader_release(l, b);
            }
            assert_int_equal(status, MR_EIO);
            assert_string_equal(e.message, "the list is torn");
            assert_int_equal(n, fail_at ? (fail_at - 1) / 4
                                        : 0); /* the last full one was not known to be whole */
            mr_loader_close(l);
            assert_int_equal(s.given_back, s.taken);
        }
}

static void an_empty_source_is_an_end(void **state)
{
    (void)state;
    list_source s = list_of((const char *const *)paths, 0);
    mr_loader_options o = small_options(4, 1);
    mr_loader *l = open_loader(face_of(&s), &o);
    mr_batch *b;
    assert_int_equal(mr_loader_next(l, &b, NULL), 0);
    mr_loader_close(l);
}

/* --- the consumer --- */

static void batches_may_be_held_but_not_all(void **state)
{
    (void)state;
    list_source s = list_of((const char *const *)paths, 20);
    mr_loader_options o = small_options(2, 2);
    o.batches_ahead = 2;
    mr_loader *l = open_loader(face_of(&s), &o);
    mr_batch *held[3], *b;
    mr_error e = {0};
    for (int i = 0; i < 3; i++)
        assert_int_equal(mr_loader_next(l, &held[i], &e), 1);
    assert_int_equal(mr_loader_next(l, &b, &e), MR_EINVAL);
    uint64_t before = hash_batch(1, held[0], ROW);
    mr_loader_release(l, held[2]); /* in any order */
    for (int n = 3; n < 10; n++) {
        assert_int_equal(mr_loader_next(l, &b, NULL), 1);
        assert_int_equal(b->serial, n);
        mr_loader_release(l, b);
    }
    assert_int_equal(mr_loader_next(l, &b, NULL), 0);
    assert_true(hash_batch(1, held[0], ROW) == before); /* untouched while held */
    mr_loader_close(l);
    assert_int_equal(s.given_back, 20);
}

static void closing_at_any_moment_loses_nothing(void **state)
{
    (void)state;
    mr_philox g;
    mr_philox_init(&g, 4, MR_DRAW_TEST, 0, 0);
    for (int i = 0; i < CLOSINGS; i++) {
        const char *list[3 * FILES];
        for (int k = 0; k < 3 * FILES; k++)
            list[k] = k % 10 == 9 ? bad_paths[k % 5] : paths[k % FILES];
        list_source s = list_of(list, 3 * FILES);
        s.flush_every = 13;
        s.fail_at = i % 7 == 6 ? 50 : -1;
        mr_loader_options o = small_options(1 + i % 9, 1 + i % 4);
        o.batches_ahead = 1 + i % 3;
        o.force_pread = i % 2;
        mr_loader *l = open_loader(face_of(&s), &o);
        mr_batch *b = NULL;
        int take = (int)mr_philox_below(&g, 8);
        for (int n = 0; n < take && mr_loader_next(l, &b, NULL) == 1; n++)
            if (n % 3 != 2 || o.batches_ahead < 3) /* now and then one is kept */
                mr_loader_release(l, b);
        if (i % 3)
            nanosleep(&(struct timespec){.tv_nsec = mr_philox_below(&g, 2000000)}, NULL);
        mr_loader_close(l);
        assert_int_equal(s.given_back, s.taken);
    }
    mr_loader_close(NULL);
}

static void single_samples_in_single_batches(void **state)
{
    (void)state;
    uint64_t one[FILES], four[FILES];
    for (int threads = 1; threads <= 4; threads += 3) {
        list_source s = list_of((const char *const *)paths, FILES);
        mr_loader_options o = small_options(1, threads);
        o.batches_ahead = 1;
        assert_int_equal(run_to_the_end(face_of(&s), &o, threads == 1 ? one : four, FILES), FILES);
    }
    assert_memory_equal(one, four, sizeof one);
}

static void stages_are_counted(void **state)
{
    (void)state;
    list_source s = list_of((const char *const *)paths, FILES);
    mr_loader_options o = small_options(4, 3);
    mr_loader *l = open_loader(face_of(&s), &o);
    assert_non_null(mr_loader_reader_kind(l));
    mr_batch *b;
    int batches = 0;
    for (; mr_loader_next(l, &b, NULL) == 1; batches++)
        mr_loader_release(l, b);
    mr_stage_stats st[4];
    assert_int_equal(mr_loader_stats(l, st, 2), 2);
    assert_int_equal(mr_loader_stats(l, st, 4), 4);
    static const char *const names[] = {"scan", "read", "decode", "batch"};
    for (int i = 0; i < 4; i++) {
        assert_string_equal(st[i].name, names[i]);
        assert_int_equal(st[i].items, i == 3 ? batches : FILES);
        assert_int_equal(st[i].threads, i == 2 ? 3 : 1);
    }
    assert_true(st[2].busy_seconds > 0 && st[2].bytes > 0 && st[2].bytes == st[1].bytes);
    assert_true(st[2].mean_queue_depth >= 1 && st[2].queue_capacity >= 12);
    mr_loader_close(l);

    o.force_pread = true;
    s = list_of((const char *const *)paths, FILES);
    l = open_loader(face_of(&s), &o);
    assert_string_equal(mr_loader_reader_kind(l), "pread");
    mr_loader_close(l);
}

static void impossible_options_are_refused(void **state)
{
    (void)state;
    list_source s = list_of((const char *const *)paths, FILES);
    for (int i = 0; i < 8; i++) {
        mr_loader_options o = small_options(4, 1);
        if (i == 0)
            o.batch_size = 0;
        if (i == 1)
            o.decode_threads = 0;
        if (i == 2)
            o.batches_ahead = 0;
        if (i == 3)
            o.preprocess.height = 0;
        if (i == 4)
            o.preprocess.width = -5;
        if (i == 5)
            o.batch_size = 1 << 30;
        if (i == 6)
            o.decode_threads = 1 << 30;
        if (i == 7)
            o.preprocess.height = 1 << 30;
        mr_loader *l;
        mr_error e = {0};
        assert_int_equal(mr_loader_open(&l, face_of(&s), &o, &e), MR_EINVAL);
        assert_null(l);
        assert_true(e.message[0]);
    }
    assert_int_equal(s.taken, 0);
}

int main(void)
{
    alarm(WATCHDOG_SECONDS);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_what_the_files_hold),
        cmocka_unit_test(rows_are_augmented_by_their_sample),
        cmocka_unit_test(batches_do_not_depend_on_threads),
        cmocka_unit_test(a_resumed_run_is_the_tail_of_a_whole_one),
        cmocka_unit_test(bad_files_are_reported_and_closed_up),
        cmocka_unit_test(a_batch_of_bad_files_comes_empty),
        cmocka_unit_test(too_many_pixels_are_an_error_of_the_sample),
        cmocka_unit_test(flushes_end_batches),
        cmocka_unit_test(a_failing_source_fails_behind_its_whole_batches),
        cmocka_unit_test(an_empty_source_is_an_end),
        cmocka_unit_test(batches_may_be_held_but_not_all),
        cmocka_unit_test(closing_at_any_moment_loses_nothing),
        cmocka_unit_test(single_samples_in_single_batches),
        cmocka_unit_test(stages_are_counted),
        cmocka_unit_test(impossible_options_are_refused),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
