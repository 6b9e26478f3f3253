/* SPDX-License-Identifier: Apache-2.0 */
/* The image decoder: which format a file is, and the ways through it: a whole image, or rows resized as they
 * come. */
#include "io/image/image.h"

#include "io/image/decoder.h"
#include "io/image/resize.h"

#include <stdlib.h>
#include <string.h>

/* One row for each format; state is made when the first file of the kind comes. */
static const mr_image_format *const formats[] = {&mr_format_jpeg, &mr_format_png};
enum { FORMATS = sizeof formats / sizeof *formats };

struct mr_decoder {
    mr_decode_limits limits;
    void *state[FORMATS];
    mr_resizer *resizer;
    mr_scratch pixels; /* of mr_decode's result */
    uint64_t claimed;  /* of limits.memory, for the image that is open */
};

/* An image whose rows are being read. */
typedef struct open_image {
    const mr_image_format *format;
    void *state;
    mr_image shape;
} open_image;

/* --- what a file is --------------------------------------------------------------------------- */

static const struct {
    mr_image_kind kind;
    const char *name;
    size_t offset, size;
    const char *magic;
} signatures[] = {
    {MR_KIND_JPEG, "JPEG", 0, 3, "\xff\xd8\xff"}, {MR_KIND_PNG, "PNG", 0, 8, "\x89PNG\r\n\x1a\n"},
    {MR_KIND_GIF, "GIF", 0, 4, "GIF8"},           {MR_KIND_BMP, "BMP", 0, 2, "BM"},
    {MR_KIND_WEBP, "WebP", 8, 4, "WEBP"},         {MR_KIND_TIFF, "TIFF", 0, 4, "II*\0"},
    {MR_KIND_TIFF, "TIFF", 0, 4, "MM\0*"},
};
enum { SIGNATURES = sizeof signatures / sizeof *signatures };

mr_image_kind mr_image_sniff(const void *bytes, size_t size)
{
    for (int i = 0; i < SIGNATURES; i++)
        if (size >= signatures[i].offset + signatures[i].size &&
            memcmp((const char *)bytes + signatures[i].offset, signatures[i].magic, signatures[i].size) == 0)
            return signatures[i].kind;
    return MR_KIND_UNKNOWN;
}

const char *mr_image_kind_name(mr_image_kind kind)
{
    for (int i = 0; i < SIGNATURES; i++)
        if (signatures[i].kind == kind)
            return signatures[i].name;
    return "unknown";
}

/* --- life ------------------------------------------------------------------------------------- */

int mr_decoder_create(mr_decoder **out, mr_decode_limits limits, mr_error *e)
{
    mr_decoder *d = calloc(1, sizeof *d);
    *out = d;
    if (!d)
        return mr_no_memory(e, "an image decoder");
    d->limits = limits;
    int status = mr_resizer_create(&d->resizer, mr_resize_best(), e);
    if (status) {
        mr_decoder_destroy(d);
        *out = NULL;
    }
    return status;
}

void mr_decoder_destroy(mr_decoder *d)
{
    if (!d)
        return;
    for (int i = 0; i < FORMATS; i++)
        if (d->state[i])
            formats[i]->destroy(d->state[i]);
    mr_resizer_destroy(d->resizer);
    mr_scratch_free(&d->pixels);
    free(d);
}

/* --- decoding --------------------------------------------------------------------------------- */

static int refuse(mr_image_kind kind, size_t size, mr_error *e)
{
    if (size == 0)
        return mr_fail(e, MR_EFORMAT, "the file is empty");
    if (kind == MR_KIND_UNKNOWN)
        return mr_fail(e, MR_EFORMAT, "neither a JPEG nor a PNG file");
    mr_fail(e, MR_EUNSUPPORTED, "a %s file: only JPEG and PNG are read", mr_image_kind_name(kind));
    return mr_hint(e, MR_EUNSUPPORTED, "convert it to PNG");
}

static int find_format(mr_decoder *d, const mr_image_source *source, open_image *image, mr_error *e)
{
    mr_image_kind kind = mr_image_sniff(source->bytes, source->size);
    for (int i = 0; i < FORMATS; i++)
        if (formats[i]->kind == kind) {
            if (!d->state[i])
                d->state[i] = formats[i]->create(e);
            image->format = formats[i];
            image->state = d->state[i];
            return image->state ? 0 : MR_ENOMEM;
        }
    return refuse(kind, source->size, e);
}

static int open_rows(mr_decoder *d, const void *bytes, size_t size, const mr_preprocess *pre,
                     open_image *image, mr_error *e)
{
    mr_image_source source = {
        .bytes = bytes, .size = size, .pre = pre, .limits = d->limits, .claimed = &d->claimed};
    int status = find_format(d, &source, image, e);
    return status ? status : image->format->open(image->state, &source, &image->shape, e);
}

