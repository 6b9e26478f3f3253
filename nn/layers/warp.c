/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/layers/warp.h"

#include <string.h>

const char *const mr_fill_names[] = {"reflect", "wrap", "constant", "nearest", NULL};

struct image_warp {
    const mr_call *call;
    const mr_layer_warp *warp;
    int64_t h, w;
    size_t channels;
};

static int64_t clamp(int64_t i, int64_t size)
{
    return i < 0 ? 0 : i >= size ? size - 1 : i;
}

/* The pixel that index I of an axis of SIZE pixels stands for; -1: the constant. */
static int64_t inside(int64_t i, int64_t size, mr_fill fill)
{
    if (i >= 0 && i < size)
        return i;
    if (fill == MR_FILL_CONSTANT_VALUE)
        return -1;
    if (fill == MR_FILL_NEAREST_EDGE)
        return clamp(i, size);
    int64_t period = fill == MR_FILL_REFLECTED ? 2 * size : size, r = i % period;
    r += r < 0 ? period : 0;
    return r < size ? r : period - 1 - r; /* d c b a | a b c d | d c b a */
}

/* The up to four input pixels of an output pixel. */
struct sources {
    int count;
    int64_t pixel[4]; /* -1: the constant */
    mr_real weight[4];
};

static int64_t pixel_of(const struct image_warp *s, int64_t row, int64_t column)
{
    int64_t i = inside(row, s->h, s->warp->fill), j = inside(column, s->w, s->warp->fill);
    return i < 0 || j < 0 ? -1 : i * s->w + j;
}

static struct sources sources_of(const struct image_warp *s, const mr_affine *a, size_t column, size_t row)
{
    const double limit = 1e9; /* far outside, whatever the matrix */
    double x = a->x[0] * (double)column + a->x[1] * (double)row + a->x[2];
    double y = a->y[0] * (double)column + a->y[1] * (double)row + a->y[2];
    x = x < -limit ? -limit : x > limit ? limit : x;
    y = y < -limit ? -limit : y > limit ? limit : y;
    struct sources out = {.count = 1, .weight = {1}};
    if (s->warp->interpolation == MR_NEAREST) {
        out.pixel[0] = pixel_of(s, (int64_t)floor(y + 0.5), (int64_t)floor(x + 0.5));
        return out;
    }
    int64_t j = (int64_t)floor(x), i = (int64_t)floor(y);
    double u = x - floor(x), v = y - floor(y);
    out.count = 4;
    for (int k = 0; k < 4; k++) {
        out.weight[k] = (mr_real)((k & 1 ? u : 1 - u) * (k & 2 ? v : 1 - v));
        out.pixel[k] = out.weight[k] == 0 ? 0 : pixel_of(s, i + (k >> 1), j + (k & 1));
    }
    return out;
}

static void read_pixel(const struct image_warp *s, const mr_real *image, const struct sources *from,
                       mr_real *y)
{
    memset(y, 0, s->channels * sizeof *y);
    for (int k = 0; k < from->count; k++) {
        const mr_real *x = from->pixel[k] < 0 ? NULL : image + (size_t)from->pixel[k] * s->channels;
        for (size_t c = 0; from->weight[k] != 0 && c < s->channels; c++)
            y[c] += from->weight[k] * (x ? x[c] : s->warp->fill_value);
    }
}

static void spread_pixel(const struct image_warp *s, const mr_real *dy, const struct sources *to,
                         mr_real *image)
{
    for (int k = 0; k < to->count; k++) {
        mr_real *dx = to->pixel[k] < 0 ? NULL : image + (size_t)to->pixel[k] * s->channels;
        for (size_t c = 0; dx && c < s->channels; c++)
            dx[c] += to->weight[k] * dy[c];
    }
}

static struct image_warp set_up(const mr_call *c, const mr_layer_warp *w)
{
    mr_image_size size = mr_image_size_of(&c->in[0]);
    return (struct image_warp){c, w, (int64_t)size.h, (int64_t)size.w, size.c};
}

static void warp_sample(void *argument, size_t n, int thread)
{
    (void)thread;
    const struct image_warp *s = argument;
    size_t size = (size_t)(s->h * s->w) * s->channels;
    mr_affine a = s->warp->draw(s->call, n);
    mr_real *y = s->call->y + n * size;
    for (size_t i = 0; i < (size_t)s->h; i++)
        for (size_t j = 0; j < (size_t)s->w; j++, y += s->channels) {
            struct sources from = sources_of(s, &a, j, i);
            read_pixel(s, s->call->x[0] + n * size, &from, y);
        }
}

static void unwarp_sample(void *argument, size_t n, int thread)
{
    (void)thread;
    const struct image_warp *s = argument;
    size_t size = (size_t)(s->h * s->w) * s->channels;
    mr_affine a = s->warp->draw(s->call, n);
    const mr_real *dy = s->call->dy + n * size;
    mr_real *dx = s->call->dx[0] + n * size;
    if (!s->call->add_dx[0])
        memset(dx, 0, size * sizeof *dx);
    for (size_t i = 0; i < (size_t)s->h; i++)
        for (size_t j = 0; j < (size_t)s->w; j++, dy += s->channels) {
            struct sources to = sources_of(s, &a, j, i);
            spread_pixel(s, dy, &to, dx);
        }
}

void mr_warp_forward(const mr_call *c, const mr_layer_warp *w)
{
    struct image_warp s = set_up(c, w);
    mr_team_items(c->team, (size_t)c->batch, warp_sample, &s);
}

void mr_warp_backward(const mr_call *c, const mr_layer_warp *w)
{
    struct image_warp s = set_up(c, w);
    if (c->dx[0])
        mr_team_items(c->team, (size_t)c->batch, unwarp_sample, &s);
}
