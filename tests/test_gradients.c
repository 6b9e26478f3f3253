/* SPDX-License-Identifier: Apache-2.0 */
/* Gradients of every layer by every input and every weight against central differences, in double
 * (libnn_double), with memory planned for a larger batch; adding to a gradient and writing it; in place where
 * a layer says that it can; the same bytes for any number of threads. */
#include "base/random.h"
#include "tests/call.h"
#include "tests/shared.h"

#include <math.h>

enum { BATCH = 3, PLANNED = 5, MOST_CHECKED = 60 };
static const double step = 1e-6, tolerance = 2e-6;

static mr_team *one, *three;
static int failures;

struct subject {
    const char *class, *config, *shapes;
    bool frozen;
};

static void report(const struct subject *s, const char *what, int which, size_t at, double is, double should)
{
    if (failures++ < 20)
        print_error("%s %s [%s]: %s %d, number %zu: %.9g, not %.9g\n", s->class, s->config, s->shapes, what,
                    which, at, is, should);
}

static void setup_case(tested *t, mr_team *team, const struct subject *s, uint64_t seed)
{
    mr_error e = {0};
    if (tested_create(t, team, s->class, s->config, s->shapes, BATCH, PLANNED, true, !s->frozen, seed, &e))
        fail_msg("%s %s [%s]: %s", s->class, s->config, s->shapes, e.message);
}

/* The loss's derivative by *V. */
static double difference(tested *t, mr_real *v)
{
    mr_real kept = *v;
    *v = kept + (mr_real)step;
    tested_forward(t);
    double up = tested_loss(t);
    *v = kept - (mr_real)step;
    tested_forward(t);
    double down = tested_loss(t);
    *v = kept;
    return (up - down) / (2 * step);
}

/* GRADIENT, minus what was there before (BEFORE, or NULL), against differences at up to MOST_CHECKED places.
 */
static void check_tensor(tested *t, const struct subject *s, const char *what, int which, mr_real *v,
                         const mr_real *gradient, const mr_real *before, size_t count)
{
    size_t checked = count < MOST_CHECKED ? count : MOST_CHECKED;
    mr_philox g;
    mr_philox_init(&g, 1, MR_DRAW_TEST, 1, (uint64_t)which);
    for (size_t i = 0; i < checked; i++) {
        size_t at = checked == count ? i : mr_philox_below(&g, (uint32_t)count);
        double should = difference(t, &v[at]), is = (double)gradient[at] - (before ? (double)before[at] : 0);
        if (!(fabs(is - should) <= tolerance * (1 + fabs(should))))
            report(s, what, which, at, is, should);
    }
}

static mr_real *copy_of(const mr_real *p, size_t count)
{
    mr_real *copy = malloc((count + 1) * sizeof *copy);
    memcpy(copy, p, count * sizeof *copy);
    return copy;
}

static void check_case(const struct subject *s, uint64_t seed, bool add)
{
    tested t;
    mr_real *before[MOST_INPUTS] = {0}, *dw_before[MR_MAX_PARAMS] = {0};
    setup_case(&t, three, s, seed);
    for (int i = 0; i < t.call.inputs && add; i++) {
        t.add_dx[i] = true;
        draw_reals(seed, 300 + (uint64_t)i, -1, 1, t.dx[i], tested_in_count(&t, i));
        before[i] = copy_of(t.dx[i], tested_in_count(&t, i));
    }
    for (int i = 0; i < t.layer.params; i++)
        if (t.dw[i])
            dw_before[i] = copy_of(t.dw[i], t.layer.param[i].count);
    tested_forward(&t);
    tested_backward(&t);
    for (int i = 0; i < t.call.inputs; i++)
        check_tensor(&t, s, add ? "dx added to" : "dx", i, t.x[i], t.dx[i], before[i],
                     tested_in_count(&t, i));
    for (int i = 0; i < t.layer.params; i++)
        if (t.dw[i])
            check_tensor(&t, s, "dw", i, t.w[i], t.dw[i], dw_before[i], t.layer.param[i].count);
    for (int i = 0; i < MOST_INPUTS; i++)
        free(before[i]);
    for (int i = 0; i < MR_MAX_PARAMS; i++)
        free(dw_before[i]);
    tested_free(&t);
}

