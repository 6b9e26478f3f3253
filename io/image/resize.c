/* SPDX-License-Identifier: Apache-2.0 */
/* The resizer: coefficients that are kept, the streaming of rows through the two passes, nearest, half-pixel
 * bilinear. */
#include "io/image/resize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const mr_resize_kernels *const mr_resize_all[] = {
    &mr_resize_plain,
#if defined(__x86_64__)
    &mr_resize_avx2,
    &mr_resize_vnni,
#endif
    NULL,
};

const mr_resize_kernels *mr_resize_best(void)
{
    const mr_resize_kernels *best = &mr_resize_plain;
    for (int i = 0; mr_resize_all[i]; i++)
        if (mr_resize_all[i]->supported())
            best = mr_resize_all[i];
    return best;
}

/* Coefficients are kept by size: an image set holds many sizes, and the filters cost more than resizing. */
enum { KEPT = 256 };
#define KEPT_BYTES ((size_t)16 << 20) /* of one axis; over this all are forgotten */

/* Bytes of rows between the passes. Far more than pictures need (65500 rows to 4096 columns: 800 MB). */
#define MOST_KEPT ((size_t)1 << 31)
#define FREE_KEPT ((size_t)64 << 20)
enum { BYTES_PER_PIXEL = 64 };
/* Buffers over this are not kept for the next image. */
#define LARGE ((size_t)16 << 20)

typedef struct tap_cache {
    mr_taps kept[KEPT];
    size_t bytes;
} tap_cache;

struct mr_resizer {
    const mr_resize_kernels *kernels;
    tap_cache horizontal_cache, vertical_cache;
    /* of the image at hand */
    mr_interpolation filter;
    int width, height, channels;          /* of the result */
    const mr_taps *horizontal, *vertical; /* filters; NULL where the axis keeps its length */
    int first_row, rows;                  /* rows that are kept; the first of them in the input */
    int row;                              /* the next input row */
    int result_row;                       /* nearest, half-pixel: rows that are in kept */
    size_t stride;                        /* of kept, bytes */
    /* buffers */
    mr_scratch kept;    /* rows after the horizontal pass; of the half-pixel method in float */
    mr_scratch line;    /* one row of the result */
    mr_scratch groups;  /* of the horizontal pass */
    mr_scratch picks;   /* nearest, int: input byte of each output column, input row of each output row */
    mr_scratch between; /* half-pixel, mr_between: of each output column, of each output row */
    mr_scratch needed;  /* half-pixel, int: the input row of each row that is kept */
    mr_scratch batch;   /* mr_resizer_rows */
};

/* --- coefficients that are kept --------------------------------------------------------------- */

static size_t taps_bytes(const mr_taps *t)
{
    return (size_t)t->out * (size_t)t->stride * MR_TAP_BYTES;
}

static void forget_all(tap_cache *c)
{
    for (int i = 0; i < KEPT; i++)
        mr_taps_free(&c->kept[i]);
    c->bytes = 0;
}

static int taps_for(const mr_taps **out, tap_cache *c, int in, int result, mr_interpolation f, mr_error *e)
{
    mr_taps *t = &c->kept[(unsigned)(in * 31 + result) % KEPT];
    *out = t;
    if (t->first && t->in == in && t->out == result && t->filter == f)
        return 0;
    if (c->bytes > KEPT_BYTES)
        forget_all(c);
    c->bytes -= t->first ? taps_bytes(t) : 0;
    mr_taps_free(t);
    int status = mr_taps_create(t, in, result, f, e);
    if (status)
        mr_taps_free(t);
    else
        c->bytes += taps_bytes(t);
    return status;
}

/* --- life ------------------------------------------------------------------------------------- */

int mr_resizer_create(mr_resizer **out, const mr_resize_kernels *kernels, mr_error *e)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return mr_no_memory(e, "a resizer");
    (*out)->kernels = kernels;
    return 0;
}

void mr_resizer_destroy(mr_resizer *r)
{
    if (!r)
        return;
    forget_all(&r->horizontal_cache);
    forget_all(&r->vertical_cache);
    mr_scratch_free(&r->kept);
    mr_scratch_free(&r->line);
    mr_scratch_free(&r->picks);
    mr_scratch_free(&r->between);
    mr_scratch_free(&r->needed);
    mr_scratch_free(&r->groups);
    mr_scratch_free(&r->batch);
    free(r);
}

