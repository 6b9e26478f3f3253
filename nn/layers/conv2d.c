/* SPDX-License-Identifier: Apache-2.0 */
/* Conv2D and Conv1D (an image of one row): kernel [kh, kw, in/groups, filters], bias [filters]. */
#include "nn/layers/convolution.h"
#include "nn/layers/layers.h"
#include "nn/layers/merge.h"

struct conv {
    mr_window window;
    int64_t filters, groups;
    bool use_bias;
    mr_activation activation;
};

static int configure(mr_layer *l, const json_t *c, int axes, mr_error *e)
{
    struct conv *p = l->impl;
    int status = mr_window_configure(l, c, axes, "kernel_size", false, &p->window, e);
    if (!status && p->filters % p->groups)
        status = mr_layer_invalid(l, e, "%lld \"filters\" cannot be split into %lld \"groups\"",
                                  (long long)p->filters, (long long)p->groups);
    l->backward_skips_y = !p->activation.needs_y;
    return status;
}

static int configure_2d(mr_layer *l, const json_t *c, mr_error *e)
{
    return configure(l, c, 2, e);
}
static int configure_1d(mr_layer *l, const json_t *c, mr_error *e)
{
    return configure(l, c, 1, e);
}

static int output_shape(const mr_layer *l, const mr_shape *in, int inputs, mr_shape *out, mr_error *e)
{
    (void)inputs;
    const struct conv *p = l->impl;
    int status = mr_window_output(l, &p->window, in, p->filters, out, e);
    if (!status && in->dim[in->rank - 1] % p->groups)
        status = mr_layer_invalid(l, e, "%lld channels cannot be split into %lld \"groups\"",
                                  (long long)in->dim[in->rank - 1], (long long)p->groups);
    return status;
}

static int build(mr_layer *l, const mr_shape *in, int inputs, mr_error *e)
{
    (void)inputs;
    const struct conv *p = l->impl;
    mr_shape kernel = {.rank = 0}, bias = {1, {p->filters}};
    for (int i = 2 - p->window.axes; i < 2; i++)
        kernel.dim[kernel.rank++] = p->window.kernel[i];
    kernel.dim[kernel.rank++] = in->dim[in->rank - 1] / p->groups;
    kernel.dim[kernel.rank++] = p->filters;
    int status = mr_layer_add_param(l, "kernel", kernel, false, "kernel_initializer", "glorot_uniform",
                                    "kernel_regularizer", e);
    if (!status && p->use_bias)
        status =
            mr_layer_add_param(l, "bias", bias, false, "bias_initializer", "zeros", "bias_regularizer", e);
    return status;
}

static mr_convolution geometry(const mr_call *c)
{
    const struct conv *p = c->layer->impl;
    mr_image_size in = mr_image_size_of(&c->in[0]), out = mr_image_size_of(&c->out);
    int64_t before[2];
    mr_window_padding(&p->window, &c->in[0], before);
    return (mr_convolution){.n = in.n,
                            .ih = in.h,
                            .iw = in.w,
                            .cin = in.c,
                            .oh = out.h,
                            .ow = out.w,
                            .cout = out.c,
                            .kh = (size_t)p->window.kernel[0],
                            .kw = (size_t)p->window.kernel[1],
                            .groups = (size_t)p->groups,
                            .sh = p->window.stride[0],
                            .sw = p->window.stride[1],
                            .dh = p->window.dilation[0],
                            .dw = p->window.dilation[1],
                            .top = before[0],
                            .left = before[1]};
}

static size_t saved_size(const mr_call *c)
{
    return mr_activated_saved(&((const struct conv *)c->layer->impl)->activation, c);
}

static size_t scratch_size(const mr_call *c)
{
    const struct conv *p = c->layer->impl;
    return mr_convolution_layer_scratch(c, &p->activation, geometry(c));
}

static void forward(const mr_call *c)
{
    const struct conv *p = c->layer->impl;
    mr_convolution_end end = {.bias = p->use_bias ? c->w[1] : NULL,
                              .activation = mr_activation_is_linear(&p->activation) ? NULL : &p->activation,
                              .sum = saved_size(c) ? c->saved : NULL};
    mr_convolution g = geometry(c);
    mr_convolution_forward(&g, c->team, c->x[0], c->w[0], c->y, end, c->scratch);
}

static void backward(const mr_call *c)
{
    const struct conv *p = c->layer->impl;
    mr_convolution_layer_backward(c, &p->activation, geometry(c));
}

#define AT(member) .offset = offsetof(struct conv, member)
static const mr_config_field fields[] = {
    {.key = "filters", .read = mr_field_int, AT(filters), .low = 1, .high = MR_MAX_EXTENT, .required = true},
    MR_WINDOW_FIELDS("kernel_size"),
    {.key = "dilation_rate"},
    {.key = "groups", .read = mr_field_int, AT(groups), .fallback = 1, .low = 1, .high = MR_MAX_EXTENT},
    {.key = "activation", .read = mr_field_activation, AT(activation)},
    {.key = "use_bias", .read = mr_field_bool, AT(use_bias), .fallback = true},
    MR_PARAM_FIELDS("kernel"),
    MR_PARAM_FIELDS("bias"),
    {.key = "activity_regularizer"},
    {0}};

const mr_layer_class mr_layer_conv2d = {.name = "Conv2D",
                                        .size = sizeof(struct conv),
                                        .fields = fields,
                                        .max_inputs = 1,
                                        .needs_x = true,
                                        .needs_y = true,
                                        .configure = configure_2d,
                                        .output_shape = output_shape,
                                        .build = build,
                                        .saved_size = saved_size,
                                        .scratch_size = scratch_size,
                                        .forward = forward,
                                        .backward = backward};

const mr_layer_class mr_layer_conv1d = {.name = "Conv1D",
                                        .size = sizeof(struct conv),
                                        .fields = fields,
                                        .max_inputs = 1,
                                        .needs_x = true,
                                        .needs_y = true,
                                        .configure = configure_1d,
                                        .output_shape = output_shape,
                                        .build = build,
                                        .saved_size = saved_size,
                                        .scratch_size = scratch_size,
                                        .forward = forward,
                                        .backward = backward};

bool mr_conv2d_parts(const mr_layer *l, const mr_shape *in, mr_convolution *g, const mr_activation **a)
{
    if (l->class != &mr_layer_conv2d && l->class != &mr_layer_conv1d)
        return false;
    const struct conv *p = l->impl;
    mr_call c = {.layer = l, .in = in};
    if (mr_window_output(l, &p->window, in, p->filters, &c.out, NULL))
        return false;
    c.out.dim[0] = in->dim[0];
    *g = geometry(&c);
    *a = &p->activation;
    return true;
}
