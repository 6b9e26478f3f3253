/* SPDX-License-Identifier: Apache-2.0 */
/* The plain kernel, what is common to all, and the borders. */
#include "pipeline/augment/warp.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

static const char *const fill_mode_names[] = {
    [MR_FILL_NEAREST] = "nearest",
    [MR_FILL_CONSTANT] = "constant",
    [MR_FILL_REFLECT] = "reflect",
    [MR_FILL_WRAP] = "wrap",
};
enum { FILL_MODES = sizeof fill_mode_names / sizeof *fill_mode_names };

int mr_fill_mode_by_name(const char *name)
{
    for (int i = 0; i < FILL_MODES; i++)
        if (!strcmp(name, fill_mode_names[i]))
            return i;
    return -1;
}

const char *mr_fill_mode_name(mr_fill_mode m)
{
    return (unsigned)m < FILL_MODES ? fill_mode_names[m] : NULL;
}

/* The source pixels around one coordinate of one axis: two neighbours and their weights. */
typedef struct axis_tap {
    int first, second;
    double near, far; /* weights of first and second: 1 - fraction, fraction */
} axis_tap;

/* scipy adds up in this order: 0 + row*m + column*m + shift. */
static inline double coordinate(double row_part, double step, double column, double shift)
{
    return (row_part + column * step) + shift;
}

/* COORDINATE clamped to 0 … length-1 and split. At the last pixel the pair is the last two with weights 0 and
 * 1, which gives the same value as scipy's (last, mirrored) with 1 and 0. Not a number becomes 0. */
static inline axis_tap clamped_tap(double at, int length)
{
    double last = length - 1;
    at = at > 0.0 ? at : 0.0;
    at = at < last ? at : last;
    int top = length > 1 ? length - 2 : 0;
    int first = (int)at;
    first = first < top ? first : top;
    double far = at - (double)first;
    return (axis_tap){first, length > 1 ? first + 1 : first, 1.0 - far, far};
}

static inline float finish(double value, const mr_warp *w)
{
    return (float)value * w->scale + w->bias;
}

/* scipy's order: each pixel times its row's weight, times its column's weight, added up row by row. */
static inline double interpolate(double p00, double p01, double p10, double p11, const axis_tap *y,
                                 const axis_tap *x)
{
    double sum = p00 * y->near * x->near;
    sum += p01 * y->near * x->far;
    sum += p10 * y->far * x->near;
    sum += p11 * y->far * x->far;
    return sum;
}

static inline size_t pixel_at(const mr_warp *w, int row, int column)
{
    return ((size_t)row * (size_t)w->width + (size_t)column) * (size_t)w->channels;
}

static void pixel_u8(const mr_warp *w, const axis_tap *y, const axis_tap *x, const void *pixels, float *dst)
{
    const uint8_t *src = pixels;
    const uint8_t *p00 = src + pixel_at(w, y->first, x->first), *p01 = src + pixel_at(w, y->first, x->second);
    const uint8_t *p10 = src + pixel_at(w, y->second, x->first),
                  *p11 = src + pixel_at(w, y->second, x->second);
    for (int c = 0; c < w->channels; c++)
        dst[c] = finish(interpolate(p00[c], p01[c], p10[c], p11[c], y, x), w);
}

static void pixel_float(const mr_warp *w, const axis_tap *y, const axis_tap *x, const void *pixels,
                        float *dst)
{
    const float *src = pixels;
    const float *p00 = src + pixel_at(w, y->first, x->first), *p01 = src + pixel_at(w, y->first, x->second);
    const float *p10 = src + pixel_at(w, y->second, x->first), *p11 = src + pixel_at(w, y->second, x->second);
    for (int c = 0; c < w->channels; c++)
        dst[c] = finish(interpolate(p00[c], p01[c], p10[c], p11[c], y, x), w);
}

typedef void pixel_function(const mr_warp *w, const axis_tap *y, const axis_tap *x, const void *src,
                            float *dst);

/* --- the plain kernel --- */

static inline void plain_span(const mr_warp *w, const mr_warp_span *s, const void *src, float *dst,
                              pixel_function *pixel)
{
    for (int i = 0; i < s->count; i++, dst += w->channels) {
        double column = s->column + i * s->step;
        axis_tap y = clamped_tap(coordinate(s->row_y, w->matrix[0][1], column, w->shift[0]), w->height);
        axis_tap x = clamped_tap(coordinate(s->row_x, w->matrix[1][1], column, w->shift[1]), w->width);
        pixel(w, &y, &x, src, dst);
    }
}