int mr_resizer_rows(mr_resizer *r, size_t size, uint8_t *rows[MR_ROW_BATCH], mr_error *e)
{
    size_t stride = (MR_ROW_OFFSET + size + MR_ROW_PADDING + 63) & ~(size_t)63;
    uint8_t *block = mr_scratch_reserve(&r->batch, stride * MR_ROW_BATCH, e);
    for (int i = 0; block && i < MR_ROW_BATCH; i++)
        rows[i] = block + stride * (size_t)i + MR_ROW_OFFSET;
    return block ? 0 : MR_ENOMEM;
}

void mr_resizer_trim(mr_resizer *r)
{
    if (r->kept.capacity > LARGE)
        mr_scratch_free(&r->kept);
    if (r->batch.capacity > LARGE)
        mr_scratch_free(&r->batch);
}

/* --- nearest ---------------------------------------------------------------------------------- */

static int *picked_columns(const mr_resizer *r)
{
    return (int *)(void *)r->picks.bytes;
}

static int *picked_rows(const mr_resizer *r)
{
    return picked_columns(r) + r->width;
}

/* The input index of each output index times UNIT, by repeated addition as in Pillow's ImagingScaleAffine. */
static void pick(int *picks, int in, int out, int unit)
{
    double step = (double)in / out, position = step * 0.5;
    for (int i = 0; i < out; i++, position += step) {
        int index = (int)position;
        picks[i] = (index < in ? index : in - 1) * unit;
    }
}

static int begin_nearest(mr_resizer *r, const mr_image *shape, mr_error *e)
{
    if (!mr_scratch_reserve(&r->picks, ((size_t)r->width + (size_t)r->height) * sizeof(int), e))
        return MR_ENOMEM;
    pick(picked_columns(r), shape->width, r->width, r->channels);
    pick(picked_rows(r), shape->height, r->height, 1);
    r->rows = r->height;
    return 0;
}

static void pick_columns(const mr_resizer *r, const uint8_t *src, uint8_t *dst)
{
    const int *columns = picked_columns(r);
    if (r->channels == 1)
        for (int x = 0; x < r->width; x++)
            dst[x] = src[columns[x]];
    else
        for (int x = 0; x < r->width; x++, dst += 3) {
            const uint8_t *p = src + columns[x];
            dst[0] = p[0];
            dst[1] = p[1];
            dst[2] = p[2];
        }
}

static void push_nearest(mr_resizer *r, const uint8_t *const *rows, int count)
{
    const int *wanted = picked_rows(r);
    for (int y = r->row; y < r->row + count; y++)
        for (; r->result_row < r->height && wanted[r->result_row] == y; r->result_row++)
            pick_columns(r, rows[y - r->row], r->kept.bytes + (size_t)r->result_row * r->stride);
}

static const uint8_t *nearest_row(mr_resizer *r, int y, uint8_t *line)
{
    (void)line;
    return r->kept.bytes + (size_t)y * r->stride;
}

/* --- filters ---------------------------------------------------------------------------------- */

static int begin_columns(mr_resizer *r, int width, mr_error *e)
{
    int status = taps_for(&r->horizontal, &r->horizontal_cache, width, r->width, r->filter, e);
    if (!status && !mr_scratch_reserve(&r->groups, mr_taps_scratch(r->horizontal), e))
        status = MR_ENOMEM;
    return status;
}

static int begin_rows(mr_resizer *r, int height, mr_error *e)
{
    const mr_taps *t;
    int status = taps_for(&t, &r->vertical_cache, height, r->height, r->filter, e), last = r->height - 1;
    if (status)
        return status;
    r->vertical = t;
    r->first_row = t->first[0];
    r->rows = t->first[last] + t->count[last] - r->first_row;
    return 0;
}

static int begin_filter(mr_resizer *r, const mr_image *shape, mr_error *e)
{
    int status = shape->width != r->width ? begin_columns(r, shape->width, e) : 0;
    return !status && shape->height != r->height ? begin_rows(r, shape->height, e) : status;
}

