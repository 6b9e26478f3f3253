/* SPDX-License-Identifier: Apache-2.0 */
/* The table of activations by name, and how a configuration names one. The functions:
 * nn/layers/activation_functions.c. */
#include "nn/layers/activation.h"
#include "base/json_read.h"
#include "nn/layers/window.h"

#include "nn/graph/config.h"

#include <string.h>

bool mr_activation_is_linear(const mr_activation *a)
{
    return a->forward == mr_linear_forward;
}

bool mr_activation_is_clamp(const mr_activation *a, float *low, float *high)
{
    *low = -INFINITY;
    *high = INFINITY;
    if (mr_activation_is_linear(a))
        return true;
    *low = 0;
    if (a->forward == mr_activation_find("relu")->forward)
        return true;
    *high = 6;
    if (a->forward == mr_activation_find("relu6")->forward)
        return true;
    *high = (float)a->maximum;
    return a->forward == mr_general_relu.forward && a->slope == 0 && a->threshold == 0;
}

const mr_activation *mr_activation_find(const char *name)
{
    for (const mr_activation *a = mr_activations; a->name; a++)
        if (!strcmp(a->name, name))
            return a;
    return NULL;
}

static void take(mr_activation *out, const char *name)
{
    *out = *mr_activation_find(name);
}

/* Which of the ReLU kind is enough: the plain ones know their gradient from the output, the general one reads
 * the input. */
static int relu_of(const mr_layer *l, const json_t *c, mr_activation *out, mr_error *e)
{
    double maximum, slope, threshold;
    int status = mr_config_real(l, c, "max_value", INFINITY, &maximum, e);
    if (!status)
        status = mr_config_real(l, c, "negative_slope", 0, &slope, e);
    if (!status)
        status = mr_config_real(l, c, "threshold", 0, &threshold, e);
    if (status)
        return status;
    if (threshold == 0 && maximum == INFINITY && slope == 0)
        take(out, "relu");
    else if (threshold == 0 && maximum == INFINITY && slope > 0)
        take(out, "leaky_relu");
    else if (threshold == 0 && maximum == 6 && slope == 0)
        take(out, "relu6");
    else
        *out = mr_general_relu;
    out->slope = slope;
    out->maximum = maximum;
    out->threshold = threshold;
    return 0;
}

/* Keras 3 says negative_slope; activation objects inside older files still say alpha. */
static int leaky_relu_of(const mr_layer *l, const json_t *c, mr_activation *out, mr_error *e)
{
    double alpha, slope;
    int status = mr_config_real(l, c, "alpha", 0.3, &alpha, e);
    if (!status)
        status = mr_config_real(l, c, "negative_slope", alpha, &slope, e);
    if (status)
        return status;
    if (slope > 0)
        take(out, "leaky_relu");
    else
        *out = mr_general_relu;
    out->slope = slope;
    return 0;
}

static int thresholded_relu_of(const mr_layer *l, const json_t *c, mr_activation *out, mr_error *e)
{
    *out = mr_general_relu;
    return mr_config_real(l, c, "theta", 1, &out->threshold, e);
}

static int elu_of(const mr_layer *l, const json_t *c, mr_activation *out, mr_error *e)
{
    take(out, "elu");
    int status = mr_config_real(l, c, "alpha", 1, &out->slope, e);
    if (!status && out->slope < 0)
        status = mr_layer_refuse(l, e, "ELU with a negative \"alpha\"");
    return status;
}

static int softmax_of(const mr_layer *l, const json_t *c, mr_activation *out, mr_error *e)
{
    int64_t axis;
    take(out, "softmax");
    int status = mr_config_sizes(l, c, "axis", 1, -MR_MAX_RANK, MR_MAX_RANK, -1, &axis, e);
    if (!status && axis != -1)
        status =
            mr_layer_refuse(l, e, "\"axis\" %lld: only the last axis (-1) is supported", (long long)axis);
    return status;
}

int mr_activation_of_class(const mr_layer *l, const char *name, const json_t *config, mr_activation *out,
                           mr_error *e)
{
    static const struct {
        const char *name;
        int (*read)(const mr_layer *l, const json_t *c, mr_activation *out, mr_error *e);
    } classes[] = {{"ReLU", relu_of},
                   {"LeakyReLU", leaky_relu_of},
                   {"ThresholdedReLU", thresholded_relu_of},
                   {"ELU", elu_of},
                   {"Softmax", softmax_of}};
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (!strcmp(classes[i].name, name))
            return classes[i].read(l, config, out, e);
    return MR_ENOTFOUND;
}

