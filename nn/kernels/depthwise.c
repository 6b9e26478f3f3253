/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/kernels/depthwise.h"
#include "nn/kernels/conv_internal.h"

#include <math.h>

enum { ROWS = 8 }; /* of output in a block: a loaded patch is then a quarter larger than needed */

struct depthwise {
    const struct mr_kernel_table *table;
    mr_cut cut;
    const mr_conv_input *in;
    const float *w, *scale, *shift;
    const mr_conv_output *out;
    char *threads;
    size_t thread_bytes;
};

bool mr_depthwise_supported(const mr_conv *d)
{
    return d->c == d->k && d->r <= MR_DEPTHWISE_LINES && mr_conv_supported(d);
}

/* Read in place: nothing has to be done to the input on the way. */
static bool in_place(const mr_conv_input *in)
{
    return !in->scale && in->low == -INFINITY && in->high == INFINITY;
}

static size_t lay_out(struct depthwise *f, const mr_conv *d, int threads, char *base)
{
    f->table = mr_kernels();
    f->cut = (mr_cut){.d = *d, .images = 1, .rows = mr_at_most(ROWS, d->p), .columns = d->q};
    f->cut.d.half = false;
    mr_layout l = {base, 0};
    f->cut.across_images = d->n;
    f->cut.across_rows = mr_divide_up(d->p, f->cut.rows);
    f->cut.across_columns = 1;
    f->thread_bytes = mr_whole(mr_input_patch_size(&f->cut) * sizeof(float), MR_CONV_ALIGN);
    f->threads = mr_layout_take(&l, (size_t)threads * f->thread_bytes);
    return l.used;
}

size_t mr_depthwise_scratch(const mr_conv *d, int threads)
{
    struct depthwise f;
    return lay_out(&f, d, threads, NULL);
}

/* What the row kernel reads of a block: the tensor itself, or the patch that was loaded, which has its
 * border. */
struct source {
    const float *at; /* input row FIRST of the image, column -PAD */
    int first, rows, columns, pad;
};

static struct source load_block(const struct depthwise *f, const mr_block *b, float *patch)
{
    const mr_conv *d = &f->cut.d;
    if (in_place(f->in)) {
        const float *image = (const float *)f->in->x.at + (ptrdiff_t)b->image * d->h * d->w * d->c;
        return (struct source){image, 0, d->h, d->w, d->pad_left};
    }
    mr_load_input(&f->cut, f->in, b, mr_floats(patch));
    return (struct source){patch, b->row * d->stride_h - d->pad_top, mr_input_rows(&f->cut, b->rows),
                           mr_input_columns(&f->cut, b->columns), 0};
}

static void run_row(const struct depthwise *f, const mr_block *b, int y, const struct source *s)
{
    const mr_conv *d = &f->cut.d;
    const mr_conv_output *out = f->out;
    ptrdiff_t at = ((ptrdiff_t)b->image * d->p + y) * d->q * d->c;
    struct mr_depthwise_row r = {.r = d->r,
                                 .s = d->s,
                                 .stride = d->stride_w,
                                 .dilation = d->dilation_w,
                                 .first = -s->pad,
                                 .width = s->columns,
                                 .columns = d->q,
                                 .c = (size_t)d->c,
                                 .w = f->w,
                                 .bias = out->bias,
                                 .scale = f->scale,
                                 .shift = f->shift,
                                 .add = mr_floats_at(out->add.at, at),
                                 .y = (float *)out->y.at + at,
                                 .low = out->low,
                                 .high = out->high};
    for (int i = 0; i < d->r; i++) {
        int line = y * d->stride_h - d->pad_top + i * d->dilation_h - s->first;
        r.line[i] = line < 0 || line >= s->rows ? NULL : s->at + (ptrdiff_t)line * s->columns * d->c;
    }
    f->table->depthwise_row(&r);
}

static void run_block(void *argument, int task, int thread)
{
    const struct depthwise *f = argument;
    mr_block b = mr_cut_block(&f->cut, task);
    struct source s = load_block(f, &b, (float *)(f->threads + (size_t)thread * f->thread_bytes));
    for (int y = b.row; y < b.row + b.rows; y++)
        run_row(f, &b, y, &s);
}

void mr_depthwise_run(const mr_conv *d, mr_team *team, const mr_conv_input *in, const float *w,
                      const float *scale, const float *shift, const mr_conv_output *out, void *scratch)
{
    struct depthwise f = {.in = in, .w = w, .scale = scale, .shift = shift, .out = out};
    lay_out(&f, d, mr_team_size(team), scratch);
    mr_team_run(team, f.cut.across_images * f.cut.across_rows, run_block, &f);
}
