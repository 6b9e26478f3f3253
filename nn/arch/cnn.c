/* SPDX-License-Identifier: Apache-2.0 */
/* A small network in the manner of VGG (Simonyan and Zisserman 2014): blocks of 3x3 convolutions and a
 * pooling each. Each convolution is normalised: without it, a thousand images are not enough to learn from. */
#include "nn/arch/arch.h"
#include "nn/arch/builder.h"

#include <stdio.h>

static const char *named(int block, const char *what, int number)
{
    static _Thread_local char text[8][64];
    static _Thread_local unsigned turn;
    char *t = text[turn++ % 8];
    if (number)
        snprintf(t, sizeof text[0], "block%d_%s%d", block, what, number);
    else
        snprintf(t, sizeof text[0], "block%d_%s", block, what);
    return t;
}

/* What the options say, or two convolutions in each of three blocks of 32, 64, 128 filters. The options' own
 * defaults are resnet's: GIVEN says whether the caller set them. */
struct plan {
    int blocks, convolutions[MR_ARCH_LIST], filters[MR_ARCH_LIST];
};

static int make_plan(struct plan *p, const mr_arch_options *o, mr_error *e)
{
    static const int usual[] = {32, 64, 128};
    p->blocks = o->filters_given ? o->filter_count : o->stages_given ? o->stage_count : 3;
    if ((o->stages_given && o->stage_count != p->blocks) || (!o->filters_given && p->blocks > MR_ARCH_LIST))
        return mr_fail(e, MR_EINVAL, "cnn: --stages and --filters take one number per block each");
    for (int i = 0; i < p->blocks; i++) {
        p->convolutions[i] = o->stages_given ? o->stages[i] : 2;
        p->filters[i] = o->filters_given ? o->filters[i] : usual[i < 3 ? i : 2];
        if (p->convolutions[i] < 1 || p->convolutions[i] > 100 || p->filters[i] < 1)
            return mr_fail(e, MR_EINVAL,
                           "cnn: --stages wants 1 to 100 convolutions a block, --filters at least 1");
    }
    if (o->height >> p->blocks < 1 || o->width >> p->blocks < 1)
        return mr_fail(e, MR_EINVAL, "cnn: images of %dx%d cannot be halved %d times", o->height, o->width,
                       p->blocks);
    return 0;
}

static json_t *cnn_config(const mr_arch_options *o, mr_error *e)
{
    double dropout = o->dropout < 0 ? .5 : o->dropout, l2 = o->regularization < 0 ? 0 : o->regularization;
    struct plan p;
    mr_builder b;
    if (make_plan(&p, o, e))
        return NULL;
    mr_builder_start(&b, "cnn");
    const char *x = mr_builder_input(&b, "input", o->height, o->width, o->channels);
    for (int i = 0; i < p.blocks; i++) {
        for (int k = 1; k <= p.convolutions[i]; k++) {
            mr_conv_spec c = {.filters = p.filters[i], .kernel = 3, .stride = 1, .same = true, .l2 = l2, .initializer = "HeNormal"};
            x = mr_builder_conv(&b, named(i + 1, "conv", k), x, c);
            x = mr_builder_batchnorm(&b, named(i + 1, "bn", k), x, .99, 1e-3);
            x = mr_builder_activation(&b, named(i + 1, "relu", k), x, "relu");
        }
        x = mr_builder_max_pool(&b, named(i + 1, "pool", 0), x, 2, 2, false);
    }
    x = mr_builder_flatten(&b, "flatten", x);
    x = mr_builder_dense(&b, "fc1", x, 128, "relu", l2);
    x = dropout > 0 ? mr_builder_dropout(&b, "dropout", x, dropout) : x;
    return mr_builder_finish(&b, mr_builder_dense(&b, "predictions", x, o->classes, "softmax", l2));
}

const mr_arch mr_arch_cnn = {
    .name = "cnn",
    .description = "small, in the manner of VGG (--stages, --filters, --dropout, --regularization)",
    .default_size = 64,
    .training = {.optimizer = "adam", .learning_rate = .001, .schedule = "cosine"},
    .config = cnn_config,
};
