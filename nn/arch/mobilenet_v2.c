/* SPDX-License-Identifier: Apache-2.0 */
/* MobileNetV2 (Sandler et al. 2018) as keras.applications builds it: its names, its rounding of widths, its
 * paddings. */
#include "nn/arch/arch.h"
#include "nn/arch/builder.h"

#include <stdio.h>
#include <string.h>

static const double momentum = .999, epsilon = 1e-3;

/* The name of a layer of block NUMBER (0: "expanded_conv"); buffers in turn, enough for what is alive at a
 * time. */
static const char *named(int number, const char *what)
{
    static _Thread_local char text[16][64];
    static _Thread_local unsigned turn;
    char *t = text[turn++ % 16];
    if (number)
        snprintf(t, sizeof text[0], "block_%d_%s", number, what);
    else
        snprintf(t, sizeof text[0], "expanded_conv_%s", what);
    return t;
}

/* The multiple of 8 nearest to WIDTH, at most a tenth below it. */
static int rounded(double width)
{
    int multiple = (int)(width + 4) / 8 * 8;
    multiple = multiple < 8 ? 8 : multiple;
    return multiple < .9 * width ? multiple + 8 : multiple;
}

static const char *norm(mr_builder *b, int number, const char *what, const char *x, bool relu)
{
    char name[32];
    snprintf(name, sizeof name, "%s_BN", what);
    x = mr_builder_batchnorm(b, named(number, name), x, momentum, epsilon);
    snprintf(name, sizeof name, "%s_relu", what);
    return relu ? mr_builder_relu(b, named(number, name), x, 6) : x;
}

static const char *pointwise(mr_builder *b, int number, const char *what, const char *x, int filters,
                             bool relu)
{
    x = mr_builder_conv(b, named(number, what), x,
                        (mr_conv_spec){.filters = filters, .kernel = 1, .stride = 1, .same = true});
    return norm(b, number, what, x, relu);
}

struct picture { /* between blocks */
    int height, width, channels;
};

/* Strided convolutions pad below and right, and one more row or column where the size is odd. */
static const char *pad(mr_builder *b, int number, const char *x, const struct picture *p)
{
    return mr_builder_zero_padding(b, named(number, "pad"), x, p->height % 2, 1, p->width % 2, 1);
}

/* An inverted residual: widen, filter each channel, narrow. */
static const char *block(mr_builder *b, int number, const char *input, struct picture *p, int filters,
                         int stride)
{
    const char *x = number ? pointwise(b, number, "expand", input, 6 * p->channels, true) : input;
    if (stride == 2)
        x = pad(b, number, x, p);
    x = mr_builder_depthwise(b, named(number, "depthwise"), x, 3, stride, stride == 1, false);
    x = norm(b, number, "depthwise", x, true);
    x = pointwise(b, number, "project", x, filters, false);
    if (stride == 1 && filters == p->channels && number)
        x = mr_builder_add(b, named(number, "add"), input, x);
    if (stride == 2) {
        p->height = (p->height + 1) / 2;
        p->width = (p->width + 1) / 2;
    }
    p->channels = filters;
    return x;
}

/* Filters (before the width multiplier), how often, and the stride of the first. */
static const struct row {
    int filters, times, stride;
} rows[] = {{16, 1, 1}, {24, 2, 2}, {32, 3, 2}, {64, 4, 2}, {96, 3, 1}, {160, 3, 2}, {320, 1, 1}};

static const char *blocks(mr_builder *b, const char *x, struct picture *p, double alpha)
{
    int number = 0;
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
        for (int i = 0; i < rows[r].times; i++) {
            int filters = rounded((int)(rows[r].filters * alpha));
            x = block(b, number++, x, p, filters, i ? 1 : rows[r].stride);
        }
    return x;
}

static json_t *mobilenet_v2_config(const mr_arch_options *o, mr_error *e)
{
    double alpha = o->alpha > 0 ? o->alpha : 1;
    struct picture p = {(o->height + 1) / 2, (o->width + 1) / 2, rounded(32 * alpha)};
    mr_builder b;
    if (alpha > 8) {
        mr_fail(e, MR_EINVAL, "mobilenet_v2: alpha %g is out of range (at most 8)", alpha);
        return NULL;
    }
    if (mr_arch_check_size(o, "mobilenet_v2", MR_ARCH_LEAST_SIDE, e))
        return NULL;
    mr_builder_start(&b, "mobilenet_v2");
    const char *x = mr_builder_input(&b, "input", o->height, o->width, o->channels);
    x = mr_builder_conv(&b, "Conv1", x,
                        (mr_conv_spec){.filters = p.channels, .kernel = 3, .stride = 2, .same = true});
    x = mr_builder_batchnorm(&b, "bn_Conv1", x, momentum, epsilon);
    x = blocks(&b, mr_builder_relu(&b, "Conv1_relu", x, 6), &p, alpha);
    int last = alpha > 1 ? rounded(1280 * alpha) : 1280;
    x = mr_builder_conv(&b, "Conv_1", x, (mr_conv_spec){.filters = last, .kernel = 1, .stride = 1});
    x = mr_builder_batchnorm(&b, "Conv_1_bn", x, momentum, epsilon);
    x = mr_builder_global_average(&b, "global_average_pooling2d", mr_builder_relu(&b, "out_relu", x, 6));
    return mr_builder_finish(&b, mr_builder_dense(&b, "predictions", x, o->classes, "softmax", 0));
}

const mr_arch mr_arch_mobilenet_v2 = {
    .name = "mobilenet_v2",
    .description = "as keras.applications has it (--alpha)",
    .default_size = 224,
    .training = {.optimizer = "adam", .learning_rate = .002, .schedule = "cosine"},
    .config = mobilenet_v2_config,
};
