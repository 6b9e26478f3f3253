/* SPDX-License-Identifier: Apache-2.0 */
/* LayerNormalization over the last axes (Ba, Kiros and Hinton, 2016): each row of LENGTH numbers by its own
 * mean and biased variance, then gamma and beta of the row's shape. */
#include "nn/layers/layers.h"
#include "nn/compute/simd.h"

#include <string.h>

struct layer_normalization {
    double epsilon;
    bool scale, center;
};

/* The first of the axes that are normalised over; they must be the last ones, all of them. */
static int first_axis(const mr_layer *l, const mr_shape *in, int *first, mr_error *e)
{
    const json_t *axes = json_object_get(l->config, "axis"), *entry;
    size_t i;
    unsigned seen = 0;
    *first = in->rank - 1;
    if (!json_is_array(axes))
        return mr_layer_check_last_axis(l, in, e);
    json_array_foreach(axes, i, entry)
    {
        int64_t a = json_is_integer(entry) ? json_integer_value(entry) : 0;
        a += a < 0 ? in->rank : 0;
        if (a < 1 || a >= in->rank)
            return mr_layer_invalid(l, e, "\"axis\" has an entry that is not an axis of the tensor");
        seen |= 1u << a;
    }
    for (*first = in->rank; *first > 1 && seen & 1u << (*first - 1); --*first)
        seen &= ~(1u << (*first - 1));
    if (seen || *first == in->rank)
        return mr_layer_refuse(l, e, "\"axis\": only the last axes together are done");
    return 0;
}

static int output_shape(const mr_layer *l, const mr_shape *in, int inputs, mr_shape *out, mr_error *e)
{
    int first;
    int status = in->rank < 2 ? mr_layer_check_rank(l, in, 2, e) : first_axis(l, in, &first, e);
    return status ? status : mr_same_shape(l, in, inputs, out, e);
}

static int build(mr_layer *l, const mr_shape *in, int inputs, mr_error *e)
{
    (void)inputs;
    const struct layer_normalization *p = l->impl;
    mr_shape shape = {.rank = 0};
    int first;
    int status = first_axis(l, in, &first, e);
    for (int i = first; !status && i < in->rank; i++)
        shape.dim[shape.rank++] = in->dim[i];
    if (!status && p->scale)
        status =
            mr_layer_add_param(l, "gamma", shape, false, "gamma_initializer", "ones", "gamma_regularizer", e);
    if (!status && p->center)
        status =
            mr_layer_add_param(l, "beta", shape, false, "beta_initializer", "zeros", "beta_regularizer", e);
    return status;
}

struct rows {
    const mr_call *call;
    const mr_real *gamma, *beta;
    double epsilon;
    size_t rows, length;
    double *saved;   /* [rows][2]: mean, 1/deviation; NULL at inference */
    double *partial; /* backward: [parts][2][length], sums of dy*xhat and of dy */
    size_t rows_per_part;
};

/* Sums of parts of the rows, few where rows are long: they are kept side by side. */
static size_t parts_of(size_t rows, size_t length)
{
    enum { PARTS = 16, PARTIAL_ELEMENTS = 1 << 18 };
    return mr_min(rows, mr_min(PARTS, mr_max(1, PARTIAL_ELEMENTS / length)));
}

static size_t length_of(const mr_call *c)
{
    int first = c->in[0].rank - 1;
    size_t length = 1;
    first_axis(c->layer, &c->in[0], &first, NULL); /* once more: it passed when the graph was built */
    for (int i = first; i < c->in[0].rank; i++)
        length *= (size_t)c->in[0].dim[i];
    return length;
}

static struct rows rows_of(const mr_call *c)
{
    const struct layer_normalization *p = c->layer->impl;
    struct rows r = {.call = c, .epsilon = p->epsilon, .length = length_of(c)};
    r.rows = mr_batch_count(&c->in[0]) / r.length;
    r.gamma = p->scale ? c->w[0] : NULL;
    r.beta = p->center ? c->w[p->scale] : NULL;
    r.saved = c->training ? c->saved : NULL;
    r.partial = c->scratch;
    r.rows_per_part = mr_ceil_divide(r.rows, parts_of(r.rows, r.length));
    return r;
}

static size_t saved_size(const mr_call *c)
{
    return c->training ? mr_piece(mr_batch_count(&c->in[0]) / length_of(c) * 2 * sizeof(double)) : 0;
}

static size_t scratch_size(const mr_call *c)
{
    size_t length = length_of(c), rows = mr_batch_count(&c->in[0]) / length;
    return c->training ? mr_piece(parts_of(rows, length) * 2 * length * sizeof(double)) : 0;
}

MR_CLONES static void moments(const mr_real *x, size_t length, double epsilon, double *mean,
                              double *inverse_deviation)
{
    double sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < length; i++)
        sum += (double)x[i];
    *mean = sum / (double)length;