static bool same(const mr_real *a, const mr_real *b, size_t count)
{
    return memcmp(a, b, count * sizeof *a) == 0;
}

static void check_threads(const struct subject *s, uint64_t seed)
{
    tested a, b;
    setup_case(&a, one, s, seed);
    setup_case(&b, three, s, seed);
    tested_forward(&a);
    tested_backward(&a);
    tested_forward(&b);
    tested_backward(&b);
    if (!same(a.y, b.y, tested_out_count(&a)))
        report(s, "y with other threads", 0, 0, 0, 0);
    for (int i = 0; i < a.call.inputs; i++)
        if (!same(a.dx[i], b.dx[i], tested_in_count(&a, i)))
            report(s, "dx with other threads", i, 0, 0, 0);
    for (int i = 0; i < a.layer.params; i++)
        if (a.dw[i] && !same(a.dw[i], b.dw[i], a.layer.param[i].count))
            report(s, "dw with other threads", i, 0, 0, 0);
    tested_free(&a);
    tested_free(&b);
}

/* y over x[0], where backward does not read x; dx[0] over dy. */
static void check_in_place(const struct subject *s, uint64_t seed)
{
    tested a, b;
    setup_case(&a, three, s, seed);
    setup_case(&b, three, s, seed);
    if (a.layer.class->in_place && tested_in_count(&a, 0) == tested_out_count(&a)) {
        size_t count = tested_out_count(&a);
        tested_forward(&a);
        tested_backward(&a);
        if (!mr_layer_needs_x(&b.layer))
            b.call.y = b.x[0];
        tested_forward(&b);
        if (!same(a.y, b.call.y, count))
            report(s, "y in place", 0, 0, 0, 0);
        mr_real *dx[MOST_INPUTS] = {b.dy};
        for (int i = 1; i < b.call.inputs; i++)
            dx[i] = b.dx[i];
        b.call.dx = dx;
        tested_backward(&b);
        for (int i = 0; i < a.call.inputs; i++)
            if (!same(a.dx[i], dx[i], tested_in_count(&a, i)))
                report(s, "dx in place", i, 0, 0, 0);
    }
    tested_free(&a);
    tested_free(&b);
}

/* Gradients that nobody wants are not written. */
static void check_unwanted(const struct subject *s, uint64_t seed)
{
    tested a, b;
    mr_real *none[MOST_INPUTS] = {0};
    setup_case(&a, three, s, seed);
    setup_case(&b, three, s, seed);
    tested_forward(&a);
    tested_backward(&a);
    b.call.dx = none;
    tested_forward(&b);
    tested_backward(&b);
    for (int i = 0; i < a.layer.params; i++)
        if (a.dw[i] && !same(a.dw[i], b.dw[i], a.layer.param[i].count))
            report(s, "dw without dx", i, 0, 0, 0);
    b.call.dx = b.dx;
    for (int i = 0; i < b.layer.params; i++)
        b.call.dw[i] = NULL;
    tested_backward(&b);
    for (int i = 0; i < a.call.inputs; i++)
        if (!same(a.dx[i], b.dx[i], tested_in_count(&a, i)))
            report(s, "dx without dw", i, 0, 0, 0);
    tested_free(&a);
    tested_free(&b);
}

static void check_all(const struct subject *subjects, size_t count)
{
    failures = 0;
    for (size_t i = 0; i < count; i++) {
        const mr_layer_class *class = mr_layer_class_find(subjects[i].class);
        assert_non_null(class);
        check_case(&subjects[i], 11 + i, false);
        if (!class->backward_overwrites_dx)
            check_case(&subjects[i], 11 + i, true);
        check_threads(&subjects[i], 11 + i);
        check_in_place(&subjects[i], 11 + i);
        check_unwanted(&subjects[i], 11 + i);
    }
    assert_int_equal(failures, 0);
}

#define CASE(class_name, json, in)                                                                           \
    {                                                                                                        \
        .class = class_name, .config = json, .shapes = in                                                    \
    }
