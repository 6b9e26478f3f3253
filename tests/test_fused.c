/* SPDX-License-Identifier: Apache-2.0 */
/* The fused plan against the plain one, layer by layer: outputs, all gradients, statistics; for networks of
 * the usual kinds and for random ones, which put layers together in ways that nobody would. */
#include "tests/decorate.h"
#include "tests/shared.h"

#include "nn/learn/activity.h"
#include "nn/arch/builder.h"
#include "nn/plan/internal.h"
#include "nn/plan/plan.h"
#include "base/random.h"

#include <math.h>

enum { BATCH = 5, SIDE = 12, CLASSES = 3 };

struct net {
    mr_graph *g;
    mr_team *team;
    float *x, *dy;
    size_t in, out;
    mr_activity activity;
};

static float *draws(mr_philox *r, size_t count, float low, float high)
{
    float *p = malloc(count * sizeof *p);
    for (size_t i = 0; i < count; i++)
        p[i] = mr_philox_uniform(r, low, high);
    return p;
}

/* Normalisations whose four variables are not what they start as. */
static void stir(mr_graph *g, mr_philox *r)
{
    static const struct {
        const char *kind;
        float low, high;
    } ranges[] = {{"gamma", .5f, 1.5f},
                  {"beta", -.5f, .5f},
                  {"moving_mean", -.3f, .3f},
                  {"moving_variance", .5f, 1.5f},
                  {"bias", -.3f, .3f}};
    for (int i = 0; i < g->params; i++)
        for (size_t k = 0; k < sizeof ranges / sizeof *ranges; k++)
            if (!strcmp(g->param[i]->kind, ranges[k].kind))
                for (size_t j = 0; j < g->param[i]->count; j++)
                    mr_param_value(g, g->param[i])[j] = mr_philox_uniform(r, ranges[k].low, ranges[k].high);
}

static void open_net(struct net *n, json_t *config, int threads)
{
    mr_error e = {0};
    mr_philox r;
    assert_non_null(config);
    if (mr_graph_create(&n->g, config, NULL, &e))
        fail_msg("%s", e.message);
    json_decref(config);
    assert_int_equal(mr_graph_initialize(n->g, 3, &e), 0);
    assert_int_equal(mr_team_create(&n->team, threads, &e), 0);
    assert_int_equal(mr_activity_find(&n->activity, n->g, &e), 0);
    mr_philox_init(&r, 5, MR_DRAW_TEST, 0, 0);
    stir(n->g, &r);
    n->in = mr_shape_sample(&n->g->node[n->g->input[0]].shape);
    n->out = mr_shape_sample(&n->g->node[n->g->output[0]].shape);
    n->x = draws(&r, BATCH * n->in, -1, 1);
    n->dy = draws(&r, BATCH * n->out, -1, 1);
}

static void close_net(struct net *n)
{
    mr_activity_clear(&n->activity);
    mr_team_destroy(n->team);
    mr_graph_free(n->g);
    free(n->x);
    free(n->dy);
}

/* The difference against the size of what is expected, as vectors: a kink of an activation that a rounding
 * error crosses changes single numbers. */
static void assert_within(const struct net *n, const char *what, const float *got, const float *want,
                          size_t count, double relative)
{
    double difference = 0, size = 1e-12;
    for (size_t i = 0; i < count; i++) {
        difference += ((double)got[i] - (double)want[i]) * ((double)got[i] - (double)want[i]);
        size += (double)want[i] * (double)want[i];
    }
    if (!(sqrt(difference) <= relative * sqrt(size) + 1e-4))
        fail_msg("%s: %s differs by %g of %g", n->g->name, what, sqrt(difference), sqrt(size));
}

static void assert_near(const struct net *n, const char *what, const float *got, const float *want,
                        size_t count)
{
    assert_within(n, what, got, want, count, 1e-3); /* one kink in the few numbers of a small net: 5e-4 */
}

static mr_plan *open_plan(struct net *n, mr_plan_options o)
{
    mr_plan *p;
    mr_error e = {0};
    o.batch = BATCH + 1;
    if (o.kind == MR_PLAN_TRAINING) {
        o.extra = n->activity.node;
        o.extras = n->activity.terms;
    }
    if (mr_plan_create(&p, n->g, n->team, o, &e))
        fail_msg("%s: %s", n->g->name, e.message);
    return p;
}

