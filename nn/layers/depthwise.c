/* SPDX-License-Identifier: Apache-2.0 */
/* Direct loops. Output channel c*multiplier + m reads input channel c; with multiplier 1 (nearly always) both
 * run alike and whole vectors of channels are summed over the taps in a register. */
#include "nn/layers/depthwise.h"

#include "nn/layers/window.h"
#include "nn/compute/simd.h"

#include <string.h>

enum { LANES = 64 / sizeof(mr_real), PARTS = 16 };
/* A vector that may lie anywhere. Macros, because a vector argument would change the calling convention. */
typedef mr_real lanes __attribute__((vector_size(64), aligned(sizeof(mr_real)), may_alias));
#define LOAD(p) (*(const lanes *)(p))
#define STORE(p, v) (*(lanes *)(p) = (v))

struct job {
    const mr_convolution *g;
    const mr_real *x, *w, *bias, *dy;
    mr_real *y, *dx, *dw;
    bool add;
    size_t multiplier;
    mr_real *partial; /* [parts][kh, kw, cout] */
    size_t rows_per_part;
};

/* Taps FROM … TO of one axis, those inside the image for one place; tap t reads FIRST + t*STEP of the other
 * side. */
struct taps {
    int64_t first, step;
    size_t from, to;
};

/* Taps that read inside for output place I. */
static struct taps forward_taps(size_t i, size_t size, size_t kernel, int64_t stride, int64_t dilation,
                                int64_t before)
{
    struct taps t = {(int64_t)i * stride - before, dilation, 0, 0};
    if (t.first < 0)
        t.from = mr_min(kernel, mr_ceil_divide((size_t)-t.first, (size_t)dilation));
    int64_t room = (int64_t)size - t.first; /* > 0 wherever the window meets the image */
    t.to = room > 0 ? mr_min(kernel, mr_ceil_divide((size_t)room, (size_t)dilation)) : 0;
    return t;
}

/* --- forward --------------------------------------------------------------- */

static void forward_any(const struct job *j, const mr_real *x, const struct taps *rows,
                        const struct taps *columns, size_t c, mr_real *y)
{
    const mr_convolution *g = j->g;
    mr_real sum = j->bias ? j->bias[c] : 0;
    for (size_t p = rows->from; p < rows->to; p++)
        for (size_t q = columns->from; q < columns->to; q++) {
            int64_t at = (rows->first + (int64_t)p * rows->step) * (int64_t)g->iw + columns->first +
                         (int64_t)q * columns->step;
            sum +=
                x[at * (int64_t)g->cin + (int64_t)(c / j->multiplier)] * j->w[(p * g->kw + q) * g->cout + c];
        }
    y[c] = sum;
}

MR_CLONES static void forward_vectors(const struct job *j, const mr_real *x, const struct taps *rows,
                                      const struct taps *columns, size_t vectors, mr_real *y)
{
    const mr_convolution *g = j->g;
    for (size_t c = 0; c < vectors * LANES; c += LANES) {
        lanes sum = {0};
        if (j->bias)
            sum = LOAD(j->bias + c);
        for (size_t p = rows->from; p < rows->to; p++) {
            const mr_real *line = x + (rows->first + (int64_t)p * rows->step) * (int64_t)(g->iw * g->cin);
            for (size_t q = columns->from; q < columns->to; q++)
                sum += LOAD(line + (columns->first + (int64_t)q * columns->step) * (int64_t)g->cin + c) *
                       LOAD(j->w + (p * g->kw + q) * g->cout + c);
        }
        STORE(y + c, sum);
    }
}

static void forward_row(void *argument, size_t item, int thread)
{
    (void)thread;
    const struct job *j = argument;
    const mr_convolution *g = j->g;
    const mr_real *x = j->x + item / g->oh * g->ih * g->iw * g->cin;
    mr_real *y = j->y + item * g->ow * g->cout;
    size_t vectors = j->multiplier == 1 ? g->cout / LANES : 0;
    struct taps rows = forward_taps(item % g->oh, g->ih, g->kh, g->sh, g->dh, g->top);
    for (size_t o = 0; o < g->ow; o++, y += g->cout) {
        struct taps columns = forward_taps(o, g->iw, g->kw, g->sw, g->dw, g->left);
        forward_vectors(j, x, &rows, &columns, vectors, y);
        for (size_t c = vectors * LANES; c < g->cout; c++)
            forward_any(j, x, &rows, &columns, c, y);
    }
}

