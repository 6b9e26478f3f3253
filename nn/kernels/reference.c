/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/kernels/reference.h"

#include <math.h>
#include <string.h>

static size_t input_at(const mr_conv *d, int n, int h, int w, int c)
{
    return (((size_t)n * (size_t)d->h + (size_t)h) * (size_t)d->w + (size_t)w) * (size_t)d->c + (size_t)c;
}

static size_t output_at(const mr_conv *d, int n, int p, int q, int k)
{
    return (((size_t)n * (size_t)d->p + (size_t)p) * (size_t)d->q + (size_t)q) * (size_t)d->k + (size_t)k;
}

static size_t weight_at(const mr_conv *d, int r, int s, int c, int k)
{
    return (((size_t)r * (size_t)d->s + (size_t)s) * (size_t)d->c + (size_t)c) * (size_t)d->k + (size_t)k;
}

/* Input row and column that kernel position (R, S) meets from output pixel (P, Q); false: outside. */
static bool meets(const mr_conv *d, int p, int q, int r, int s, int *h, int *w)
{
    *h = p * d->stride_h + r * d->dilation_h - d->pad_top;
    *w = q * d->stride_w + s * d->dilation_w - d->pad_left;
    return *h >= 0 && *h < d->h && *w >= 0 && *w < d->w;
}

static double number(mr_numbers n, size_t at)
{
    return (double)((const float *)n.at)[at];
}