#pragma omp simd reduction(+ : squares)
    for (size_t i = 0; i < length; i++) {
        double d = (double)x[i] - *mean;
        squares += d * d;
    }
    *inverse_deviation = 1 / sqrt(squares / (double)length + epsilon);
}

MR_CLONES static void normalise(void *argument, size_t first, size_t end, int thread)
{
    (void)thread;
    const struct rows *r = argument;
    for (size_t row = first; row < end; row++) {
        const mr_real *x = r->call->x[0] + row * r->length;
        mr_real *y = r->call->y + row * r->length;
        double mean, inverse;
        moments(x, r->length, r->epsilon, &mean, &inverse);
        if (r->saved) {
            r->saved[2 * row] = mean;
            r->saved[2 * row + 1] = inverse;
        }
        mr_real m = (mr_real)mean, s = (mr_real)inverse;
        for (size_t i = 0; i < r->length; i++)
            y[i] = (x[i] - m) * s * (r->gamma ? r->gamma[i] : 1) + (r->beta ? r->beta[i] : 0);
    }
}

static void forward(const mr_call *c)
{
    struct rows r = rows_of(c);
    mr_team_ranges(c->team, r.rows, mr_max(1, 8192 / r.length), normalise, &r);
}

/* dx = s * (g - mean(g) - xhat * mean(g*xhat)), g = dy*gamma, of one row; sums of dy*xhat and dy go to
 * PARTIAL. */
MR_CLONES static void gradient_of_row(const struct rows *r, size_t row, double *partial)
{
    const mr_call *c = r->call;
    const mr_real *x = c->x[0] + row * r->length, *dy = c->dy + row * r->length;
    double mean = r->saved[2 * row], inverse = r->saved[2 * row + 1], sum = 0, product = 0;
    for (size_t i = 0; i < r->length; i++) {
        double xhat = ((double)x[i] - mean) * inverse,
               g = (double)dy[i] * (r->gamma ? (double)r->gamma[i] : 1);
        sum += g;
        product += g * xhat;
        partial[i] += (double)dy[i] * xhat;
        partial[r->length + i] += (double)dy[i];
    }
    sum /= (double)r->length;
    product /= (double)r->length;
    mr_real *dx = c->dx[0] ? c->dx[0] + row * r->length : NULL;
    for (size_t i = 0; dx && i < r->length; i++) {
        double xhat = ((double)x[i] - mean) * inverse,
               g = (double)dy[i] * (r->gamma ? (double)r->gamma[i] : 1);
        mr_real d = (mr_real)(inverse * (g - sum - xhat * product));
        dx[i] = c->add_dx[0] ? dx[i] + d : d;
    }
}

static void gradient_part(void *argument, int task, int thread)
{
    (void)thread;
    const struct rows *r = argument;
    size_t first = (size_t)task * r->rows_per_part, end = mr_min(first + r->rows_per_part, r->rows);
    double *partial = r->partial + (size_t)task * 2 * r->length;
    memset(partial, 0, 2 * r->length * sizeof *partial);
    for (size_t row = first; row < end; row++)
        gradient_of_row(r, row, partial);
}

static void backward(const mr_call *c)
{
    const struct layer_normalization *p = c->layer->impl;
    struct rows r = rows_of(c);
    size_t parts = mr_ceil_divide(r.rows, r.rows_per_part);
    mr_real *dgamma = p->scale ? c->dw[0] : NULL, *dbeta = p->center ? c->dw[p->scale] : NULL;
    mr_team_run(c->team, (int)parts, gradient_part, &r);
    for (size_t k = 0; k < parts; k++)
        for (size_t i = 0; i < r.length; i++) {
            if (dgamma)
                dgamma[i] += (mr_real)r.partial[k * 2 * r.length + i];
            if (dbeta)
                dbeta[i] += (mr_real)r.partial[(k * 2 + 1) * r.length + i];
        }
}

#define AT(member) .offset = offsetof(struct layer_normalization, member)
static const mr_config_field fields[] = {
    {.key = "axis"},
    {.key = "epsilon", .read = mr_field_real, AT(epsilon), .fallback = 1e-3},
    {.key = "center", .read = mr_field_bool, AT(center), .fallback = true},
    {.key = "scale", .read = mr_field_bool, AT(scale), .fallback = true},
    {.key = "rms_scaling", .read = mr_field_unsupported},
    MR_PARAM_FIELDS("beta"),
    MR_PARAM_FIELDS("gamma"),
    {0}};

const mr_layer_class mr_layer_layer_normalization = {
    .name = "LayerNormalization",
    .size = sizeof(struct layer_normalization),
    .fields = fields,
    .max_inputs = 1,
    .in_place = true,
    .needs_x = true,
    .output_shape = output_shape,
    .build = build,
    .saved_size = saved_size,
    .scratch_size = scratch_size,
    .forward = forward,
    .backward = backward};
