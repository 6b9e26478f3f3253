/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/layers/resample.h"

#include "nn/compute/simd.h"

#include <string.h>

const char *const mr_interpolation_names[] = {"nearest", "bilinear", NULL};

/* One output line: (1-weight) * input LOWER + weight * input UPPER. */
struct mix {
    size_t lower, upper;
    mr_real weight;
};

struct resampling {
    const mr_real *from;
    mr_real *to;
    mr_image_size in, out;
    struct mix *rows, *columns;
    bool add;
};

void mr_crop_to_aspect(const mr_image_size *in, size_t height, size_t width, mr_extent *rows,
                       mr_extent *columns)
{
    size_t h = in->w * height / width, w = in->h * width / height;
    rows->size = mr_max(1, mr_min(in->h, h));
    columns->size = mr_max(1, mr_min(in->w, w));
    rows->first = (in->h - rows->size) / 2;
    columns->first = (in->w - columns->size) / 2;
}

/* In float32 whatever mr_real is: places where rounding decides must fall as they do in TensorFlow and
 * PyTorch. */
static void make_mixes(mr_interpolation how, mr_extent in, size_t out, struct mix *mixes)
{
    float scale = (float)in.size / (float)out;
    for (size_t i = 0; i < out; i++) {
        float place = ((float)i + 0.5f) * scale;
        if (how == MR_BILINEAR)
            place = place < 0.5f ? 0 : place - 0.5f;
        size_t lower = mr_min((size_t)place, in.size - 1), upper = mr_min(lower + 1, in.size - 1);
        mr_real weight = how == MR_BILINEAR ? (mr_real)(place - (float)lower) : 0;
        mixes[i] = (struct mix){in.first + lower, in.first + upper, weight};
    }
}

size_t mr_resample_scratch(const mr_image_size *out)
{
    return mr_piece(out->h * sizeof(struct mix)) + mr_piece(out->w * sizeof(struct mix));
}

static struct resampling set_up(mr_interpolation how, const mr_image_size *in, mr_extent rows,
                                mr_extent columns, const mr_image_size *out, void *scratch)
{
    struct resampling r = {.in = *in, .out = *out, .rows = scratch};
    r.columns = (struct mix *)((char *)scratch + mr_piece(out->h * sizeof(struct mix)));
    make_mixes(how, rows, out->h, r.rows);
    make_mixes(how, columns, out->w, r.columns);
    return r;
}

/* The four pixels of one output pixel. */
static void mix_pixel(const mr_real *top, const mr_real *bottom, const struct mix *column, mr_real row_weight,
                      size_t channels, mr_real *y)
{
    const mr_real *a = top + column->lower * channels, *b = top + column->upper * channels;
    const mr_real *c = bottom + column->lower * channels, *d = bottom + column->upper * channels;
    mr_real w = column->weight;
#pragma omp simd
    for (size_t i = 0; i < channels; i++) {
        mr_real upper = a[i] + (b[i] - a[i]) * w, lower = c[i] + (d[i] - c[i]) * w;
        y[i] = upper + (lower - upper) * row_weight;
    }
}

MR_CLONES static void resample_row(void *argument, size_t item, int thread)
{
    (void)thread;
    const struct resampling *r = argument;
    size_t line = r->in.w * r->in.c;
    const struct mix *row = &r->rows[item % r->out.h];
    const mr_real *sample = r->from + item / r->out.h * r->in.h * line;
    const mr_real *top = sample + row->lower * line, *bottom = sample + row->upper * line;
    mr_real *y = r->to + item * r->out.w * r->out.c;
    for (size_t j = 0; j < r->out.w; j++, y += r->out.c)
        if (row->weight == 0 &&
            r->columns[j].weight == 0) /* nearest, or a line that is hit exactly; keeps infinities */
            memcpy(y, top + r->columns[j].lower * r->in.c, r->in.c * sizeof *y);
        else
            mix_pixel(top, bottom, &r->columns[j], row->weight, r->in.c, y);
}

void mr_resample(mr_team *t, mr_interpolation how, const mr_real *x, const mr_image_size *in, mr_extent rows,
                 mr_extent columns, mr_real *y, const mr_image_size *out, void *scratch)
{
    struct resampling r = set_up(how, in, rows, columns, out, scratch);
    r.from = x;
    r.to = y;
    mr_team_items(t, out->n * out->h, resample_row, &r);
}

static void spread_pixel(const mr_real *dy, mr_real *line, const struct mix *column, mr_real weight,
                         size_t channels)
{
    mr_real *a = line + column->lower * channels, *b = line + column->upper * channels;
    mr_real wa = weight * (1 - column->weight), wb = weight * column->weight;
    for (size_t i = 0; i < channels; i++) {
        a[i] += dy[i] * wa;
        b[i] += dy[i] * wb;
    }
}

/* Output pixels share input pixels, so a task owns a sample. */
MR_CLONES static void spread_sample(void *argument, size_t n, int thread)
{
    (void)thread;
    const struct resampling *r = argument;
    size_t line = r->in.w * r->in.c, size = r->in.h * line;
    const mr_real *dy = r->from + n * r->out.h * r->out.w * r->out.c;
    mr_real *dx = r->to + n * size;
    if (!r->add)
        memset(dx, 0, size * sizeof *dx);
    for (size_t i = 0; i < r->out.h; i++)
        for (size_t j = 0; j < r->out.w; j++, dy += r->out.c) {
            spread_pixel(dy, dx + r->rows[i].lower * line, &r->columns[j], 1 - r->rows[i].weight, r->in.c);
            if (r->rows[i].weight != 0)
                spread_pixel(dy, dx + r->rows[i].upper * line, &r->columns[j], r->rows[i].weight, r->in.c);
        }
}

void mr_resample_gradient(mr_team *t, mr_interpolation how, const mr_real *dy, const mr_image_size *out,
                          mr_real *dx, const mr_image_size *in, mr_extent rows, mr_extent columns, bool add,
                          void *scratch)
{
    struct resampling r = set_up(how, in, rows, columns, out, scratch);
    r.from = dy;
    r.to = dx;
    r.add = add;
    mr_team_items(t, out->n, spread_sample, &r);
}