static void push_filtered(mr_resizer *r, const uint8_t *const *rows, int count)
{
    int skipped = r->first_row - r->row, last = r->first_row + r->rows - r->row;
    int from = skipped < 0 ? 0 : skipped, to = last < count ? last : count;
    if (from >= to)
        return;
    uint8_t *dst = r->kept.bytes + (size_t)(r->row + from - r->first_row) * r->stride;
    if (r->horizontal)
        r->kernels->horizontal(r->horizontal, r->channels, rows + from, to - from, dst, r->stride,
                               r->groups.bytes);
    else
        for (int y = from; y < to; y++, dst += r->stride)
            memcpy(dst, rows[y], (size_t)r->width * (size_t)r->channels);
}

static const uint8_t *filtered_row(mr_resizer *r, int y, uint8_t *line)
{
    if (!r->vertical)
        return r->kept.bytes + (size_t)y * r->stride;
    r->kernels->vertical(r->vertical, y, r->kept.bytes, r->stride, r->first_row,
                         (size_t)r->width * (size_t)r->channels, line);
    return line;
}

/* --- half-pixel bilinear ---------------------------------------------------------------------- */

static mr_between *between_columns(const mr_resizer *r)
{
    return (mr_between *)(void *)r->between.bytes;
}

static mr_between *between_rows(const mr_resizer *r)
{
    return between_columns(r) + r->width;
}

/* In float, as TensorFlow computes it. */
static mr_between half_pixel(int i, int in, int out)
{
    float scale = (float)in / (float)out;
    float position = fmaxf(((float)i + 0.5f) * scale - 0.5f, 0.0f);
    int low = (int)position;
    low = low < in - 1 ? low : in - 1;
    return (mr_between){.low = low, .high = low < in - 1 ? low + 1 : low, .share = position - (float)low};
}

/* The place among the rows that are kept of input row Y; the rows asked for never go back by more than one.
 */
static int keep_row(int *needed, int *kept, int y)
{
    for (int i = *kept - 1; i >= 0 && i >= *kept - 2; i--)
        if (needed[i] == y)
            return i;
    needed[*kept] = y;
    return (*kept)++;
}

static int begin_half_pixel(mr_resizer *r, const mr_image *shape, mr_error *e)
{
    size_t count = (size_t)r->width + (size_t)r->height;
    int *needed = (int *)(void *)mr_scratch_reserve(&r->needed, 2 * (size_t)r->height * sizeof *needed, e);
    if (!needed || !mr_scratch_reserve(&r->between, count * sizeof(mr_between), e))
        return MR_ENOMEM;
    for (int x = 0; x < r->width; x++) {
        mr_between b = half_pixel(x, shape->width, r->width);
        between_columns(r)[x] = (mr_between){b.low * r->channels, b.high * r->channels, b.share};
    }
    r->rows = 0;
    for (int y = 0; y < r->height; y++) {
        mr_between b = half_pixel(y, shape->height, r->height);
        b.low = keep_row(needed, &r->rows, b.low);
        b.high = keep_row(needed, &r->rows, b.high);
        between_rows(r)[y] = b;
    }
    return 0;
}

static void push_half_pixel(mr_resizer *r, const uint8_t *const *rows, int count)
{
    const int *needed = (const int *)(const void *)r->needed.bytes;
    for (int y = r->row; y < r->row + count; y++)
        if (r->result_row < r->rows && needed[r->result_row] == y) {
            float *to = (float *)(void *)(r->kept.bytes + (size_t)r->result_row++ * r->stride);
            r->kernels->lerp(between_columns(r), r->width, r->channels, rows[y - r->row], to);
        }
}

static void half_pixel_floats(mr_resizer *r, float scale, float offset, float *dst)
{
    size_t size = (size_t)r->width * (size_t)r->channels;
    for (int y = 0; y < r->height; y++, dst += size) {
        mr_between b = between_rows(r)[y];
        const void *low = r->kept.bytes + (size_t)b.low * r->stride,
                   *high = r->kept.bytes + (size_t)b.high * r->stride;
        r->kernels->blend(low, high, b.share, size, scale, offset, dst);
    }
}

