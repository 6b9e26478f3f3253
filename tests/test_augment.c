/* SPDX-License-Identifier: Apache-2.0 */
/* Augmentation against Keras's own results (../shared), against scipy and PIL (tests/data/augment.h5), and
 * every kernel against the plain one. */
#include "tests/golden.h"

#include "base/random.h"
#include "pipeline/augment/augment.h"
#include "pipeline/augment/warp.h"

#include <math.h>

/* --- goldens --- */

typedef struct golden_case {
    mr_augmentation augmentation;
    mr_transform transform;
    int height, width, channels;
    size_t count;
    float *input, *output;
} golden_case;

static void read_case(hid_t g, golden_case *c)
{
    char mode[32];
    hsize_t shape[4];
    c->augmentation = mr_augmentation_none();
    golden_text(g, "fill_mode", mode, sizeof mode);
    assert_true(mr_fill_mode_by_name(mode) >= 0);
    c->augmentation.fill_mode = (mr_fill_mode)mr_fill_mode_by_name(mode);
    c->augmentation.cval = golden_number(g, "cval", 0);
    c->transform = (mr_transform){
        .theta = golden_number(g, "theta", 0),
        .tx = golden_number(g, "tx", 0),
        .ty = golden_number(g, "ty", 0),
        .shear = golden_number(g, "shear", 0),
        .zx = golden_number(g, "zx", 1),
        .zy = golden_number(g, "zy", 1),
        .flip_horizontal = golden_number(g, "flip_horizontal", 0) != 0,
        .flip_vertical = golden_number(g, "flip_vertical", 0) != 0,
        .channel_shift = golden_number(g, "channel_shift", 0),
        .has_brightness = golden_number(g, "has_brightness", 0) != 0,
        .brightness = golden_number(g, "brightness", 1),
    };
    c->output = golden_floats(g, "output", shape);
    c->input = golden_floats(g, "input", shape);
    c->height = (int)shape[0];
    c->width = (int)shape[1];
    c->channels = (int)shape[2];
    c->count = shape[0] * shape[1] * shape[2];
}

/* Applies the case in both ways; they must agree to the bit. Returns the values that differ by more than 0.05
 * from the golden; *UNEQUAL counts those that differ at all. */
static size_t far_off(const golden_case *c, size_t *unequal)
{
    float *x = malloc(c->count * sizeof *x), *x8 = malloc(c->count * sizeof *x8);
    uint8_t *bytes = malloc(c->count);
    assert_true(x && x8 && bytes);
    for (size_t i = 0; i < c->count; i++)
        bytes[i] = (uint8_t)c->input[i];
    mr_augmentation_apply(&c->augmentation, &c->transform, c->input, c->height, c->width, c->channels, x);
    mr_augmentation_apply_u8(&c->augmentation, &c->transform, bytes, c->height, c->width, c->channels, 1, 0,
                             x8);
    assert_memory_equal(x, x8, c->count * sizeof *x);
    mr_augmentation_apply_u8(&c->augmentation, &c->transform, bytes, c->height, c->width, c->channels,
                             1 / 255.f, -.5f, x8);
    size_t off = 0;
    for (size_t i = 0; i < c->count; i++) {
        off += fabsf(x[i] - c->output[i]) > 0.05f;
        *unequal += x[i] != c->output[i];
    }
    mr_rescale(x, c->count, 1 / 255.f, -.5f);
    assert_memory_equal(x, x8, c->count * sizeof *x);
    free(x);
    free(x8);
    free(bytes);
    return off;
}

/* Every case of FILE. Values equal to the bit everywhere, but for at most ONE_IN (a coordinate exactly on the
 * border can fall on either side with the last bit of a sine). */
static void check_golden_file(const char *path, int cases, size_t one_in)
{
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    assert_true(file >= 0);
    size_t total = 0, unequal = 0;
    for (int n = 0; n < cases; n++) {
        char name[16];
        snprintf(name, sizeof name, "case_%02d", n);
        hid_t g = H5Gopen2(file, name, H5P_DEFAULT);
        assert_true(g >= 0);
        golden_case c;
        read_case(g, &c);
        size_t off = far_off(&c, &unequal);
        if (off)
            print_message("# %s: %zu of %zu values are off by more than 0.05\n", name, off, c.count);
        assert_true(off * 1000 <= c.count);
        total += c.count;
        free(c.input);
        free(c.output);
        H5Gclose(g);
    }
    H5Fclose(file);
    print_message("# %zu of %zu values are not equal to the bit\n", unequal, total);
    assert_true(unequal * one_in <= total);
}

static void equals_keras(void **state)
{
    (void)state;
    check_golden_file(shared_or_skip("golden/images/affine.h5"), 24, 10000);
}

static void equals_scipy_and_pil(void **state)
{
    (void)state;
    char path[1024];
    snprintf(path, sizeof path, "%s/tests/data/augment.h5",
             getenv("MILLRACE_SRC") ? getenv("MILLRACE_SRC") : ".");
    check_golden_file(path, 36, 1000);
}

/* --- kernels against the plain one --- */

