/* SPDX-License-Identifier: Apache-2.0 */
/* Add, Subtract, Multiply, Average, Maximum, Minimum of tensors that broadcast as Keras's merging layers do:
 * axes of size 1 stretch; a tensor of lower rank has its missing axes right after the batch. Results are made
 * in small pieces, all inputs of a piece read before its output is written, so that output and inputs may be
 * the same memory. */
#include "nn/layers/layers.h"
#include "nn/compute/simd.h"

#include <string.h>

enum { PIECE = 512 };

/* One way of merging: pieces of COUNT numbers. */
typedef struct operation {
    void (*combine)(mr_real *sum, const mr_real *x, size_t count);
    /* The derivative by input K, called for each input J in order: G starts as dy; RUNNING is for the
     * function's use. NULL: 1 (for Subtract -1 from the second input on). */
    void (*derive)(mr_real *g, mr_real *running, const mr_real *x, int j, int k, size_t count);
    bool average, subtract;
} operation;

struct merge {
    const mr_call *call;
    const operation *op;
    int rank;
    size_t dim[MR_MAX_RANK], rows, length, pieces; /* of the output; rows of the last axis */
    bool plain;                                    /* all shapes are the output's: one long row */
};

/* Stride of input K along axis AXIS of the output, 0 where it stretches. */
static size_t stride_of(const struct merge *m, int k, int axis)
{
    const mr_shape *s = &m->call->in[k];
    int own = axis == 0 ? 0 : axis - (m->rank - s->rank);
    if (own < (axis == 0 ? 0 : 1) || s->dim[own] == 1)
        return 0;
    size_t stride = 1;
    for (int i = own + 1; i < s->rank; i++)
        stride *= (size_t)s->dim[i];
    return stride;
}

static bool is_plain(const mr_call *c, int k)
{
    return mr_batch_count(&c->in[k]) == mr_batch_count(&c->out);
}

static struct merge merge_of(const mr_call *c, const operation *op)
{
    struct merge m = {.call = c, .op = op, .rank = c->out.rank, .plain = true};
    for (int k = 0; k < c->inputs; k++)
        m.plain &= is_plain(c, k);
    for (int i = 0; i < m.rank; i++)
        m.dim[i] = (size_t)c->out.dim[i];
    m.length = m.plain ? mr_batch_count(&c->out) : mr_last_dim(&c->out);
    m.rows = mr_batch_count(&c->out) / m.length;
    m.pieces = mr_ceil_divide(m.length, PIECE);
    return m;
}

static size_t offset_of(const struct merge *m, int k, size_t row)
{
    size_t at = 0;
    for (int i = m->rank - 2; i >= 0 && !m->plain; i--) {
        at += row % m->dim[i] * stride_of(m, k, i);
        row /= m->dim[i];
    }
    return at;
}

/* A piece of the output: numbers FIRST … of a row. */
struct piece {
    size_t row, first, count;
};

static struct piece piece_of(const struct merge *m, size_t item)
{
    struct piece p = {item / m->pieces, item % m->pieces * PIECE, 0};
    p.count = mr_min(PIECE, m->length - p.first);
    return p;
}

/* What input K has for the piece; a number that stretches along the row is spread into SPACE. */
static const mr_real *input_piece(const struct merge *m, int k, struct piece p, mr_real *space)
{
    const mr_real *x = m->call->x[k] + offset_of(m, k, p.row);
    if (m->plain || stride_of(m, k, m->rank - 1) || p.count == 1)
        return x + (m->plain || stride_of(m, k, m->rank - 1) ? p.first : 0);
    for (size_t i = 0; i < p.count; i++)
        space[i] = *x;
    return space;
}

/* --- forward --------------------------------------------------------------- */

static void merge_piece(void *argument, size_t item, int thread)
{
    (void)thread;
    const struct merge *m = argument;
    struct piece p = piece_of(m, item);
    mr_real sum[PIECE], space[PIECE];
    memcpy(sum, input_piece(m, 0, p, space), p.count * sizeof *sum);
    for (int k = 1; k < m->call->inputs; k++)
        m->op->combine(sum, input_piece(m, k, p, space), p.count);
    if (m->op->average)
        for (size_t i = 0; i < p.count; i++)
            sum[i] /= (mr_real)m->call->inputs;
    memcpy(m->call->y + p.row * m->length + p.first, sum, p.count * sizeof *sum);
}