#define FROZEN(class_name, json, in)                                                                         \
    {                                                                                                        \
        .class = class_name, .config = json, .shapes = in, .frozen = true                                    \
    }
#define CHECK(...)                                                                                           \
    do {                                                                                                     \
        static const struct subject subjects[] = {__VA_ARGS__};                                              \
        check_all(subjects, sizeof subjects / sizeof *subjects);                                             \
    } while (0)

/* --- kernels --------------------------------------------------------------- */

static void convolutions(void **state)
{
    (void)state;
    CHECK(
        CASE("Conv2D", "{\"filters\":4,\"kernel_size\":3,\"padding\":\"same\"}", "5,6,3"),
        CASE("Conv2D",
             "{\"filters\":2,\"kernel_size\":[3,2],\"strides\":[2,1],\"padding\":\"same\",\"activation\":"
             "\"tanh\"}",
             "6,5,2"),
        CASE("Conv2D", "{\"filters\":3,\"kernel_size\":3,\"strides\":2,\"use_bias\":false}", "7,8,2"),
        CASE("Conv2D", "{\"filters\":5,\"kernel_size\":1,\"activation\":\"silu\"}", "3,4,6"),
        CASE("Conv2D", "{\"filters\":5,\"kernel_size\":1,\"strides\":2}", "5,4,3"),
        CASE("Conv2D", "{\"filters\":4,\"kernel_size\":3,\"dilation_rate\":2,\"padding\":\"same\"}", "6,7,2"),
        CASE("Conv2D", "{\"filters\":4,\"kernel_size\":3,\"dilation_rate\":[2,3],\"strides\":[3,2]}",
             "9,9,2"),
        CASE("Conv2D", "{\"filters\":6,\"kernel_size\":3,\"groups\":2,\"padding\":\"same\"}", "5,5,4"),
        CASE("Conv2D",
             "{\"filters\":4,\"kernel_size\":[1,3],\"groups\":4,\"strides\":2,\"activation\":\"relu\"}",
             "5,6,4"),
        CASE(
            "Conv2D",
            "{\"filters\":3,\"kernel_size\":7,\"strides\":3,\"padding\":\"same\",\"activation\":\"softmax\"}",
            "4,4,2"),
        CASE("Conv2D", "{\"filters\":2,\"kernel_size\":2,\"strides\":4}", "9,6,3"),
        CASE("Conv2D", "{\"filters\":1,\"kernel_size\":1}", "1,1,1"),
        CASE("Conv2D", "{\"filters\":70,\"kernel_size\":1}", "2,2,5"),
        CASE("Conv1D", "{\"filters\":4,\"kernel_size\":[3],\"padding\":\"causal\",\"dilation_rate\":2}",
             "7,3"),
        CASE("Conv1D", "{\"filters\":4,\"kernel_size\":4,\"strides\":2,\"padding\":\"same\"}", "9,3"),
        FROZEN("Conv2D", "{\"filters\":3,\"kernel_size\":3}", "5,5,2"));
}

static void convolutions_at_random(void **state)
{
    (void)state;
    mr_philox g;
    mr_philox_init(&g, 5, MR_DRAW_TEST, 0, 0);
    failures = 0;
    for (int i = 0; i < 40; i++) {
        char config[512], shapes[64];
        unsigned groups = mr_philox_below(&g, 3) + 1, kh = mr_philox_below(&g, 4) + 1,
                 kw = mr_philox_below(&g, 4) + 1;
        unsigned dh = mr_philox_below(&g, 2) + 1, dw = mr_philox_below(&g, 3) + 1,
                 sh = mr_philox_below(&g, 3) + 1, sw = mr_philox_below(&g, 3) + 1,
                 same_padding = mr_philox_below(&g, 2);
        unsigned h = (kh - 1) * dh + 1 + mr_philox_below(&g, 5),
                 w = (kw - 1) * dw + 1 + mr_philox_below(&g, 5);
        snprintf(config, sizeof config,
                 "{\"filters\":%u,\"kernel_size\":[%u,%u],\"strides\":[%u,%u],\"dilation_rate\":[%u,%u],"
                 "\"groups\":%u,"
                 "\"padding\":\"%s\"}",
                 groups * (mr_philox_below(&g, 3) + 1), kh, kw, sh, sw, dh, dw, groups,
                 same_padding ? "same" : "valid");
        snprintf(shapes, sizeof shapes, "%u,%u,%u", h, w, groups * (mr_philox_below(&g, 3) + 1));
        struct subject s = {"Conv2D", config, shapes, false};
        check_case(&s, 100 + (uint64_t)i, i & 1);
        check_threads(&s, 100 + (uint64_t)i);
    }
    assert_int_equal(failures, 0);
}

