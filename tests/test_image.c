/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding and resizing against Pillow's and Keras's results (../shared/golden/images/resize.h5), limits,
 * damage, DCT scaling, the whole preprocessing contract. */
#include "tests/files.h"

#include "io/image/image.h"

#include <hdf5.h>
#include <math.h>

static mr_decoder *decoder;
static hid_t goldens = -1;

static int start(void **state)
{
    (void)state;
    mr_error e = {0};
    const char *path = shared_path("golden/images/resize.h5");
    if (path)
        goldens = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    return mr_decoder_create(&decoder, (mr_decode_limits){.max_pixels = 10000000}, &e);
}

static int stop(void **state)
{
    (void)state;
    mr_decoder_destroy(decoder);
    mr_decoder_destroy(NULL);
    return goldens >= 0 ? H5Fclose(goldens) : 0;
}

static uint8_t *source(const char *name, size_t *size)
{
    char path[300];
    snprintf(path, sizeof path, "golden/images/src/%s", name);
    uint8_t *bytes = read_file(shared_path(path), size);
    assert_non_null(bytes);
    return bytes;
}

/* The pixels belong to the decoder. */
static mr_image decode(const char *name)
{
    size_t size;
    mr_image image;
    mr_error e = {0};
    mr_preprocess pre = mr_preprocess_default();
    uint8_t *bytes = source(name, &size);
    assert_int_equal(mr_decode(decoder, bytes, size, &pre, &image, &e), 0);
    free(bytes);
    return image;
}

/* --- goldens ---------------------------------------------------------------------------------- */

