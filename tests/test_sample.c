/* SPDX-License-Identifier: Apache-2.0 */
/* The drawn images: what a mean colour can tell (nothing), what a local look can tell (nearly all), and the
 * folders. */
#include "tests/shared.h"

#include "io/demo/cell.h"
#include "io/image/image.h"
#include "io/demo/jpeg_write.h"
#include "io/demo/sample.h"
#include <errno.h>
#include <ftw.h>
#include <math.h>
#include <stdbool.h>
#include <sys/stat.h>

#define IMAGES 400

typedef struct look {
    double mean[3];
    double contrast; /* how much darker the darkest spot of 5x5 pixels is than the cell, in green */
} look;

static look looks[IMAGES];
static char root[1024];

static double pixel(const mr_cell_image *im, int x, int y, int k)
{
    return im->rgb[((size_t)y * (size_t)im->width + (size_t)x) * 3 + (size_t)k];
}

static double spot(const mr_cell_image *im, int x, int y)
{
    double sum = 0;
    for (int dy = -2; dy <= 2; dy++)
        for (int dx = -2; dx <= 2; dx++)
            sum += pixel(im, x + dx, y + dy, 1);
    return sum / 25;
}

/* Looks at the middle of the picture, where the ground cannot be taken for a spot. */
static look look_at(const mr_cell_image *im)
{
    look l = {{0, 0, 0}, 0};
    for (int y = 0; y < im->height; y++)
        for (int x = 0; x < im->width; x++)
            for (int k = 0; k < 3; k++)
                l.mean[k] += pixel(im, x, y, k) / (im->width * im->height);
    double darkest = 255, sum = 0;
    int n = 0;
    for (int y = 4; y < im->height - 4; y++)
        for (int x = 4; x < im->width - 4; x++) {
            double u = (x - im->width / 2.0) / (im->width * 0.38),
                   v = (y - im->height / 2.0) / (im->height * 0.38);
            if (u * u + v * v > 1)
                continue;
            darkest = fmin(darkest, spot(im, x, y));
            sum += pixel(im, x, y, 1);
            n++;
        }
    l.contrast = sum / n - darkest;
    return l;
}