static void train_once(struct net *n, mr_plan *p, float *state)
{
    const float *x = n->x;
    for (int i = 0; i < 2; i++) { /* twice: what the first run left must not matter */
        mr_plan_forward(p, &x, BATCH, 7);
        memcpy(mr_plan_output_gradient(p, 0), n->dy, BATCH * n->out * sizeof *n->dy);
        mr_activity_loss(&n->activity, n->g, p, n->team, BATCH, true);
        mr_plan_backward(p);
    }
    memcpy(state, n->g->state, n->g->state_size * sizeof *state);
    mr_plan_update_statistics(p, state);
}

static void check_training(struct net *n, bool input_gradients)
{
    mr_plan_options o = {.kind = MR_PLAN_TRAINING, .input_gradients = input_gradients};
    mr_plan *fused = open_plan(n, o);
    o.plain = true;
    mr_plan *plain = open_plan(n, o);
    float *states[2] = {mr_state_alloc(n->g->state_size), mr_state_alloc(n->g->state_size)};
    train_once(n, fused, states[0]);
    train_once(n, plain, states[1]);
    assert_near(n, "the output", mr_plan_output(fused, 0), mr_plan_output(plain, 0), BATCH * n->out);
    assert_near(n, "the statistics", states[0], states[1], n->g->state_size);
    for (int i = 0; i < n->g->params; i++) {
        const mr_param *w = n->g->param[i];
        char name[512];
        snprintf(name, sizeof name, "the gradient of %s/%s", w->layer->name, w->kind);
        if (w->trainable)
            assert_near(n, name, mr_plan_gradient(fused, w), mr_plan_gradient(plain, w), w->count);
    }
    if (input_gradients)
        assert_near(n, "the input's gradient", mr_plan_input_gradient(fused, 0),
                    mr_plan_input_gradient(plain, 0), BATCH * n->in);
    for (int i = 0; i < 2; i++)
        mr_state_free(states[i]);
    mr_plan_free(fused);
    mr_plan_free(plain);
}

static void check_inference(struct net *n)
{
    const float *x = n->x;
    int middle = n->g->nodes / 2; /* one more output from inside */
    mr_plan_options o = {.kind = MR_PLAN_INFERENCE, .extra = &middle, .extras = 1};
    mr_plan *fused = open_plan(n, o);
    o.plain = true;
    mr_plan *plain = open_plan(n, o);
    mr_plan_forward(fused, &x, BATCH, 0);
    mr_plan_forward(plain, &x, BATCH, 0);
    assert_near(n, "the output", mr_plan_output(fused, 0), mr_plan_output(plain, 0), BATCH * n->out);
    assert_near(n, "the extra output", mr_plan_output(fused, 1), mr_plan_output(plain, 1),
                BATCH * mr_shape_sample(&n->g->node[middle].shape));
    mr_plan_free(fused);
    mr_plan_free(plain);
}

/* The same in bf16: eight bits of each number, of each layer. */
static void check_mixed_inference(struct net *n)
{
    const float *x = n->x;
    mr_plan_options o = {.kind = MR_PLAN_INFERENCE};
    mr_plan *exact = open_plan(n, o);
    n->g->mixed = true;
    mr_plan *mixed = open_plan(n, o);
    n->g->mixed = false;
    mr_plan_forward(exact, &x, BATCH, 0);
    mr_plan_forward(mixed, &x, BATCH, 0);
    assert_within(n, "the output in bf16", mr_plan_output(mixed, 0), mr_plan_output(exact, 0), BATCH * n->out,
                  .04);
    mr_plan_free(exact);
    mr_plan_free(mixed);
}

/* One step of training in bf16, against float32. Through twenty layers normalised over a few pixels the
 * rounding of each adds up (2% at the last layer, 40% at the first): this finds what is missing or wrong, the
 * kernels' own tests hold every number. */
static void check_mixed_training(struct net *n, bool input_gradients)
{
    mr_plan_options o = {.kind = MR_PLAN_TRAINING, .input_gradients = input_gradients};
    mr_plan *exact = open_plan(n, o);
    n->g->mixed = true;
    mr_plan *mixed = open_plan(n, o);
    n->g->mixed = false;
    float *states[2] = {mr_state_alloc(n->g->state_size), mr_state_alloc(n->g->state_size)};
    train_once(n, mixed, states[0]);
    train_once(n, exact, states[1]);
    assert_within(n, "the output in bf16", mr_plan_output(mixed, 0), mr_plan_output(exact, 0), BATCH * n->out,
                  .08);
    assert_within(n, "the statistics in bf16", states[0], states[1], n->g->state_size, .02);
    assert_within(n, "the gradients in bf16", mr_plan_gradients(mixed), mr_plan_gradients(exact),
                  n->g->weights, .6);
    for (int i = 0; i < 2; i++)
        mr_state_free(states[i]);
    mr_plan_free(mixed);
    mr_plan_free(exact);
}

