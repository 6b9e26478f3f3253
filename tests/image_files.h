/* SPDX-License-Identifier: Apache-2.0 */
/* Small JPEG and PNG files that tests write for themselves: a pattern that depends on SEED, up to 64x64
 * pixels. */
#ifndef MR_TESTS_IMAGE_FILES_H
#define MR_TESTS_IMAGE_FILES_H

#include "tests/shared.h"

#include <jpeglib.h>
#include <png.h>

static inline void paint(uint8_t *rgb, int width, int height, uint32_t seed)
{
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < 3; c++)
                *rgb++ = (uint8_t)((x * (3 + seed % 5) + y * (c + 1) * (seed % 7)) ^ (seed * 37));
}

static inline void write_jpeg(const char *path, int width, int height, uint32_t seed)
{
    uint8_t pixels[64 * 64 * 3];
    paint(pixels, width, height, seed);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr errors;
    c.err = jpeg_std_error(&errors);
    jpeg_create_compress(&c);
    jpeg_stdio_dest(&c, f);
    c.image_width = (JDIMENSION)width;
    c.image_height = (JDIMENSION)height;
    c.input_components = 3;
    c.in_color_space = JCS_RGB;
    jpeg_set_defaults(&c);
    jpeg_start_compress(&c, TRUE);
    for (int y = 0; y < height; y++) {
        JSAMPROW row = pixels + (size_t)y * (size_t)width * 3;
        jpeg_write_scanlines(&c, &row, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    fclose(f);
}

static inline void write_png(const char *path, int width, int height, uint32_t seed)
{
    uint8_t pixels[64 * 64 * 3];
    paint(pixels, width, height, seed);
    png_image image = {.version = PNG_IMAGE_VERSION, .format = PNG_FORMAT_RGB};
    image.width = (png_uint_32)width;
    image.height = (png_uint_32)height;
    assert_true(png_image_write_to_file(&image, path, 0, pixels, 0, NULL));
}

enum { IMAGE_FOLDER_MAX = 100, BAD_FILES = 5 };

/* The folder of this test program. */
static struct {
    char name[64];
    int count;
    char *good[IMAGE_FOLDER_MAX]; /* JPEG and PNG, of many sizes; each third one is a PNG */
    char *bad[BAD_FILES];         /* damaged, of another kind, empty, missing, a folder */
} image_folder;

static inline char *path_in_folder(const char *name)
{
    char *path = malloc(256);
    assert_non_null(path);
    snprintf(path, 256, "%s/%s", image_folder.name, name);
    return path;
}

static inline void write_bytes(const char *path, const void *bytes, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    fclose(f);
}

static inline void write_bad_files(void)
{
    static const char *const names[BAD_FILES] = {"damaged.jpg", "a.gif", "empty.png", "missing.jpg", "."};
    for (int i = 0; i < BAD_FILES; i++)
        image_folder.bad[i] = path_in_folder(names[i]);
    uint8_t bytes[8192];
    FILE *f = fopen(image_folder.good[0], "rb");
    size_t size = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    write_bytes(image_folder.bad[0], bytes, size / 2);
    write_bytes(image_folder.bad[1], "GIF89a......", 12);
    write_bytes(image_folder.bad[2], "", 0);
}

static inline void make_image_folder(int count)
{
    assert_true(count <= IMAGE_FOLDER_MAX);
    snprintf(image_folder.name, sizeof image_folder.name, "/tmp/millrace-images-XXXXXX");
    assert_non_null(mkdtemp(image_folder.name));
    image_folder.count = count;
    for (int i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "%03d.%s", i, i % 3 ? "jpg" : "png");
        image_folder.good[i] = path_in_folder(name);
        int width = 17 + i % 40, height = 20 + i * 7 % 37;
        (i % 3 ? write_jpeg : write_png)(image_folder.good[i], width, height, (uint32_t)i);
    }
    write_bad_files();
}

static inline void remove_image_folder(void)
{
    for (int i = 0; i < image_folder.count + BAD_FILES; i++) {
        char *path = i < image_folder.count ? image_folder.good[i] : image_folder.bad[i - image_folder.count];
        unlink(path);
        free(path);
    }
    rmdir(image_folder.name);
}

#endif