static int draw_all(void **state)
{
    (void)state;
    mr_cell_image *im = malloc(sizeof *im);
    for (int i = 0; i < IMAGES; i++) {
        if (mr_cell_draw(im, 1, (uint64_t)i, NULL))
            return -1;
        looks[i] = look_at(im);
    }
    free(im);
    strcpy(root, "/tmp/millrace-sample-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *ftw)
{
    (void)s, (void)type, (void)ftw;
    return remove(path);
}

static int remove_all(void **state)
{
    (void)state;
    return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The best share of images told right by "score above some threshold" or its opposite. Image i is of class i
 * % 2. */
static double best_threshold(const double *score)
{
    int best = 0;
    for (int t = 0; t < IMAGES; t++) {
        int right = 0;
        for (int i = 0; i < IMAGES; i++)
            right += (score[i] > score[t]) == i % 2;
        best = right > best ? right : best;
        best = IMAGES - right > best ? IMAGES - right : best;
    }
    return (double)best / IMAGES;
}

/* Logistic regression on the standardised mean colour, by plain gradient descent: the best plane through
 * colour space, judged on the very images that it was fitted to. */
static void fit_plane(double *score)
{
    double x[IMAGES][4], w[4] = {0};
    for (int k = 0; k < 3; k++) {
        double mean = 0, square = 0;
        for (int i = 0; i < IMAGES; i++) {
            mean += looks[i].mean[k] / IMAGES;
            square += looks[i].mean[k] * looks[i].mean[k] / IMAGES;
        }
        for (int i = 0; i < IMAGES; i++)
            x[i][k] = (looks[i].mean[k] - mean) / sqrt(square - mean * mean);
    }
    for (int step = 0; step < 3000; step++) {
        double g[4] = {0};
        for (int i = 0; i < IMAGES; i++) {
            x[i][3] = 1;
            score[i] = w[0] * x[i][0] + w[1] * x[i][1] + w[2] * x[i][2] + w[3];
            double error = 1 / (1 + exp(-score[i])) - i % 2;
            for (int k = 0; k < 4; k++)
                g[k] += error * x[i][k] / IMAGES;
        }
        for (int k = 0; k < 4; k++)
            w[k] -= 0.5 * g[k];
    }
}

static void mean_colour_tells_nothing(void **state)
{
    (void)state;
    double score[IMAGES];
    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < IMAGES; i++)
            score[i] = looks[i].mean[k];
        assert_true(best_threshold(score) < 0.60);
    }
    fit_plane(score);
    assert_true(best_threshold(score) < 0.62);
}

static void a_local_look_tells(void **state)
{
    (void)state;
    double score[IMAGES];
    for (int i = 0; i < IMAGES; i++)
        score[i] = looks[i].contrast;
    assert_true(best_threshold(score) > 0.85);
}

static void image_depends_on_seed_and_index(void **state)
{
    (void)state;
    mr_cell_image *im = calloc(3, sizeof *im);
    assert_int_equal(mr_cell_draw(&im[0], 7, 11, NULL), 0);
    assert_int_equal(mr_cell_draw(&im[1], 8, 11, NULL), 0);
    assert_int_equal(mr_cell_draw(&im[2], 7, 11, NULL), 0);
    assert_memory_equal(&im[0], &im[2], sizeof *im);
    assert_memory_not_equal(&im[0], &im[1], sizeof *im);
    assert_int_equal(mr_cell_draw(&im[1], 7, 13, NULL), 0);
    assert_memory_not_equal(&im[0], &im[1], sizeof *im);
    free(im);
}

/* Reads a file into a new block. */
static char *read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    char *bytes = malloc(1 << 20);
    *size = fread(bytes, 1, 1 << 20, f);
    fclose(f);
    return bytes;
}

/* The file at PATH holds image INDEX of SEED, but for what JPEG loses. */
static void check_file(const char *path, uint64_t seed, uint64_t index)
{
    size_t size;
    char *bytes = read_file(path, &size);
    mr_decoder *d;
    mr_image im;
    mr_preprocess pre = mr_preprocess_default();
    mr_cell_image *drawn = malloc(sizeof *drawn);
    assert_int_equal(mr_cell_draw(drawn, seed, index, NULL), 0);
    assert_int_equal(mr_decoder_create(&d, (mr_decode_limits){.max_pixels = 1 << 20}, NULL), 0);
    assert_int_equal(mr_decode(d, bytes, size, &pre, &im, NULL), 0);
    assert_int_equal(im.width, drawn->width);
    assert_int_equal(im.height, drawn->height);
    double difference = 0;
    int samples = im.width * im.height * 3;
    for (int i = 0; i < samples; i++)
        difference += abs(im.pixels[i] - drawn->rgb[i]);
    assert_true(difference / samples < 4);
    mr_decoder_destroy(d);
    free(drawn);
    free(bytes);
}

static int files_seen;
static int count_file(const char *path, const struct stat *s, int type, struct FTW *ftw)
{
    (void)path, (void)s, (void)ftw;
    files_seen += type == FTW_F;
    return 0;
}