static double clamped(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

static double input_value(const mr_conv *d, const mr_conv_input *in, int n, int h, int w, int c)
{
    double x = number(in->x, input_at(d, n, h, w, c));
    if (in->scale)
        x = x * in->scale[c] + in->shift[c];
    return clamped(x, in->low, in->high);
}

static double product(const mr_conv *d, const mr_conv_input *in, const float *weights, int n, int p, int q,
                      int k)
{
    double sum = 0;
    for (int r = 0; r < d->r; r++)
        for (int s = 0; s < d->s; s++) {
            int h, w;
            if (!meets(d, p, q, r, s, &h, &w))
                continue;
            for (int c = 0; c < d->c; c++)
                sum += input_value(d, in, n, h, w, c) * weights[weight_at(d, r, s, c, k)];
        }
    return sum;
}

static void finish(const mr_conv_output *out, size_t at, int k, int channels, double value)
{
    if (out->bias)
        value += out->bias[k];
    if (out->add.at)
        value += number(out->add, at);
    value = clamped(value, out->low, out->high);
    ((float *)out->y.at)[at] = (float)value;
    if (out->sums) {
        out->sums[k] += value;
        out->sums[channels + k] += value * value;
    }
}

void mr_conv_reference_forward(const mr_conv *d, const mr_conv_input *in, const float *w,
                               const mr_conv_output *out)
{
    if (out->sums)
        memset(out->sums, 0, 2 * (size_t)d->k * sizeof *out->sums);
    for (int n = 0; n < d->n; n++)
        for (int p = 0; p < d->p; p++)
            for (int q = 0; q < d->q; q++)
                for (int k = 0; k < d->k; k++)
                    finish(out, output_at(d, n, p, q, k), k, d->k, product(d, in, w, n, p, q, k));
}

static double gradient_value(const mr_conv_gradient *g, size_t at, int k)
{
    double value = number(g->dy, at);
    if (g->a)
        value = g->a[k] * value + g->b[k] * number(g->x, at) + g->c[k];
    if (g->add.at)
        value += number(g->add, at);
    return value;
}

static void backward_weights(const mr_conv *d, const mr_conv_gradient *g, const mr_conv_input *in, float *dw)
{
    for (int r = 0; r < d->r; r++)
        for (int s = 0; s < d->s; s++)
            for (int c = 0; c < d->c; c++)
                for (int k = 0; k < d->k; k++) {
                    double sum = 0;
                    for (int n = 0; n < d->n; n++)
                        for (int p = 0; p < d->p; p++)
                            for (int q = 0; q < d->q; q++) {
                                int h, w;
                                if (meets(d, p, q, r, s, &h, &w))
                                    sum += input_value(d, in, n, h, w, c) *
                                           gradient_value(g, output_at(d, n, p, q, k), k);
                            }
                    dw[weight_at(d, r, s, c, k)] += (float)sum;
                }
}

static void backward_bias(const mr_conv *d, const mr_conv_gradient *g, float *dbias)
{
    for (int k = 0; k < d->k; k++) {
        double sum = 0;
        for (size_t i = 0; i < (size_t)d->n * (size_t)d->p * (size_t)d->q; i++)
            sum += gradient_value(g, i * (size_t)d->k + (size_t)k, k);
        dbias[k] += (float)sum;
    }
}

static double data_product(const mr_conv *d, const mr_conv_gradient *g, const float *weights, int n, int h,
                           int w, int c)
{
    double sum = 0;
    for (int r = 0; r < d->r; r++)
        for (int s = 0; s < d->s; s++) {
            int p = h + d->pad_top - r * d->dilation_h, q = w + d->pad_left - s * d->dilation_w;
            if (p < 0 || q < 0 || p % d->stride_h || q % d->stride_w || p / d->stride_h >= d->p ||
                q / d->stride_w >= d->q)
                continue;
            for (int k = 0; k < d->k; k++)
                sum += gradient_value(g, output_at(d, n, p / d->stride_h, q / d->stride_w, k), k) *
                       weights[weight_at(d, r, s, c, k)];
        }
    return sum;
}

static void finish_gradient(const mr_conv_input_gradient *dx, size_t at, int c, int channels, double value)
{
    value += dx->add.at ? number(dx->add, at) : 0;
    if (dx->scale) {
        float x = fmaf((float)number(dx->x, at), dx->scale[c], dx->shift[c]);
        if (!(x > dx->low && x < dx->high))
            value = 0;
    }
    ((float *)dx->dx.at)[at] = (float)value;
    if (dx->sums) {
        dx->sums[c] += value;
        dx->sums[channels + c] += value * (number(dx->x, at) - dx->mean[c]);
    }
}

static void backward_data(const mr_conv *d, const mr_conv_gradient *g, const float *weights,
                          const mr_conv_input_gradient *dx)
{
    if (dx->sums)
        memset(dx->sums, 0, 2 * (size_t)d->c * sizeof *dx->sums);
    for (int n = 0; n < d->n; n++)
        for (int h = 0; h < d->h; h++)
            for (int w = 0; w < d->w; w++)
                for (int c = 0; c < d->c; c++) {
                    size_t at = input_at(d, n, h, w, c);
                    finish_gradient(dx, at, c, d->c, data_product(d, g, weights, n, h, w, c));
                }
}

void mr_conv_reference_backward(const mr_conv *d, const mr_conv_gradient *g, const mr_conv_input *in,
                                const float *w, float *dw, float *dbias, const mr_conv_input_gradient *dx)
{
    if (dw)
        backward_weights(d, g, in, dw);
    if (dbias)
        backward_bias(d, g, dbias);
    if (dx)
        backward_data(d, g, w, dx);
    if (g->store.at)
        for (size_t at = 0; at < (size_t)d->n * (size_t)d->p * (size_t)d->q * (size_t)d->k; at++)
            ((float *)g->store.at)[at] = (float)gradient_value(g, at, (int)(at % (size_t)d->k));
}

/* ---- pooling */

/* What window (P, Q) makes of channel C; the place of its first maximum through *BEST (-1: outside of the
 * image). */
static double pooled(const mr_pool *pool, const mr_conv_input *in, int n, int p, int q, int c, int *best)
{
    const mr_conv *d = &pool->window;
    double result = pool->mean ? 0 : -INFINITY;
    *best = -1;
    for (int r = 0; r < d->r; r++)
        for (int s = 0; s < d->s; s++) {
            int h, w;
            bool inside = meets(d, p, q, r, s, &h, &w);
            if (!inside && !pool->zeros)
                continue;
            /* in float, as the fast one: equal numbers must stay equal */
            float value = 0;
            if (inside) {
                value = (float)number(in->x, input_at(d, n, h, w, c));
                value = (float)clamped(in->scale ? fmaf(value, in->scale[c], in->shift[c]) : value, in->low,
                                       in->high);
            }
            if (pool->mean)
                result += value;
            else if ((double)value > result) {
                result = value;
                *best = inside ? h * d->w + w : -1;
            }
        }
    return pool->mean ? result / (d->r * d->s) : result;
}

void mr_pool_reference_forward(const mr_pool *pool, const mr_conv_input *in, float *y, double *sums)
{
    const mr_conv *d = &pool->window;
    if (sums)
        memset(sums, 0, 2 * (size_t)d->c * sizeof *sums);
    for (int n = 0; n < d->n; n++)
        for (int p = 0; p < d->p; p++)
            for (int q = 0; q < d->q; q++)
                for (int c = 0; c < d->c; c++) {
                    int best;
                    double value = pooled(pool, in, n, p, q, c, &best);
                    y[output_at(d, n, p, q, c)] = (float)value;
                    if (sums) {
                        sums[c] += value;
                        sums[d->c + c] += value * value;
                    }
                }
}

void mr_pool_reference_backward(const mr_pool *pool, const mr_conv_gradient *g, const mr_conv_input *in,
                                const mr_conv_input_gradient *dx)
{
    const mr_conv *d = &pool->window;
    if (dx->sums)
        memset(dx->sums, 0, 2 * (size_t)d->c * sizeof *dx->sums);
    for (int n = 0; n < d->n; n++)
        for (int h = 0; h < d->h; h++)
            for (int w = 0; w < d->w; w++)
                for (int c = 0; c < d->c; c++) {
                    double value = 0;
                    for (int r = 0; r < d->r; r++)
                        for (int s = 0; s < d->s; s++) {
                            int p = h + d->pad_top - r, q = w + d->pad_left - s, best;
                            if (p < 0 || q < 0 || p % d->stride_h || q % d->stride_w ||
                                p / d->stride_h >= d->p || q / d->stride_w >= d->q)
                                continue;
                            pooled(pool, in, n, p / d->stride_h, q / d->stride_w, c, &best);
                            double dy =
                                gradient_value(g, output_at(d, n, p / d->stride_h, q / d->stride_w, c), c);
                            value += pool->mean ? dy / (d->r * d->s) : best == h * d->w + w ? dy : 0;
                        }
                    finish_gradient(dx, input_at(d, n, h, w, c), c, d->c, value);
                }
}
