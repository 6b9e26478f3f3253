/* SPDX-License-Identifier: Apache-2.0 */
/* The resizer: coefficients that are kept, the streaming of rows through the two passes, nearest, half-pixel
 * bilinear. */
#include "io/resize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Coefficients are kept by size: an image set holds many sizes, and the filters cost more than the resizing.
 */
enum { KEPT = 256 };
#define KEPT_BYTES ((size_t)16 << 20) /* of one axis; over this all are forgotten */

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
    const mr_taps *horizontal, *vertical; /* NULL where the axis keeps its length (and for nearest) */
    int first_row, rows;                  /* rows that are kept; the first of them in the input */
    int row;                              /* the next input row */
    int result_row;                       /* nearest: the next output row */
    size_t stride;                        /* of kept */
    mr_scratch kept;                      /* rows after the horizontal pass; nearest: the result */
    mr_scratch line;                      /* one row of the result */
    mr_scratch picks; /* nearest, int: input byte of each output column, input row of each row */
    mr_scratch batch; /* mr_resizer_rows */
};

/* --- coefficients that are kept --------------------------------------------------------------- */

static size_t taps_bytes(const mr_taps *t)
{
    return (size_t)t->out * (size_t)t->stride * 8;
}

static void forget_all(tap_cache *c)
{
    for (int i = 0; i < KEPT; i++)
        mr_taps_free(&c->kept[i]);
    c->bytes = 0;
}

static const mr_taps *taps_for(tap_cache *c, int in, int out, mr_interpolation f, mr_error *e)
{
    mr_taps *t = &c->kept[(unsigned)(in * 31 + out) % KEPT];
    if (t->first && t->in == in && t->out == out && t->filter == f)
        return t;
    if (c->bytes > KEPT_BYTES)
        forget_all(c);
    c->bytes -= t->first ? taps_bytes(t) : 0;
    mr_taps_free(t);
    if (mr_taps_create(t, in, out, f, e)) {
        mr_taps_free(t);
        return NULL;
    }
    c->bytes += taps_bytes(t);
    return t;
}

/* --- life ------------------------------------------------------------------------------------- */

int mr_resizer_create(mr_resizer **out, const mr_resize_kernels *kernels, mr_error *e)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return mr_fail(e, MR_ENOMEM, "no memory for a resizer");
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

/* --- the stream ------------------------------------------------------------------------------- */

static int begin_filter(mr_resizer *r, const mr_image *shape, mr_error *e)
{
    if (shape->width != r->width) {
        r->horizontal = taps_for(&r->horizontal_cache, shape->width, r->width, r->filter, e);
        if (!r->horizontal)
            return MR_ENOMEM;
    }
    if (shape->height != r->height) {
        r->vertical = taps_for(&r->vertical_cache, shape->height, r->height, r->filter, e);
        if (!r->vertical)
            return MR_ENOMEM;
        int last = r->height - 1;
        r->first_row = r->vertical->first[0];
        r->rows = r->vertical->first[last] + r->vertical->count[last] - r->first_row;
    }
    return 0;
}

int mr_resizer_begin(mr_resizer *r, const mr_image *shape, int width, int height, mr_interpolation filter,
                     mr_error *e)
{
    r->filter = filter;
    r->width = width;
    r->height = height;
    r->channels = shape->channels;
    r->horizontal = r->vertical = NULL;
    r->first_row = r->row = r->result_row = 0;
    r->rows = shape->height;
    int status = filter == MR_NEAREST ? begin_nearest(r, shape, e) : begin_filter(r, shape, e);
    if (status)
        return e && e->code ? e->code : status;
    r->stride = ((size_t)width * (size_t)r->channels + 63) & ~(size_t)63;
    if (!mr_scratch_reserve(&r->kept, (size_t)r->rows * r->stride, e) ||
        !mr_scratch_reserve(&r->line, r->stride, e))
        return MR_ENOMEM;
    return 0;
}

