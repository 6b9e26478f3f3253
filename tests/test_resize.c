/* SPDX-License-Identifier: Apache-2.0 */
/* Resizing: every vector version against the plain one over many random sizes; the plain one against Pillow
 * is in test_image.c. */
#include "tests/shared.h"

#include "io/image/resize.h"
#include "base/random.h"

#ifdef MR_SANITIZED
enum { ROUNDS = 60 };
#else
enum { ROUNDS = 600 };
#endif

static mr_philox draw;

static int between(int low, int high)
{
    return low + (int)mr_philox_below(&draw, (uint32_t)(high - low + 1));
}

/* Mostly small sizes, sometimes large ones: upward, downward, equal. */
static int any_size(void)
{
    return between(0, 9) == 0 ? between(1, 700) : between(1, 90);
}

typedef struct picture {
    mr_image image;
    uint8_t *rows[800]; /* each followed by MR_ROW_PADDING bytes of noise */
    uint8_t *block;
} picture;

/* Noise, black and white in blocks: filters that overshoot must be clipped. */
static void draw_picture(picture *p, int width, int height, int channels)
{
    size_t size = (size_t)width * (size_t)channels, stride = size + MR_ROW_PADDING;
    p->image = (mr_image){.width = width, .height = height, .channels = channels};
    p->block = malloc(stride * (size_t)height);
    bool extreme = between(0, 1);
    for (size_t i = 0; i < stride * (size_t)height; i++) {
        uint32_t r = mr_philox_u32(&draw);
        p->block[i] = extreme ? (uint8_t)(r & 1 ? 255 : 0) : (uint8_t)r;
    }
    for (int y = 0; y < height; y++)
        p->rows[y] = p->block + stride * (size_t)y;
}

static void run(const mr_resize_kernels *kernels, const picture *p, int width, int height, mr_interpolation f,
                int batch, uint8_t *bytes, float *floats)
{
    mr_resizer *r;
    mr_error e = {0};
    assert_int_equal(mr_resizer_create(&r, kernels, &e), 0);
    for (int round = 0; round < 2; round++) { /* the second time with coefficients that were kept */
        assert_int_equal(mr_resizer_begin(r, &p->image, width, height, f, &e), 0);
        for (int y = 0; y < p->image.height; y += batch) {
            int n = p->image.height - y < batch ? p->image.height - y : batch;
            mr_resizer_push(r, (const uint8_t *const *)p->rows + y, n);
        }
        if (round)
            mr_resizer_floats(r, 0.1f, -3.0f, floats);
        else
            mr_resizer_bytes(r, bytes);
    }
    mr_resizer_destroy(r);
}

static void compare(const mr_resize_kernels *kernels)
{
    picture p;
    int width = any_size(), height = any_size(), channels = between(0, 1) ? 3 : 1;
    draw_picture(&p, any_size(), any_size(), channels);
    size_t size = (size_t)width * (size_t)height * (size_t)channels;
    uint8_t *a = calloc(1, size), *b = calloc(1, size);
    float *x = malloc(size * sizeof *x), *y = malloc(size * sizeof *y);
    mr_interpolation f = (mr_interpolation)between(MR_NEAREST, MR_TF_BILINEAR);
    run(&mr_resize_plain, &p, width, height, f, between(1, MR_ROW_BATCH), a, x);
    run(kernels, &p, width, height, f, between(1, MR_ROW_BATCH), b, y);
    if (memcmp(a, b, size) || memcmp(x, y, size * sizeof *x))
        fail_msg("%s differs: %dx%dx%d to %dx%d, filter %d", kernels->name, p.image.width, p.image.height,
                 channels, width, height, (int)f);
    for (size_t i = 0; f != MR_TF_BILINEAR && i < size; i++)
        assert_true(x[i] == (float)a[i] * 0.1f + -3.0f);
    free(a);
    free(b);
    free(x);
    free(y);
    free(p.block);
}

static void vectors_equal_plain(void **state)
{
    (void)state;
    mr_philox_init(&draw, 5, MR_DRAW_TEST, 0, 0);
    for (int k = 1; mr_resize_all[k]; k++)
        for (int i = 0; mr_resize_all[k]->supported() && i < ROUNDS; i++)
            compare(mr_resize_all[k]);
    assert_true(mr_resize_best()->supported());
}

