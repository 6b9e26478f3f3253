/* SPDX-License-Identifier: Apache-2.0 */
/* Concatenate along any axis but the batch: for each place of the axes in front, one run of numbers from each
 * input. */
#include "nn/layers/layers.h"

#include <string.h>

static int output_shape(const mr_layer *l, const mr_shape *in, int inputs, mr_shape *out, mr_error *e)
{
    char text[128], other[128];
    int axis, status = mr_layer_axis(l, &in[0], -1, &axis, e);
    if (status)
        return status;
    *out = in[0];
    for (int k = 1; k < inputs; k++) {
        bool fits = in[k].rank == in[0].rank;
        for (int i = 1; fits && i < in[0].rank; i++)
            fits = i == axis || in[k].dim[i] == in[0].dim[i];
        if (!fits)
            return mr_layer_invalid(l, e, "shapes %s and %s do not fit",
                                    mr_shape_text(&in[0], true, text, sizeof text),
                                    mr_shape_text(&in[k], true, other, sizeof other));
        out->dim[axis] += in[k].dim[axis];
    }
    return mr_layer_check_output(l, out, e);
}

struct joint {
    const mr_call *call;
    int axis;
    size_t inner;  /* numbers per place of the axis */
    size_t length; /* of a run of the output */
};

static struct joint joint_of(const mr_call *c)
{
    struct joint j = {.call = c, .inner = 1};
    mr_layer_axis(c->layer, &c->out, -1, &j.axis, NULL); /* checked by output_shape */
    for (int i = j.axis + 1; i < c->out.rank; i++)
        j.inner *= (size_t)c->out.dim[i];
    j.length = (size_t)c->out.dim[j.axis] * j.inner;
    return j;
}

static void join_range(void *argument, size_t first, size_t end, int thread)
{
    (void)thread;
    const struct joint *j = argument;
    const mr_call *c = j->call;
    size_t at = 0;
    for (int k = 0; k < c->inputs; k++) {
        size_t run = (size_t)c->in[k].dim[j->axis] * j->inner;
        for (size_t i = first; i < end; i++)
            memcpy(c->y + i * j->length + at, c->x[k] + i * run, run * sizeof *c->y);
        at += run;
    }
}

static void give(mr_real *to, const mr_real *from, size_t count, bool add)
{
    if (!add)
        memcpy(to, from, count * sizeof *to);
    else
        for (size_t i = 0; i < count; i++)
            to[i] += from[i];
}

static void part_range(void *argument, size_t first, size_t end, int thread)
{
    (void)thread;
    const struct joint *j = argument;
    const mr_call *c = j->call;
    size_t at = 0;
    for (int k = 0; k < c->inputs; k++) {
        size_t run = (size_t)c->in[k].dim[j->axis] * j->inner;
        for (size_t i = first; c->dx[k] && i < end; i++)
            give(c->dx[k] + i * run, c->dy + i * j->length + at, run, c->add_dx[k]);
        at += run;
    }
}

static void run(const mr_call *c, mr_range *range)
{
    struct joint j = joint_of(c);
    size_t runs = mr_batch_count(&c->out) / j.length;
    mr_team_ranges(c->team, runs, mr_max(1, 16384 / j.length), range, &j);
}

static void forward(const mr_call *c)
{
    run(c, join_range);
}
static void backward(const mr_call *c)
{
    run(c, part_range);
}

static const mr_config_field fields[] = {{.key = "axis"}, {0}};

const mr_layer_class mr_layer_concatenate = {.name = "Concatenate",
                                             .fields = fields,
                                             .max_inputs = 1024,
                                             .output_shape = output_shape,
                                             .forward = forward,
                                             .backward = backward};
