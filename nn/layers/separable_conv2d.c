/* SPDX-License-Identifier: Apache-2.0 */
/* SeparableConv2D: a depthwise convolution, then a 1x1 one. depthwise_kernel [kh, kw, channels,
 * depth_multiplier], pointwise_kernel [1, 1, channels*depth_multiplier, filters], bias [filters]. */
#include "nn/layers/depthwise.h"
#include "nn/layers/layers.h"

struct separable {
    mr_window window;
    int64_t filters, multiplier;
    bool use_bias;
    mr_activation activation;
};

static int configure(mr_layer *l, const json_t *c, mr_error *e)
{
    struct separable *p = l->impl;
    int status = mr_window_configure(l, c, 2, "kernel_size", false, &p->window, e);
    l->backward_skips_y = !p->activation.needs_y;
    return status;
}

static int output_shape(const mr_layer *l, const mr_shape *in, int inputs, mr_shape *out, mr_error *e)
{
    (void)inputs;
    const struct separable *p = l->impl;
    mr_shape between;
    int status = mr_window_output(l, &p->window, in, in->dim[in->rank - 1] * p->multiplier, &between, e);
    return status ? status : mr_window_output(l, &p->window, in, p->filters, out, e);
}

static int build(mr_layer *l, const mr_shape *in, int inputs, mr_error *e)
{
    (void)inputs;
    const struct separable *p = l->impl;
    mr_shape depthwise = {4, {p->window.kernel[0], p->window.kernel[1], in->dim[3], p->multiplier}};
    mr_shape pointwise = {4, {1, 1, in->dim[3] * p->multiplier, p->filters}}, bias = {1, {p->filters}};
    int status = mr_layer_add_param(l, "depthwise_kernel", depthwise, false, "depthwise_initializer",
                                    "glorot_uniform", "depthwise_regularizer", e);
    if (!status)
        status = mr_layer_add_param(l, "pointwise_kernel", pointwise, false, "pointwise_initializer",
                                    "glorot_uniform", "pointwise_regularizer", e);
    if (!status && p->use_bias)
        status =
            mr_layer_add_param(l, "bias", bias, false, "bias_initializer", "zeros", "bias_regularizer", e);
    return status;
}

static mr_convolution depthwise_of(const mr_call *c)
{
    const struct separable *p = c->layer->impl;
    return mr_depthwise_geometry(&p->window, p->multiplier, &c->in[0]);
}

static mr_convolution pointwise_of(const mr_call *c)
{
    mr_convolution g = depthwise_of(c);
    return (mr_convolution){.n = g.n,
                            .ih = g.oh,
                            .iw = g.ow,
                            .cin = g.cout,
                            .oh = g.oh,
                            .ow = g.ow,
                            .cout = mr_last_dim(&c->out),
                            .kh = 1,
                            .kw = 1,
                            .groups = 1,
                            .sh = 1,
                            .sw = 1,
                            .dh = 1,
                            .dw = 1};
}

/* The tensor between the two convolutions. */
static size_t between_size(const mr_convolution *g)
{
    return mr_reals_piece(g->n * g->oh * g->ow * g->cout);
}

/* saved: the sum before the activation (where wanted), then the tensor between. */
static size_t saved_size(const mr_call *c)
{
    const struct separable *p = c->layer->impl;
    mr_convolution g = depthwise_of(c);
    return c->training ? mr_activated_saved(&p->activation, c) + between_size(&g) : 0;
}

/* scratch: the tensor between (its gradient, in backward), then the convolutions' own. */
static size_t scratch_size(const mr_call *c)
{
    const struct separable *p = c->layer->impl;
    mr_convolution g = depthwise_of(c);
    return between_size(&g) + mr_max(mr_convolution_layer_scratch(c, &p->activation, pointwise_of(c)),
                                     mr_depthwise_weight_scratch(&g));
}

static mr_real *between_of(const mr_call *c)
{
    const struct separable *p = c->layer->impl;
    return c->training ? (mr_real *)((char *)c->saved + mr_activated_saved(&p->activation, c)) : c->scratch;
}

static void forward(const mr_call *c)
{
    const struct separable *p = c->layer->impl;
    mr_convolution g = depthwise_of(c), h = pointwise_of(c);
    mr_convolution_end end = {.bias = p->use_bias ? c->w[2] : NULL,
                              .activation = mr_activation_is_linear(&p->activation) ? NULL : &p->activation,
                              .sum = mr_activated_saved(&p->activation, c) ? c->saved : NULL};
    mr_depthwise_forward(&g, c->team, c->x[0], c->w[0], NULL, between_of(c));
    mr_convolution_forward(&h, c->team, between_of(c), c->w[1], c->y, end,
                           (char *)c->scratch + between_size(&g));
}

static void backward(const mr_call *c)
{
    const struct separable *p = c->layer->impl;
    mr_convolution g = depthwise_of(c), h = pointwise_of(c);
    mr_real *between_gradient = c->scratch;
    char *scratch = (char *)c->scratch + between_size(&g);
    const mr_real *dy = mr_activated_gradient(&p->activation, c, (mr_real *)scratch);
    size_t rows = h.n * h.oh * h.ow;
    scratch += mr_activated_scratch(&p->activation, c);
    if (p->use_bias && c->dw[2])
        mr_bias_gradient(c->team, dy, rows, h.cout, c->dw[2], scratch);
    if (c->dw[1])
        mr_convolution_weight_gradient(&h, c->team, between_of(c), dy, c->dw[1], scratch);
    if (!c->dw[0] && !c->dx[0])
        return;
    mr_convolution_input_gradient(&h, c->team, dy, c->w[1], between_gradient, false, scratch);
    if (c->dw[0]) /* dy is no longer needed: its scratch is free */
        mr_depthwise_weight_gradient(&g, c->team, c->x[0], between_gradient, c->dw[0], (char *)c->scratch + between_size(&g));
    if (c->dx[0])
        mr_depthwise_input_gradient(&g, c->team, between_gradient, c->w[0], c->dx[0], c->add_dx[0]);
}

#define AT(member) .offset = offsetof(struct separable, member)
static const mr_config_field fields[] = {
    {.key = "filters", .read = mr_field_int, AT(filters), .low = 1, .high = MR_MAX_EXTENT, .required = true},
    {.key = "depth_multiplier", .read = mr_field_int, AT(multiplier), .fallback = 1, .low = 1, .high = MR_MAX_EXTENT},
    MR_WINDOW_FIELDS("kernel_size"),
    {.key = "dilation_rate"},
    {.key = "activation", .read = mr_field_activation, AT(activation)},
    {.key = "use_bias", .read = mr_field_bool, AT(use_bias), .fallback = true},
    MR_PARAM_FIELDS("depthwise"),
    MR_PARAM_FIELDS("pointwise"),
    MR_PARAM_FIELDS("bias"),
    {.key = "activity_regularizer"},
    {0}};

const mr_layer_class mr_layer_separable_conv2d = {
    .name = "SeparableConv2D",
    .size = sizeof(struct separable),
    .fields = fields,
    .max_inputs = 1,
    .needs_x = true,
    .needs_y = true,
    .configure = configure,
    .output_shape = output_shape,
    .build = build,
    .saved_size = saved_size,
    .scratch_size = scratch_size,
    .forward = forward,
    .backward = backward};