/* The weights of every output sum to 1 (within rounding), lie inside the input, and the halves make the
 * whole. */
static void weights_make_sense(void **state)
{
    (void)state;
    mr_error e = {0};
    mr_philox_init(&draw, 6, MR_DRAW_TEST, 0, 0);
    for (int i = 0; i < 300; i++) {
        mr_taps t;
        int in = any_size(), out = any_size();
        assert_int_equal(mr_taps_create(&t, in, out, (mr_interpolation)between(MR_BILINEAR, MR_BOX), &e), 0);
        for (int o = 0; o < out; o++) {
            int64_t sum = 0;
            assert_true(t.first[o] >= 0 && t.count[o] > 0 && t.first[o] + t.count[o] <= in);
            assert_true(t.lead[o] + t.count[o] <= t.most && t.most + 3 <= t.stride);
            assert_int_equal((t.first[o] - t.lead[o]) % 4, 0);
            for (int k = 0; k < t.stride; k++) {
                size_t at = (size_t)o * (size_t)t.stride + (size_t)k;
                sum += t.weights[at];
                assert_int_equal(t.weights[at], t.high[at] * 32768 + t.low[at]);
                assert_int_equal(t.weights[at],
                                 t.digit[2][at] * 65536 + t.digit[1][at] * 256 + t.digit[0][at]);
            }
            assert_in_range(sum, (1 << MR_TAP_BITS) - t.count[o], (1 << MR_TAP_BITS) + t.count[o]);
        }
        mr_taps_free(&t);
    }
}

/* A picture of one colour stays one colour, whatever the sizes and the filter. */
static void one_colour_stays(void **state)
{
    (void)state;
    mr_philox_init(&draw, 7, MR_DRAW_TEST, 0, 0);
    for (int i = 0; i < 100; i++) {
        picture p;
        int width = any_size(), height = any_size(), v = between(0, 255);
        draw_picture(&p, any_size(), any_size(), 3);
        for (int y = 0; y < p.image.height; y++)
            memset(p.rows[y], v, (size_t)p.image.width * 3);
        size_t size = (size_t)width * (size_t)height * 3;
        uint8_t *bytes = malloc(size);
        float *floats = malloc(size * sizeof *floats);
        run(mr_resize_best(), &p, width, height, (mr_interpolation)between(MR_NEAREST, MR_BOX), 8, bytes,
            floats);
        for (size_t k = 0; k < size; k++)
            assert_int_equal(bytes[k], v);
        free(bytes);
        free(floats);
        free(p.block);
    }
}

static void absurd_proportions(void **state)
{
    (void)state;
    mr_taps t;
    mr_error e = {0};
    assert_int_equal(mr_taps_create(&t, 100000000, 64, MR_LANCZOS, &e), MR_ELIMIT);
    mr_taps_free(&t);
    mr_resizer *r;
    mr_error_clear(&e);
    assert_int_equal(mr_resizer_create(&r, mr_resize_best(), &e), 0);
    mr_image line = {.width = 1, .height = 7000000, .channels = 3};
    assert_int_equal(mr_resizer_begin(r, &line, 64, 64, MR_LANCZOS, &e), MR_ELIMIT);
    mr_error_clear(&e);
    assert_int_equal(mr_resizer_begin(r, &line, 500, 64, MR_BOX, &e), MR_ELIMIT);
    assert_int_equal(mr_resizer_begin(r, &line, 500, 64, MR_BOX, NULL), MR_ELIMIT);
    /* memory goes by the pixels and by the result, not by the product of two sides */
    line.height = 1000000;
    assert_int_equal(mr_resizer_begin(r, &line, 224, 224, MR_BILINEAR, NULL), MR_ELIMIT);
    const mr_image strip = {.width = 100, .height = 20000, .channels = 3};
    assert_int_equal(mr_resizer_begin(r, &strip, 1024, 1024, MR_BILINEAR, NULL), 0);
    mr_resizer_trim(r);
    mr_resizer_destroy(r);
    mr_resizer_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_equal_plain),
        cmocka_unit_test(weights_make_sense),
        cmocka_unit_test(one_colour_stays),
        cmocka_unit_test(absurd_proportions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