static void close_rows(mr_decoder *d, const open_image *image)
{
    if (image->state)
        image->format->close(image->state);
    mr_resizer_trim(d->resizer);
    if (d->claimed)
        mr_allowance_give(d->limits.memory, d->claimed);
    d->claimed = 0;
}

/* All rows into one packed image. */
static int read_whole(mr_decoder *d, open_image *image, mr_error *e)
{
    mr_image *shape = &image->shape;
    size_t stride = (size_t)shape->width * (size_t)shape->channels;
    uint8_t *block = mr_scratch_reserve(&d->pixels, MR_ROW_OFFSET + stride * (size_t)shape->height, e);
    int status = block ? 0 : MR_ENOMEM;
    shape->pixels = block ? block + MR_ROW_OFFSET : NULL;
    for (int y = 0; !status && y < shape->height; y += MR_ROW_BATCH) {
        uint8_t *rows[MR_ROW_BATCH];
        int n = shape->height - y < MR_ROW_BATCH ? shape->height - y : MR_ROW_BATCH;
        for (int i = 0; i < n; i++)
            rows[i] = shape->pixels + stride * (size_t)(y + i);
        status = image->format->read(image->state, rows, n, e);
    }
    return status ? status : image->format->finish(image->state, e);
}

int mr_decode(mr_decoder *d, const void *bytes, size_t size, const mr_preprocess *pre, mr_image *out,
              mr_error *e)
{
    open_image image = {0};
    int status = open_rows(d, bytes, size, pre, &image, e);
    if (!status)
        status = read_whole(d, &image, e);
    close_rows(d, &image);
    if (status)
        image.shape = (mr_image){0};
    *out = image.shape;
    return status;
}

/* --- resizing --------------------------------------------------------------------------------- */

static int check_resize(const mr_image *src, int width, int height, mr_interpolation f, bool floats,
                        mr_error *e)
{
    if (src->width <= 0 || src->height <= 0 || (src->channels != 1 && src->channels != 3))
        return mr_fail(e, MR_EINVAL, "no image to resize: %dx%d of %d channels", src->width, src->height,
                       src->channels);
    if (width <= 0 || height <= 0 || (int64_t)width * height > INT32_MAX / 12)
        return mr_fail(e, MR_EINVAL, "impossible image size %dx%d", width, height);
    if ((unsigned)f >= MR_INTERPOLATIONS || (f == MR_TF_BILINEAR && !floats))
        return mr_fail(e, MR_EINVAL, "interpolation %d cannot resize to bytes", (int)f);
    return 0;
}

/* Points ROWS at rows Y … of SRC; the last rows of the image, which have nothing readable behind them, are
 * copied. */
static void safe_rows(const mr_image *src, int y, int count, uint8_t *const buffers[], const uint8_t *rows[])
{
    size_t stride = (size_t)src->width * (size_t)src->channels;
    for (int i = 0; i < count; i++) {
        const uint8_t *row = src->pixels + stride * (size_t)(y + i);
        bool near_end = (size_t)(src->height - 1 - y - i) * stride < MR_ROW_PADDING;
        rows[i] = near_end ? memcpy(buffers[i], row, stride) : row;
    }
}

static int push_image(mr_resizer *r, const mr_image *src, mr_error *e)
{
    uint8_t *buffers[MR_ROW_BATCH];
    const uint8_t *rows[MR_ROW_BATCH];
    int status = mr_resizer_rows(r, (size_t)src->width * (size_t)src->channels, buffers, e);
    for (int y = 0; !status && y < src->height; y += MR_ROW_BATCH) {
        int n = src->height - y < MR_ROW_BATCH ? src->height - y : MR_ROW_BATCH;
        safe_rows(src, y, n, buffers, rows);
        mr_resizer_push(r, rows, n);
    }
    return status;
}

static int resize(mr_decoder *d, const mr_image *src, int width, int height, mr_interpolation f, bool floats,
                  mr_error *e)
{
    int status = check_resize(src, width, height, f, floats, e);
    if (!status)
        status = mr_resizer_begin(d->resizer, src, width, height, f, e);
    return status ? status : push_image(d->resizer, src, e);
}

int mr_resize(mr_decoder *d, const mr_image *src, int width, int height, mr_interpolation f, uint8_t *dst,
              mr_error *e)
{
    int status = resize(d, src, width, height, f, false, e);
    if (!status)
        mr_resizer_bytes(d->resizer, dst);
    return status;
}