static void check(json_t *config)
{
    struct net n;
    open_net(&n, config, 2);
    check_mixed_inference(&n);
    check_mixed_training(&n, false);
    check_mixed_training(&n, true);
    check_training(&n, false);
    check_training(&n, true);
    check_inference(&n);
    close_net(&n);
}

/* ---- networks of the usual kinds ------------------------------------------- */

static const char *name_of(const char *format, int number)
{
    static char names[64][32];
    static int turn;
    char *name = names[turn++ % 64];
    snprintf(name, sizeof names[0], format, number);
    return name;
}

static const char *norm(mr_builder *b, int i, const char *x)
{
    return mr_builder_batchnorm(b, name_of("bn%d", i), x, .9, 1e-3);
}

static const char *conv(mr_builder *b, int i, const char *x, int filters, int kernel, int stride)
{
    mr_conv_spec c = {
        .filters = filters, .kernel = kernel, .stride = stride, .same = true, .bias = i % 3 == 0};
    return mr_builder_conv(b, name_of("conv%d", i), x, c);
}

static const char *relu(mr_builder *b, int i, const char *x)
{
    return mr_builder_activation(b, name_of("relu%d", i), x, i % 4 == 3 ? "relu6" : "relu");
}

static json_t *end_net(mr_builder *b, const char *x)
{
    x = mr_builder_global_average(b, "gap", x);
    return mr_builder_finish(b, mr_builder_dense(b, "fc", x, CLASSES, "softmax", 0));
}

/* The tutorial's, small. */
static json_t *before_activation(void)
{
    mr_error e = {0};
    mr_arch_options o = mr_arch_options_default();
    o.height = o.width = 32;
    o.classes = CLASSES;
    o.stages[0] = o.stages[1] = 2;
    o.stage_count = 2;
    o.filters[0] = 8, o.filters[1] = 16, o.filters[2] = 24;
    o.filter_count = 3;
    return mr_arch_find("resnet")->config(&o, &e);
}

/* ResNet (v1): normalise, add, activate. */
static json_t *after_activation(void)
{
    mr_builder b;
    mr_builder_start(&b, "after_activation");
    const char *x = mr_builder_input(&b, "in", SIDE, SIDE, 3);
    x = mr_builder_zero_padding(&b, "pad", x, 2, 1, 1, 2);
    x = mr_builder_conv(&b, "stem", x, (mr_conv_spec){.filters = 16, .kernel = 4, .stride = 1, .bias = true});
    x = relu(&b, 0, norm(&b, 0, x));
    x = mr_builder_zero_padding(&b, "pad2", x, 1, 1, 1, 1);
    x = mr_builder_max_pool(&b, "pool", x, 3, 2, false);
    for (int i = 1; i < 3; i++) {
        const char *y = relu(&b, 10 * i, norm(&b, 10 * i, conv(&b, 10 * i, x, 8, 1, i)));
        y = relu(&b, 10 * i + 1, norm(&b, 10 * i + 1, conv(&b, 10 * i + 1, y, 8, 3, 1)));
        y = norm(&b, 10 * i + 2, conv(&b, 10 * i + 2, y, 16, 1, 1));
        const char *s = i == 1 ? x : norm(&b, 10 * i + 3, conv(&b, 10 * i + 3, x, 16, 1, i));
        x = relu(&b, 10 * i + 4, mr_builder_add(&b, name_of("add%d", i), s, y));
    }
    return end_net(&b, x);
}

/* MobileNetV2: depthwise, relu6, linear ends. */
static json_t *inverted(void)
{
    mr_builder b;
    mr_builder_start(&b, "inverted");
    const char *x = mr_builder_input(&b, "in", SIDE, SIDE, 3);
    x = mr_builder_zero_padding(&b, "pad", x, 0, 1, 0, 1);
    x = mr_builder_conv(&b, "stem", x, (mr_conv_spec){.filters = 8, .kernel = 3, .stride = 2});
    x = mr_builder_relu(&b, "relu_stem", norm(&b, 0, x), 6);
    for (int i = 1; i < 4; i++) {
        const char *y =
            mr_builder_relu(&b, name_of("a%d", i), norm(&b, 10 * i, conv(&b, 10 * i, x, 24, 1, 1)), 6);
        y = mr_builder_depthwise(&b, name_of("dw%d", i), y, 3, i == 2 ? 2 : 1, true, false);
        y = mr_builder_relu(&b, name_of("b%d", i), norm(&b, 10 * i + 1, y), 6);
        y = norm(&b, 10 * i + 2, conv(&b, 10 * i + 2, y, 8, 1, 1));
        x = i == 2 ? y : mr_builder_add(&b, name_of("add%d", i), x, y);
    }
    return end_net(&b, x);
}