static void transposed_convolutions(void **state)
{
    (void)state;
    CHECK(CASE("Conv2DTranspose", "{\"filters\":3,\"kernel_size\":2,\"strides\":2}", "4,3,2"),
          CASE("Conv2DTranspose",
               "{\"filters\":2,\"kernel_size\":3,\"strides\":2,\"padding\":\"same\",\"activation\":\"gelu\"}",
               "4,5,3"),
          CASE("Conv2DTranspose",
               "{\"filters\":2,\"kernel_size\":3,\"strides\":3,\"output_padding\":[1,2],\"use_bias\":false}",
               "3,4,2"),
          CASE("Conv2DTranspose",
               "{\"filters\":2,\"kernel_size\":[2,3],\"dilation_rate\":2,\"activation\":\"relu\"}", "4,4,2"),
          CASE("Conv2DTranspose",
               "{\"filters\":2,\"kernel_size\":4,\"strides\":2,\"padding\":\"same\",\"output_padding\":1}",
               "4,4,2"),
          CASE("Conv2DTranspose", "{\"filters\":3,\"kernel_size\":1,\"strides\":3}", "2,3,2"));
}

static void depthwise_convolutions(void **state)
{
    (void)state;
    CHECK(
        CASE("DepthwiseConv2D", "{\"kernel_size\":3,\"padding\":\"same\"}", "5,6,3"),
        CASE("DepthwiseConv2D",
             "{\"kernel_size\":3,\"strides\":2,\"padding\":\"same\",\"activation\":\"relu6\"}", "6,6,9"),
        CASE("DepthwiseConv2D", "{\"kernel_size\":[3,2],\"depth_multiplier\":2}", "5,4,3"),
        CASE("DepthwiseConv2D",
             "{\"kernel_size\":3,\"dilation_rate\":2,\"use_bias\":false,\"activation\":\"silu\"}", "7,6,10"),
        CASE("DepthwiseConv2D", "{\"kernel_size\":5,\"strides\":[2,3],\"padding\":\"same\"}", "3,2,17"),
        CASE("DepthwiseConv2D", "{\"kernel_size\":7,\"padding\":\"same\"}", "8,7,9"),
        CASE("Conv2D", "{\"filters\":9,\"kernel_size\":3,\"strides\":2,\"padding\":\"same\"}", "8,7,2"),
        CASE("SeparableConv2D", "{\"filters\":4,\"kernel_size\":3,\"padding\":\"same\"}", "5,4,3"),
        CASE("SeparableConv2D",
             "{\"filters\":3,\"kernel_size\":3,\"strides\":2,\"depth_multiplier\":2,\"activation\":\"relu\"}",
             "7,6,3"),
        CASE("SeparableConv2D",
             "{\"filters\":3,\"kernel_size\":2,\"use_bias\":false,\"activation\":\"mish\"}", "4,4,3"),
        FROZEN("SeparableConv2D", "{\"filters\":3,\"kernel_size\":2}", "4,4,2"));
}

static void dense(void **state)
{
    (void)state;
    CHECK(CASE("Dense", "{\"units\":4}", "7"), CASE("Dense", "{\"units\":5,\"activation\":\"softmax\"}", "6"),
          CASE("Dense", "{\"units\":3,\"use_bias\":false,\"activation\":\"gelu\"}", "2,3,4"),
          CASE("Dense", "{\"units\":200,\"activation\":\"relu\"}", "150"),
          CASE("Dense", "{\"units\":1}", "1"));
}

/* --- normalisation --------------------------------------------------------- */

