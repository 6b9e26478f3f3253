/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding and resizing against libjpeg-turbo's own rate, from memory, on one thread.
 *
 * usage: decode_bench FOLDER [WIDTH HEIGHT [ROUNDS]]
 *
 * Every way goes over all files of the folder once a round, the ways alternating; what is printed is the
 * median of images/s and the median of the ratio to libjpeg within the same round (machines are noisy, ratios
 * less so). PNG files are measured the same way, with libjpeg's place taken by mr_decode. */
#include "io/files/folder.h"
#include "io/image/image.h"
#include "io/files/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jpeglib.h>

enum { MOST_ROUNDS = 101 };

typedef struct blob {
    uint8_t *bytes;
    size_t size;
} blob;

typedef struct bench {
    blob *files;
    size_t count;
    mr_preprocess pre;
    mr_decoder *decoder;
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    uint8_t *pixels; /* of libjpeg's result */
    float *result;
} bench;

typedef struct way {
    const char *name;
    void (*run)(bench *b, const blob *file);
    int interpolation; /* -1: none */
    bool dct_scaling;
    double rate[MOST_ROUNDS], ratio[MOST_ROUNDS];
} way;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void fail(const char *what)
{
    fprintf(stderr, "decode_bench: %s\n", what);
    exit(1);
}

/* --- the ways --------------------------------------------------------------------------------- */

static void run_libjpeg(bench *b, const blob *file)
{
    struct jpeg_decompress_struct *c = &b->jpeg;
    jpeg_mem_src(c, file->bytes, file->size);
    jpeg_read_header(c, TRUE);
    c->out_color_space = JCS_RGB;
    jpeg_start_decompress(c);
    size_t stride = (size_t)c->output_width * 3;
    while (c->output_scanline < c->output_height) {
        uint8_t *rows[8];
        for (size_t i = 0; i < 8; i++)
            rows[i] = b->pixels + stride * (c->output_scanline + i);
        jpeg_read_scanlines(c, rows, 8);
    }
    jpeg_finish_decompress(c);
}

static void run_decode(bench *b, const blob *file)
{
    mr_image image;
    mr_error e = {0};
    if (mr_decode(b->decoder, file->bytes, file->size, &b->pre, &image, &e))
        fail(e.message);
}

static void run_load(bench *b, const blob *file)
{
    mr_error e = {0};
    if (mr_load_pixels(b->decoder, file->bytes, file->size, &b->pre, b->result, &e))
        fail(e.message);
}

static way ways[] = {
    {.name = "libjpeg", .run = run_libjpeg, .interpolation = -1},
    {.name = "mr_decode", .run = run_decode, .interpolation = -1},
    {.name = "nearest", .run = run_load, .interpolation = MR_NEAREST},
    {.name = "box", .run = run_load, .interpolation = MR_BOX},
    {.name = "bilinear", .run = run_load, .interpolation = MR_BILINEAR},
    {.name = "bicubic", .run = run_load, .interpolation = MR_BICUBIC},
    {.name = "lanczos", .run = run_load, .interpolation = MR_LANCZOS},
    {.name = "tf-bilinear", .run = run_load, .interpolation = MR_TF_BILINEAR},
    {.name = "bilinear, DCT-scaled", .run = run_load, .interpolation = MR_BILINEAR, .dct_scaling = true},
};
enum { WAYS = sizeof ways / sizeof *ways };

/* --- files ------------------------------------------------------------------------------------ */

static void load(bench *b, const char *folder)
{
    mr_error e = {0};
    mr_paths names = {0};
    mr_folder_counts counts = {0};
    mr_reader *reader;
    mr_strings *strings = mr_strings_create();
    if (!strings || mr_folder_walk(folder, NULL, 0, strings, &names, &counts, &e))
        fail(e.message);
    b->files = calloc(names.count, sizeof *b->files);
    if (names.count == 0 || !b->files || mr_reader_create(&reader, mr_reader_options_default(), &e))
        fail("no files");
    for (b->count = 0; b->count < names.count; b->count++) {
        mr_read read;
        if (mr_reader_submit(reader, 0, names.name[b->count], &e) || mr_reader_next(reader, &read, &e) ||
            read.error)
            fail("cannot read");
        blob *file = &b->files[b->count];
        file->size = read.size;
        file->bytes = malloc(read.size);
        memcpy(file->bytes, read.bytes, read.size);
        mr_reader_release(reader, read.bytes);
    }
    mr_reader_destroy(reader);
    free(names.name);
    mr_strings_leave(strings);
}

/* --- measuring -------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, by_value);
    return v[n / 2];
}

static double measure(bench *b, const way *w)
{
    if (w->interpolation >= 0)
        b->pre.interpolation = (mr_interpolation)w->interpolation;
    b->pre.dct_scaling = w->dct_scaling;
    double begin = now();
    for (size_t i = 0; i < b->count; i++)
        w->run(b, &b->files[i]);
    return (double)b->count / (now() - begin);
}

int main(int argc, char **argv)
{
    static bench b;
    mr_error e = {0};
    int rounds = argc > 4 ? atoi(argv[4]) : 7;
    if (argc < 2 || rounds < 1 || rounds > MOST_ROUNDS)
        fail("usage: decode_bench FOLDER [WIDTH HEIGHT [ROUNDS]]");
    b.pre = mr_preprocess_default();
    if (argc > 3) {
        b.pre.width = atoi(argv[2]);
        b.pre.height = atoi(argv[3]);
    }
    load(&b, argv[1]);
    b.jpeg.err = jpeg_std_error(&b.errors);
    jpeg_create_decompress(&b.jpeg);
    b.pixels = malloc((size_t)64 << 20);
    b.result = malloc(sizeof *b.result * 3 * (size_t)b.pre.width * (size_t)b.pre.height);
    if (!b.pixels || !b.result ||
        mr_decoder_create(&b.decoder, (mr_decode_limits){.max_pixels = 20000000}, &e))
        fail("no memory");
    int first = mr_image_sniff(b.files[0].bytes, b.files[0].size) == MR_KIND_JPEG ? 0 : 1;
    for (int r = 0; r < rounds; r++)
        for (int w = first; w < WAYS; w++) {
            ways[w].rate[r] = measure(&b, &ways[w]);
            ways[w].ratio[r] = ways[w].rate[r] / ways[first].rate[r];
        }
    printf("%zu files to %dx%d\n%-22s %10s %8s\n", b.count, b.pre.width, b.pre.height, "", "images/s",
           "ratio");
    for (int w = first; w < WAYS; w++)
        printf("%-22s %10.0f %7.3f\n", ways[w].name, median(ways[w].rate, rounds),
               median(ways[w].ratio, rounds));
    mr_decoder_destroy(b.decoder);
    jpeg_destroy_decompress(&b.jpeg);
    return 0;
}
