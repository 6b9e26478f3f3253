/* SPDX-License-Identifier: Apache-2.0 */
/* Dropout and SpatialDropout: an element stays with probability 1-rate and is scaled by 1/(1-rate). Along
 * some axes all elements may share one draw (noise_shape; whole channels in SpatialDropout). Backward draws
 * again what forward drew. */
#include "nn/layers/draw.h"
#include "nn/layers/layers.h"
#include "nn/compute/simd.h"

#include <string.h>

struct dropout {
    double rate;
    bool spatial;               /* all axes between the batch and the channels share */
    int noise_rank;             /* 0: no noise_shape */
    int64_t noise[MR_MAX_RANK]; /* 1 where the axis shares; 0: not given */
};

static int configure(mr_layer *l, const json_t *c, mr_error *e)
{
    struct dropout *p = l->impl;
    const json_t *noise = json_object_get(c, "noise_shape"), *size;
    size_t i;
    if (!noise || json_is_null(noise))
        return 0;
    if (!json_is_array(noise) || json_array_size(noise) > MR_MAX_RANK)
        return mr_layer_invalid(l, e, "\"noise_shape\" is not a shape");
    json_array_foreach(noise, i, size)
    {
        if (!json_is_null(size) && (!json_is_integer(size) || json_integer_value(size) < 1))
            return mr_layer_invalid(l, e, "\"noise_shape\" is not a shape");
        p->noise[p->noise_rank++] = json_integer_value(size); /* 0 for null */
    }
    return 0;
}

static int configure_spatial(mr_layer *l, const json_t *c, mr_error *e)
{
    struct dropout *p = l->impl;
    p->spatial = true;
    return configure(l, c, e);
}

static int output_shape(const mr_layer *l, const mr_shape *in, int inputs, mr_shape *out, mr_error *e)
{
    const struct dropout *p = l->impl;
    if (p->noise_rank && p->noise_rank != in->rank)
        return mr_layer_invalid(l, e, "\"noise_shape\" has %d axes, the tensor %d", p->noise_rank, in->rank);
    for (int i = 0; i < p->noise_rank; i++)
        if (p->noise[i] > 1 && (i == 0 || p->noise[i] != in->dim[i]))
            return mr_layer_refuse(l, e, "\"noise_shape\" has %lld on axis %d", (long long)p->noise[i], i);
    return mr_same_shape(l, in, inputs, out, e);
}

static int shape_1d(const mr_layer *l, const mr_shape *in, int inputs, mr_shape *out, mr_error *e)
{
    int status = mr_layer_check_rank(l, in, 3, e);
    return status ? status : output_shape(l, in, inputs, out, e);
}

static int shape_2d(const mr_layer *l, const mr_shape *in, int inputs, mr_shape *out, mr_error *e)
{
    int status = mr_layer_check_rank(l, in, 4, e);
    return status ? status : output_shape(l, in, inputs, out, e);
}

/* The tensor as ROWS of LENGTH whose draws are consecutive (or, with ONE, the same). */
struct drop {
    const mr_real *from;
    mr_real *to;
    bool add, one;
    const mr_call *call;
    mr_shape shape;             /* the axes in front of a row */
    size_t stride[MR_MAX_RANK]; /* of the draws along them; 0: shared */
    size_t base; /* draw of the first element */
    size_t rows, length, chunks;
    uint32_t threshold; /* a draw below it drops the element */
    bool all;           /* rate 1: the threshold does not fit */
    mr_real scale;
};

enum { CHUNK = 1024 };

static bool shares(const struct dropout *p, const mr_shape *s, int axis)
{
    if (s->dim[axis] == 1)
        return false; /* nothing to share */
    return p->spatial ? axis > 0 && axis < s->rank - 1 : p->noise_rank && p->noise[axis] == 1;
}