/* Dataset PATH [H,W,3] of TYPE, malloc'ed, or NULL where there is none. */
static void *golden(const char *path, hid_t type, size_t item, int *height, int *width)
{
    if (H5Lexists(goldens, path, H5P_DEFAULT) <= 0)
        return NULL;
    hid_t set = H5Dopen2(goldens, path, H5P_DEFAULT), space = H5Dget_space(set);
    hsize_t dims[3];
    assert_int_equal(H5Sget_simple_extent_dims(space, dims, NULL), 3);
    void *values = malloc((size_t)(dims[0] * dims[1] * dims[2]) * item);
    assert_true(H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    *height = (int)dims[0];
    *width = (int)dims[1];
    H5Sclose(space);
    H5Dclose(set);
    return values;
}

/* Calls VISIT with the name of every source image. */
static void each_source(void (*visit)(const char *name))
{
    char name[200];
    hsize_t count;
    if (goldens < 0)
        skip();
    assert_true(H5Gget_num_objs(goldens, &count) >= 0);
    assert_true(count >= 7);
    for (hsize_t i = 0; i < count; i++) {
        assert_true(H5Gget_objname_by_idx(goldens, i, name, sizeof name) > 0);
        visit(name);
    }
}

static void check_decoded(const char *name)
{
    char path[300];
    int height, width;
    snprintf(path, sizeof path, "%s/decoded", name);
    uint8_t *wanted = golden(path, H5T_NATIVE_UINT8, 1, &height, &width);
    mr_image image = decode(name);
    if (!wanted)
        return;
    assert_int_equal(image.width, width);
    assert_int_equal(image.height, height);
    assert_memory_equal(image.pixels, wanted, (size_t)height * (size_t)width * 3);
    free(wanted);
}

static void decoded(void **state)
{
    (void)state;
    each_source(check_decoded);
}

static const char *filter_group(int f)
{
    static char group[32];
    snprintf(group, sizeof group, "pil-%s", mr_interpolation_name((mr_interpolation)f));
    return f == MR_TF_BILINEAR ? "keras-bilinear" : group;
}

/* Equal to Pillow's, to the bit. */
static void check_bytes(const char *name, const char *path, const mr_image *image, int f)
{
    int height, width;
    mr_error e = {0};
    uint8_t *wanted = golden(path, H5T_NATIVE_UINT8, 1, &height, &width);
    size_t size = (size_t)height * (size_t)width * 3;
    uint8_t *got = malloc(size);
    assert_int_equal(mr_resize(decoder, image, width, height, (mr_interpolation)f, got, &e), 0);
    for (size_t i = 0; i < size; i++)
        if (got[i] != wanted[i])
            fail_msg("%s %s: %d instead of %d at %zu", name, path, got[i], wanted[i], i);
    float *floats = malloc(size * sizeof *floats);
    assert_int_equal(mr_resize_float(decoder, image, width, height, (mr_interpolation)f, floats, &e), 0);
    for (size_t i = 0; i < size; i++)
        assert_true(floats[i] == (float)wanted[i]);
    free(floats);
    free(got);
    free(wanted);
}

static void check_floats(const char *name, const char *path, const mr_image *image)
{
    int height, width;
    mr_error e = {0};
    float *wanted = golden(path, H5T_NATIVE_FLOAT, sizeof *wanted, &height, &width);
    size_t size = (size_t)height * (size_t)width * 3;
    float *got = malloc(size * sizeof *got);
    assert_int_equal(mr_resize_float(decoder, image, width, height, MR_TF_BILINEAR, got, &e), 0);
    for (size_t i = 0; i < size; i++)
        if (!(fabsf(got[i] - wanted[i]) <=
              5e-3f)) /* positions of some hundred pixels have 5 digits after the point */
            fail_msg("%s %s: %g instead of %g at %zu", name, path, got[i], wanted[i], i);
    free(got);
    free(wanted);
}

static void check_resized(const char *name)
{
    char group[300], path[600], size[64];
    mr_image image = decode(name);
    for (int f = 0; f < MR_INTERPOLATIONS; f++) {
        hsize_t count;
        snprintf(group, sizeof group, "%s/%s", name, filter_group(f));
        hid_t g = H5Gopen2(goldens, group, H5P_DEFAULT);
        assert_true(g >= 0);
        assert_true(H5Gget_num_objs(g, &count) >= 0 && count >= 2);
        for (hsize_t i = 0; i < count; i++) {
            assert_true(H5Gget_objname_by_idx(g, i, size, sizeof size) > 0);
            snprintf(path, sizeof path, "%s/%s", group, size);
            if (f == MR_TF_BILINEAR)
                check_floats(name, path, &image);
            else
                check_bytes(name, path, &image, f);
        }
        H5Gclose(g);
    }
}

static void resized(void **state)
{
    (void)state;
    each_source(check_resized);
}

/* The same without the scaling, as bytes. */
static void check_loaded_bytes(const uint8_t *bytes, size_t size, const mr_preprocess *pre,
                               const float *wanted)
{
    mr_error e = {0};
    uint8_t got[41 * 97 * 3];
    int status = mr_load_bytes(decoder, bytes, size, pre, got, &e);
    assert_int_equal(status, pre->interpolation == MR_TF_BILINEAR ? MR_EINVAL : 0);
    for (size_t i = 0; !status && i < 41 * 97 * (size_t)pre->color_mode; i++)
        assert_true((float)got[i] == wanted[i]);
}

/* Rows resized as they come are the same as a whole image resized. */
static void check_loaded(const char *name)
{
    size_t size;
    mr_error e = {0};
    uint8_t *bytes = source(name, &size);
    mr_preprocess pre = mr_preprocess_default();
    pre.height = 41;
    pre.width = 97;
    pre.rescale = 1 / 127.5;
    pre.offset = -1;
    float wanted[41 * 97 * 3], got[41 * 97 * 3];
    for (int gray = 0; gray < 2; gray++)
        for (int f = 0; f < MR_INTERPOLATIONS; f++) {
            mr_image image;
            pre.color_mode = gray ? MR_COLOR_GRAYSCALE : MR_COLOR_RGB;
            pre.interpolation = (mr_interpolation)f;
            assert_int_equal(mr_decode(decoder, bytes, size, &pre, &image, &e), 0);
            assert_int_equal(mr_resize_float(decoder, &image, 97, 41, pre.interpolation, wanted, &e), 0);
            assert_int_equal(mr_load_pixels(decoder, bytes, size, &pre, got, &e), 0);
            for (size_t i = 0; i < 41 * 97 * (size_t)image.channels; i++)
                assert_true(got[i] == wanted[i] * (float)pre.rescale + (float)pre.offset);
            check_loaded_bytes(bytes, size, &pre, wanted);
        }
    free(bytes);
}

static void loaded(void **state)
{
    (void)state;
    each_source(check_loaded);
}

/* --- damage, limits --------------------------------------------------------------------------- */

static int status_of(const void *bytes, size_t size, mr_error *e)
{
    mr_image image;
    mr_preprocess pre = mr_preprocess_default();
    float *x = malloc(64 * 64 * 3 * sizeof *x);
    mr_error again = {0};
    *e = (mr_error){0};
    int status = mr_decode(decoder, bytes, size, &pre, &image, e);
    assert_int_equal(mr_load_pixels(decoder, bytes, size, &pre, x, &again), status);
    assert_string_equal(e->message, again.message);
    assert_int_equal(status, e->code);
    free(x);
    return status;
}

static void refused_kinds(void **state)
{
    (void)state;
    mr_error e;
    assert_int_equal(status_of("", 0, &e), MR_EFORMAT);
    assert_non_null(strstr(e.message, "empty"));
    assert_int_equal(status_of("hello, world", 12, &e), MR_EFORMAT);
    assert_int_equal(status_of("GIF89a..........", 16, &e), MR_EUNSUPPORTED);
    assert_non_null(strstr(e.message, "GIF"));
    assert_int_equal(status_of("RIFF\0\0\0\0WEBPVP8 ", 16, &e), MR_EUNSUPPORTED);
    assert_int_equal(status_of("BM\x36\0\0\0\0\0\0\0", 10, &e), MR_EUNSUPPORTED);
    assert_int_equal(status_of("II*\0\x08\0\0\0", 8, &e), MR_EUNSUPPORTED);
    assert_int_equal(status_of("\xff\xd8\xff", 3, &e), MR_EFORMAT);
    assert_int_equal(status_of("\x89PNG\r\n\x1a\n", 8, &e), MR_EFORMAT);
    assert_int_equal(mr_image_sniff("\xff\xd8", 2), MR_KIND_UNKNOWN);
    assert_string_equal(mr_image_kind_name(MR_KIND_WEBP), "WebP");
    assert_string_equal(mr_image_kind_name(MR_KIND_UNKNOWN), "unknown");
}

/* Cut anywhere: an error, or (where only the end marker is missing) the whole image; the next image is whole
 * again. */
static void check_cuts(const char *name)
{
    size_t size;
    mr_error e;
    uint8_t *bytes = source(name, &size);
    for (size_t cut = 0; cut < size; cut += cut < 700 ? 7 : 1 + size / 61) {
        uint8_t *part = malloc(cut + 1); /* its own block, so that a read behind it is seen */
        memcpy(part, bytes, cut);
        int status = status_of(part, cut, &e);
        if (cut + 64 < size)
            assert_int_equal(status, MR_EFORMAT);
        free(part);
    }
    assert_int_equal(status_of(bytes, size, &e), 0);
    free(bytes);
}

static void cuts(void **state)
{
    (void)state;
    if (goldens < 0)
        skip();
    check_cuts("peacock.s2x1-422.jpeg");
    check_cuts("C100P61ThinF_IMG_20150918_144104_cell_162.png");
}

/* Bytes changed at random: any result, but no crash, and the decoder goes on. */
static void check_noise(const char *name, int rounds)
{
    size_t size;
    mr_error e;
    uint8_t *bytes = source(name, &size), *bad = malloc(size);
    unsigned seed = 1;
    for (int i = 0; i < rounds; i++) {
        memcpy(bad, bytes, size);
        for (int k = 0; k <= i % 5; k++)
            bad[(size_t)rand_r(&seed) % (k % 2 ? size : size < 700 ? size : 700)] = (uint8_t)rand_r(&seed);
        status_of(bad, size, &e);
    }
    assert_int_equal(status_of(bytes, size, &e), 0);
    free(bad);
    free(bytes);
}

static void noise(void **state)
{
    (void)state;
    if (goldens < 0)
        skip();
    check_noise("peacock.s2x1-422.jpeg", 400);
    check_noise("C100P61ThinF_IMG_20150918_144104_cell_162.png", 200);
}

static void pixel_limit(void **state)
{
    (void)state;
    size_t size;
    mr_decoder *d;
    mr_image image;
    mr_error e = {0};
    mr_preprocess pre = mr_preprocess_default();
    if (goldens < 0)
        skip();
    static const char *const names[] = {"peacock.s2x1-422.jpeg",
                                        "C100P61ThinF_IMG_20150918_144104_cell_162.png"};
    static const int64_t pixels[] = {75 * 100, 148 * 142};
    for (int i = 0; i < 2; i++) {
        uint8_t *bytes = source(names[i], &size);
        assert_int_equal(mr_decoder_create(&d, (mr_decode_limits){.max_pixels = pixels[i] - 1}, &e), 0);
        assert_int_equal(mr_decode(d, bytes, size, &pre, &image, &e), MR_ELIMIT);
        assert_non_null(strstr(e.hint, "--max-pixels"));
        mr_error_clear(&e);
        mr_decoder_destroy(d);
        assert_int_equal(mr_decoder_create(&d, (mr_decode_limits){.max_pixels = pixels[i]}, &e), 0);
        assert_int_equal(mr_decode(d, bytes, size, &pre, &image, &e), 0);
        mr_decoder_destroy(d);
        free(bytes);
    }
}

/* A JPEG without tables of its own after one with: the stranger's tables must not be used. */
static void tables_are_forgotten(void **state)
{
    (void)state;
    size_t size, out = 2;
    mr_error e;
    if (goldens < 0)
        skip();
    uint8_t *bytes = source("peacock.s2x1-422.jpeg", &size), *bare = malloc(size);
    memcpy(bare, bytes, 2);
    size_t at = 2;
    while (bytes[at + 1] != 0xda) { /* copy all segments but the quantisation tables */
        size_t length = 2 + (size_t)bytes[at + 2] * 256 + bytes[at + 3];
        if (bytes[at + 1] != 0xdb) {
            memcpy(bare + out, bytes + at, length);
            out += length;
        }
        at += length;
    }
    memcpy(bare + out, bytes + at, size - at);
    assert_int_equal(status_of(bytes, size, &e), 0);
    assert_int_equal(status_of(bare, out + size - at, &e), MR_EFORMAT);
    assert_non_null(strstr(e.message, "uantization"));
    free(bare);
    free(bytes);
}

/* The end of the scan that starts at AT: the next marker that is not within entropy-coded data. */
static size_t end_of_scan(const uint8_t *bytes, size_t size, size_t at)
{
    for (at += 2; at + 1 < size; at++)
        if (bytes[at] == 0xff && bytes[at + 1] != 0 && (bytes[at + 1] & 0xf8) != 0xd0)
            break;
    return at;
}

/* A progressive file whose last scan comes again and again: each would cost a pass over the image. */
static void scan_bomb(void **state)
{
    (void)state;
    size_t size, last = 0;
    mr_error e;
    enum { TIMES = 600 };
    if (goldens < 0)
        skip();
    uint8_t *bytes = source("tower_progressive.jpg", &size);
    for (size_t at = 2; at + 1 < size; at++)
        if (bytes[at] == 0xff && bytes[at + 1] == 0xda)
            last = at;
    size_t scan = end_of_scan(bytes, size, last) - last, at = last;
    uint8_t *bomb = malloc(last + TIMES * scan);
    memcpy(bomb, bytes, last);
    for (int i = 0; i < TIMES; i++, at += scan)
        memcpy(bomb + at, bytes + last, scan);
    assert_int_equal(status_of(bomb, at, &e), MR_ELIMIT);
    assert_non_null(strstr(e.message, "scans"));
    assert_int_equal(status_of(bytes, size, &e), 0);
    free(bomb);
    free(bytes);
}

/* 5,076 bytes of 65500x2732 pixels in 498 scans without data. */
static void empty_scans(void **state)
{
    (void)state;
    size_t size = 0;
    char path[1024];
    mr_error e;
    snprintf(path, sizeof path, "%s/tests/data/scan_bomb.jpg",
             getenv("MILLRACE_SRC") ? getenv("MILLRACE_SRC") : ".");
    uint8_t *bytes = read_file(path, &size);
    assert_non_null(bytes);
    /* the same with a height of 100 rows, for the test to be short */
    for (size_t at = 2; at + 9 < size; at++)
        if (bytes[at] == 0xff && (bytes[at + 1] & 0xf0) == 0xc0 && bytes[at + 1] != 0xc4 &&
            bytes[at + 1] != 0xcc) {
            bytes[at + 5] = 0;
            bytes[at + 6] = 100;
            break;
        }
    assert_int_equal(status_of(bytes, size, &e), MR_ELIMIT);
    assert_non_null(strstr(e.message, "65500x100 pixels: too many for a file of 5076 bytes"));
    /* that is known before memory is taken; the coefficients of a few scans come out of what decoders share, and go back */
    mr_allowance *memory;
    mr_decoder *d;
    mr_image image;
    const mr_preprocess pre = mr_preprocess_default();
    assert_int_equal(mr_allowance_create(&memory, 1 << 20, NULL), 0);
    assert_int_equal(
        mr_decoder_create(&d, (mr_decode_limits){.max_pixels = 10000000, .memory = memory}, NULL), 0);
    assert_int_equal(mr_decode(d, bytes, size, &pre, &image, NULL), MR_ELIMIT);
    assert_true(mr_allowance_peak(memory) < 65500 * 100);
    assert_true(mr_decode(d, bytes, size / 25, &pre, &image, NULL) != MR_ELIMIT);
    assert_true(mr_allowance_peak(memory) >= 65500 * 100 * 3 * 2);
    mr_allowance_take(memory, 1 << 20);
    mr_decoder_destroy(d);
    mr_allowance_destroy(memory);
    free(bytes);
}

/* --- other formats' pixels ---------------------------------------------------------------------- */

static void as_listed(void **state)
{
    (void)state;
    static const char *const names[] = {"cmyk.jpg", "gray16.png", "gray_alpha.png",
                                        "rgba.png", "trns.png",   "progressive.jpg"};
    hid_t file = H5Fopen(shared_or_skip("formats/pixels.h5"), H5F_ACC_RDONLY, H5P_DEFAULT), before = goldens;
    goldens = file;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[300];
        int height, width;
        size_t size = 0;
        mr_image image;
        mr_error e = {0};
        mr_preprocess pre = mr_preprocess_default();
        snprintf(path, sizeof path, "formats/%s", names[i]);
        uint8_t *bytes = read_file(shared_path(path), &size);
        uint8_t *wanted = golden(names[i], H5T_NATIVE_UINT8, 1, &height, &width);
        assert_int_equal(mr_decode(decoder, bytes, size, &pre, &image, &e), 0);
        if (memcmp(image.pixels, wanted, (size_t)height * (size_t)width * 3))
            fail_msg("%s: other pixels", names[i]);
        free(wanted);
        free(bytes);
    }
    goldens = before;
    H5Fclose(file);
}