static void normalisations(void **state)
{
    (void)state;
    CHECK(CASE("BatchNormalization", "{}", "4,5,3"),
          CASE("BatchNormalization", "{\"scale\":false}", "2,3,20"),
          CASE("BatchNormalization", "{\"center\":false,\"epsilon\":2e-5}", "4,17"),
          CASE("BatchNormalization", "{\"scale\":false,\"center\":false,\"axis\":[3]}", "3,3,2"),
          FROZEN("BatchNormalization", "{}", "4,4,3"), CASE("BatchNormalization", "{}", "5"),
          CASE("LayerNormalization", "{}", "3,4,6"),
          CASE("LayerNormalization", "{\"axis\":[-1],\"scale\":false}", "9"),
          CASE("LayerNormalization", "{\"axis\":[1,2,3],\"center\":false}", "3,2,4"),
          CASE("LayerNormalization", "{\"axis\":[2,-1],\"scale\":false,\"center\":false}", "3,2,4"),
          CASE("GroupNormalization", "{\"groups\":2}", "3,4,6"),
          CASE("GroupNormalization", "{\"groups\":-1,\"scale\":false}", "4,3,3"),
          CASE("GroupNormalization", "{\"groups\":1,\"center\":false}", "5,8"));
}

/* --- activations ----------------------------------------------------------- */

static void activations(void **state)
{
    (void)state;
    static const char *const names[] = {"linear",
                                        "relu",
                                        "relu6",
                                        "leaky_relu",
                                        "elu",
                                        "celu",
                                        "selu",
                                        "softplus",
                                        "log_sigmoid",
                                        "softsign",
                                        "tanh",
                                        "sigmoid",
                                        "tanh_shrink",
                                        "hard_sigmoid",
                                        "silu",
                                        "swish",
                                        "hard_silu",
                                        "hard_swish",
                                        "gelu",
                                        "mish",
                                        "gelu_approximate",
                                        "exponential",
                                        "hard_tanh",
                                        "hard_shrink",
                                        "soft_shrink",
                                        "softmax",
                                        "log_softmax",
                                        "hard_sigmoid_keras2",
                                        "squareplus",
                                        "sparse_plus",
                                        "sparse_sigmoid"};
    failures = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char config[64];
        snprintf(config, sizeof config, "{\"activation\":\"%s\"}", names[i]);
        struct subject s = {"Activation", config, "3,4,5", false};
        check_case(&s, 30 + i, false);
        check_threads(&s, 30 + i);
        check_in_place(&s, 30 + i);
    }
    assert_int_equal(failures, 0);
}

static void activation_layers(void **state)
{
    (void)state;
    CHECK(CASE("ReLU", "{}", "4,3"), CASE("ReLU", "{\"max_value\":0.5}", "4,3"),
          CASE("ReLU", "{\"max_value\":6.0}", "4,3"),
          CASE("ReLU", "{\"negative_slope\":0.1,\"threshold\":0.2}", "4,7"),
          CASE("ReLU", "{\"negative_slope\":-0.1}", "4,7"),
          CASE("ReLU", "{\"negative_slope\":0.2,\"max_value\":0.4,\"threshold\":-0.3}", "4,7"),
          CASE("LeakyReLU", "{\"negative_slope\":0.3}", "5,5"), CASE("LeakyReLU", "{}", "5"),
          CASE("ThresholdedReLU", "{\"theta\":0.4}", "9"), CASE("ELU", "{\"alpha\":0.7}", "4,4"),
          CASE("Softmax", "{\"axis\":-1}", "3,4"), CASE("Softmax", "{\"axis\":[2]}", "3,4"),
          CASE("PReLU", "{}", "3,4,2"), CASE("PReLU", "{\"shared_axes\":[1,2]}", "3,4,2"),
          CASE("PReLU", "{\"shared_axes\":[3]}", "3,4,2"),
          CASE("PReLU", "{\"shared_axes\":[1,2,3]}", "3,4,2"), CASE("PReLU", "{}", "6"));
}

/* --- pooling, shapes ------------------------------------------------------- */