static void plain_u8(const mr_warp *w, const mr_warp_span *s, const uint8_t *src, float *dst)
{
    plain_span(w, s, src, dst, pixel_u8);
}

static void plain_float(const mr_warp *w, const mr_warp_span *s, const float *src, float *dst)
{
    plain_span(w, s, src, dst, pixel_float);
}

static bool always(void)
{
    return true;
}

static const mr_warp_kernel plain = {"plain", always, plain_u8, plain_u8, plain_float};

#if defined __x86_64__
extern const mr_warp_kernel mr_warp_avx2, mr_warp_avx512;
const mr_warp_kernel *const mr_warp_kernels[] = {&plain, &mr_warp_avx2, &mr_warp_avx512};
#else
const mr_warp_kernel *const mr_warp_kernels[] = {&plain};
#endif
const int mr_warp_kernel_count = sizeof mr_warp_kernels / sizeof *mr_warp_kernels;

const mr_warp_kernel *mr_warp_best_kernel(void)
{
    int i = mr_warp_kernel_count - 1;
    while (i > 0 && !mr_warp_kernels[i]->usable()) /* the first always is */
        i--;
    return mr_warp_kernels[i];
}

/* --- which columns lie inside the image --- */

/* One coordinate along an output row, as a function of the column. Rounding is monotonic, so it never turns
 * back. */
typedef struct course {
    double row_part, step, shift;
    double last; /* length - 1 of the axis: inside is 0 … last */
} course;

static bool is_outside(const course *c, int column, bool beyond)
{
    double at = coordinate(c->row_part, c->step, column, c->shift);
    bool leaves_at_end = (c->step >= 0) == beyond;
    return leaves_at_end ? at > c->last : at < 0.0;
}

/* Number of columns out of WIDTH before the first one that has entered the image (BEYOND false), or before
 * the first one that has left it at the far side (BEYOND true). The division guesses; the loops make it
 * exact. */
static int columns_until(const course *c, int width, bool beyond)
{
    double edge = (c->step >= 0) == beyond ? c->last : 0.0;
    double guess = ceil((edge - c->shift - c->row_part) / c->step);
    int n = guess > 0 ? guess < width ? (int)guess : width : 0; /* not a number: 0 */
    while (n > 0 && is_outside(c, n - 1, beyond) == beyond)
        n--;
    while (n < width && is_outside(c, n, beyond) != beyond)
        n++;
    return n;
}

typedef struct range {
    int from, to; /* columns from … to-1 */
} range;

static range inside_of(const course *c, int width)
{
    return (range){columns_until(c, width, false), columns_until(c, width, true)};
}

static range inside_both(const mr_warp *w, const mr_warp_span *row)
{
    course y = {row->row_y, w->matrix[0][1], w->shift[0], w->height - 1};
    course x = {row->row_x, w->matrix[1][1], w->shift[1], w->width - 1};
    range a = inside_of(&y, w->width), b = inside_of(&x, w->width);
    range both = {a.from > b.from ? a.from : b.from, a.to < b.to ? a.to : b.to};
    if (both.to < both.from)
        both.to = both.from;
    return both;
}

/* --- outside: the modes "reflect" and "wrap" as scipy 1.6 and later define them (ni_interpolation.c) --- */

/* (d c b a | a b c d | d c b a) for whole coordinates. Between -1 and 0, and between length-1 and length, the
 * result stays there: both neighbours are then the border pixel, as if clamped. */
static double reflected(double at, int length)
{
    double period = 2.0 * length;
    if (at < 0) {
        if (at < -period)
            at += period * trunc(-at / period);
        return at < -length ? at + period : -at - 1;
    }
    at -= period * trunc(at / period);
    return at >= length ? period - at - 1 : at;
}

/* Periodic with length-1, not length: the last pixel falls onto the first one. The result is inside. */
static double wrapped(double at, int length)
{
    double period = length - 1;
    if (at < 0)
        return at + period * (trunc(-at / period) + 1);
    return at - period * trunc(at / period);
}

static axis_tap border_tap(double at, int length, mr_fill_mode mode)
{
    bool sane = fabs(at) < 1e15; /* what is further away has no fraction left */
    if (length < 2 || !sane)
        return clamped_tap(0.0, length);
    if (at < 0 || at > length - 1)
        at = mode == MR_FILL_REFLECT ? reflected(at, length) : wrapped(at, length);
    return clamped_tap(at, length);
}