static void run_forward(const mr_call *c, const operation *op)
{
    struct merge m = merge_of(c, op);
    mr_team_items(c->team, m.rows * m.pieces, merge_piece, &m);
}

/* --- backward -------------------------------------------------------------- */

/* The gradient by input K over a piece. */
static void derive_piece(const struct merge *m, int k, struct piece p, mr_real *g)
{
    mr_real running[PIECE], space[PIECE];
    int inputs = m->call->inputs;
    memcpy(g, m->call->dy + p.row * m->length + p.first, p.count * sizeof *g);
    for (int j = 0; m->op->derive && j < inputs; j++)
        m->op->derive(g, running, input_piece(m, j, p, space), j, k, p.count);
    for (size_t i = 0; m->op->average && i < p.count; i++)
        g[i] /= (mr_real)inputs;
    for (size_t i = 0; m->op->subtract && k && i < p.count; i++)
        g[i] = -g[i];
}

static void give(mr_real *to, const mr_real *g, size_t count, bool add)
{
    if (!add)
        memcpy(to, g, count * sizeof *to);
    else
        for (size_t i = 0; i < count; i++)
            to[i] += g[i];
}

/* Inputs of the output's shape, in order: the same tensor may come twice, then the first writes and the
 * others add. All gradients of a piece but the last are made before dx[0] is written, which may be dy. */
static void gradient_piece(void *argument, size_t item, int thread)
{
    (void)thread;
    const struct merge *m = argument;
    const mr_call *c = m->call;
    struct piece p = piece_of(m, item);
    size_t at = p.row * m->length + p.first;
    mr_real first[PIECE], g[PIECE];
    bool in_place = c->dx[0] == c->dy;
    if (in_place)
        derive_piece(m, 0, p, first);
    for (int k = in_place ? 1 : 0; k < c->inputs; k++)
        if (c->dx[k] && is_plain(c, k)) {
            derive_piece(m, k, p, g);
            give(c->dx[k] + at, g, p.count, c->add_dx[k]);
        }
    if (in_place)
        give(c->dx[0] + at, first, p.count, false);
}

struct reduction {
    const struct merge *merge;
    int k;
};

/* An input that was stretched: a task owns a sample, and adds up all that one of its numbers went to. */
static void reduce_sample(void *argument, size_t n, int thread)
{
    (void)thread;
    const struct reduction *r = argument;
    const struct merge *m = r->merge;
    const mr_call *c = m->call;
    size_t own = mr_shape_sample(&c->in[r->k]), rows = m->rows / m->dim[0];
    bool stretched = stride_of(m, r->k, m->rank - 1) == 0;
    mr_real g[PIECE], *dx = c->dx[r->k];
    if (!c->add_dx[r->k])
        memset(dx + n * own, 0, own * sizeof *dx);
    for (size_t item = n * rows * m->pieces; item < (n + 1) * rows * m->pieces; item++) {
        struct piece p = piece_of(m, item);
        mr_real *to = dx + offset_of(m, r->k, p.row) + (stretched ? 0 : p.first);
        derive_piece(m, r->k, p, g);
        for (size_t i = 0; i < p.count; i++)
            to[stretched ? 0 : i] += g[i];
    }
}

static void run_backward(const mr_call *c, const operation *op)
{
    struct merge m = merge_of(c, op);
    bool some = false;
    for (int k = 0; k < c->inputs; k++) /* first, as dx[0] may be dy */
        if (c->dx[k] && !is_plain(c, k)) {
            struct reduction r = {&m, k};
            mr_team_items(c->team, (size_t)c->batch, reduce_sample, &r);
        }
    for (int k = 0; k < c->inputs; k++)
        some |= c->dx[k] && is_plain(c, k);
    if (some)
        mr_team_items(c->team, m.rows * m.pieces, gradient_piece, &m);
}

/* --- the operations -------------------------------------------------------- */

static void plus(mr_real *sum, const mr_real *x, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        sum[i] += x[i];
}

static void minus(mr_real *sum, const mr_real *x, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        sum[i] -= x[i];
}

static void times(mr_real *sum, const mr_real *x, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        sum[i] *= x[i];
}

static void larger(mr_real *sum, const mr_real *x, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        sum[i] = x[i] > sum[i] || x[i] != x[i] ? x[i] : sum[i];
}

static void smaller(mr_real *sum, const mr_real *x, size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        sum[i] = x[i] < sum[i] || x[i] != x[i] ? x[i] : sum[i];
}