/* --- the stream ------------------------------------------------------------------------------- */

/* How an interpolation goes about it; pushing keeps rows, of ITEM bytes a sample, from which the result is
 * made. */
typedef struct resize_method {
    size_t item;
    int (*begin)(mr_resizer *r, const mr_image *shape, mr_error *e);
    void (*push)(mr_resizer *r, const uint8_t *const *rows, int count);
    /* Row Y of the result; in LINE where it has to be computed. NULL: the result is not bytes. */
    const uint8_t *(*row)(mr_resizer *r, int y, uint8_t *line);
} resize_method;

static const resize_method nearest = {1, begin_nearest, push_nearest, nearest_row};
static const resize_method filtered = {1, begin_filter, push_filtered, filtered_row};
static const resize_method half_pixels = {sizeof(float), begin_half_pixel, push_half_pixel, NULL};

static const resize_method *const methods[MR_INTERPOLATIONS] = {
    [MR_NEAREST] = &nearest,  [MR_BILINEAR] = &filtered, [MR_BICUBIC] = &filtered,
    [MR_LANCZOS] = &filtered, [MR_BOX] = &filtered,      [MR_TF_BILINEAR] = &half_pixels,
};

/* Bytes of rows that an image may take: by its own size and by that of the result. (One of 1x1000000 pixels would
 * have as many rows of the result's width.) */
static size_t most_kept(const mr_resizer *r, const mr_image *shape, size_t item)
{
    size_t pixels = (size_t)shape->width * (size_t)shape->height;
    size_t result = (size_t)r->width * (size_t)r->height * (size_t)r->channels * item;
    size_t most = FREE_KEPT;
    most = BYTES_PER_PIXEL * pixels > most ? BYTES_PER_PIXEL * pixels : most;
    most = 8 * result > most ? 8 * result : most;
    return most < MOST_KEPT ? most : MOST_KEPT;
}

static int reserve_rows(mr_resizer *r, const mr_image *shape, size_t item, mr_error *e)
{
    r->stride = ((size_t)r->width * (size_t)r->channels * item + MR_ROW_PADDING + 63) & ~(size_t)63;
    if ((size_t)r->rows > most_kept(r, shape, item) / r->stride)
        return mr_fail(e, MR_ELIMIT, "resizing to %dx%d needs %d rows of %zu bytes at once", r->width,
                       r->height, r->rows, r->stride);
    if (!mr_scratch_reserve(&r->kept, (size_t)r->rows * r->stride, e) ||
        !mr_scratch_reserve(&r->line, r->stride, e))
        return MR_ENOMEM;
    return 0;
}

int mr_resizer_begin(mr_resizer *r, const mr_image *shape, int width, int height, mr_interpolation filter,
                     mr_error *e)
{
    const resize_method *m = methods[filter];
    r->filter = filter;
    r->width = width;
    r->height = height;
    r->channels = shape->channels;
    r->horizontal = r->vertical = NULL;
    r->first_row = r->row = r->result_row = 0;
    r->rows = shape->height;
    int status = m->begin(r, shape, e);
    return status ? status : reserve_rows(r, shape, m->item, e);
}

void mr_resizer_push(mr_resizer *r, const uint8_t *const *rows, int count)
{
    methods[r->filter]->push(r, rows, count);
    r->row += count;
}

void mr_resizer_bytes(mr_resizer *r, uint8_t *dst)
{
    const resize_method *m = methods[r->filter];
    size_t size = (size_t)r->width * (size_t)r->channels;
    for (int y = 0; m->row && y < r->height; y++, dst += size) {
        const uint8_t *row = m->row(r, y, dst);
        if (row != dst)
            memcpy(dst, row, size);
    }
}

void mr_resizer_floats(mr_resizer *r, float scale, float offset, float *dst)
{
    const resize_method *m = methods[r->filter];
    size_t size = (size_t)r->width * (size_t)r->channels;
    if (!m->row) {
        half_pixel_floats(r, scale, offset, dst);
        return;
    }
    for (int y = 0; y < r->height; y++, dst += size)
        r->kernels->to_float(m->row(r, y, r->line.bytes), size, scale, offset, dst);
}
