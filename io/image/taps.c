/* SPDX-License-Identifier: Apache-2.0 */
/* Filter coefficients as Pillow's libImaging/Resample.c computes them: in double, normalised to a sum of 1,
 * rounded to 22 fraction bits. The order of the operations matters: the results must be the same to the bit.
 */
#include "io/image/taps.h"

#include <math.h>
#include <stdlib.h>

/* Weights of one axis; six times the length of a side for Lanczos. Over this a picture is a line. */
#define MAX_WEIGHTS ((int64_t)1 << 24)

typedef struct filter {
    double (*weight)(double x);
    double support; /* half width, in input pixels at scale 1 */
} filter;

static double box_weight(double x)
{
    return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

static double bilinear_weight(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

/* Keys's cubic with a = -0.5. */
static double bicubic_weight(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0)
        return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static double sinc(double x)
{
    if (x == 0.0)
        return 1.0;
    x *= M_PI;
    return sin(x) / x;
}

static double lanczos_weight(double x)
{
    return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
}

static const filter filters[MR_INTERPOLATIONS] = {
    [MR_BILINEAR] = {bilinear_weight, 1.0},
    [MR_BICUBIC] = {bicubic_weight, 2.0},
    [MR_LANCZOS] = {lanczos_weight, 3.0},
    [MR_BOX] = {box_weight, 0.5},
};

void mr_taps_free(mr_taps *t)
{
    free(t->first); /* the one block of all arrays */
    *t = (mr_taps){0};
}

/* All arrays in one block. */
static int allocate(mr_taps *t, mr_error *e)
{
    size_t n = ((size_t)t->out + 3) & ~(size_t)3, w = n * (size_t)t->stride;
    char *block = calloc(1, 3 * n * sizeof(int) + w * MR_TAP_BYTES);
    if (!block)
        return mr_no_memory(e, "resizing %d to %d pixels", t->in, t->out);
    t->first = (int *)block;
    t->count = t->first + n;
    t->lead = t->count + n;
    t->weights = (int32_t *)(t->lead + n);
    t->high = (int16_t *)(t->weights + w);
    t->low = t->high + w;
    for (int d = 0; d < 3; d++)
        t->digit[d] = (int8_t *)(t->low + w) + (size_t)d * w;
    return 0;
}

static int32_t to_fixed(double w)
{
    return (int32_t)((w < 0 ? -0.5 : 0.5) + w * (1 << MR_TAP_BITS));
}

/* Weight K in all its forms. */
static void put_weight(mr_taps *t, size_t at, int32_t k)
{
    t->weights[at] = k;
    t->high[at] = (int16_t)(k >> 15);
    t->low[at] = (int16_t)(k & 0x7fff);
    for (int d = 0; d < 3; d++) {
        t->digit[d][at] = (int8_t)(k & 0xff);
        k = (k - t->digit[d][at]) >> 8;
    }
}

/* Fills row I; W is room for its weights in double. */
static void fill_row(mr_taps *t, int i, double scale, double *w)
{
    const filter *f = &filters[t->filter];
    double filter_scale = scale < 1.0 ? 1.0 : scale, support = f->support * filter_scale;
    double center = (i + 0.5) * scale, sum = 0.0, inverse = 1.0 / filter_scale;
    int low = (int)(center - support + 0.5), high = (int)(center + support + 0.5);
    low = low < 0 ? 0 : low;
    high = high > t->in ? t->in : high;
    int n = high - low;
    for (int x = 0; x < n; x++)
        sum += w[x] = f->weight((x + low - center + 0.5) * inverse);
    t->first[i] = low;
    t->count[i] = n;
    t->lead[i] = low % 4;
    t->most = low % 4 + n > t->most ? low % 4 + n : t->most;
    for (int x = 0; x < n; x++)
        put_weight(t, mr_taps_at(t, i) + (size_t)x, to_fixed(sum != 0.0 ? w[x] / sum : w[x]));
}

int mr_taps_create(mr_taps *t, int in, int out, mr_interpolation f, mr_error *e)
{
    double scale = (double)in / out;
    double support = filters[f].support * (scale < 1.0 ? 1.0 : scale);
    int64_t most = 2 * (int64_t)ceil(support) + 1, room = (most < in ? most : in) + 3 + 3;
    int64_t stride = (room + MR_TAP_GROUP - 1) / MR_TAP_GROUP * MR_TAP_GROUP;
    *t = (mr_taps){.in = in, .out = out, .filter = f, .stride = (int)stride};
    if (stride * out > MAX_WEIGHTS)
        return mr_fail(e, MR_ELIMIT, "resizing %d to %d pixels: ratio too large", in, out);
    double *w = malloc((size_t)stride * sizeof *w);
    int status =
        w ? allocate(t, e) : mr_no_memory(e, "resizing %d to %d pixels", in, out);
    for (int i = 0; !status && i < out; i++)
        fill_row(t, i, scale, w);
    free(w);
    return status;
}
