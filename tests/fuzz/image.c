/* SPDX-License-Identifier: Apache-2.0 */
/* JPEG and PNG: whole decoding, and decoding into a resize. Built as fuzz_jpeg and fuzz_png, which differ in
 * their seeds and dictionaries. */
#include "tests/fuzz/fuzz.h"

#include "io/image/image.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { MAX_PIXELS = 1 << 18, HEIGHT = 17, WIDTH = 31 };

static mr_decoder *decoder(void)
{
    static mr_decoder *d; /* one for all inputs: what an image leaves behind must not reach the next one */
    mr_error e = {0};
    if (!d && mr_decoder_create(&d, (mr_decode_limits){.max_pixels = MAX_PIXELS}, &e))
        fuzz_fail("no decoder");
    return d;
}

static uint32_t decode(const uint8_t *data, size_t size, mr_color_mode mode)
{
    mr_preprocess pre = mr_preprocess_default();
    mr_image image = {0};
    mr_error e = {0};
    pre.color_mode = mode;
    int status = mr_decode(decoder(), data, size, &pre, &image, &e);
    fuzz_judge(status, &e);
    if (status)
        return (uint32_t)status;
    if (image.width < 1 || image.height < 1 || (int64_t)image.width * image.height > MAX_PIXELS ||
        image.channels != (int)mode)
        fuzz_fail("an image of impossible shape");
    return (uint32_t)crc32(0, image.pixels, (uInt)(image.width * image.height * image.channels));
}

static uint32_t load(const uint8_t *data, size_t size, mr_interpolation interpolation, mr_color_mode mode)
{
    static float pixels[HEIGHT * WIDTH * 3];
    mr_preprocess pre = mr_preprocess_default();
    mr_error e = {0};
    pre.height = HEIGHT;
    pre.width = WIDTH;
    pre.color_mode = mode;
    pre.interpolation = interpolation;
    pre.dct_scaling = true;
    int status = mr_load_pixels(decoder(), data, size, &pre, pixels, &e);
    fuzz_judge(status, &e);
    return status ? (uint32_t)status
                  : (uint32_t)crc32(0, (const Bytef *)pixels,
                                    (uInt)(HEIGHT * WIDTH * (int)mode * sizeof *pixels));
}

/* The same bytes give the same pixels: whatever is not, was read from memory that nobody had written. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t colour = decode(data, size, MR_COLOR_RGB);
    uint32_t small = load(data, size, MR_BICUBIC, MR_COLOR_RGB);
    load(data, size, (mr_interpolation)(size % MR_INTERPOLATIONS), MR_COLOR_GRAYSCALE);
    decode(data, size, MR_COLOR_GRAYSCALE);
    if (decode(data, size, MR_COLOR_RGB) != colour || load(data, size, MR_BICUBIC, MR_COLOR_RGB) != small)
        fuzz_fail("the same bytes gave other pixels");
    return 0;
}

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The CRC of every chunk of a PNG. */
void fuzz_repair(uint8_t *data, size_t size)
{
    if (size < 8 || memcmp(data, "\x89PNG", 4))
        return;
    for (size_t at = 8; size - at >= 12;) {
        uint32_t length = big_endian(data + at);
        if (length > size - at - 12)
            return;
        uint32_t crc = (uint32_t)crc32(0, data + at + 4, length + 4);
        uint8_t *end = data + at + 8 + length;
        for (int i = 0; i < 4; i++)
            end[i] = (uint8_t)(crc >> (24 - 8 * i));
        at += 12 + (size_t)length;
    }
}
