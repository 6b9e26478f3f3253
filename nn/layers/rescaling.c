/* SPDX-License-Identifier: Apache-2.0 */
/* Rescaling and Normalization: y = (x - shift) * factor + offset, with numbers for all or for each channel.
 */
#include "nn/layers/layers.h"
#include "nn/compute/simd.h"

#include <stdlib.h>

/* The numbers of a configuration's entry: one, or one per channel. */
struct numbers {
    size_t count; /* 0: not given */
    double *value;
};

struct rescaling {
    struct numbers scale, offset;  /* Rescaling */
    struct numbers mean, variance; /* Normalization; not given: variables of the layer */
    bool invert, whole;            /* WHOLE: axis null, one number for all */
};

static void destroy(mr_layer *l)
{
    struct rescaling *p = l->impl;
    free(p->scale.value);
    free(p->offset.value);
    free(p->mean.value);
    free(p->variance.value);
}

static size_t count_numbers(const json_t *v)
{
    const json_t *entry;
    size_t i, count = 0;
    if (json_is_number(v))
        return 1;
    json_array_foreach(v, i, entry) count += count_numbers(entry);
    return count;
}

static void take_numbers(const json_t *v, double **out)
{
    const json_t *entry;
    size_t i;
    if (json_is_number(v))
        *(*out)++ = json_number_value(v);
    json_array_foreach(v, i, entry) take_numbers(entry, out);
}

/* A number or a list, however nested (arrays of shape (1,1,1,C) are written so). */
static int read_numbers(const mr_layer *l, const json_t *c, const char *key, struct numbers *out, mr_error *e)
{
    const json_t *v = json_object_get(c, key);
    if (!v || json_is_null(v))
        return 0;
    out->count = count_numbers(v);
    if (out->count == 0)
        return mr_layer_invalid(l, e, "\"%s\" is neither a number nor a list of numbers", key);
    out->value = malloc(out->count * sizeof *out->value);
    if (!out->value)
        return mr_layer_refuse(l, e, "out of memory for \"%s\"", key);
    double *to = out->value;
    take_numbers(v, &to);
    return 0;
}

static int check_count(const mr_layer *l, const char *key, const struct numbers *n, const mr_shape *in,
                       mr_error *e)
{
    if (n->count <= 1 || (int64_t)n->count == in->dim[in->rank - 1])
        return 0;
    return mr_layer_invalid(l, e, "\"%s\" has %zu numbers for %lld channels", key, n->count,
                            (long long)in->dim[in->rank - 1]);
}

static double number(const struct numbers *n, size_t i, double fallback)
{
    return n->count == 0 ? fallback : n->value[n->count == 1 ? 0 : i];
}

/* --- Rescaling ------------------------------------------------------------- */

static int configure_rescaling(mr_layer *l, const json_t *c, mr_error *e)
{
    struct rescaling *p = l->impl;
    int status = read_numbers(l, c, "scale", &p->scale, e);
    return status ? status : read_numbers(l, c, "offset", &p->offset, e);
}

static int rescaled_shape(const mr_layer *l, const mr_shape *in, int inputs, mr_shape *out, mr_error *e)
{
    const struct rescaling *p = l->impl;
    int status = check_count(l, "scale", &p->scale, in, e);
    if (!status)
        status = check_count(l, "offset", &p->offset, in, e);
    return status ? status : mr_same_shape(l, in, inputs, out, e);
}

/* --- Normalization --------------------------------------------------------- */

static int configure_normalization(mr_layer *l, const json_t *c, mr_error *e)
{
    struct rescaling *p = l->impl;
    int status = read_numbers(l, c, "mean", &p->mean, e);
    if (!status)
        status = read_numbers(l, c, "variance", &p->variance, e);
    if (!status && (p->mean.count == 0) != (p->variance.count == 0))
        status = mr_layer_invalid(l, e, "\"mean\" and \"variance\" must be given together");
    for (size_t i = 0; !status && i < p->variance.count; i++)
        if (!(p->variance.value[i] >= 0))
            status = mr_layer_invalid(l, e, "\"variance\" %g is negative", p->variance.value[i]);
    const json_t *axis = json_object_get(c, "axis");
    p->whole = json_is_null(axis) || (json_is_array(axis) && json_array_size(axis) == 0);
    return status;
}

static int normalized_shape(const mr_layer *l, const mr_shape *in, int inputs, mr_shape *out, mr_error *e)
{
    const struct rescaling *p = l->impl;
    int status = p->whole ? 0 : mr_layer_check_last_axis(l, in, e);
    if (!status)
        status = check_count(l, "mean", &p->mean, in, e);
    if (!status)
        status = check_count(l, "variance", &p->variance, in, e);
    return status ? status : mr_same_shape(l, in, inputs, out, e);
}

static int build_normalization(mr_layer *l, const mr_shape *in, int inputs, mr_error *e)
{
    (void)inputs;
    const struct rescaling *p = l->impl;
    mr_shape shape = {1, {in->dim[in->rank - 1]}}, none = {.rank = 0};
    if (p->mean.count)
        return 0;
    int status = mr_layer_add_param(l, "mean", p->whole ? none : shape, true, NULL, "zeros", NULL, e);
    if (!status)
        status = mr_layer_add_param(l, "variance", p->whole ? none : shape, true, NULL, "ones", NULL, e);
    return status ? status : mr_layer_add_param(l, "count", none, true, NULL, "zeros", NULL, e);
}

