/* SPDX-License-Identifier: Apache-2.0 */
/* ResNet50 (He et al. 2015, "Deep residual learning") as keras.applications builds it: biases in the
 * convolutions, the stride in a stack's first 1x1. */
#include "nn/arch/arch.h"
#include "nn/arch/builder.h"

#include <stdio.h>

static const double momentum = .99, epsilon = 1.001e-5;

static const char *named(int stack, int block, const char *what)
{
    static _Thread_local char text[16][64];
    static _Thread_local unsigned turn;
    char *t = text[turn++ % 16];
    snprintf(t, sizeof text[0], "conv%d_block%d_%s", stack, block, what);
    return t;
}

/* Convolution PART (0: the shortcut's) with its normalisation. */
static const char *conv_norm(mr_builder *b, int stack, int block, int part, const char *x, mr_conv_spec c)
{
    char name[16];
    snprintf(name, sizeof name, "%d_conv", part);
    x = mr_builder_conv(b, named(stack, block, name), x, c);
    snprintf(name, sizeof name, "%d_bn", part);
    return mr_builder_batchnorm(b, named(stack, block, name), x, momentum, epsilon);
}

static const char *relu(mr_builder *b, int stack, int block, const char *what, const char *x)
{
    return mr_builder_activation(b, named(stack, block, what), x, "relu");
}

static const char *residual(mr_builder *b, int stack, int block, const char *x, int filters, int stride)
{
    mr_conv_spec one = {.filters = filters, .kernel = 1, .stride = stride, .bias = true}, three = one,
                 wide = one;
    const char *shortcut = x;
    wide.filters = 4 * filters;
    if (block == 1)
        shortcut = conv_norm(b, stack, block, 0, x, wide);
    x = relu(b, stack, block, "1_relu", conv_norm(b, stack, block, 1, x, one));
    three.kernel = 3;
    three.same = true;
    three.stride = wide.stride = 1;
    x = relu(b, stack, block, "2_relu", conv_norm(b, stack, block, 2, x, three));
    x = conv_norm(b, stack, block, 3, x, wide);
    return relu(b, stack, block, "out", mr_builder_add(b, named(stack, block, "add"), shortcut, x));
}

static json_t *resnet50_config(const mr_arch_options *o, mr_error *e)
{
    static const int blocks[] = {3, 4, 6, 3};
    mr_builder b;
    if (mr_arch_check_size(o, "resnet50", MR_ARCH_LEAST_SIDE, e))
        return NULL;
    mr_builder_start(&b, "resnet50");
    const char *x = mr_builder_input(&b, "input", o->height, o->width, o->channels);
    x = mr_builder_zero_padding(&b, "conv1_pad", x, 3, 3, 3, 3);
    x = mr_builder_conv(&b, "conv1_conv", x,
                        (mr_conv_spec){.filters = 64, .kernel = 7, .stride = 2, .bias = true});
    x = mr_builder_batchnorm(&b, "conv1_bn", x, momentum, epsilon);
    x = mr_builder_activation(&b, "conv1_relu", x, "relu");
    x = mr_builder_zero_padding(&b, "pool1_pad", x, 1, 1, 1, 1);
    x = mr_builder_max_pool(&b, "pool1_pool", x, 3, 2, false);
    for (int s = 0; s < 4; s++)
        for (int k = 1; k <= blocks[s]; k++)
            x = residual(&b, s + 2, k, x, 64 << s, s && k == 1 ? 2 : 1);
    x = mr_builder_global_average(&b, "avg_pool", x);
    return mr_builder_finish(&b, mr_builder_dense(&b, "predictions", x, o->classes, "softmax", 0));
}

const mr_arch mr_arch_resnet50 = {
    .name = "resnet50",
    .description = "as keras.applications has it",
    .default_size = 224,
    .training = {.optimizer = "adam", .learning_rate = .001, .schedule = "cosine"},
    .config = resnet50_config,
};