void mr_depthwise_forward(const mr_convolution *g, mr_team *t, const mr_real *x, const mr_real *w,
                          const mr_real *bias, mr_real *y)
{
    struct job j = {.g = g, .x = x, .w = w, .bias = bias, .y = y, .multiplier = g->cout / g->cin};
    mr_team_items(t, g->n * g->oh, forward_row, &j);
}

/* --- by the input ---------------------------------------------------------- */

/* Where tap T, seen from input place I, lies in the output; -1: nowhere. */
static int64_t reached(size_t i, size_t tap, size_t size, int64_t stride, int64_t dilation, int64_t before)
{
    int64_t at = (int64_t)i + before - (int64_t)tap * dilation;
    if (stride > 1) {
        if (at < 0 || (uint64_t)at % (uint64_t)stride)
            return -1;
        at = (int64_t)((uint64_t)at / (uint64_t)stride);
    }
    return at >= 0 && at < (int64_t)size ? at : -1;
}

/* Pixels of dy that reach one pixel of the input, with their taps of the kernel. */
enum { MOST_HITS = 32 };
struct hits {
    size_t count;
    const mr_real *dy[MOST_HITS], *w[MOST_HITS];
};

MR_CLONES static void sum_hits(const struct hits *h, size_t vectors, bool add, mr_real *dx)
{
    for (size_t c = 0; c < vectors * LANES; c += LANES) {
        lanes sum = {0};
        if (add)
            sum = LOAD(dx + c);
        for (size_t i = 0; i < h->count; i++)
            sum += LOAD(h->dy[i] + c) * LOAD(h->w[i] + c);
        STORE(dx + c, sum);
    }
}

static void sum_hits_any(const struct hits *h, size_t from, size_t channels, size_t multiplier, bool add,
                         mr_real *dx)
{
    for (size_t c = from; c < channels; c++) {
        mr_real sum = add ? dx[c] : 0;
        for (size_t i = 0; i < h->count; i++)
            for (size_t m = c * multiplier; m < (c + 1) * multiplier; m++)
                sum += h->dy[i][m] * h->w[i][m];
        dx[c] = sum;
    }
}

static void flush(const struct job *j, struct hits *h, bool add, mr_real *dx)
{
    size_t vectors = j->multiplier == 1 ? j->g->cout / LANES : 0;
    sum_hits(h, vectors, add, dx);
    sum_hits_any(h, vectors * LANES, j->g->cin, j->multiplier, add, dx);
    h->count = 0;
}

static void gradient_pixel(const struct job *j, const mr_real *dy, size_t i, size_t k, mr_real *dx)
{
    const mr_convolution *g = j->g;
    struct hits h = {.count = 0};
    bool add = j->add;
    for (size_t p = 0; p < g->kh; p++) {
        int64_t row = reached(i, p, g->oh, g->sh, g->dh, g->top);
        for (size_t q = 0; row >= 0 && q < g->kw; q++) {
            int64_t column = reached(k, q, g->ow, g->sw, g->dw, g->left);
            if (column < 0)
                continue;
            if (h.count == MOST_HITS) {
                flush(j, &h, add, dx);
                add = true;
            }
            h.dy[h.count] = dy + (row * (int64_t)g->ow + column) * (int64_t)g->cout;
            h.w[h.count++] = j->w + (p * g->kw + q) * g->cout;
        }
    }
    flush(j, &h, add, dx);
}

static void gradient_row(void *argument, size_t item, int thread)
{
    (void)thread;
    const struct job *j = argument;
    const mr_convolution *g = j->g;
    const mr_real *dy = j->dy + item / g->ih * g->oh * g->ow * g->cout;
    mr_real *line = j->dx + item * g->iw * g->cin;
    for (size_t k = 0; k < g->iw; k++)
        gradient_pixel(j, dy, item % g->ih, k, line + k * g->cin);
}

void mr_depthwise_input_gradient(const mr_convolution *g, mr_team *t, const mr_real *dy, const mr_real *w,
                                 mr_real *dx, bool add)
{
    struct job j = {.g = g, .dy = dy, .w = w, .dx = dx, .add = add, .multiplier = g->cout / g->cin};
    mr_team_items(t, g->n * g->ih, gradient_row, &j);
}