static struct drop drop_of(const mr_call *c, const mr_real *from, mr_real *to, bool add)
{
    const struct dropout *p = c->layer->impl;
    const mr_shape *s = &c->out;
    struct drop d = {.from = from, .to = to, .add = add, .call = c, .all = p->rate >= 1};
    bool any = false;
    size_t stride = 1;
    for (int i = s->rank - 1; i >= 0; i--) {
        bool shared = shares(p, s, i);
        any |= shared;
        d.stride[i] = shared ? 0 : stride;
        stride *= shared ? 1 : (size_t)s->dim[i];
    }
    d.shape = *s;
    d.shape.rank = any ? s->rank - 1 : c->peers ? 1 : 0;
    d.length = any ? mr_last_dim(s) : mr_batch_count(s) / (c->peers ? (size_t)s->dim[0] : 1);
    d.base = d.stride[0] * mr_peers_sample(c->peers, 0);
    d.stride[0] *= c->peers ? c->peers->stride : 1;
    d.one = any && d.stride[s->rank - 1] == 0;
    d.rows = mr_batch_count(s) / d.length;
    d.chunks = mr_ceil_divide(d.length, CHUNK);
    d.threshold = d.all ? 0 : (uint32_t)(p->rate * 0x1p32);
    d.scale = d.all ? 0 : (mr_real)(1 / (1 - p->rate));
    return d;
}

static size_t first_draw(const struct drop *d, size_t row)
{
    size_t at = d->base;
    for (int i = d->shape.rank - 1; i >= 0; i--) {
        at += row % (size_t)d->shape.dim[i] * d->stride[i];
        row /= (size_t)d->shape.dim[i];
    }
    return at;
}

MR_CLONES static void drop_elements(const mr_real *from, mr_real *to, const uint32_t *words, size_t count,
                                    uint32_t threshold, mr_real scale, bool add)
{
    if (add) { /* NOLINT(bugprone-branch-clone): clang 14 takes loops under an omp pragma for the same */
#pragma omp simd
        for (size_t i = 0; i < count; i++)
            to[i] += words[i] < threshold ? 0 : from[i] * scale;
    } else {
#pragma omp simd
        for (size_t i = 0; i < count; i++)
            to[i] = words[i] < threshold ? 0 : from[i] * scale;
    }
}

static void drop_chunk(void *argument, size_t item, int thread)
{
    (void)thread;
    const struct drop *d = argument;
    size_t row = item / d->chunks, first = item % d->chunks * CHUNK, count = mr_min(CHUNK, d->length - first);
    size_t draw = first_draw(d, row) + (d->one ? 0 : first);
    uint32_t words[CHUNK + 8];
    mr_draw_words(d->call, draw / 4, d->one ? 1 : mr_ceil_divide(draw % 4 + count, 4), words);
    const uint32_t *own = words + draw % 4;
    uint32_t value = own[0];
    for (size_t i = 0; d->one && i < count; i++)
        words[i] = value;
    size_t at = row * d->length + first;
    drop_elements(d->from + at, d->to + at, d->one ? words : own, count, d->threshold, d->scale, d->add);
}

static void forward(const mr_call *c)
{
    struct drop d = drop_of(c, c->x[0], c->y, false);
    mr_team_items(c->team, d.rows * d.chunks, drop_chunk, &d);
}

static void backward(const mr_call *c)
{
    struct drop d = drop_of(c, c->dy, c->dx[0], c->add_dx[0]);
    if (c->dx[0])
        mr_team_items(c->team, d.rows * d.chunks, drop_chunk, &d);
}

#define RATE                                                                                                 \
    {.key = "rate", .read = mr_field_real, .offset = offsetof(struct dropout, rate), .fallback = 0.5, .high = 1}
static const mr_config_field fields[] = {RATE, {.key = "seed"}, {.key = "noise_shape"}, {0}};
static const mr_config_field fields_1d[] = {RATE, {.key = "seed"}, {0}};
static const mr_config_field fields_2d[] = {
    RATE, {.key = "seed"}, {.key = "data_format", .read = mr_field_channels_last}, {0}};

#define COMMON                                                                                               \
    .size = sizeof(struct dropout), .max_inputs = 1, .in_place = true, .identity_at_inference = true,        \
    .forward = forward, .backward = backward

const mr_layer_class mr_layer_dropout = {.name = "Dropout",
                                         .fields = fields,
                                         .configure = configure,
                                         .output_shape = output_shape,
                                         COMMON};
const mr_layer_class mr_layer_spatial_dropout1d = {.name = "SpatialDropout1D",
                                                   .fields = fields_1d,
                                                   .configure = configure_spatial,
                                                   .output_shape = shape_1d,
                                                   COMMON};
const mr_layer_class mr_layer_spatial_dropout2d = {.name = "SpatialDropout2D",
                                                   .fields = fields_2d,
                                                   .configure = configure_spatial,
                                                   .output_shape = shape_2d,
                                                   COMMON};