static int by_name(const mr_layer *l, const char *key, const char *name, mr_activation *out, mr_error *e)
{
    const mr_activation *a = mr_activation_find(name);
    if (!a)
        return mr_layer_refuse(l, e, "\"%s\": unsupported activation %s", key, name);
    *out = *a;
    return 0;
}

int mr_config_activation(const mr_layer *l, const json_t *config, const char *key, mr_activation *out,
                         mr_error *e)
{
    const json_t *v = json_object_get(config, key), *inner = json_object_get(v, "config");
    const char *class = mr_json_text(v, "class_name");
    take(out, "linear");
    if (!v || json_is_null(v))
        return 0;
    if (json_is_string(v))
        return by_name(l, key, json_string_value(v), out, e);
    if (!class)
        return mr_layer_invalid(l, e, "\"%s\" is not an activation", key);
    if (json_is_string(inner)) /* a serialised function: its name is the configuration */
        return by_name(l, key, json_string_value(inner), out, e);
    if (!strcmp(class, "Activation"))
        return mr_config_activation(l, inner, "activation", out, e);
    int status = mr_activation_of_class(l, class, inner, out, e);
    return status == MR_ENOTFOUND ? by_name(l, key, class, out, e) : status;
}

int mr_field_activation(const mr_layer *l, const mr_config_field *f, void *at, mr_error *e)
{
    return mr_config_activation(l, l->config, f->key, at, e);
}

struct pass {
    const mr_activation *activation;
    const mr_real *x, *y, *dy;
    mr_real *out;
    size_t row, unit; /* UNIT elements must not be cut apart */
};

static void forward_range(void *argument, size_t first, size_t end, int thread)
{
    (void)thread;
    const struct pass *p = argument;
    first *= p->unit;
    p->activation->forward(p->activation, p->x + first, p->out + first, end * p->unit - first, p->row);
}

static void backward_range(void *argument, size_t first, size_t end, int thread)
{
    (void)thread;
    const struct pass *p = argument;
    size_t at = first * p->unit;
    const mr_real *x = p->x ? p->x + at : NULL, *y = p->y ? p->y + at : NULL;
    p->activation->backward(p->activation, x, y, p->dy + at, p->out + at, (end - first) * p->unit, p->row);
}

static void run(mr_team *t, const struct pass *p, size_t count, mr_range *range)
{
    enum { GRAIN = 16384 };
    size_t grain = GRAIN / p->unit;
    mr_team_ranges(t, count / p->unit, grain ? grain : 1, range, (void *)p);
}

void mr_activation_forward(mr_team *t, const mr_activation *a, const mr_real *x, mr_real *y, size_t count,
                           size_t row)
{
    if (mr_activation_is_linear(a) && x == y)
        return;
    struct pass p = {.activation = a, .x = x, .out = y, .row = row, .unit = a->by_rows ? row : 1};
    run(t, &p, count, forward_range);
}

void mr_activation_backward(mr_team *t, const mr_activation *a, const mr_real *x, const mr_real *y,
                            const mr_real *dy, mr_real *dx, size_t count, size_t row)
{
    if (mr_activation_is_linear(a) && dx == dy)
        return;
    struct pass p = {
        .activation = a, .x = x, .y = y, .dy = dy, .out = dx, .row = row, .unit = a->by_rows ? row : 1};
    run(t, &p, count, backward_range);
}

/* ---- the activation argument of a layer */

size_t mr_activated_saved(const mr_activation *a, const mr_call *c)
{
    return c->training && a->needs_x ? mr_reals_piece(mr_batch_count(&c->out)) : 0;
}

void mr_activated_forward(const mr_activation *a, const mr_call *c)
{
    size_t count = mr_batch_count(&c->out);
    const mr_real *sum = c->y;
    if (mr_activated_saved(a, c)) {
        memcpy(c->saved, c->y, count * sizeof *c->y);
        sum = c->saved;
    }
    mr_activation_forward(c->team, a, sum, c->y, count, mr_last_dim(&c->out));
}

size_t mr_activated_scratch(const mr_activation *a, const mr_call *c)
{
    return c->training && !mr_activation_is_linear(a) ? mr_reals_piece(mr_batch_count(&c->out)) : 0;
}

const mr_real *mr_activated_gradient(const mr_activation *a, const mr_call *c, mr_real *scratch)
{
    if (mr_activation_is_linear(a))
        return c->dy;
    const mr_real *sum = a->needs_x ? c->saved : NULL;
    mr_activation_backward(c->team, a, sum, c->y, c->dy, scratch, mr_batch_count(&c->out),
                           mr_last_dim(&c->out));
    return scratch;
}