static double random_between(mr_philox *g, double low, double high)
{
    return mr_philox_uniform(g, low, high);
}

/* An image between guard bytes, in exactly sized memory, so that a sanitizer sees a read beyond it. */
static uint8_t *random_bytes(mr_philox *g, size_t count)
{
    uint8_t *bytes = malloc(count);
    assert_non_null(bytes);
    for (size_t i = 0; i < count; i++)
        bytes[i] = (uint8_t)mr_philox_u32(g);
    return bytes;
}

static void random_map(mr_philox *g, mr_warp *w, int round)
{
    double reach = round % 5 == 4 ? 1e3 : 1.3;
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++)
            w->matrix[i][j] = round % 7 == 6 ? (i == j) : random_between(g, -1, 1) * reach;
        w->shift[i] = random_between(g, -1, 1) * (i ? w->width : w->height) * reach;
    }
    if (round % 7 == 6) /* whole and half steps: coordinates exactly on pixels and borders */
        for (int i = 0; i < 2; i++)
            w->shift[i] = floor(w->shift[i] * 2) / 2;
    if (round % 31 == 30)
        w->shift[round % 2] = round % 3 ? 1e300 : (double)NAN;
}

static void compare_kernels(const mr_warp *w, const uint8_t *bytes, const float *floats)
{
    size_t size = (size_t)w->height * (size_t)w->width * (size_t)w->channels * sizeof(float);
    float *want = malloc(size), *got = malloc(size);
    assert_true(want && got);
    mr_warp_u8(w, mr_warp_kernels[0], bytes, want);
    for (int k = 0; k < mr_warp_kernel_count; k++) {
        if (!mr_warp_kernels[k]->usable())
            continue;
        memset(got, 0x55, size);
        mr_warp_u8(w, mr_warp_kernels[k], bytes, got);
        assert_memory_equal(got, want, size);
        memset(got, 0x55, size);
        mr_warp_float(w, mr_warp_kernels[k], floats, got);
        assert_memory_equal(got, want, size);
    }
    free(want);
    free(got);
}

static void kernels_give_the_same_bytes(void **state)
{
    (void)state;
    mr_philox g;
    mr_philox_init(&g, 7, MR_DRAW_TEST, 0, 0);
#ifdef MR_SANITIZED
    const int rounds = 400;
#else
    const int rounds = 4000;
#endif
    static const int channels[] = {3, 1, 3, 2, 4, 5};
    for (int round = 0; round < rounds; round++) {
        mr_warp w = {.channels = channels[mr_philox_below(&g, 6)]};
        w.height = 1 + (int)mr_philox_below(&g, 40);
        w.width = 1 + (int)mr_philox_below(&g, 40);
        w.flip_horizontal = mr_philox_below(&g, 2);
        w.flip_vertical = mr_philox_below(&g, 2);
        w.mode = (mr_fill_mode)mr_philox_below(&g, 4);
        w.cval = 17;
        w.scale = round % 2 ? 1 : 1 / 127.5f;
        w.bias = round % 2 ? 0 : -1;
        random_map(&g, &w, round);
        size_t count = (size_t)w.height * (size_t)w.width * (size_t)w.channels;
        uint8_t *bytes = random_bytes(&g, count);
        float *floats = malloc(count * sizeof *floats);
        assert_non_null(floats);
        for (size_t i = 0; i < count; i++)
            floats[i] = bytes[i];
        compare_kernels(&w, bytes, floats);
        free(bytes);
        free(floats);
    }
}

static void a_vector_kernel_is_in_use(void **state)
{
    (void)state;
    print_message("# the best kernel here is %s\n", mr_warp_best_kernel()->name);
#if defined __x86_64__
    if (__builtin_cpu_supports("avx2"))
        assert_string_not_equal(mr_warp_best_kernel()->name, "plain");
#endif
}

/* --- drawing --- */

static mr_augmentation everything(void)
{
    mr_augmentation a = mr_augmentation_none();
    a.rotation_range = 20;
    a.width_shift_range = a.height_shift_range = 0.05;
    a.shear_range = 0.05;
    a.zoom_range[0] = 0.95;
    a.zoom_range[1] = 1.05;
    a.horizontal_flip = a.vertical_flip = true;
    a.has_brightness = true;
    a.brightness_range[0] = 0.5;
    a.brightness_range[1] = 1.5;
    a.channel_shift_range = 10;
    return a;
}

static void draws_depend_on_seed_epoch_and_sample_alone(void **state)
{
    (void)state;
    mr_augmentation a = everything();
    mr_transform t, again, other;
    memset(&t, 0, sizeof t);
    memset(&again, 0, sizeof again);
    for (uint64_t sample = 0; sample < 100; sample++) {
        mr_augmentation_draw(&a, 1, 2, sample, 64, 48, &t);
        mr_augmentation_draw(&a, 5, 2, sample + 1, 64, 48, &other);
        mr_augmentation_draw(&a, 1, 2, sample, 64, 48, &again);
        assert_memory_equal(&t, &again, sizeof t);
        mr_augmentation_draw(&a, 1, 3, sample, 64, 48, &other);
        assert_true(t.theta != other.theta && t.zx != other.zx && t.tx != other.tx);
        mr_augmentation_draw(&a, 2, 2, sample, 64, 48, &other);
        assert_true(t.theta != other.theta);
        mr_augmentation_draw(&a, 1, 2, sample + 100, 64, 48, &other);
        assert_true(t.theta != other.theta);
    }
}

