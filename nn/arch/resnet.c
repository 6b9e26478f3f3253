/* SPDX-License-Identifier: Apache-2.0 */
/* The tutorial's network: a pre-activation bottleneck ResNet (He et al. 2016, "Identity mappings in deep
 * residual networks") behind a 5x5 stem. With the default options it is
 * golden/tutorial_resnet/architecture.json to the letter. */
#include "nn/arch/arch.h"
#include "nn/arch/builder.h"

#include <stdio.h>

static const double block_l2 = 1e-4; /* the tutorial hands its own L2 to the stem and the classifier only */

/* The layer name "stageS_blockB_WHAT"; eight buffers in turn are enough for what is alive at a time. */
static const char *named(int stage, int block, const char *what)
{
    static _Thread_local char text[16][64];
    static _Thread_local unsigned turn;
    char *t = text[turn++ % 16];
    snprintf(t, sizeof text[0], "stage%d_block%d_%s", stage, block, what);
    return t;
}

static const char *norm_relu(mr_builder *b, int stage, int block, int number, const char *x)
{
    char bn[8], relu[8];
    snprintf(bn, sizeof bn, "bn%d", number);
    snprintf(relu, sizeof relu, "relu%d", number);
    x = mr_builder_batchnorm(b, named(stage, block, bn), x, .9, 2e-5);
    return mr_builder_activation(b, named(stage, block, relu), x, "relu");
}

static const char *conv(mr_builder *b, const char *name, const char *x, int filters, int kernel, int stride)
{
    mr_conv_spec c = {
        .filters = filters, .kernel = kernel, .stride = stride, .same = kernel > 1, .l2 = block_l2};
    return mr_builder_conv(b, name, x, c);
}

static const char *residual_block(mr_builder *b, int stage, int block, const char *x, int filters, int stride,
                                  bool project)
{
    const char *a = norm_relu(b, stage, block, 1, x);
    const char *y = conv(b, named(stage, block, "conv1"), a, filters / 4, 1, 1);
    y = norm_relu(b, stage, block, 2, y);
    y = conv(b, named(stage, block, "conv2"), y, filters / 4, 3, stride);
    y = norm_relu(b, stage, block, 3, y);
    y = conv(b, named(stage, block, "conv3"), y, filters, 1, 1);
    if (project)
        x = conv(b, named(stage, block, "shortcut"), a, filters, 1, stride);
    return mr_builder_add(b, named(stage, block, "add"), y, x);
}

/* The side of the features that the stages leave of SIDE pixels: the stem's pooling and each stage after the first halve,
 * rounding up. */
static int features(int side, int stages)
{
    for (int i = 0; i < stages; i++)
        side = (side + 1) / 2;
    return side;
}

/* The last pooling's window along a side of N features. The tutorial's 8 where that covers them all, as at 64x64; else a
 * window of 8 would pass over the rest (15 at 120 pixels), or not fit (4 at 32): then it is all of them. */
static int pool_window(int n)
{
    return n % 8 ? n : 8;
}

/* Three stages and more: 32. Fewer halve less. */
static int least_side(int stages)
{
    return stages < 3 ? 4 << stages : MR_ARCH_LEAST_SIDE;
}

static int check(const mr_arch_options *o, mr_error *e)
{
    if (o->stage_count < 1 || o->filter_count != o->stage_count + 1)
        return mr_fail(e, MR_EINVAL,
                       "--filters takes one number for the stem and one for each of the %d stages",
                       o->stage_count);
    for (int i = 0; i < o->stage_count; i++)
        if (o->stages[i] < 1 || o->stages[i] > 1000 || o->filters[i + 1] < 4 || o->filters[i + 1] % 4)
            return mr_fail(e, MR_EINVAL, "--stages wants 1 to 1000 blocks a stage, --filters multiples of 4");
    if (o->filters[0] < 1)
        return mr_fail(e, MR_EINVAL, "--filters: the stem needs at least 1");
    return mr_arch_check_size(o, "resnet", least_side(o->stage_count), e);
}

static json_t *resnet_config(const mr_arch_options *o, mr_error *e)
{
    double l2 = o->regularization < 0 ? .0005 : o->regularization;
    mr_builder b;
    if (check(o, e))
        return NULL;
    mr_builder_start(&b, "resnet");
    const char *x = mr_builder_input(&b, "input", o->height, o->width, o->channels);
    x = mr_builder_batchnorm(&b, "input_bn", x, .9, 2e-5);
    x = mr_builder_conv(
        &b, "stem_conv", x,
        (mr_conv_spec){.filters = o->filters[0], .kernel = 5, .stride = 1, .same = true, .l2 = l2});
    x = mr_builder_batchnorm(&b, "stem_bn", x, .9, 2e-5);
    x = mr_builder_activation(&b, "stem_relu", x, "relu");
    x = mr_builder_zero_padding(&b, "stem_pad", x, 1, 1, 1, 1);
    x = mr_builder_max_pool(&b, "stem_pool", x, 3, 2, false);
    for (int s = 0; s < o->stage_count; s++)
        for (int k = 0; k < o->stages[s]; k++)
            x = residual_block(&b, s + 1, k + 1, x, o->filters[s + 1], s && !k ? 2 : 1, k == 0);
    x = mr_builder_batchnorm(&b, "final_bn", x, .9, 2e-5);
    x = mr_builder_activation(&b, "final_relu", x, "relu");
    x = mr_builder_average_pool(&b, "final_pool", x, pool_window(features(o->height, o->stage_count)),
                                pool_window(features(o->width, o->stage_count)));
    x = mr_builder_flatten(&b, "flatten", x);
    x = mr_builder_dense(&b, "classifier", x, o->classes, NULL, l2);
    return mr_builder_finish(&b, mr_builder_activation(&b, "probabilities", x, "softmax"));
}

const mr_arch mr_arch_resnet = {
    .name = "resnet",
    .description = "the tutorial's pre-activation ResNet (--stages, --filters, --regularization)",
    .default_size = 64,
    .training = {.optimizer = "sgd", .learning_rate = .1, .momentum = .9, .decay = .1},
    .config = resnet_config,
};
