/* SPDX-License-Identifier: Apache-2.0 */
/* What the convolutional layers share. */
#include "nn/layers/convolution.h"
#include "nn/layers/layers.h"

mr_convolution mr_depthwise_geometry(const mr_window *w, int64_t multiplier, const mr_shape *in)
{
    mr_image_size i = mr_image_size_of(in);
    int64_t before[2], size[2] = {(int64_t)i.h, (int64_t)i.w}, out[2];
    for (int a = 0; a < 2; a++)
        out[a] = mr_conv_output_length(size[a], (w->kernel[a] - 1) * w->dilation[a] + 1, w->stride[a],
                                       w->padding == MR_PADDING_SAME, &before[a]);
    return (mr_convolution){.n = i.n,
                            .ih = i.h,
                            .iw = i.w,
                            .cin = i.c,
                            .oh = (size_t)out[0],
                            .ow = (size_t)out[1],
                            .cout = i.c * (size_t)multiplier,
                            .kh = (size_t)w->kernel[0],
                            .kw = (size_t)w->kernel[1],
                            .groups = i.c,
                            .sh = w->stride[0],
                            .sw = w->stride[1],
                            .dh = w->dilation[0],
                            .dw = w->dilation[1],
                            .top = before[0],
                            .left = before[1]};
}

static size_t rows_of(const mr_call *c)
{
    return mr_batch_count(&c->out) / mr_last_dim(&c->out);
}

size_t mr_convolution_layer_scratch(const mr_call *c, const mr_activation *a, mr_convolution g)
{
    int threads = mr_team_size(c->team);
    size_t size = mr_convolution_forward_scratch(&g, threads);
    if (!c->training)
        return size;
    size = mr_max(size, mr_convolution_input_scratch(&g, threads));
    size = mr_max(size, mr_convolution_weight_scratch(&g, threads));
    size = mr_max(size, mr_bias_gradient_scratch(rows_of(c), mr_last_dim(&c->out)));
    return mr_activated_scratch(a, c) + size;
}

void mr_convolution_layer_backward(const mr_call *c, const mr_activation *a, mr_convolution g)
{
    const mr_real *dy = mr_activated_gradient(a, c, c->scratch);
    void *scratch = (char *)c->scratch + mr_activated_scratch(a, c);
    if (c->layer->params > 1 && c->dw[1])
        mr_bias_gradient(c->team, dy, rows_of(c), mr_last_dim(&c->out), c->dw[1], scratch);
    if (c->dw[0])
        mr_convolution_weight_gradient(&g, c->team, c->x[0], dy, c->dw[0], scratch);
    if (c->dx[0])
        mr_convolution_input_gradient(&g, c->team, dy, c->w[0], c->dx[0], c->add_dx[0], scratch);
}