/* --- by the kernel --------------------------------------------------------- */

/* Output places FROM … TO of a row for which tap Q reads inside. */
static struct taps places_of_tap(const mr_convolution *g, size_t q)
{
    int64_t offset = (int64_t)q * g->dw - g->left; /* place o reads column o*sw + offset */
    struct taps t = {offset, g->sw, 0, 0};
    if (offset < 0)
        t.from = mr_min(g->ow, mr_ceil_divide((size_t)-offset, (size_t)g->sw));
    int64_t room = (int64_t)g->iw - offset;
    t.to = room > 0 ? mr_min(g->ow, mr_ceil_divide((size_t)room, (size_t)g->sw)) : 0;
    return t;
}

MR_CLONES static void sum_vectors(const mr_real *x, size_t x_step, const mr_real *dy, size_t dy_step,
                                  size_t places, size_t vectors, mr_real *sum)
{
    for (size_t c = 0; c < vectors * LANES; c += LANES) {
        lanes s = {0};
        for (size_t o = 0; o < places; o++)
            s += LOAD(x + o * x_step + c) * LOAD(dy + o * dy_step + c);
        STORE(sum + c, LOAD(sum + c) + s);
    }
}

static void sum_line(const struct job *j, const mr_real *line, const mr_real *dy, size_t q, mr_real *sum)
{
    const mr_convolution *g = j->g;
    struct taps t = places_of_tap(g, q);
    if (t.from >= t.to)
        return;
    size_t places = t.to - t.from, step = (size_t)g->sw * g->cin,
           vectors = j->multiplier == 1 ? g->cout / LANES : 0;
    const mr_real *x = line + (t.first + (int64_t)t.from * t.step) * (int64_t)g->cin;
    dy += t.from * g->cout;
    sum_vectors(x, step, dy, g->cout, places, vectors, sum);
    for (size_t c = vectors * LANES; c < g->cout; c++) {
        mr_real s = 0;
        for (size_t o = 0; o < places; o++)
            s += x[o * step + c / j->multiplier] * dy[o * g->cout + c];
        sum[c] += s;
    }
}

static void sum_part(void *argument, int task, int thread)
{
    (void)thread;
    const struct job *j = argument;
    const mr_convolution *g = j->g;
    size_t kernel = g->kh * g->kw * g->cout, first = (size_t)task * j->rows_per_part;
    mr_real *sum = j->partial + (size_t)task * kernel;
    memset(sum, 0, kernel * sizeof *sum);
    for (size_t r = first; r < mr_min(first + j->rows_per_part, g->n * g->oh); r++) {
        struct taps rows = forward_taps(r % g->oh, g->ih, g->kh, g->sh, g->dh, g->top);
        const mr_real *x = j->x + r / g->oh * g->ih * g->iw * g->cin, *dy = j->dy + r * g->ow * g->cout;
        for (size_t p = rows.from; p < rows.to; p++) {
            const mr_real *line = x + (rows.first + (int64_t)p * rows.step) * (int64_t)(g->iw * g->cin);
            for (size_t q = 0; q < g->kw; q++)
                sum_line(j, line, dy, q, sum + (p * g->kw + q) * g->cout);
        }
    }
}

size_t mr_depthwise_weight_scratch(const mr_convolution *g)
{
    return mr_reals_piece(mr_min(PARTS, g->n * g->oh) * g->kh * g->kw * g->cout);
}

void mr_depthwise_weight_gradient(const mr_convolution *g, mr_team *t, const mr_real *x, const mr_real *dy,
                                  mr_real *dw, void *scratch)
{
    size_t rows = g->n * g->oh, kernel = g->kh * g->kw * g->cout;
    struct job j = {.g = g,
                    .x = x,
                    .dy = dy,
                    .partial = scratch,
                    .multiplier = g->cout / g->cin,
                    .rows_per_part = mr_ceil_divide(rows, PARTS)};
    size_t parts = mr_ceil_divide(rows, j.rows_per_part);
    mr_team_run(t, (int)parts, sum_part, &j);
    for (size_t p = 0; p < parts; p++)
        for (size_t i = 0; i < kernel; i++)
            dw[i] += j.partial[p * kernel + i];
}