static void setting_one_range_changes_no_other_draw(void **state)
{
    (void)state;
    mr_augmentation a = everything(), zoom_only = mr_augmentation_none();
    zoom_only.zoom_range[0] = 0.95;
    zoom_only.zoom_range[1] = 1.05;
    mr_transform t, z;
    mr_augmentation_draw(&a, 3, 0, 11, 64, 64, &t);
    mr_augmentation_draw(&zoom_only, 3, 0, 11, 64, 64, &z);
    assert_true(t.zx == z.zx && t.zy == z.zy);
    assert_true(z.theta == 0 && z.tx == 0 && z.shear == 0 && !z.flip_horizontal && z.channel_shift == 0 &&
                !z.has_brightness);
}

static void draws_stay_in_their_ranges(void **state)
{
    (void)state;
    mr_augmentation a = everything();
    int flips = 0;
    double theta_low = 0, theta_high = 0, sum = 0;
    for (uint64_t i = 0; i < 10000; i++) {
        mr_transform t;
        mr_augmentation_draw(&a, 1, 0, i, 64, 48, &t);
        assert_true(fabs(t.theta) <= 20 && fabs(t.shear) <= 0.05 && fabs(t.tx) <= 3.2 && fabs(t.ty) <= 2.4);
        assert_true(t.zx >= 0.95 && t.zx <= 1.05 && t.zy >= 0.95 && t.zy <= 1.05 && t.zx != t.zy);
        assert_true(t.brightness >= 0.5 && t.brightness <= 1.5 && fabs(t.channel_shift) <= 10);
        theta_low = fmin(theta_low, t.theta);
        theta_high = fmax(theta_high, t.theta);
        sum += t.theta;
        flips += t.flip_horizontal;
    }
    assert_true(theta_low < -19.9 && theta_high > 19.9 && fabs(sum / 10000) < 0.5);
    assert_in_range(flips, 4800, 5200);
}

static void shifts_of_one_and_more_are_pixels(void **state)
{
    (void)state;
    mr_augmentation a = mr_augmentation_none();
    a.width_shift_range = 3;    /* whole: -2 … 2 */
    a.height_shift_range = 2.5; /* pixels, any */
    int seen[5] = {0};
    for (uint64_t i = 0; i < 1000; i++) {
        mr_transform t;
        mr_augmentation_draw(&a, 1, 0, i, 64, 64, &t);
        assert_true(t.ty == floor(t.ty) && fabs(t.ty) <= 2);
        seen[(int)t.ty + 2]++;
        assert_true(fabs(t.tx) <= 2.5);
    }
    for (int i = 0; i < 5; i++)
        assert_true(seen[i] > 100);
    assert_true(seen[2] > 250); /* 0 comes twice: as Keras draws a number and a sign */
}

static void nothing_set_changes_nothing(void **state)
{
    (void)state;
    mr_augmentation a = mr_augmentation_none(), flips = mr_augmentation_none();
    flips.horizontal_flip = true;
    assert_true(mr_augmentation_is_none(&a));
    assert_false(mr_augmentation_is_none(&flips));
    mr_transform t, identity = mr_transform_identity();
    mr_augmentation_draw(&a, 9, 1, 5, 4, 3, &t);
    assert_true(t.theta == 0 && t.tx == 0 && t.ty == 0 && t.shear == 0 && t.zx == 1 && t.zy == 1);
    float x[36], y[36], z[36];
    uint8_t bytes[36];
    for (int i = 0; i < 36; i++)
        x[i] = bytes[i] = (uint8_t)(7 * i);
    mr_augmentation_apply(&a, &t, x, 4, 3, 3, y);
    assert_memory_equal(x, y, sizeof x);
    mr_augmentation_apply_u8(&a, &identity, bytes, 4, 3, 3, 1, 0, z);
    assert_memory_equal(x, z, sizeof x);
}

static void fill_modes_have_names(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(mr_fill_mode_by_name(mr_fill_mode_name((mr_fill_mode)i)), i);
    assert_int_equal(mr_fill_mode_by_name("mirror"), -1);
    assert_null(mr_fill_mode_name((mr_fill_mode)4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_keras),
        cmocka_unit_test(equals_scipy_and_pil),
        cmocka_unit_test(kernels_give_the_same_bytes),
        cmocka_unit_test(a_vector_kernel_is_in_use),
        cmocka_unit_test(draws_depend_on_seed_epoch_and_sample_alone),
        cmocka_unit_test(setting_one_range_changes_no_other_draw),
        cmocka_unit_test(draws_stay_in_their_ranges),
        cmocka_unit_test(shifts_of_one_and_more_are_pixels),
        cmocka_unit_test(nothing_set_changes_nothing),
        cmocka_unit_test(fill_modes_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