/* --- DCT scaling ------------------------------------------------------------------------------ */

static void scaled_size(const uint8_t *bytes, size_t size, int width, int height, int denominator)
{
    mr_image image;
    mr_error e = {0};
    mr_preprocess pre = mr_preprocess_default();
    pre.width = width;
    pre.height = height;
    pre.dct_scaling = true;
    assert_int_equal(mr_decode(decoder, bytes, size, &pre, &image, &e), 0);
    assert_int_equal(image.width, (512 + denominator - 1) / denominator);
    assert_int_equal(image.height, (512 + denominator - 1) / denominator);
    assert_true(image.width >= width || denominator == 1);
    assert_true(image.height >= height || denominator == 1);
}

static void dct_scaling(void **state)
{
    (void)state;
    size_t size;
    if (goldens < 0)
        skip();
    uint8_t *bytes = source("tower_progressive.jpg", &size);
    scaled_size(bytes, size, 64, 64, 8);
    scaled_size(bytes, size, 64, 65, 4);
    scaled_size(bytes, size, 128, 1, 4);
    scaled_size(bytes, size, 129, 1, 2);
    scaled_size(bytes, size, 1, 257, 1);
    scaled_size(bytes, size, 600, 600, 1);
    free(bytes);
}

static void scaled_is_close(void **state)
{
    (void)state;
    size_t size;
    mr_error e = {0};
    mr_preprocess pre = mr_preprocess_default();
    pre.interpolation = MR_BOX;
    pre.rescale = 1;
    float *plain = malloc(64 * 64 * 3 * sizeof *plain), *scaled = malloc(64 * 64 * 3 * sizeof *scaled);
    if (goldens < 0)
        skip();
    uint8_t *bytes = source("tower_progressive.jpg", &size);
    assert_int_equal(mr_load_pixels(decoder, bytes, size, &pre, plain, &e), 0);
    pre.dct_scaling = true;
    assert_int_equal(mr_load_pixels(decoder, bytes, size, &pre, scaled, &e), 0);
    double sum = 0;
    for (int i = 0; i < 64 * 64 * 3; i++)
        sum += fabsf(plain[i] - scaled[i]);
    assert_true(sum / (64 * 64 * 3) < 3); /* the DCT's own averaging is nearly that of the box */
    free(plain);
    free(scaled);
    free(bytes);
}