/* Convolutions with activations of their own. */
static json_t *plain_cnn(void)
{
    mr_builder b;
    mr_builder_start(&b, "plain_cnn");
    const char *x = mr_builder_input(&b, "in", SIDE, SIDE, 3);
    mr_conv_spec c = {
        .filters = 16, .kernel = 3, .stride = 1, .same = true, .bias = true, .activation = "relu"};
    x = mr_builder_conv(&b, "c1", x, c);
    x = mr_builder_conv(&b, "c2", x, c);
    x = mr_builder_max_pool(&b, "p1", x, 2, 2, false);
    x = mr_builder_dropout(&b, "drop", x, .25);
    x = mr_builder_conv(&b, "c3", x, c);
    x = mr_builder_average_pool(&b, "p2", x, 2, 2);
    x = mr_builder_conv(&b, "c4", x, c);
    x = mr_builder_flatten(&b, "flat", x);
    return mr_builder_finish(&b, mr_builder_dense(&b, "fc", x, CLASSES, "softmax", 0));
}

static void usual_networks(void **state)
{
    (void)state;
    check(before_activation());
    check(after_activation());
    check(inverted());
    check(plain_cnn());
}

static void freeze(json_t *config, const char *name)
{
    json_t *layer;
    size_t i;
    json_array_foreach (json_object_get(json_object_get(config, "config"), "layers"), i, layer)
        if (strstr(json_string_value(json_object_get(layer, "name")), name))
            json_object_set_new(json_object_get(layer, "config"), "trainable", json_false());
}

static void frozen_layers(void **state)
{
    (void)state;
    static const char *const names[] = {"bn1", "conv1", "bn", "stem"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        json_t *config = after_activation();
        freeze(config, names[i]);
        check(config);
    }
}

static void regularized_outputs(void **state)
{
    (void)state;
    static const char *const classes[] = {"", "Conv2D", "BatchNormalization", "Activation", "Add"};
    json_t *(*const make[])(void) = {before_activation, after_activation, inverted, plain_cnn};
    for (size_t i = 0; i < sizeof make / sizeof *make; i++)
        for (size_t k = 0; k < sizeof classes / sizeof *classes; k++)
            check(decorate(make[i](), classes[k], decorate_penalty));
}

static void calls_in_inference(void **state)
{
    (void)state;
    json_t *(*const make[])(void) = {before_activation, after_activation, inverted, plain_cnn};
    for (size_t i = 0; i < sizeof make / sizeof *make; i++) {
        check(decorate(make[i](), "", decorate_inference));
        check(decorate(decorate(make[i](), "BatchNorm", decorate_inference), "Conv2D", decorate_penalty));
    }
}

/* ---- random networks --------------------------------------------------------- */

enum { MOST = 24, WIDTHS = 2 };

struct made {
    char name[32];
    int width;
    bool read;
};

struct random_net {
    mr_builder b;
    mr_philox r;
    struct made node[MOST * 2];
    int nodes;
};

static struct made *add_made(struct random_net *n, const char *name, int width)
{
    struct made *m = &n->node[n->nodes++];
    snprintf(m->name, sizeof m->name, "%s", name);
    m->width = width;
    m->read = false;
    return m;
}

/* A node of the same width as M, not M. */
static struct made *partner(struct random_net *n, const struct made *m)
{
    int start = (int)mr_philox_below(&n->r, (uint32_t)n->nodes);
    for (int i = 0; i < n->nodes; i++) {
        struct made *other = &n->node[(start + i) % n->nodes];
        if (other != m && other->width == m->width)
            return other;
    }
    return NULL;
}

