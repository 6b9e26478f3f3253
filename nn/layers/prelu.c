/* SPDX-License-Identifier: Apache-2.0 */
/* PReLU (He et al., 2015): x where positive, else alpha*x; alpha has the sample's shape, 1 along shared_axes.
 */
#include "nn/layers/layers.h"

#include <string.h>

struct prelu {
    bool shared[MR_MAX_RANK];
};

static int configure(mr_layer *l, const json_t *c, mr_error *e)
{
    struct prelu *p = l->impl;
    const json_t *axes = json_object_get(c, "shared_axes"), *entry;
    size_t i;
    if (!axes || json_is_null(axes))
        return 0;
    if (!json_is_array(axes))
        return mr_layer_invalid(l, e, "\"shared_axes\" is not a list");
    json_array_foreach(axes, i, entry)
    {
        int64_t a = json_is_integer(entry) ? json_integer_value(entry) : 0;
        if (a < 1 || a >= MR_MAX_RANK)
            return mr_layer_invalid(l, e, "\"shared_axes\" has an entry that is not an axis");
        p->shared[a] = true;
    }
    return 0;
}

static int build(mr_layer *l, const mr_shape *in, int inputs, mr_error *e)
{
    (void)inputs;
    const struct prelu *p = l->impl;
    mr_shape alpha = {.rank = in->rank - 1};
    for (int i = 1; i < in->rank; i++)
        alpha.dim[i - 1] = p->shared[i] ? 1 : in->dim[i];
    return mr_layer_add_param(l, "alpha", alpha, false, "alpha_initializer", "zeros", "alpha_regularizer", e);
}

/* The tensor as rows of its last axis; a row's alphas start at some place and run along, or are one number.
 */
struct rows {
    const mr_call *call;
    size_t length, rows_per_sample, alphas;
    size_t dim[MR_MAX_RANK], stride[MR_MAX_RANK]; /* of alpha along the axes of a sample but the last */
    int axes;
    bool one;
    size_t parts, samples_per_part;
    double *partial; /* [parts][alphas] */
};

static size_t parts_of(const mr_call *c, size_t alphas)
{
    enum { PARTS = 16, PARTIAL_ELEMENTS = 1 << 20 };
    return mr_min((size_t)c->batch, mr_min(PARTS, mr_max(1, PARTIAL_ELEMENTS / alphas)));
}

static struct rows rows_of(const mr_call *c)
{
    const mr_shape *alpha = &c->layer->param[0].shape;
    struct rows r = {
        .call = c, .length = mr_last_dim(&c->in[0]), .alphas = mr_shape_count(alpha), .partial = c->scratch};
    size_t stride = 1;
    r.axes = alpha->rank - 1;
    r.one = alpha->dim[alpha->rank - 1] == 1;
    for (int i = alpha->rank - 1; i >= 0; i--) {
        r.dim[i] = (size_t)c->in[0].dim[i + 1];
        r.stride[i] = alpha->dim[i] == 1 ? 0 : stride;
        stride *= (size_t)alpha->dim[i];
    }
    r.rows_per_sample = mr_shape_sample(&c->in[0]) / r.length;
    r.samples_per_part = mr_ceil_divide((size_t)c->batch, parts_of(c, r.alphas));
    r.parts = mr_ceil_divide((size_t)c->batch, r.samples_per_part);
    return r;
}

static size_t first_alpha(const struct rows *r, size_t row)
{
    size_t at = 0;
    for (int i = r->axes - 1; i >= 0; i--) {
        at += row % r->dim[i] * r->stride[i];
        row /= r->dim[i];
    }
    return at;
}

static void forward_rows(void *argument, size_t first, size_t end, int thread)
{
    (void)thread;
    const struct rows *r = argument;
    for (size_t row = first; row < end; row++) {
        const mr_real *x = r->call->x[0] + row * r->length;
        const mr_real *alpha = r->call->w[0] + first_alpha(r, row % r->rows_per_sample);
        mr_real *y = r->call->y + row * r->length;
        for (size_t i = 0; i < r->length; i++)
            y[i] = x[i] < 0 ? alpha[r->one ? 0 : i] * x[i] : x[i];
    }
}

static void forward(const mr_call *c)
{
    struct rows r = rows_of(c);
    mr_team_ranges(c->team, (size_t)c->batch * r.rows_per_sample, mr_max(1, 16384 / r.length), forward_rows,
                   &r);
}

static void backward_row(const struct rows *r, size_t row, double *partial)
{
    const mr_call *c = r->call;
    size_t at = first_alpha(r, row % r->rows_per_sample);
    const mr_real *x = c->x[0] + row * r->length, *dy = c->dy + row * r->length, *alpha = c->w[0] + at;
    mr_real *dx = c->dx[0] ? c->dx[0] + row * r->length : NULL;
    for (size_t i = 0; i < r->length; i++) {
        size_t k = r->one ? 0 : i;
        partial[at + k] += x[i] < 0 ? (double)dy[i] * (double)x[i] : 0;
        mr_real d = x[i] > 0 ? dy[i] : x[i] < 0 ? alpha[k] * dy[i] : 0;
        if (dx)
            dx[i] = c->add_dx[0] ? dx[i] + d : d;
    }
}

static void backward_part(void *argument, int task, int thread)
{
    (void)thread;
    const struct rows *r = argument;
    size_t first = (size_t)task * r->samples_per_part,
           end = mr_min(first + r->samples_per_part, (size_t)r->call->batch);
    double *partial = r->partial + (size_t)task * r->alphas;
    memset(partial, 0, r->alphas * sizeof *partial);
    for (size_t row = first * r->rows_per_sample; row < end * r->rows_per_sample; row++)
        backward_row(r, row, partial);
}

static size_t scratch_size(const mr_call *c)
{
    size_t alphas = mr_shape_count(&c->layer->param[0].shape);
    return c->training ? mr_piece(parts_of(c, alphas) * alphas * sizeof(double)) : 0;
}

static void backward(const mr_call *c)
{
    struct rows r = rows_of(c);
    mr_team_run(c->team, (int)r.parts, backward_part, &r);
    for (size_t p = 0; c->dw[0] && p < r.parts; p++)
        for (size_t i = 0; i < r.alphas; i++)
            c->dw[0][i] += (mr_real)r.partial[p * r.alphas + i];
}

static const mr_config_field fields[] = {MR_PARAM_FIELDS("alpha"), {.key = "shared_axes"}, {0}};

const mr_layer_class mr_layer_prelu = {.name = "PReLU",
                                       .size = sizeof(struct prelu),
                                       .fields = fields,
                                       .max_inputs = 1,
                                       .in_place = true,
                                       .needs_x = true,
                                       .configure = configure,
                                       .output_shape = mr_same_shape,
                                       .build = build,
                                       .scratch_size = scratch_size,
                                       .forward = forward,
                                       .backward = backward};