int mr_resize_float(mr_decoder *d, const mr_image *src, int width, int height, mr_interpolation f, float *dst,
                    mr_error *e)
{
    int status = resize(d, src, width, height, f, true, e);
    if (!status)
        mr_resizer_floats(d->resizer, 1.0f, 0.0f, dst);
    return status;
}

/* --- the whole contract ----------------------------------------------------------------------- */

/* Rows go to the resizer while they are in the cache. All of them are decoded, whatever the result needs: a
 * damaged file must be found to be one. The result waits in the resizer. */
static int stream_rows(mr_decoder *d, open_image *image, const mr_preprocess *pre, mr_error *e)
{
    mr_resizer *r = d->resizer;
    const mr_image *shape = &image->shape;
    uint8_t *rows[MR_ROW_BATCH];
    int status = mr_resizer_begin(r, shape, pre->width, pre->height, pre->interpolation, e);
    if (!status)
        status = mr_resizer_rows(r, (size_t)shape->width * (size_t)shape->channels, rows, e);
    for (int y = 0; !status && y < shape->height; y += MR_ROW_BATCH) {
        int n = shape->height - y < MR_ROW_BATCH ? shape->height - y : MR_ROW_BATCH;
        status = image->format->read(image->state, rows, n, e);
        if (!status)
            mr_resizer_push(r, (const uint8_t *const *)rows, n);
    }
    return status ? status : image->format->finish(image->state, e);
}

/* Opens an image whose rows will be resized to PRE's size; FLOATS: not to bytes. */
static int open_to_resize(mr_decoder *d, const void *bytes, size_t size, const mr_preprocess *pre,
                          bool floats, open_image *image, mr_error *e)
{
    int status = open_rows(d, bytes, size, pre, image, e);
    return status ? status
                  : check_resize(&image->shape, pre->width, pre->height, pre->interpolation, floats, e);
}

int mr_load_pixels(mr_decoder *d, const void *bytes, size_t size, const mr_preprocess *pre, float *dst,
                   mr_error *e)
{
    open_image image = {0};
    int status = open_to_resize(d, bytes, size, pre, true, &image, e);
    if (!status)
        status = stream_rows(d, &image, pre, e);
    if (!status)
        mr_resizer_floats(d->resizer, (float)pre->rescale, (float)pre->offset, dst);
    close_rows(d, &image);
    return status;
}

/* As Pillow's convert() between "L" and "RGB". */
static void recolour_row(uint8_t *dst, int to, const uint8_t *src, int from, int width)
{
    if (to == from)
        memcpy(dst, src, (size_t)width * (size_t)to);
    else if (to == 1)
        mr_row_rgb_to_gray(dst, src, width);
    else
        for (int x = 0; x < width; x++)
            memset(dst + 3 * (size_t)x, src[x], 3);
}

static int stream_given(mr_decoder *d, const mr_image *image, const mr_preprocess *pre, mr_error *e)
{
    mr_resizer *r = d->resizer;
    mr_image shape = {.width = image->width, .height = image->height, .channels = (int)pre->color_mode};
    size_t stride = (size_t)image->width * (size_t)image->channels;
    uint8_t *rows[MR_ROW_BATCH];
    int status = mr_resizer_begin(r, &shape, pre->width, pre->height, pre->interpolation, e);
    if (!status)
        status = mr_resizer_rows(r, (size_t)shape.width * (size_t)shape.channels, rows, e);
    for (int y = 0; !status && y < shape.height; y += MR_ROW_BATCH) {
        int n = shape.height - y < MR_ROW_BATCH ? shape.height - y : MR_ROW_BATCH;
        for (int i = 0; i < n; i++)
            recolour_row(rows[i], shape.channels, image->pixels + stride * (size_t)(y + i), image->channels,
                         shape.width);
        mr_resizer_push(r, (const uint8_t *const *)rows, n);
    }
    return status;
}

int mr_load_image(mr_decoder *d, const mr_image *image, const mr_preprocess *pre, float *dst, mr_error *e)
{
    int status = mr_check_pixels(image->width, image->height, d->limits, e);
    if (!status)
        status = check_resize(image, pre->width, pre->height, pre->interpolation, true, e);
    if (!status)
        status = stream_given(d, image, pre, e);
    if (!status)
        mr_resizer_floats(d->resizer, (float)pre->rescale, (float)pre->offset, dst);
    return status;
}

int mr_load_bytes(mr_decoder *d, const void *bytes, size_t size, const mr_preprocess *pre, uint8_t *dst,
                  mr_error *e)
{
    open_image image = {0};
    int status = open_to_resize(d, bytes, size, pre, false, &image, e);
    if (!status)
        status = stream_rows(d, &image, pre, e);
    if (!status)
        mr_resizer_bytes(d->resizer, dst);
    close_rows(d, &image);
    return status;
}