static void wrong_arguments(void **state)
{
    (void)state;
    uint8_t pixels[3] = {0}, out[3];
    mr_error e = {0};
    mr_image image = {.width = 1, .height = 1, .channels = 3, .pixels = pixels};
    assert_int_equal(mr_resize(decoder, &image, 0, 5, MR_NEAREST, out, &e), MR_EINVAL);
    mr_error_clear(&e);
    assert_int_equal(mr_resize(decoder, &image, 1, 1, MR_TF_BILINEAR, out, &e), MR_EINVAL);
    mr_error_clear(&e);
    assert_int_equal(mr_resize(decoder, &image, 1, 1, MR_INTERPOLATIONS, out, &e), MR_EINVAL);
    mr_error_clear(&e);
    image.channels = 4;
    assert_int_equal(mr_resize(decoder, &image, 1, 1, MR_BOX, out, &e), MR_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoded),
        cmocka_unit_test(resized),
        cmocka_unit_test(loaded),
        cmocka_unit_test(refused_kinds),
        cmocka_unit_test(cuts),
        cmocka_unit_test(noise),
        cmocka_unit_test(pixel_limit),
        cmocka_unit_test(tables_are_forgotten),
        cmocka_unit_test(scan_bomb),
        cmocka_unit_test(empty_scans),
        cmocka_unit_test(as_listed),
        cmocka_unit_test(dct_scaling),
        cmocka_unit_test(scaled_is_close),
        cmocka_unit_test(wrong_arguments),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