static void add_random_layer(struct random_net *n, int i)
{
    static const int widths[WIDTHS] = {6, 16};
    int back = n->nodes < 4 ? n->nodes : 4;
    struct made *m = &n->node[n->nodes - 1 - (int)mr_philox_below(&n->r, (uint32_t)back)];
    int width = widths[mr_philox_below(&n->r, WIDTHS)];
    struct made *other = partner(n, m);
    m->read = true;
    switch (mr_philox_below(&n->r, 9)) {
    case 0:
        add_made(n, norm(&n->b, i, m->name), m->width);
        break;
    case 1:
        add_made(n, relu(&n->b, i, m->name), m->width);
        break;
    case 2:
        add_made(n, relu(&n->b, i, norm(&n->b, i, m->name)), m->width);
        break;
    case 3:
        add_made(n, conv(&n->b, i, m->name, width, 3, 1), width);
        break;
    case 4:
        add_made(n, conv(&n->b, i, relu(&n->b, i, norm(&n->b, i, m->name)), width, 1, 1), width);
        break;
    case 5:
        add_made(n,
                 mr_builder_conv(&n->b, name_of("conv%d", i), m->name,
                                 (mr_conv_spec){.filters = width,
                                                .kernel = 3,
                                                .stride = 1,
                                                .same = true,
                                                .bias = true,
                                                .activation = "relu"}),
                 width);
        break;
    default:
        if (other) {
            other->read = true;
            add_made(n, mr_builder_add(&n->b, name_of("add%d", i), m->name, other->name), m->width);
        } else
            add_made(n, conv(&n->b, i, m->name, m->width, 1, 1), m->width);
    }
}

/* Every node that nobody reads goes into the output. */
static json_t *finish_random(struct random_net *n)
{
    char sum[32] = "";
    for (int i = 0; i < n->nodes; i++) {
        if (n->node[i].read)
            continue;
        const char *x = mr_builder_global_average(&n->b, name_of("gap%d", i), n->node[i].name);
        x = mr_builder_dense(&n->b, name_of("fc%d", i), x, CLASSES, "linear", 0);
        if (*sum)
            x = mr_builder_add(&n->b, name_of("sum%d", i), sum, x);
        snprintf(sum, sizeof sum, "%s", x);
    }
    return mr_builder_finish(&n->b, sum);
}

static void random_networks(void **state)
{
    (void)state;
    static const char *const of[] = {"", "Conv2D", "BatchNormalization"};
    int count = 90;
#ifdef MR_SANITIZED
    count = 20;
#endif
    for (int seed = 0; seed < count; seed++) {
        struct random_net n = {.nodes = 0};
        mr_philox_init(&n.r, 77, MR_DRAW_TEST, (uint64_t)seed, 0);
        mr_builder_start(&n.b, name_of("random%d", seed));
        add_made(&n, mr_builder_input(&n.b, "in", 7, 6, 3), 3);
        int layers = 3 + (int)mr_philox_below(&n.r, MOST - 6);
        for (int i = 0; i < layers; i++)
            add_random_layer(&n, i);
        json_t *config = finish_random(&n);
        if (seed % 3 == 1)
            decorate(config, of[seed / 3 % 3], decorate_penalty);
        else if (seed % 3 == 2)
            decorate(config, "BatchNorm", decorate_inference);
        check(config);
    }
}

/* The tutorial's first normalisation gets its sums from the stem's weights: else the gradient by the images
 * is formed, which nobody wants (a fifth of all time). */
static void first_normalisation_by_weights(void **state)
{
    (void)state;
    struct net n;
    int found = 0;
    open_net(&n, before_activation(), 1);
    mr_plan *p = open_plan(&n, (mr_plan_options){.kind = MR_PLAN_TRAINING});
    for (int i = 0; i < p->ops; i++)
        found += p->op[i].class == &mr_op_conv && p->op[i].conv.norm_by_weights >= 0;
    assert_int_equal(found, 1);
    mr_plan_free(p);
    close_net(&n);
}

/* The bytes must not depend on the number of threads. */
static void threads_do_not_matter(void **state)
{
    (void)state;
    float *gradients[2] = {NULL, NULL};
    size_t count = 0;
    for (int i = 0; i < 2; i++) {
        struct net n;
        open_net(&n, before_activation(), 1 + 2 * i);
        mr_plan *p = open_plan(&n, (mr_plan_options){.kind = MR_PLAN_TRAINING});
        float *spare = mr_state_alloc(n.g->state_size);
        train_once(&n, p, spare);
        count = n.g->weights * sizeof(float);
        gradients[i] = malloc(count);
        memcpy(gradients[i], mr_plan_gradients(p), count);
        mr_state_free(spare);
        mr_plan_free(p);
        close_net(&n);
    }
    assert_memory_equal(gradients[0], gradients[1], count);
    free(gradients[0]);
    free(gradients[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(usual_networks),        cmocka_unit_test(frozen_layers),
        cmocka_unit_test(regularized_outputs),   cmocka_unit_test(calls_in_inference),
        cmocka_unit_test(random_networks),       cmocka_unit_test(first_normalisation_by_weights),
        cmocka_unit_test(threads_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
