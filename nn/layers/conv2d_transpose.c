/* SPDX-License-Identifier: Apache-2.0 */
/* Conv2DTranspose: the gradient of a convolution by its input. That convolution goes from this layer's output
 * to its input; its kernel is this layer's, [kh, kw, filters, channels]. Padding is TensorFlow's. */
#include "nn/layers/layers.h"

struct transpose {
    mr_window window;
    int64_t filters;
    int64_t output_padding[2]; /* -1: not given */
    bool use_bias;
    mr_activation activation;
};

static int configure(mr_layer *l, const json_t *c, mr_error *e)
{
    struct transpose *p = l->impl;
    int status = mr_window_configure(l, c, 2, "kernel_size", false, &p->window, e);
    for (int i = 0; i < 2 && !status; i++)
        if (p->output_padding[i] >= p->window.stride[i])
            status = mr_layer_invalid(l, e, "\"output_padding\" is not smaller than \"strides\"");
    l->backward_skips_y = !p->activation.needs_y;
    return status;
}

/* Output length along one axis, as Keras computes it; BEFORE: what the matching convolution pads in front. */
static int64_t output_length(const struct transpose *p, int axis, int64_t in, int64_t *before)
{
    int64_t stride = p->window.stride[axis], padding = p->output_padding[axis];
    int64_t kernel = (p->window.kernel[axis] - 1) * p->window.dilation[axis] + 1, out;
    *before = 0;
    if (p->window.padding == MR_PADDING_VALID)
        return (in - 1) * stride + kernel + (padding >= 0 ? padding : kernel < stride ? stride - kernel : 0);
    out = padding >= 0 ? (in - 1) * stride + kernel % 2 + padding : in * stride;
    int64_t all = (in - 1) * stride + kernel - out;
    *before = all > 0 ? all / 2 : 0;
    return out;
}

static int output_shape(const mr_layer *l, const mr_shape *in, int inputs, mr_shape *out, mr_error *e)
{
    (void)inputs;
    const struct transpose *p = l->impl;
    int64_t before;
    int status = mr_layer_check_rank(l, in, 4, e);
    if (status)
        return status;
    *out = (mr_shape){4,
                      {in->dim[0], output_length(p, 0, in->dim[1], &before),
                       output_length(p, 1, in->dim[2], &before), p->filters}};
    return mr_layer_check_output(l, out, e);
}

static int build(mr_layer *l, const mr_shape *in, int inputs, mr_error *e)
{
    (void)inputs;
    const struct transpose *p = l->impl;
    mr_shape kernel = {4, {p->window.kernel[0], p->window.kernel[1], p->filters, in->dim[3]}},
             bias = {1, {p->filters}};
    int status = mr_layer_add_param(l, "kernel", kernel, false, "kernel_initializer", "glorot_uniform",
                                    "kernel_regularizer", e);
    if (!status && p->use_bias)
        status =
            mr_layer_add_param(l, "bias", bias, false, "bias_initializer", "zeros", "bias_regularizer", e);
    return status;
}

/* The convolution from this layer's output to its input. */
static mr_convolution geometry(const mr_call *c)
{
    const struct transpose *p = c->layer->impl;
    mr_image_size small = mr_image_size_of(&c->in[0]), large = mr_image_size_of(&c->out);
    int64_t before[2];
    output_length(p, 0, (int64_t)small.h, &before[0]);
    output_length(p, 1, (int64_t)small.w, &before[1]);
    return (mr_convolution){.n = small.n,
                            .ih = large.h,
                            .iw = large.w,
                            .cin = large.c,
                            .oh = small.h,
                            .ow = small.w,
                            .cout = small.c,
                            .kh = (size_t)p->window.kernel[0],
                            .kw = (size_t)p->window.kernel[1],
                            .groups = 1,
                            .sh = p->window.stride[0],
                            .sw = p->window.stride[1],
                            .dh = p->window.dilation[0],
                            .dw = p->window.dilation[1],
                            .top = before[0],
                            .left = before[1]};
}

static size_t saved_size(const mr_call *c)
{
    return mr_activated_saved(&((const struct transpose *)c->layer->impl)->activation, c);
}

static size_t scratch_size(const mr_call *c)
{
    const struct transpose *p = c->layer->impl;
    mr_convolution g = geometry(c);
    return mr_max(mr_convolution_input_scratch(&g, mr_team_size(c->team)),
                  mr_convolution_layer_scratch(c, &p->activation, g));
}

struct bias {
    mr_real *y;
    const mr_real *bias;
    size_t columns;
};

static void add_bias(void *argument, size_t first, size_t end, int thread)
{
    (void)thread;
    const struct bias *b = argument;
    for (size_t r = first; r < end; r++)
        for (size_t c = 0; c < b->columns; c++)
            b->y[r * b->columns + c] += b->bias[c];
}

static void forward(const mr_call *c)
{
    const struct transpose *p = c->layer->impl;
    mr_convolution g = geometry(c);
    mr_convolution_input_gradient(&g, c->team, c->x[0], c->w[0], c->y, false, c->scratch);
    struct bias b = {c->y, p->use_bias ? c->w[1] : NULL, g.cin};
    if (b.bias)
        mr_team_ranges(c->team, g.n * g.ih * g.iw, mr_max(1, 16384 / g.cin), add_bias, &b);
    mr_activated_forward(&p->activation, c);
}

static void backward(const mr_call *c)
{
    const struct transpose *p = c->layer->impl;
    mr_convolution g = geometry(c);
    const mr_real *dy = mr_activated_gradient(&p->activation, c, c->scratch);
    void *scratch = (char *)c->scratch + mr_activated_scratch(&p->activation, c);
    if (p->use_bias && c->dw[1])
        mr_bias_gradient(c->team, dy, g.n * g.ih * g.iw, g.cin, c->dw[1], scratch);
    if (c->dw[0])
        mr_convolution_weight_gradient(&g, c->team, dy, c->x[0], c->dw[0], scratch);
    if (c->dx[0])
        mr_convolution_forward(&g, c->team, dy, c->w[0], c->dx[0], (mr_convolution_end){.bias = NULL},
                               scratch);
}

#define AT(member) .offset = offsetof(struct transpose, member)
static const mr_config_field fields[] = {
    {.key = "filters", .read = mr_field_int, AT(filters), .low = 1, .high = MR_MAX_EXTENT, .required = true},
    MR_WINDOW_FIELDS("kernel_size"),
    {.key = "output_padding", .read = mr_field_pair, AT(output_padding), .fallback = -1, .high = MR_MAX_EXTENT},
    {.key = "dilation_rate"},
    {.key = "activation", .read = mr_field_activation, AT(activation)},
    {.key = "use_bias", .read = mr_field_bool, AT(use_bias), .fallback = true},
    MR_PARAM_FIELDS("kernel"),
    MR_PARAM_FIELDS("bias"),
    {.key = "activity_regularizer"},
    {0}};

const mr_layer_class mr_layer_conv2d_transpose = {
    .name = "Conv2DTranspose",
    .size = sizeof(struct transpose),
    .fields = fields,
    .max_inputs = 1,
    .needs_x = true,
    .needs_y = true,
    .backward_overwrites_dx = true,
    .configure = configure,
    .output_shape = output_shape,
    .build = build,
    .saved_size = saved_size,
    .scratch_size = scratch_size,
    .forward = forward,
    .backward = backward};