static void pooling(void **state)
{
    (void)state;
    CHECK(CASE("MaxPooling2D", "{}", "5,6,3"),
          CASE("MaxPooling2D", "{\"pool_size\":3,\"strides\":2,\"padding\":\"same\"}", "6,5,2"),
          CASE("MaxPooling2D", "{\"pool_size\":[3,2],\"strides\":1}", "4,5,18"),
          CASE("MaxPooling2D", "{\"pool_size\":2,\"strides\":3,\"padding\":\"same\"}", "7,4,2"),
          CASE("AveragePooling2D", "{\"pool_size\":2}", "4,5,3"),
          CASE("AveragePooling2D", "{\"pool_size\":3,\"strides\":2,\"padding\":\"same\"}", "5,6,2"),
          CASE("AveragePooling2D", "{\"pool_size\":[2,3],\"strides\":[1,2]}", "4,7,2"),
          CASE("MaxPooling1D", "{\"pool_size\":[3]}", "8,3"),
          CASE("AveragePooling1D", "{\"pool_size\":2,\"strides\":null,\"padding\":\"same\"}", "7,3"),
          CASE("GlobalAveragePooling2D", "{}", "4,5,3"),
          CASE("GlobalAveragePooling2D", "{\"keepdims\":true}", "2,3,70"),
          CASE("GlobalMaxPooling2D", "{}", "4,5,3"),
          CASE("GlobalMaxPooling2D", "{\"keepdims\":true}", "2,3,70"),
          CASE("GlobalAveragePooling1D", "{}", "4,3"),
          CASE("GlobalMaxPooling1D", "{\"keepdims\":true}", "4,3"),
          CASE("GlobalAveragePooling3D", "{}", "2,3,2,3"), CASE("GlobalMaxPooling3D", "{}", "2,3,2,3"));
}

static void shapes(void **state)
{
    (void)state;
    CHECK(CASE("ZeroPadding2D", "{\"padding\":[[1,0],[2,3]]}", "3,2,4"),
          CASE("ZeroPadding2D", "{\"padding\":1}", "3,2,1"),
          CASE("Cropping2D", "{\"cropping\":[[1,0],[0,2]]}", "4,5,3"),
          CASE("Cropping2D", "{\"cropping\":[1,1]}", "4,5,3"), CASE("Permute", "{\"dims\":[2,3,1]}", "3,4,2"),
          CASE("Permute", "{\"dims\":[2,1]}", "3,4"), CASE("UpSampling2D", "{\"size\":[2,3]}", "3,2,4"),
          CASE("UpSampling2D", "{\"size\":2,\"interpolation\":\"bilinear\"}", "3,4,2"),
          CASE("Resizing", "{\"height\":5,\"width\":3}", "4,6,2"),
          CASE("Resizing", "{\"height\":2,\"width\":7,\"interpolation\":\"nearest\"}", "5,3,2"),
          CASE("Resizing", "{\"height\":4,\"width\":4,\"crop_to_aspect_ratio\":true}", "5,8,2"),
          CASE("CenterCrop", "{\"height\":3,\"width\":2}", "5,5,2"),
          CASE("CenterCrop", "{\"height\":6,\"width\":4}", "5,5,2"),
          CASE("RandomCrop", "{\"height\":3,\"width\":2}", "5,5,2"),
          CASE("RandomCrop", "{\"height\":6,\"width\":4}", "5,5,2"),
          CASE("Rescaling", "{\"scale\":0.5,\"offset\":-1}", "3,3,2"),
          CASE("Rescaling", "{\"scale\":[0.5,2,3],\"offset\":[1,2,3]}", "2,3"),
          CASE("Normalization", "{\"mean\":[0.4,0.5],\"variance\":[[0.04,0.5]]}", "3,2,2"),
          CASE("Normalization", "{\"axis\":-1,\"invert\":true}", "3,2,2"),
          CASE("Normalization", "{\"axis\":null}", "3,2,2"));
}

/* --- noise ----------------------------------------------------------------- */

