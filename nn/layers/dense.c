/* SPDX-License-Identifier: Apache-2.0 */
/* Dense on the last axis of any rank: a 1x1 convolution of a column of pixels. Kernel [in, units], bias
 * [units]. */
#include "nn/layers/layers.h"

struct dense {
    int64_t units;
    bool use_bias;
    mr_activation activation;
};

static int configure(mr_layer *l, const json_t *c, mr_error *e)
{
    (void)c, (void)e;
    l->backward_skips_y = !((const struct dense *)l->impl)->activation.needs_y;
    return 0;
}

static int output_shape(const mr_layer *l, const mr_shape *in, int inputs, mr_shape *out, mr_error *e)
{
    (void)inputs;
    const struct dense *p = l->impl;
    if (in->rank < 2)
        return mr_layer_check_rank(l, in, 2, e);
    *out = *in;
    out->dim[out->rank - 1] = p->units;
    return mr_layer_check_output(l, out, e);
}

static int build(mr_layer *l, const mr_shape *in, int inputs, mr_error *e)
{
    (void)inputs;
    const struct dense *p = l->impl;
    mr_shape kernel = {2, {in->dim[in->rank - 1], p->units}}, bias = {1, {p->units}};
    int status = mr_layer_add_param(l, "kernel", kernel, false, "kernel_initializer", "glorot_uniform",
                                    "kernel_regularizer", e);
    if (!status && p->use_bias)
        status =
            mr_layer_add_param(l, "bias", bias, false, "bias_initializer", "zeros", "bias_regularizer", e);
    return status;
}

static mr_convolution geometry(const mr_call *c)
{
    size_t in = mr_last_dim(&c->in[0]), rows = mr_batch_count(&c->in[0]) / in;
    return (mr_convolution){.n = rows,
                            .ih = 1,
                            .iw = 1,
                            .cin = in,
                            .oh = 1,
                            .ow = 1,
                            .cout = mr_last_dim(&c->out),
                            .kh = 1,
                            .kw = 1,
                            .groups = 1,
                            .sh = 1,
                            .sw = 1,
                            .dh = 1,
                            .dw = 1};
}

static size_t saved_size(const mr_call *c)
{
    return mr_activated_saved(&((const struct dense *)c->layer->impl)->activation, c);
}

static size_t scratch_size(const mr_call *c)
{
    const struct dense *p = c->layer->impl;
    return mr_convolution_layer_scratch(c, &p->activation, geometry(c));
}

static void forward(const mr_call *c)
{
    const struct dense *p = c->layer->impl;
    mr_convolution_end end = {.bias = p->use_bias ? c->w[1] : NULL,
                              .activation = mr_activation_is_linear(&p->activation) ? NULL : &p->activation,
                              .sum = saved_size(c) ? c->saved : NULL};
    mr_convolution g = geometry(c);
    mr_convolution_forward(&g, c->team, c->x[0], c->w[0], c->y, end, c->scratch);
}

static void backward(const mr_call *c)
{
    const struct dense *p = c->layer->impl;
    mr_convolution_layer_backward(c, &p->activation, geometry(c));
}

#define AT(member) .offset = offsetof(struct dense, member)
static const mr_config_field fields[] = {
    {.key = "units", .read = mr_field_int, AT(units), .low = 1, .high = MR_MAX_EXTENT, .required = true},
    {.key = "activation", .read = mr_field_activation, AT(activation)},
    {.key = "use_bias", .read = mr_field_bool, AT(use_bias), .fallback = true},
    MR_PARAM_FIELDS("kernel"),
    MR_PARAM_FIELDS("bias"),
    {.key = "quantization_config", .read = mr_field_unsupported},
    {0}};

const mr_layer_class mr_layer_dense = {
    .name = "Dense",
    .size = sizeof(struct dense),
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