static void derive_product(mr_real *g, mr_real *running, const mr_real *x, int j, int k, size_t count)
{
    (void)running;
    if (j != k)
        times(g, x, count);
}

/* Merging goes pair by pair from the left; of two equal numbers each gets half, as in PyTorch. RUNNING: the
 * extreme so far; SIGN 1 for the maximum, -1 for the minimum. */
static void derive_extreme(mr_real *g, mr_real *running, const mr_real *x, int j, int k, size_t count,
                           mr_real sign)
{
    for (size_t i = 0; i < count; i++) {
        mr_real ahead = j == 0 ? 1 : sign * (x[i] - running[i]);
        mr_real share = ahead > 0 ? 1 : ahead == 0 ? (mr_real)0.5 : 0;
        if (j >= k && (j > 0))
            g[i] *= j == k ? share : 1 - share;
        running[i] = ahead > 0 ? x[i] : running[i];
    }
}

static void derive_maximum(mr_real *g, mr_real *running, const mr_real *x, int j, int k, size_t count)
{
    derive_extreme(g, running, x, j, k, count, 1);
}

static void derive_minimum(mr_real *g, mr_real *running, const mr_real *x, int j, int k, size_t count)
{
    derive_extreme(g, running, x, j, k, count, -1);
}

static const operation add = {.combine = plus}, subtract = {.combine = minus, .subtract = true},
                       multiply = {.combine = times, .derive = derive_product},
                       average = {.combine = plus, .average = true},
                       maximum = {.combine = larger, .derive = derive_maximum},
                       minimum = {.combine = smaller, .derive = derive_minimum};

/* --- shapes ---------------------------------------------------------------- */

static int join(const mr_layer *l, const mr_shape *in, mr_shape *out, mr_error *e)
{
    char text[128], other[128];
    for (int i = 1; i < in->rank; i++) {
        int64_t *d = &out->dim[i + out->rank - in->rank];
        if (*d == 1)
            *d = in->dim[i];
        else if (in->dim[i] != 1 && in->dim[i] != *d)
            return mr_layer_invalid(l, e, "shapes %s and %s do not fit",
                                    mr_shape_text(in, true, text, sizeof text),
                                    mr_shape_text(out, true, other, sizeof other));
    }
    return 0;
}

static int output_shape(const mr_layer *l, const mr_shape *in, int inputs, mr_shape *out, mr_error *e)
{
    *out = (mr_shape){.rank = 1, .dim = {in[0].dim[0], 1, 1, 1, 1, 1}};
    if (inputs < 2)
        return mr_layer_invalid(l, e, "merges two or more tensors, not %d", inputs);
    for (int k = 0; k < inputs; k++)
        out->rank = in[k].rank > out->rank ? in[k].rank : out->rank;
    for (int k = 0; k < inputs; k++) {
        int status = join(l, &in[k], out, e);
        if (status)
            return status;
    }
    return mr_layer_check_output(l, out, e);
}

static int output_shape_of_two(const mr_layer *l, const mr_shape *in, int inputs, mr_shape *out, mr_error *e)
{
    if (inputs != 2)
        return mr_layer_invalid(l, e, "takes two tensors, not %d", inputs);
    return output_shape(l, in, inputs, out, e);
}

#define MERGE(identifier, keras_name, operation, reads_x, shape)                                             \
    static void operation##_forward(const mr_call *c)                                                        \
    {                                                                                                        \
        run_forward(c, &operation);                                                                          \
    }                                                                                                        \
    static void operation##_backward(const mr_call *c)                                                       \
    {                                                                                                        \
        run_backward(c, &operation);                                                                         \
    }                                                                                                        \
    const mr_layer_class identifier = {.name = keras_name,                                                   \
                                       .max_inputs = 1024,                                                   \
                                       .in_place = true,                                                     \
                                       .needs_x = reads_x,                                                   \
                                       .output_shape = shape,                                                \
                                       .forward = operation##_forward,                                       \
                                       .backward = operation##_backward}

MERGE(mr_layer_add, "Add", add, false, output_shape);
MERGE(mr_layer_subtract, "Subtract", subtract, false, output_shape_of_two);
MERGE(mr_layer_multiply, "Multiply", multiply, true, output_shape);
MERGE(mr_layer_average, "Average", average, false, output_shape);
MERGE(mr_layer_maximum, "Maximum", maximum, true, output_shape);
MERGE(mr_layer_minimum, "Minimum", minimum, true, output_shape);
