/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/reference.h"

#include <string.h>

/* Called for every product of the convolution: places in y, x and w. */
typedef void product(void *argument, size_t y, size_t x, size_t w);

static void visit_taps(const mr_convolution *g, size_t n, size_t i, size_t j, size_t o, product *visit,
                       void *argument)
{
    size_t cin = g->cin / g->groups, group = o / (g->cout / g->groups);
    for (size_t p = 0; p < g->kh; p++)
        for (size_t q = 0; q < g->kw; q++)
            for (size_t c = 0; c < cin; c++) {
                int64_t row = (int64_t)i * g->sh - g->top + (int64_t)p * g->dh;
                int64_t column = (int64_t)j * g->sw - g->left + (int64_t)q * g->dw;
                if (row < 0 || column < 0 || row >= (int64_t)g->ih || column >= (int64_t)g->iw)
                    continue;
                size_t x = ((n * g->ih + (size_t)row) * g->iw + (size_t)column) * g->cin + group * cin + c;
                visit(argument, ((n * g->oh + i) * g->ow + j) * g->cout + o, x,
                      ((p * g->kw + q) * cin + c) * g->cout + o);
            }
}

static void visit_products(const mr_convolution *g, product *visit, void *argument)
{
    for (size_t n = 0; n < g->n; n++)
        for (size_t i = 0; i < g->oh; i++)
            for (size_t j = 0; j < g->ow; j++)
                for (size_t o = 0; o < g->cout; o++)
                    visit_taps(g, n, i, j, o, visit, argument);
}

struct sums {
    const mr_real *x, *w, *dy;
    double *out;
};

static void to_output(void *argument, size_t y, size_t x, size_t w)
{
    struct sums *s = argument;
    s->out[y] += (double)s->x[x] * (double)s->w[w];
}

static void to_input(void *argument, size_t y, size_t x, size_t w)
{
    struct sums *s = argument;
    s->out[x] += (double)s->dy[y] * (double)s->w[w];
}

static void to_weight(void *argument, size_t y, size_t x, size_t w)
{
    struct sums *s = argument;
    s->out[w] += (double)s->dy[y] * (double)s->x[x];
}

void reference_convolution(const mr_convolution *g, const mr_real *x, const mr_real *w, double *y)
{
    struct sums s = {.x = x, .w = w, .out = y};
    memset(y, 0, g->n * g->oh * g->ow * g->cout * sizeof *y);
    visit_products(g, to_output, &s);
}

void reference_input_gradient(const mr_convolution *g, const mr_real *dy, const mr_real *w, double *dx)
{
    struct sums s = {.dy = dy, .w = w, .out = dx};
    memset(dx, 0, g->n * g->ih * g->iw * g->cin * sizeof *dx);
    visit_products(g, to_input, &s);
}

void reference_weight_gradient(const mr_convolution *g, const mr_real *x, const mr_real *dy, double *dw)
{
    struct sums s = {.dy = dy, .x = x, .out = dw};
    memset(dw, 0, g->kh * g->kw * (g->cin / g->groups) * g->cout * sizeof *dw);
    visit_products(g, to_weight, &s);
}

void reference_column_sums(const mr_real *a, const mr_real *b, size_t rows, size_t columns, double *sum_a,
                           double *sum_ab)
{
    for (size_t c = 0; c < columns; c++) {
        sum_a[c] = sum_ab[c] = 0;
        for (size_t r = 0; r < rows; r++) {
            sum_a[c] += (double)a[r * columns + c];
            sum_ab[c] += (double)a[r * columns + c] * (double)b[r * columns + c];
        }
    }
}

static double pool_one(const mr_convolution *g, bool maximum, const mr_real *x, size_t n, size_t i, size_t j,
                       size_t c)
{
    double most = -1e300, sum = 0;
    int count = 0;
    for (size_t p = 0; p < g->kh; p++)
        for (size_t q = 0; q < g->kw; q++) {
            int64_t row = (int64_t)i * g->sh - g->top + (int64_t)p,
                    column = (int64_t)j * g->sw - g->left + (int64_t)q;
            if (row < 0 || column < 0 || row >= (int64_t)g->ih || column >= (int64_t)g->iw)
                continue;
            double v = (double)x[((n * g->ih + (size_t)row) * g->iw + (size_t)column) * g->cin + c];
            most = v > most ? v : most;
            sum += v;
            count++;
        }
    return maximum ? most : sum / count;
}

void reference_pooling(const mr_convolution *g, bool maximum, const mr_real *x, double *y)
{
    for (size_t n = 0; n < g->n; n++)
        for (size_t i = 0; i < g->oh; i++)
            for (size_t j = 0; j < g->ow; j++)
                for (size_t c = 0; c < g->cin; c++)
                    *y++ = pool_one(g, maximum, x, n, i, j, c);
}

/* The weight of input pixel P in output pixel O: a tent of one pixel around the place that is read, which
 * stays inside. */
static double tent(size_t o, size_t p, size_t in, size_t out)
{
    double place = ((double)o + 0.5) * (double)in / (double)out - 0.5;
    place = place < 0 ? 0 : place > (double)in - 1 ? (double)in - 1 : place;
    double distance = fabs(place - (double)p);
    return distance < 1 ? 1 - distance : 0;
}

void reference_bilinear(const mr_convolution *g, const mr_real *x, double *y)
{
    memset(y, 0, g->n * g->oh * g->ow * g->cin * sizeof *y);
    for (size_t n = 0; n < g->n; n++)
        for (size_t i = 0; i < g->oh; i++)
            for (size_t j = 0; j < g->ow; j++, y += g->cin)
                for (size_t p = 0; p < g->ih; p++)
                    for (size_t q = 0; q < g->iw; q++)
                        for (size_t c = 0; c < g->cin; c++)
                            y[c] += tent(i, p, g->ih, g->oh) * tent(j, q, g->iw, g->ow) *
                                    (double)x[((n * g->ih + p) * g->iw + q) * g->cin + c];
}