static void fill_pixels(const mr_warp *w, int count, float *dst)
{
    float value = finish(w->cval, w);
    for (int i = 0; i < count * w->channels; i++)
        dst[i] = value;
}

static void outside_span(const mr_warp *w, const mr_warp_span *s, const void *src, float *dst,
                         pixel_function *pixel)
{
    if (w->mode == MR_FILL_CONSTANT) {
        fill_pixels(w, s->count, dst);
        return;
    }
    for (int i = 0; i < s->count; i++, dst += w->channels) {
        double column = s->column + i * s->step;
        axis_tap y =
            border_tap(coordinate(s->row_y, w->matrix[0][1], column, w->shift[0]), w->height, w->mode);
        axis_tap x =
            border_tap(coordinate(s->row_x, w->matrix[1][1], column, w->shift[1]), w->width, w->mode);
        pixel(w, &y, &x, src, dst);
    }
}

/* --- whole images --- */

/* What a warp of one pixel type is made of. */
typedef struct worker {
    const mr_warp *warp;
    const mr_warp_kernel *kernel;
    const void *src;
    bool bytes; /* src is uint8_t */
} worker;

static void inside_span(const worker *k, const mr_warp_span *s, float *dst)
{
    if (!k->bytes)
        k->kernel->floats(k->warp, s, k->src, dst);
    else if (k->warp->channels == 3)
        k->kernel->rgb8(k->warp, s, k->src, dst);
    else
        k->kernel->gray8(k->warp, s, k->src, dst);
}

/* The columns FROM … TO-1 of the output row as a span; numbers run backwards where the row is flipped. */
static mr_warp_span part_of(const mr_warp_span *row, int from, int to)
{
    mr_warp_span s = *row;
    s.column = row->column + from * row->step;
    s.count = to - from;
    return s;
}

static void warp_row(const worker *k, const mr_warp_span *row, float *dst)
{
    const mr_warp *w = k->warp;
    if (w->mode == MR_FILL_NEAREST) {
        inside_span(k, row, dst);
        return;
    }
    range in = inside_both(w, row);
    if (row->step < 0)
        in = (range){w->width - in.to, w->width - in.from};
    pixel_function *pixel = k->bytes ? pixel_u8 : pixel_float;
    mr_warp_span left = part_of(row, 0, in.from), middle = part_of(row, in.from, in.to);
    mr_warp_span right = part_of(row, in.to, w->width);
    outside_span(w, &left, k->src, dst, pixel);
    inside_span(k, &middle, dst + (size_t)in.from * (size_t)w->channels);
    outside_span(w, &right, k->src, dst + (size_t)in.to * (size_t)w->channels, pixel);
}

static void warp_image(const worker *k, float *dst)
{
    const mr_warp *w = k->warp;
    mr_warp_span row = {.column = w->flip_horizontal ? w->width - 1 : 0,
                        .step = w->flip_horizontal ? -1 : 1,
                        .count = w->width};
    for (int r = 0; r < w->height; r++) {
        int number = w->flip_vertical ? w->height - 1 - r : r;
        row.row_y = number * w->matrix[0][0];
        row.row_x = number * w->matrix[1][0];
        warp_row(k, &row, dst + pixel_at(w, r, 0));
    }
}

/* The vector kernels take neighbours in pairs, compute 32-bit offsets, and know bytes as gray or RGB only. */
static bool lanes_can(const mr_warp *w, bool bytes)
{
    double size = (double)w->height * w->width * w->channels * (double)sizeof(float);
    bool channels = bytes ? w->channels == 1 || w->channels == 3 : w->channels <= MR_WARP_LANES_CHANNELS;
    return channels && w->height > 1 && w->width > 1 && size < 2147483647.0;
}

void mr_warp_u8(const mr_warp *w, const mr_warp_kernel *kernel, const uint8_t *src, float *dst)
{
    warp_image(&(worker){w, lanes_can(w, true) ? kernel : &plain, src, true}, dst);
}

void mr_warp_float(const mr_warp *w, const mr_warp_kernel *kernel, const float *src, float *dst)
{
    warp_image(&(worker){w, lanes_can(w, false) ? kernel : &plain, src, false}, dst);
}