/* --- both ------------------------------------------------------------------ */

struct pass {
    const mr_real *from;
    mr_real *to;
    const mr_real *k; /* [3][width]: shift, factor, offset */
    size_t width;
    bool add;
};

MR_CLONES static void rescale(void *argument, size_t first, size_t end, int thread)
{
    (void)thread;
    const struct pass *p = argument;
    const mr_real *shift = p->k, *factor = shift + p->width, *offset = factor + p->width;
    for (size_t i = first; i < end; i += p->width) {
        size_t n = mr_min(p->width, end - i);
        const mr_real *x = p->from + i;
        mr_real *y = p->to + i;
#pragma omp simd
        for (size_t c = 0; c < n; c++)
            y[c] = (x[c] - shift[c]) * factor[c] + offset[c];
    }
}

MR_CLONES static void scale_gradient(void *argument, size_t first, size_t end, int thread)
{
    (void)thread;
    const struct pass *p = argument;
    const mr_real *factor = p->k + p->width;
    for (size_t i = first; i < end; i += p->width) {
        size_t n = mr_min(p->width, end - i);
        const mr_real *dy = p->from + i;
        mr_real *dx = p->to + i;
#pragma omp simd
        for (size_t c = 0; c < n; c++)
            dx[c] = (p->add ? dx[c] : 0) + dy[c] * factor[c];
    }
}

/* Shift, factor and offset of channel I. */
typedef void numbers_of(const mr_call *c, size_t i, double *shift, double *factor, double *offset);

static void rescaling_numbers(const mr_call *c, size_t i, double *shift, double *factor, double *offset)
{
    const struct rescaling *p = c->layer->impl;
    *shift = 0;
    *factor = number(&p->scale, i, 1);
    *offset = number(&p->offset, i, 0);
}

static void normalization_numbers(const mr_call *c, size_t i, double *shift, double *factor, double *offset)
{
    const struct rescaling *p = c->layer->impl;
    const double least = 1e-7; /* keras.config.epsilon() */
    size_t k = p->whole ? 0 : i;
    double mean = p->mean.count ? number(&p->mean, i, 0) : (double)c->w[0][k];
    double deviation = sqrt(p->mean.count ? number(&p->variance, i, 1) : (double)c->w[1][k]);
    deviation = deviation < least ? least : deviation;
    *shift = p->invert ? 0 : mean;
    *factor = p->invert ? deviation : 1 / deviation;
    *offset = p->invert ? mean : 0;
}

static struct pass pass_of(const mr_call *c, numbers_of *numbers)
{
    size_t channels = mr_last_dim(&c->in[0]), width = mr_per_channel_width(channels);
    mr_real *k = c->scratch;
    for (size_t i = 0; i < channels; i++) {
        double shift, factor, offset;
        numbers(c, i, &shift, &factor, &offset);
        k[i] = (mr_real)shift;
        k[width + i] = (mr_real)factor;
        k[2 * width + i] = (mr_real)offset;
    }
    mr_per_channel_repeat(k, 3, channels);
    return (struct pass){.k = k, .width = width};
}

static size_t scratch_size(const mr_call *c)
{
    return mr_per_channel_size(mr_last_dim(&c->in[0]), 3);
}

static void run_forward(const mr_call *c, numbers_of *numbers)
{
    struct pass p = pass_of(c, numbers);
    p.from = c->x[0];
    p.to = c->y;
    mr_per_channel_ranges(c->team, mr_batch_count(&c->out), mr_last_dim(&c->out), rescale, &p);
}

static void run_backward(const mr_call *c, numbers_of *numbers)
{
    if (!c->dx[0])
        return;
    struct pass p = pass_of(c, numbers);
    p.from = c->dy;
    p.to = c->dx[0];
    p.add = c->add_dx[0];
    mr_per_channel_ranges(c->team, mr_batch_count(&c->out), mr_last_dim(&c->out), scale_gradient, &p);
}

static void forward_rescaling(const mr_call *c)
{
    run_forward(c, rescaling_numbers);
}
static void backward_rescaling(const mr_call *c)
{
    run_backward(c, rescaling_numbers);
}
static void forward_normalization(const mr_call *c)
{
    run_forward(c, normalization_numbers);
}
static void backward_normalization(const mr_call *c)
{
    run_backward(c, normalization_numbers);
}

#define COMMON                                                                                               \
    .size = sizeof(struct rescaling), .max_inputs = 1, .in_place = true, .scratch_size = scratch_size,       \
    .destroy = destroy

static const mr_config_field rescaling_fields[] = {{.key = "scale"}, {.key = "offset"}, {0}};
static const mr_config_field normalization_fields[] = {
    {.key = "axis"},
    {.key = "invert", .read = mr_field_bool, .offset = offsetof(struct rescaling, invert)},
    {.key = "mean"},
    {.key = "variance"},
    {0}};

const mr_layer_class mr_layer_rescaling = {.name = "Rescaling",
                                           .fields = rescaling_fields,
                                           .configure = configure_rescaling,
                                           .output_shape = rescaled_shape,
                                           .forward = forward_rescaling,
                                           .backward = backward_rescaling,
                                           COMMON};
const mr_layer_class mr_layer_normalization = {.name = "Normalization",
                                               .fields = normalization_fields,
                                               .configure = configure_normalization,
                                               .output_shape = normalized_shape,
                                               .build = build_normalization,
                                               .forward = forward_normalization,
                                               .backward = backward_normalization,
                                               COMMON};