static void noise(void **state)
{
    (void)state;
    CHECK(CASE("Dropout", "{\"rate\":0.4}", "5,6,7"),
          CASE("Dropout", "{\"rate\":0.4,\"noise_shape\":[null,1,null]}", "5,6"),
          CASE("Dropout", "{\"rate\":0.3,\"noise_shape\":[1,4,1]}", "4,3"),
          CASE("Dropout", "{\"rate\":0}", "5"), CASE("Dropout", "{\"rate\":1}", "5"),
          CASE("SpatialDropout2D", "{\"rate\":0.4}", "3,3,7"),
          CASE("SpatialDropout1D", "{\"rate\":0.4}", "4,5"),
          CASE("GaussianNoise", "{\"stddev\":0.4}", "5,6,13"),
          CASE("GaussianDropout", "{\"rate\":0.3}", "5,6,13"),
          CASE("AlphaDropout", "{\"rate\":0.3}", "5,6,13"));
}

static void augmentation(void **state)
{
    (void)state;
    CHECK(CASE("RandomFlip", "{\"mode\":\"horizontal\"}", "4,5,2"), CASE("RandomFlip", "{}", "4,5,2"),
          CASE("RandomRotation", "{\"factor\":0.2}", "5,6,2"),
          CASE("RandomRotation", "{\"factor\":[0.1,0.3],\"fill_mode\":\"constant\"}", "5,6,2"),
          CASE("RandomRotation", "{\"factor\":0.5,\"fill_mode\":\"wrap\",\"interpolation\":\"nearest\"}",
               "5,6,2"),
          CASE("RandomZoom", "{\"height_factor\":[-0.4,0.5],\"fill_mode\":\"nearest\"}", "6,5,2"),
          CASE("RandomZoom", "{\"height_factor\":0.4,\"width_factor\":0.2}", "6,5,2"),
          CASE("RandomTranslation", "{\"height_factor\":0.4,\"width_factor\":[0.1,0.2]}", "6,5,2"),
          CASE("RandomContrast", "{\"factor\":[0.3,0.5],\"value_range\":[-0.8,0.8]}", "4,4,3"),
          CASE("RandomBrightness", "{\"factor\":[-0.3,0.5],\"value_range\":[-0.8,0.8]}", "4,4,3"));
}

/* --- merging --------------------------------------------------------------- */

static void merging(void **state)
{
    (void)state;
    static const char *const classes[] = {"Add", "Multiply", "Average", "Maximum", "Minimum"};
    static const char *const inputs[] = {"3,4,2;3,4,2", "3,4,2;3,4,2;3,4,2", "3,4,2;1,1,2;3,1,1",
                                         "2;3,4,2",     "3,4,1;3,4,2",       "300;300",
                                         "1;40,30"};
    failures = 0;
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        for (size_t k = 0; k < sizeof inputs / sizeof *inputs; k++) {
            struct subject s = {classes[i], "{}", inputs[k], false};
            check_case(&s, k, false);
            check_case(&s, k, true);
            check_threads(&s, k);
            check_in_place(&s, k);
        }
    assert_int_equal(failures, 0);
    CHECK(CASE("Subtract", "{}", "3,4,2;3,4,2"), CASE("Subtract", "{}", "3,4,2;1,4,1"),
          CASE("Subtract", "{}", "2;3,4,2"), CASE("Concatenate", "{}", "3,4,2;3,4,1;3,4,5"),
          CASE("Concatenate", "{\"axis\":1}", "3,4,2;1,4,2"),
          CASE("Concatenate", "{\"axis\":-2}", "3,4,2;3,1,2"));
}

static int create_teams(void **state)
{
    (void)state;
    return mr_team_create(&one, 1, NULL) || mr_team_create(&three, 3, NULL);
}

static int destroy_teams(void **state)
{
    (void)state;
    mr_team_destroy(one);
    mr_team_destroy(three);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions),
        cmocka_unit_test(convolutions_at_random),
        cmocka_unit_test(transposed_convolutions),
        cmocka_unit_test(depthwise_convolutions),
        cmocka_unit_test(dense),
        cmocka_unit_test(normalisations),
        cmocka_unit_test(activations),
        cmocka_unit_test(activation_layers),
        cmocka_unit_test(pooling),
        cmocka_unit_test(shapes),
        cmocka_unit_test(noise),
        cmocka_unit_test(augmentation),
        cmocka_unit_test(merging),
    };
    return cmocka_run_group_tests(tests, create_teams, destroy_teams);
}