static void push_filtered(mr_resizer *r, const uint8_t *const *rows, int count)
{
    int skipped = r->first_row - r->row, last = r->first_row + r->rows - r->row;
    int from = skipped < 0 ? 0 : skipped, to = last < count ? last : count;
    if (from >= to)
        return;
    uint8_t *dst = r->kept.bytes + (size_t)(r->row + from - r->first_row) * r->stride;
    if (r->horizontal)
        r->kernels->horizontal(r->horizontal, r->channels, rows + from, to - from, dst, r->stride);
    else
        for (int y = from; y < to; y++, dst += r->stride)
            memcpy(dst, rows[y], (size_t)r->width * (size_t)r->channels);
}

static void push_nearest(mr_resizer *r, const uint8_t *const *rows, int count)
{
    const int *wanted = picked_rows(r);
    for (int y = r->row; y < r->row + count; y++)
        for (; r->result_row < r->height && wanted[r->result_row] == y; r->result_row++)
            pick_columns(r, rows[y - r->row], r->kept.bytes + (size_t)r->result_row * r->stride);
}

void mr_resizer_push(mr_resizer *r, const uint8_t *const *rows, int count)
{
    if (r->filter == MR_NEAREST)
        push_nearest(r, rows, count);
    else
        push_filtered(r, rows, count);
    r->row += count;
}

/* Row Y of the result; in LINE where it has to be computed. */
static const uint8_t *result_row(mr_resizer *r, int y, uint8_t *line)
{
    if (!r->vertical)
        return r->kept.bytes + (size_t)y * r->stride;
    r->kernels->vertical(r->vertical, y, r->kept.bytes, r->stride, r->first_row,
                         (size_t)r->width * (size_t)r->channels, line);
    return line;
}

void mr_resizer_bytes(mr_resizer *r, uint8_t *dst)
{
    size_t size = (size_t)r->width * (size_t)r->channels;
    for (int y = 0; y < r->height; y++, dst += size) {
        const uint8_t *row = result_row(r, y, dst);
        if (row != dst)
            memcpy(dst, row, size);
    }
}

void mr_resizer_floats(mr_resizer *r, float scale, float offset, float *dst)
{
    size_t size = (size_t)r->width * (size_t)r->channels;
    for (int y = 0; y < r->height; y++, dst += size)
        r->kernels->to_float(result_row(r, y, r->line.bytes), size, scale, offset, dst);
}

/* --- half-pixel bilinear ---------------------------------------------------------------------- */

/* Output index I lies between input indices LOW and HIGH, at SHARE of the way. */
typedef struct between {
    int low, high;
    float share;
} between;

static between half_pixel(int i, int in, int out)
{
    float scale = (float)in / (float)out;
    float position = fmaxf(((float)i + 0.5f) * scale - 0.5f, 0.0f);
    int low = (int)position;
    low = low < in - 1 ? low : in - 1;
    return (between){.low = low, .high = low < in - 1 ? low + 1 : low, .share = position - (float)low};
}

static void half_pixel_row(const between *columns, between row, const mr_image *src, int width, float *dst)
{
    size_t stride = (size_t)src->width * (size_t)src->channels;
    const uint8_t *top = src->pixels + (size_t)row.low * stride,
                  *bottom = src->pixels + (size_t)row.high * stride;
    for (int x = 0; x < width; x++) {
        between c = columns[x];
        for (int k = 0; k < src->channels; k++, dst++) {
            float a = (1 - c.share) * (float)top[c.low + k] + c.share * (float)top[c.high + k];
            float b = (1 - c.share) * (float)bottom[c.low + k] + c.share * (float)bottom[c.high + k];
            *dst = (1 - row.share) * a + row.share * b;
        }
    }
}

int mr_resize_half_pixel(mr_resizer *r, const mr_image *src, int width, int height, float *dst, mr_error *e)
{
    between *columns = (between *)(void *)mr_scratch_reserve(&r->picks, (size_t)width * sizeof *columns, e);
    if (!columns)
        return MR_ENOMEM;
    for (int x = 0; x < width; x++) {
        columns[x] = half_pixel(x, src->width, width);
        columns[x].low *= src->channels;
        columns[x].high *= src->channels;
    }
    for (int y = 0; y < height; y++, dst += (size_t)width * (size_t)src->channels)
        half_pixel_row(columns, half_pixel(y, src->height, height), src, width, dst);
    return 0;
}
