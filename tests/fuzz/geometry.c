/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters of resizing and of augmentation, any at all: nothing is read or written outside of the images,
 * and the best kernel of this processor gives the bytes of the plain one. */
#include "tests/fuzz/fuzz.h"

#include "io/image/resize.h"
#include "pipeline/augment/augment.h"
#include "pipeline/augment/warp.h"

#include <stdlib.h>
#include <string.h>

enum { SIDE = 40, LONG_SIDE = 700 };

/* Exactly SIZE bytes, so that the sanitizer sees one step beyond; filled from a sequence that SEED starts. */
static uint8_t *noise(size_t size, uint32_t seed)
{
    uint8_t *p = malloc(size);
    for (size_t i = 0; p && i < size; i++) {
        seed = seed * 1664525u + 1013904223u;
        p[i] = (uint8_t)(seed >> 24);
    }
    return p;
}

static void *block(size_t size)
{
    void *p = calloc(1, size);
    if (!p)
        fuzz_fail("out of memory");
    return p;
}

/* One side is long now and then: more taps, more groups. */
static int side(fuzz_bytes *b)
{
    return fuzz_take(b, 1) % 8 ? fuzz_int(b, 1, SIDE) : fuzz_int(b, 1, LONG_SIDE);
}

/* SOURCE, whose rows have the padding that the resizer may read, to WIDTH x HEIGHT bytes; NULL: refused. */
static uint8_t *resized(const mr_resize_kernels *kernels, const mr_image *source, int width, int height,
                        mr_interpolation f)
{
    mr_resizer *r = NULL;
    mr_error e = {0};
    size_t row = (size_t)source->width * (size_t)source->channels;
    uint8_t *out = block((size_t)width * (size_t)height * (size_t)source->channels),
            *padded = block(row + MR_ROW_PADDING);
    int status = mr_resizer_create(&r, kernels, &e);
    if (!status)
        status = mr_resizer_begin(r, source, width, height, f, &e);
    for (int y = 0; !status && y < source->height; y++) {
        const uint8_t *rows[1] = {padded};
        memcpy(padded, source->pixels + (size_t)y * row, row);
        mr_resizer_push(r, rows, 1);
    }
    fuzz_judge(status, &e);
    if (!status)
        mr_resizer_bytes(r, out);
    mr_resizer_destroy(r);
    free(padded);
    if (status) {
        free(out);
        return NULL;
    }
    return out;
}

static void resize(fuzz_bytes *b)
{
    mr_image source = {.channels = fuzz_take(b, 1) % 2 ? 3 : 1};
    mr_interpolation f = (mr_interpolation)fuzz_int(b, 0, MR_TF_BILINEAR - 1);
    source.width = side(b);
    source.height = side(b);
    int width = side(b), height = side(b);
    source.pixels =
        noise((size_t)source.width * (size_t)source.height * (size_t)source.channels, fuzz_take(b, 2));
    uint8_t *plain = resized(&mr_resize_plain, &source, width, height, f);
    uint8_t *best = resized(mr_resize_best(), &source, width, height, f);
    if (!plain != !best ||
        (plain && memcmp(plain, best, (size_t)width * (size_t)height * (size_t)source.channels)))
        fuzz_fail("the kernels of resizing differ");
    free(plain);
    free(best);
    free(source.pixels);
}

static void warp(fuzz_bytes *b)
{
    mr_warp w = {
        .height = fuzz_int(b, 1, SIDE), .width = fuzz_int(b, 1, SIDE), .channels = fuzz_int(b, 1, 5)};
    w.mode = (mr_fill_mode)fuzz_int(b, 0, MR_FILL_WRAP);
    w.flip_horizontal = fuzz_take(b, 1) & 1;
    w.flip_vertical = fuzz_take(b, 1) & 1;
    for (int i = 0; i < 4; i++)
        w.matrix[i / 2][i % 2] = fuzz_take(b, 1) % 4 ? fuzz_int(b, -400, 400) / 100. : fuzz_double(b);
    for (int i = 0; i < 2; i++)
        w.shift[i] = fuzz_take(b, 1) % 4 ? fuzz_int(b, -9000, 9000) / 100. : fuzz_double(b);
    w.cval = fuzz_int(b, -300, 300);
    w.scale = 1;
    size_t size = (size_t)w.height * (size_t)w.width * (size_t)w.channels;
    uint8_t *source = noise(size, fuzz_take(b, 2));
    float *plain = block(size * sizeof *plain), *best = block(size * sizeof *best);
    mr_warp_u8(&w, mr_warp_kernels[0], source, plain);
    mr_warp_u8(&w, mr_warp_best_kernel(), source, best);
    if (memcmp(plain, best, size * sizeof *plain))
        fuzz_fail("the kernels of warping differ");
    free(source);
    free(plain);
    free(best);
}

/* As the command line can give them. */
static mr_augmentation augmentation(fuzz_bytes *b)
{
    mr_augmentation a = mr_augmentation_none();
    a.rotation_range = fuzz_int(b, 0, 360);
    a.width_shift_range = fuzz_int(b, 0, 300) / 100.;
    a.height_shift_range = fuzz_int(b, 0, 10000);
    a.shear_range = fuzz_int(b, 0, 360);
    a.zoom_range[0] = fuzz_take(b, 1) % 4 ? fuzz_int(b, 0, 100) / 100. : 0;
    a.zoom_range[1] = fuzz_take(b, 1) % 4 ? fuzz_int(b, 100, 500) / 100. : 1e308;
    a.horizontal_flip = fuzz_take(b, 1) & 1;
    a.vertical_flip = fuzz_take(b, 1) & 1;
    a.has_brightness = fuzz_take(b, 1) & 1;
    a.brightness_range[1] = fuzz_int(b, 0, 1000);
    a.channel_shift_range = fuzz_int(b, 0, 255);
    a.fill_mode = (mr_fill_mode)fuzz_int(b, 0, MR_FILL_WRAP);
    a.cval = fuzz_int(b, -1000, 1000);
    return a;
}

static void augment(fuzz_bytes *b)
{
    mr_augmentation a = augmentation(b);
    int height = fuzz_int(b, 1, SIDE), width = fuzz_int(b, 1, SIDE), channels = fuzz_take(b, 1) % 2 ? 3 : 1;
    size_t size = (size_t)height * (size_t)width * (size_t)channels;
    uint8_t *source = noise(size, fuzz_take(b, 2));
    float *out = block(size * sizeof *out);
    for (uint64_t sample = 0; sample < 3; sample++) {
        mr_transform t;
        mr_augmentation_draw(&a, fuzz_take(b, 2), 0, sample, height, width, &t);
        mr_augmentation_apply_u8(&a, &t, source, height, width, channels, 1, 0, out);
    }
    free(source);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_bytes b = {data, size};
    switch (fuzz_take(&b, 1) % 3) {
    case 0:
        resize(&b);
        break;
    case 1:
        warp(&b);
        break;
    default:
        augment(&b);
    }
    return 0;
}
