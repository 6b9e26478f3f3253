/* SPDX-License-Identifier: Apache-2.0 */
/* DepthwiseConv2D: kernel [kh, kw, channels, depth_multiplier], bias [channels*depth_multiplier]. */
#include "nn/layers/depthwise.h"
#include "nn/layers/layers.h"
#include "nn/layers/merge.h"

struct depthwise {
    mr_window window;
    int64_t multiplier;
    bool use_bias;
    mr_activation activation;
};

static int configure(mr_layer *l, const json_t *c, mr_error *e)
{
    struct depthwise *p = l->impl;
    int status = mr_window_configure(l, c, 2, "kernel_size", false, &p->window, e);
    l->backward_skips_y = !p->activation.needs_y;
    return status;
}

static int output_shape(const mr_layer *l, const mr_shape *in, int inputs, mr_shape *out, mr_error *e)
{
    (void)inputs;
    const struct depthwise *p = l->impl;
    return mr_window_output(l, &p->window, in, in->dim[in->rank - 1] * p->multiplier, out, e);
}

static int build(mr_layer *l, const mr_shape *in, int inputs, mr_error *e)
{
    (void)inputs;
    const struct depthwise *p = l->impl;
    mr_shape kernel = {4, {p->window.kernel[0], p->window.kernel[1], in->dim[3], p->multiplier}};
    mr_shape bias = {1, {in->dim[3] * p->multiplier}};
    int status = mr_layer_add_param(l, "kernel", kernel, false, "depthwise_initializer", "glorot_uniform",
                                    "depthwise_regularizer", e);
    if (!status && p->use_bias)
        status =
            mr_layer_add_param(l, "bias", bias, false, "bias_initializer", "zeros", "bias_regularizer", e);
    return status;
}

static mr_convolution geometry(const mr_call *c)
{
    const struct depthwise *p = c->layer->impl;
    return mr_depthwise_geometry(&p->window, p->multiplier, &c->in[0]);
}

static size_t saved_size(const mr_call *c)
{
    return mr_activated_saved(&((const struct depthwise *)c->layer->impl)->activation, c);
}

static size_t rows_of(const mr_call *c)
{
    return mr_batch_count(&c->out) / mr_last_dim(&c->out);
}

static size_t scratch_size(const mr_call *c)
{
    const struct depthwise *p = c->layer->impl;
    mr_convolution g = geometry(c);
    size_t bias = mr_bias_gradient_scratch(rows_of(c), mr_last_dim(&c->out));
    return c->training
               ? mr_activated_scratch(&p->activation, c) + mr_max(bias, mr_depthwise_weight_scratch(&g))
               : 0;
}

static void forward(const mr_call *c)
{
    const struct depthwise *p = c->layer->impl;
    mr_convolution g = geometry(c);
    mr_depthwise_forward(&g, c->team, c->x[0], c->w[0], p->use_bias ? c->w[1] : NULL, c->y);
    mr_activated_forward(&p->activation, c);
}

static void backward(const mr_call *c)
{
    const struct depthwise *p = c->layer->impl;
    mr_convolution g = geometry(c);
    const mr_real *dy = mr_activated_gradient(&p->activation, c, c->scratch);
    void *scratch = (char *)c->scratch + mr_activated_scratch(&p->activation, c);
    if (p->use_bias && c->dw[1])
        mr_bias_gradient(c->team, dy, rows_of(c), mr_last_dim(&c->out), c->dw[1], scratch);
    if (c->dw[0])
        mr_depthwise_weight_gradient(&g, c->team, c->x[0], dy, c->dw[0], scratch);
    if (c->dx[0])
        mr_depthwise_input_gradient(&g, c->team, dy, c->w[0], c->dx[0], c->add_dx[0]);
}

#define AT(member) .offset = offsetof(struct depthwise, member)
static const mr_config_field fields[] = {
    {.key = "depth_multiplier", .read = mr_field_int, AT(multiplier), .fallback = 1, .low = 1, .high = MR_MAX_EXTENT},
    MR_WINDOW_FIELDS("kernel_size"),
    {.key = "dilation_rate"},
    {.key = "activation", .read = mr_field_activation, AT(activation)},
    {.key = "use_bias", .read = mr_field_bool, AT(use_bias), .fallback = true},
    MR_PARAM_FIELDS("depthwise"),
    MR_PARAM_FIELDS("bias"),
    {.key = "activity_regularizer"},
    {0}};

const mr_layer_class mr_layer_depthwise_conv2d = {
    .name = "DepthwiseConv2D",
    .size = sizeof(struct depthwise),
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

bool mr_depthwise_parts(const mr_layer *l, const mr_shape *in, mr_convolution *g, const mr_activation **a)
{
    if (l->class != &mr_layer_depthwise_conv2d)
        return false;
    const struct depthwise *p = l->impl;
    *g = mr_depthwise_geometry(&p->window, p->multiplier, in);
    *a = &p->activation;
    return true;
}
