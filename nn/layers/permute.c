/* SPDX-License-Identifier: Apache-2.0 */
/* Permute: output axis i is input axis dims[i]; the batch stays (Keras counts the other axes from 1). */
#include "nn/layers/layers.h"

struct permute {
    int rank; /* axes without the batch */
    int dims[MR_MAX_RANK];
};

static int configure(mr_layer *l, const json_t *c, mr_error *e)
{
    struct permute *p = l->impl;
    const json_t *dims = json_object_get(c, "dims");
    unsigned seen = 0;
    if (!json_is_array(dims) || json_array_size(dims) > MR_MAX_RANK - 1)
        return mr_layer_invalid(l, e, "\"dims\" is not a list of up to %d axes", MR_MAX_RANK - 1);
    p->rank = (int)json_array_size(dims);
    for (int i = 0; i < p->rank; i++) {
        const json_t *d = json_array_get(dims, (size_t)i);
        int64_t axis = json_is_integer(d) ? json_integer_value(d) : 0;
        if (axis < 1 || axis > p->rank || seen & 1u << axis)
            return mr_layer_invalid(l, e, "\"dims\" must be a permutation of 1 to %d", p->rank);
        seen |= 1u << axis;
        p->dims[i] = (int)axis;
    }
    return 0;
}

static int output_shape(const mr_layer *l, const mr_shape *in, int inputs, mr_shape *out, mr_error *e)
{
    (void)inputs;
    const struct permute *p = l->impl;
    int status = mr_layer_check_rank(l, in, p->rank + 1, e);
    if (status)
        return status;
    *out = *in;
    for (int i = 0; i < p->rank; i++)
        out->dim[i + 1] = in->dim[p->dims[i]];
    return 0;
}

/* The output in order; the input walked with strides. */
struct walk {
    const mr_real *from;
    mr_real *to;
    bool scatter, add; /* SCATTER: from the output's order back into the input's */
    int rank;
    size_t dim[MR_MAX_RANK], stride[MR_MAX_RANK], sample;
};

static struct walk walk_of(const mr_call *c, const mr_real *from, mr_real *to, bool scatter, bool add)
{
    const struct permute *p = c->layer->impl;
    struct walk w = {.from = from, .to = to, .scatter = scatter, .add = add, .rank = p->rank};
    size_t stride[MR_MAX_RANK] = {0}, all = 1;
    for (int i = p->rank; i >= 1; i--) {
        stride[i] = all;
        all *= (size_t)c->in[0].dim[i];
    }
    w.sample = all;
    for (int i = 0; i < p->rank; i++) {
        w.dim[i] = (size_t)c->out.dim[i + 1];
        w.stride[i] = stride[p->dims[i]];
    }
    return w;
}

static size_t input_place(const struct walk *w, size_t inside)
{
    size_t at = 0;
    for (int i = w->rank - 1; i >= 0; i--) {
        at += inside % w->dim[i] * w->stride[i];
        inside /= w->dim[i];
    }
    return at;
}

static void walk_range(void *argument, size_t first, size_t end, int thread)
{
    (void)thread;
    const struct walk *w = argument;
    for (size_t i = first; i < end; i++) {
        size_t other = i / w->sample * w->sample + input_place(w, i % w->sample);
        size_t to = w->scatter ? other : i, from = w->scatter ? i : other;
        w->to[to] = w->add ? w->to[to] + w->from[from] : w->from[from];
    }
}

static void forward(const mr_call *c)
{
    struct walk w = walk_of(c, c->x[0], c->y, false, false);
    mr_team_ranges(c->team, mr_batch_count(&c->out), 16384, walk_range, &w);
}

static void backward(const mr_call *c)
{
    struct walk w = walk_of(c, c->dy, c->dx[0], true, c->add_dx[0]);
    if (c->dx[0])
        mr_team_ranges(c->team, mr_batch_count(&c->out), 16384, walk_range, &w);
}

static const mr_config_field fields[] = {{.key = "dims"}, {0}};

const mr_layer_class mr_layer_permute = {.name = "Permute",
                                         .size = sizeof(struct permute),
                                         .fields = fields,
                                         .max_inputs = 1,
                                         .configure = configure,
                                         .output_shape = output_shape,
                                         .forward = forward,
                                         .backward = backward};