static const char *below(const char *name)
{
    static char path[2048];
    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

static void folders_are_as_promised(void **state)
{
    (void)state;
    mr_error e = {0};
    assert_int_equal(mr_sample_write(below("set"), 41, 5, NULL, NULL, &e), 0);
    mr_sample_split split = mr_sample_split_of(41);
    assert_int_equal(split.training, 29);
    assert_int_equal(split.validation, 6);
    assert_int_equal(split.testing, 6);
    files_seen = 0;
    nftw(below("set"), count_file, 16, FTW_PHYS);
    assert_int_equal(files_seen, 41);
    check_file(below("set/training/Parasitized/cell_000000.jpg"), 5, 0);
    check_file(below("set/validation/Uninfected/cell_000029.jpg"), 5, 29);
    check_file(below("set/testing/Parasitized/cell_000040.jpg"), 5, 40);
}

static void splits_are_balanced(void **state)
{
    (void)state;
    for (int64_t n = MR_SAMPLE_MIN_COUNT; n < 3000; n++) {
        mr_sample_split s = mr_sample_split_of(n);
        assert_int_equal(s.training + s.validation + s.testing, n);
        assert_true(s.validation == s.testing && s.validation >= 2 && s.validation % 2 == 0 &&
                    s.training >= 2);
        assert_true(n < 40 || (s.training * 100 > n * 64 && s.training * 100 < n * 77));
    }
}

static void other_content_is_refused(void **state)
{
    (void)state;
    mr_error e = {0};
    assert_int_equal(mr_sample_write(below("twice"), 10, 5, NULL, NULL, &e), 0);
    assert_int_equal(mr_sample_write(below("twice"), 10, 6, NULL, NULL, &e),
                     0); /* its own files: written over */
    check_file(below("twice/training/Parasitized/cell_000000.jpg"), 6, 0);
    assert_int_equal(mr_sample_write(below("twice"), 8, 6, NULL, NULL, &e), MR_EINVAL);
    assert_non_null(strstr(e.message, "is not empty: it holds t"));
    assert_true(e.hint[0] != '\0');
    mkdir(below("mine"), 0777);
    fclose(fopen(below("mine/thesis.tex"), "w"));
    mr_error_clear(&e);
    assert_int_equal(mr_sample_write(below("mine"), 10, 5, NULL, NULL, &e), MR_EINVAL);
    assert_non_null(strstr(e.message, "it holds thesis.tex"));
    assert_int_equal(access(below("mine/training"), F_OK), -1);
    mr_error_clear(&e);
    assert_int_equal(mr_sample_write(below("mine/thesis.tex"), 10, 5, NULL, NULL, &e), MR_EIO);
    mr_error_clear(&e);
    assert_int_equal(mr_sample_write(below("no/such"), 10, 5, NULL, NULL, &e), MR_ENOTFOUND);
    assert_int_equal(mr_sample_write(below("few"), 5, 5, NULL, NULL, NULL), MR_EINVAL);
}

static bool stop_at_three(void *context, int64_t done, int64_t count)
{
    assert_int_equal(count, 10);
    *(int64_t *)context = done;
    return done < 3;
}

static void stops_when_told(void **state)
{
    (void)state;
    int64_t done = 0;
    assert_int_equal(mr_sample_write(below("stopped"), 10, 5, stop_at_three, &done, NULL), MR_ECANCELED);
    assert_int_equal(done, 3);
}

static void jpeg_errors(void **state)
{
    (void)state;
    mr_text out = {0};
    mr_error e = {0};
    uint8_t rgb[3] = {1, 2, 3};
    assert_int_equal(mr_jpeg_encode(&out, rgb, 70000, 1, 90, "wide.jpg", &e), MR_EINVAL);
    assert_string_equal(e.message, "wide.jpg: 70000x1 pixels cannot be a JPEG");
    assert_int_equal(mr_jpeg_encode(&out, rgb, 1, 1, 90, "small.jpg", NULL), 0);
    assert_memory_equal(out.data, "\xff\xd8\xff", 3);
    mr_text_destroy(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mean_colour_tells_nothing),
        cmocka_unit_test(a_local_look_tells),
        cmocka_unit_test(image_depends_on_seed_and_index),
        cmocka_unit_test(folders_are_as_promised),
        cmocka_unit_test(splits_are_balanced),
        cmocka_unit_test(other_content_is_refused),
        cmocka_unit_test(stops_when_told),
        cmocka_unit_test(jpeg_errors),
    };
    return cmocka_run_group_tests(tests, draw_all, remove_all);
}
