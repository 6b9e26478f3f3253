/* SPDX-License-Identifier: Apache-2.0 */
/* PNG files made here chunk by chunk: every colour type and depth, plain and interlaced, to the pixels that
 * Pillow's convert() defines; and damage that Pillow refuses or accepts. */
#include "tests/files.h"

#include "io/image/image.h"

#include <dlfcn.h>
#include <zlib.h>

typedef struct file {
    uint8_t bytes[1 << 18];
    size_t size;
} file;

static mr_decoder *decoder;

static int start(void **state)
{
    (void)state;
    mr_error e = {0};
    return mr_decoder_create(&decoder, (mr_decode_limits){.max_pixels = 1000000}, &e);
}

static int stop(void **state)
{
    (void)state;
    mr_decoder_destroy(decoder);
    return 0;
}

/* --- making files ----------------------------------------------------------------------------- */

static void put(file *f, const void *bytes, size_t size)
{
    assert_true(f->size + size <= sizeof f->bytes);
    memcpy(f->bytes + f->size, bytes, size);
    f->size += size;
}

static void put_number(file *f, uint32_t v)
{
    put(f, (uint8_t[4]){(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v}, 4);
}

static void put_chunk(file *f, const char *name, const void *data, size_t size)
{
    size_t at = f->size + 4;
    put_number(f, (uint32_t)size);
    put(f, name, 4);
    put(f, data, size);
    put_number(f, (uint32_t)crc32(0, f->bytes + at, (unsigned)(4 + size)));
}

static void put_header(file *f, int width, int height, int depth, int type, bool interlaced)
{
    const uint8_t d[13] = {[3] = (uint8_t)width,
                           [7] = (uint8_t)height,
                           [8] = (uint8_t)depth,
                           [9] = (uint8_t)type,
                           [12] = interlaced};
    f->size = 0;
    put(f, "\x89PNG\r\n\x1a\n", 8);
    put_chunk(f, "IHDR", d, 13);
}

/* ROWS: filter byte and packed samples of each row, of each pass. */
static void put_pixels(file *f, const uint8_t *rows, size_t size)
{
    uint8_t packed[4096];
    uLongf room = sizeof packed;
    assert_int_equal(compress(packed, &room, rows, size), Z_OK);
    put_chunk(f, "IDAT", packed, room);
}

static void put_end(file *f)
{
    put_chunk(f, "IEND", "", 0);
}

/* --- what comes out --------------------------------------------------------------------------- */

static int decode(const file *f, mr_color_mode mode, mr_image *image, mr_error *e)
{
    mr_preprocess pre = mr_preprocess_default();
    pre.color_mode = mode;
    *e = (mr_error){0};
    uint8_t *exact = malloc(f->size); /* so that a read behind the end is seen */
    memcpy(exact, f->bytes, f->size);
    int status = mr_decode(decoder, exact, f->size, &pre, image, e);
    free(exact);
    return status;
}

static void gives(const file *f, mr_color_mode mode, const uint8_t *wanted, size_t size)
{
    mr_image image;
    mr_error e;
    if (decode(f, mode, &image, &e))
        fail_msg("%s", e.message);
    assert_int_equal((size_t)image.width * (size_t)image.height * (size_t)image.channels, size);
    assert_memory_equal(image.pixels, wanted, size);
}

static void refuses(const file *f, int code, const char *words)
{
    mr_image image;
    mr_error e;
    assert_int_equal(decode(f, MR_COLOR_RGB, &image, &e), code);
    assert_null(image.pixels);
    if (!strstr(e.message, words))
        fail_msg("\"%s\" does not say \"%s\"", e.message, words);
}

/* One row of PIXELS pixels in SIZE bytes → RGB and gray. */
static void row_gives(int depth, int type, int pixels, const char *samples, size_t size, const char *rgb,
                      const char *gray)
{
    file f;
    uint8_t row[64] = {0};
    memcpy(row + 1, samples, size);
    put_header(&f, pixels, 1, depth, type, false);
    if (type == 3)
        put_chunk(&f, "PLTE", "\x10\x20\x30\xff\x00\x80", 6);
    put_pixels(&f, row, size + 1);
    put_end(&f);
    gives(&f, MR_COLOR_RGB, (const uint8_t *)rgb, 3 * (size_t)pixels);
    gives(&f, MR_COLOR_GRAYSCALE, (const uint8_t *)gray, (size_t)pixels);
}

static void colour_types(void **state)
{
    (void)state;
    row_gives(1, 0, 3, "\x40", 1, "\0\0\0\xff\xff\xff\0\0\0", "\0\xff\0");
    row_gives(2, 0, 4, "\x1b", 1, "\0\0\0\x55\x55\x55\xaa\xaa\xaa\xff\xff\xff", "\0\x55\xaa\xff");
    row_gives(4, 0, 3, "\x0f\x30", 2, "\0\0\0\xff\xff\xff\x33\x33\x33", "\0\xff\x33");
    row_gives(8, 0, 2, "\x07\xfe", 2, "\x07\x07\x07\xfe\xfe\xfe", "\x07\xfe");
    /* of 16 bits the high byte */
    row_gives(16, 0, 3, "\0\x07\x01\0\xfe\xff", 6, "\0\0\0\x01\x01\x01\xfe\xfe\xfe", "\0\x01\xfe");
    row_gives(8, 2, 1, "\x10\x20\x30", 3, "\x10\x20\x30", "\x1d");
    row_gives(16, 2, 1, "\x10\xff\x20\xff\x30\xff", 6, "\x10\x20\x30", "\x1d");
    /* alpha is dropped, not composited */
    row_gives(8, 4, 2, "\x07\x00\xfe\xff", 4, "\x07\x07\x07\xfe\xfe\xfe", "\x07\xfe");
    row_gives(16, 4, 1, "\x07\x99\x00\x00", 4, "\x07\x07\x07", "\x07");
    row_gives(8, 6, 1, "\x10\x20\x30\x00", 4, "\x10\x20\x30", "\x1d");
    row_gives(16, 6, 1, "\x10\xff\x20\xff\x30\xff\0\0", 8, "\x10\x20\x30", "\x1d");
    /* entries that the palette does not define are gray of their number */
    row_gives(1, 3, 2, "\x40", 1, "\x10\x20\x30\xff\x00\x80", "\x1d\x5b");
    row_gives(8, 3, 3, "\x00\x01\xc8", 3, "\x10\x20\x30\xff\x00\x80\xc8\xc8\xc8", "\x1d\x5b\xc8");
}

/* 3 x 2 of gray: passes 1 (1 pixel), 4 (none of 5,6 by width 3: column 2), 6, 7. */
static void interlaced(void **state)
{
    (void)state;
    file f;
    /* pass 1: (0,0); pass 4: (2,0); pass 6: (1,0); pass 7: row 1 */
    static const uint8_t rows[] = {0, 10, 0, 30, 0, 20, 0, 40, 50, 60};
    static const uint8_t wanted[] = {10, 20, 30, 40, 50, 60};
    put_header(&f, 3, 2, 8, 0, true);
    put_pixels(&f, rows, sizeof rows);
    put_end(&f);
    gives(&f, MR_COLOR_GRAYSCALE, wanted, 6);
}

/* --- damage ----------------------------------------------------------------------------------- */

static const uint8_t two_rows[] = {0, 1, 2, 3, 4, 5, 6, 0, 7, 8, 9, 10, 11, 12};
static const uint8_t two_rows_rgb[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

static void put_small(file *f)
{
    put_header(f, 2, 2, 8, 2, false);
    put_pixels(f, two_rows, sizeof two_rows);
}

static void accepted(void **state)
{
    (void)state;
    file f;
    put_small(&f); /* no end */
    gives(&f, MR_COLOR_RGB, two_rows_rgb, 12);
    f.size -= 3; /* not even a whole checksum of the data */
    gives(&f, MR_COLOR_RGB, two_rows_rgb, 12);
    f.size -= 2; /* nor zlib's */
    gives(&f, MR_COLOR_RGB, two_rows_rgb, 12);
    put_small(&f);
    f.bytes[f.size - 1] ^= 1; /* the data's checksum is not looked at */
    put_end(&f);
    gives(&f, MR_COLOR_RGB, two_rows_rgb, 12);
    put_header(&f, 2, 2, 8, 2, false);
    put_chunk(&f, "prIv", "anything", 8);
    put_chunk(&f, "IDAT", "", 0);
    put_pixels(&f, two_rows, sizeof two_rows);
    put_chunk(&f, "tEXt", "a\0b", 3);
    put_end(&f);
    put(&f, "rubbish", 7);
    gives(&f, MR_COLOR_RGB, two_rows_rgb, 12);
}

static void refused(void **state)
{
    (void)state;
    file f;
    put_small(&f);
    f.bytes[8 + 25 + 8 + 5] ^= 0x55; /* the data */
    refuses(&f, MR_EFORMAT, "PNG");
    put_small(&f);
    f.bytes[f.size - 5] ^= 1; /* zlib's checksum */
    refuses(&f, MR_EFORMAT, "incorrect data check");
    put_small(&f);
    f.size -= 14;
    refuses(&f, MR_EFORMAT, "Not enough image data");
    put_small(&f);
    put_chunk(&f, "tEXt", "a\0b", 3);
    f.size -= 5; /* within the chunk behind the data */
    refuses(&f, MR_EFORMAT, "truncated");
    put_header(&f, 2, 2, 8, 2, false);
    put_end(&f);
    refuses(&f, MR_EFORMAT, "no image data");
    put_header(&f, 2, 2, 8, 2, false);
    refuses(&f, MR_EFORMAT, "no chunk");
    put_header(&f, 2, 2, 8, 2, false);
    f.bytes[f.size - 1] ^= 1;
    put_pixels(&f, two_rows, sizeof two_rows);
    refuses(&f, MR_EFORMAT, "checksum of chunk IHDR");
    put_header(&f, 2, 2, 8, 2, false);
    put_chunk(&f, "gAMA", "abc", 3);
    put_pixels(&f, two_rows, sizeof two_rows);
    refuses(&f, MR_EFORMAT, "gAMA");
}

static void bad_headers(void **state)
{
    (void)state;
    file f;
    static const int bad[][2] = {{3, 0}, {16, 3}, {4, 2}, {1, 4}, {2, 6}, {8, 1}, {8, 5}, {0, 0}, {8, 7}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put_header(&f, 2, 2, bad[i][0], bad[i][1], false);
        put_pixels(&f, two_rows, sizeof two_rows);
        refuses(&f, MR_EFORMAT, "colour type");
    }
    put_header(&f, 0, 2, 8, 2, false);
    put_pixels(&f, two_rows, sizeof two_rows);
    refuses(&f, MR_EFORMAT, "0x2");
    f.size = 8;
    put_pixels(&f, two_rows, sizeof two_rows);
    refuses(&f, MR_EFORMAT, "no header");
    put_header(&f, 2, 2, 8, 3, false);
    uint8_t palette[257 * 3] = {0};
    put_chunk(&f, "PLTE", palette, sizeof palette);
    put_pixels(&f, two_rows, sizeof two_rows);
    refuses(&f, MR_EFORMAT, "palette of 257");
}

/* A header that promises 2^31-1 x 2^31-1 pixels is over the limit before anything is made of that size. */
static void bomb(void **state)
{
    (void)state;
    file f = {.size = 0};
    put(&f, "\x89PNG\r\n\x1a\n", 8);
    put_chunk(&f, "IHDR", "\x7f\xff\xff\xff\x7f\xff\xff\xff\x10\x06\0\0\x01", 13);
    put_pixels(&f, two_rows, sizeof two_rows);
    refuses(&f, MR_ELIMIT, "2147483647x2147483647");
}

/* Each row costs time, however short it is. */
static void long_sides(void **state)
{
    (void)state;
    file f = {.size = 0};
    put(&f, "\x89PNG\r\n\x1a\n", 8);
    put_chunk(&f, "IHDR", "\0\0\0\x01\0\x0f\x42\x41\x08\0\0\0\x01", 13);
    put_pixels(&f, two_rows, sizeof two_rows);
    mr_image image;
    mr_error e;
    mr_decoder *d;
    assert_int_equal(mr_decoder_create(&d, (mr_decode_limits){.max_pixels = 178956970}, NULL), 0);
    mr_preprocess pre = mr_preprocess_default();
    mr_error_clear(&e);
    assert_int_equal(mr_decode(d, f.bytes, f.size, &pre, &image, &e), MR_ELIMIT);
    assert_non_null(strstr(e.message, "1x1000001"));
    mr_decoder_destroy(d);
}

static size_t unpacked; /* bytes that inflate() gave */

/* In the place of zlib's, which it calls. */
int inflate(z_streamp stream, int flush)
{
    int (*real)(z_streamp, int);
    *(void **)&real = dlsym(RTLD_NEXT, "inflate");
    uLong before = stream->total_out;
    int status = real(stream, flush);
    unpacked += stream->total_out - before;
    return status;
}

/* What is packed behind the last row is not unpacked: it may be any amount. */
static void bomb_behind_the_image(void **state)
{
    (void)state;
    file f;
    enum { BEHIND = 200000 };
    uLongf room = BEHIND + 1000;
    uint8_t *pixels = calloc(1, BEHIND), *packed = malloc(room);
    memcpy(pixels, two_rows, sizeof two_rows);
    assert_int_equal(compress2(packed, &room, pixels, BEHIND, 0), Z_OK);
    put_header(&f, 2, 2, 8, 2, false);
    put_chunk(&f, "IDAT", packed, room);
    put_end(&f);
    unpacked = 0;
    gives(&f, MR_COLOR_RGB, two_rows_rgb, sizeof two_rows_rgb);
    if (unpacked)
        assert_true(unpacked < 70000); /* one block of input */
    free(pixels);
    free(packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(colour_types), cmocka_unit_test(interlaced),
        cmocka_unit_test(accepted),     cmocka_unit_test(refused),
        cmocka_unit_test(bad_headers),  cmocka_unit_test(bomb),
        cmocka_unit_test(long_sides),   cmocka_unit_test(bomb_behind_the_image),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
