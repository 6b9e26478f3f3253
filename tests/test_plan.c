/* SPDX-License-Identifier: Apache-2.0 */
/* Graph and plan together, in double: gradients of whole random networks (branches, joins, aliases, shared
 * layers, nested models) against central differences, which also proves that no two living buffers share
 * memory. */
#include "tests/decorate.h"
#include "tests/shared.h"

#include "nn/learn/activity.h"
#include "nn/arch/builder.h"
#include "nn/learn/loss.h"
#include "nn/plan/plan.h"
#include "base/random.h"

enum { BATCH = 3, SIDE = 8 };

struct net {
    mr_graph *g;
    mr_team *team;
    mr_plan *plan;
    mr_real *x, *target;
    mr_loss loss;
    mr_activity activity;
    double scratch[64];
};

static void open_net(struct net *n, json_t *config, int threads)
{
    mr_error e = {0};
    mr_philox r;
    json_t *loss = json_string("mse");
    if (mr_graph_create(&n->g, config, NULL, &e))
        fail_msg("%s", e.message);
    json_decref(config);
    assert_int_equal(mr_graph_initialize(n->g, 5, &e), 0);
    assert_int_equal(mr_team_create(&n->team, threads, &e), 0);
    assert_int_equal(mr_activity_find(&n->activity, n->g, &e), 0);
    mr_plan_options o = {.kind = MR_PLAN_TRAINING,
                         .batch = BATCH + 2,
                         .input_gradients = true,
                         .extra = n->activity.node,
                         .extras = n->activity.terms};
    if (mr_plan_create(&n->plan, n->g, n->team, o, &e))
        fail_msg("%s", e.message);
    size_t in = mr_shape_sample(&n->g->node[n->g->input[0]].shape),
           out = mr_shape_sample(&n->g->node[n->g->output[0]].shape);
    n->x = malloc(BATCH * in * sizeof *n->x);
    n->target = malloc(BATCH * out * sizeof *n->target);
    mr_philox_init(&r, 9, MR_DRAW_TEST, 1, 0);
    for (size_t i = 0; i < BATCH * in; i++)
        n->x[i] = mr_philox_uniform(&r, -1, 1);
    for (size_t i = 0; i < BATCH * out; i++)
        n->target[i] = mr_philox_uniform(&r, -1, 1);
    assert_int_equal(mr_loss_configure(&n->loss, loss, &e), 0);
    json_decref(loss);
}

static void close_net(struct net *n)
{
    mr_plan_free(n->plan);
    mr_activity_clear(&n->activity);
    mr_team_destroy(n->team);
    mr_graph_free(n->g);
    free(n->x);
    free(n->target);
}

static double loss_of(struct net *n, mr_real *d)
{
    const mr_real *x[] = {n->x};
    mr_plan_forward(n->plan, x, BATCH, 7);
    double loss = mr_loss_batch(&n->loss, &n->g->node[n->g->output[0]].shape, BATCH, n->target,
                                mr_plan_output(n->plan, 0), NULL, n->scratch, d);
    return loss + mr_activity_loss(&n->activity, n->g, n->plan, n->team, BATCH, d != NULL);
}

static double numeric(struct net *n, mr_real *at)
{
    const mr_real step = 1e-5, was = *at;
    *at = was + step;
    double high = loss_of(n, NULL);
    *at = was - step;
    double low = loss_of(n, NULL);
    *at = was;
    return (high - low) / (2 * step);
}

static void check_gradients(struct net *n)
{
    mr_philox r;
    mr_philox_init(&r, 11, MR_DRAW_TEST, 2, 0);
    loss_of(n, mr_plan_output_gradient(n->plan, 0));
    mr_plan_backward(n->plan);
    size_t in = BATCH * mr_shape_sample(&n->g->node[n->g->input[0]].shape);
    mr_real *dx = malloc(in * sizeof *dx), *dw = malloc(n->g->weights * sizeof *dw);
    memcpy(dx, mr_plan_input_gradient(n->plan, 0), in * sizeof *dx);
    memcpy(dw, mr_plan_gradients(n->plan), n->g->weights * sizeof *dw);
    for (int k = 0; k < 20; k++) {
        size_t i = mr_philox_below(&r, (uint32_t)in);
        double expected = numeric(n, &n->x[i]);
        if (fabs(expected - dx[i]) > 1e-6 * (1 + fabs(expected)))
            fail_msg("%s: input gradient %zu is %g, differences give %g", n->g->name, i, (double)dx[i],
                     expected);
    }
    for (int p = 0; p < n->g->params; p++)
        for (int k = 0; k < 6 && n->g->param[p]->trainable; k++) {
            size_t i = n->g->param[p]->offset + mr_philox_below(&r, (uint32_t)n->g->param[p]->count);
            double expected = numeric(n, &n->g->state[i]);
            if (fabs(expected - dw[i]) > 1e-6 * (1 + fabs(expected)))
                fail_msg("%s: %s/%s gradient is %g, differences give %g", n->g->name,
                         n->g->param[p]->layer->name, n->g->param[p]->kind, (double)dw[i], expected);
        }
    free(dx);
    free(dw);
}

static json_t *branches(void)
{
    mr_builder b;
    mr_builder_start(&b, "branches");
    const char *x = mr_builder_input(&b, "in", SIDE, SIDE, 2);
    x = mr_builder_batchnorm(&b, "bn1", x, .9, 1e-3);
    const char *a = mr_builder_activation(&b, "act1", x, "tanh");
    const char *y = mr_builder_conv(
        &b, "c1", a, (mr_conv_spec){.filters = 4, .kernel = 3, .stride = 2, .same = true, .bias = true});
    y = mr_builder_batchnorm(&b, "bn2", y, .9, 1e-3);
    y = mr_builder_activation(&b, "act2", y, "sigmoid");
    const char *s = mr_builder_conv(&b, "c2", a, (mr_conv_spec){.filters = 4, .kernel = 1, .stride = 2});
    const char *sum = mr_builder_add(&b, "add1", y, s);
    const char *twice = mr_builder_add(&b, "add2", sum, sum);
    const char *more = mr_builder_depthwise(&b, "dw", twice, 3, 1, true, true);
    const char *last = mr_builder_add(&b, "add3", more, sum);
    last = mr_builder_average_pool(&b, "pool", last, 2, 2);
    last = mr_builder_flatten(&b, "flat", last);
    last = mr_builder_dense(&b, "fc", last, 3, "softmax", 0);
    return mr_builder_finish(&b, last);
}

/* One layer called three times, twice in a row, and an alias that has two readers. */
static json_t *shared_and_aliased(void)
{
    mr_builder b;
    mr_builder_start(&b, "shared");
    const char *x = mr_builder_input(&b, "in", SIDE, SIDE, 2);
    mr_builder_conv(&b, "conv", x,
                    (mr_conv_spec){.filters = 2, .kernel = 3, .stride = 1, .same = true, .bias = true});
    json_t *calls = json_object_get(json_array_get(b.layers, 1), "inbound_nodes");
    json_array_append_new(calls, json_pack("[[s,i,i,{}]]", "conv", 0, 0));
    json_array_append_new(calls, json_pack("[[s,i,i,{}]]", "conv", 1, 0));
    mr_builder_add(&b, "add", "conv", "conv");
    json_t *add = json_array_get(json_object_get(json_array_get(b.layers, 2), "inbound_nodes"), 0);
    json_array_set_new(json_array_get(add, 0), 1, json_integer(2));
    json_array_set_new(json_array_get(add, 1), 1, json_integer(1));
    mr_builder_flatten(&b, "flat", "add");
    mr_builder_dense(&b, "d1", "flat", 4, "tanh", 0);
    mr_builder_dense(&b, "d2", "flat", 4, NULL, 0);
    mr_builder_activation(&b, "relu", "d2", "relu");
    return mr_builder_finish(&b, mr_builder_add(&b, "sum", "d1", "relu"));
}

static json_t *nested(void)
{
    mr_builder in, out;
    mr_builder_start(&in, "inner");
    const char *x = mr_builder_input(&in, "inner_in", SIDE, SIDE, 2);
    x = mr_builder_conv(&in, "conv", x, (mr_conv_spec){.filters = 2, .kernel = 3, .stride = 1, .same = true});
    json_t *inner = mr_builder_finish(&in, mr_builder_activation(&in, "act", x, "elu"));
    mr_builder_start(&out, "outer");
    x = mr_builder_input(&out, "in", SIDE, SIDE, 2);
    json_object_set_new(inner, "name", json_string("inner"));
    json_object_set_new(inner, "inbound_nodes",
                        json_pack("[[[s,i,i,{}]],[[s,i,i,{}]]]", "in", 0, 0, "inner", 0, 0));
    json_array_append_new(out.layers, inner);
    mr_builder_global_average(&out, "gap", "inner");
    json_array_set_new(
        json_array_get(json_array_get(json_object_get(json_array_get(out.layers, 2), "inbound_nodes"), 0), 0),
        1, json_integer(1));
    return mr_builder_finish(&out, mr_builder_dense(&out, "fc", "gap", 2, NULL, 0));
}

static json_t *(*const make[])(void) = {branches, shared_and_aliased, nested};

static void gradients_of_networks(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof make / sizeof *make; i++) {
        struct net n = {0};
        open_net(&n, make[i](), 2);
        check_gradients(&n);
        close_net(&n);
    }
}

/* The loss itself against sums written out. */
static double expected_penalty(struct net *n)
{
    double sum = 0;
    for (int i = 0; i < n->g->nodes; i++) {
        const mr_real *y = NULL;
        for (int k = 0; k < n->activity.terms; k++)
            y = n->activity.node[k] == i ? mr_plan_output(n->plan, n->g->outputs + k) : y;
        for (size_t k = 0; y && k < BATCH * mr_shape_sample(&n->g->node[i].shape); k++)
            sum += 0.01 * fabs(y[k]) + 0.03 * y[k] * y[k];
    }
    return sum;
}

static void gradients_of_regularized_outputs(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof make / sizeof *make; i++) {
        struct net n = {0};
        open_net(&n, decorate(make[i](), "", decorate_penalty), 2);
        assert_int_equal(n.activity.terms, n.g->nodes - 1); /* each call of each layer */
        check_gradients(&n);
        double all = loss_of(&n, NULL), penalty = expected_penalty(&n);
        int terms = n.activity.terms;
        n.activity.terms = 0;
        assert_true(penalty > 0.01 && fabs(all - loss_of(&n, NULL) - penalty) < 1e-12 * (1 + all));
        n.activity.terms = terms;
        close_net(&n);
    }
}

/* training=False: gradients pass, with the moving statistics, which stay. */
static void gradients_of_calls_in_inference(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof make / sizeof *make; i++) {
        struct net n = {0};
        open_net(&n, decorate(make[i](), "", decorate_inference), 2);
        check_gradients(&n);
        mr_real *after = mr_state_alloc(n.g->state_size);
        memcpy(after, n.g->state, n.g->state_size * sizeof *after);
        loss_of(&n, mr_plan_output_gradient(n.plan, 0));
        mr_plan_update_statistics(n.plan, after);
        assert_memory_equal(after, n.g->state, n.g->state_size * sizeof *after);
        mr_state_free(after);
        close_net(&n);
    }
}

/* The same bytes for any number of threads. */
static void threads_do_not_matter(void **state)
{
    (void)state;
    mr_real *first = NULL;
    for (int threads = 1; threads <= 4; threads++) {
        struct net n = {0};
        open_net(&n, branches(), threads);
        loss_of(&n, mr_plan_output_gradient(n.plan, 0));
        mr_plan_backward(n.plan);
        size_t bytes = n.g->weights * sizeof *first;
        if (!first) {
            first = malloc(bytes);
            memcpy(first, mr_plan_gradients(n.plan), bytes);
        }
        assert_memory_equal(first, mr_plan_gradients(n.plan), bytes);
        close_net(&n);
    }
    free(first);
}

static void refused(json_t *config, const char *expected)
{
    mr_graph *g;
    mr_error e = {0};
    assert_true(mr_graph_create(&g, config, NULL, &e) < 0);
    assert_null(g);
    if (!strstr(e.message, expected))
        fail_msg("'%s' does not say '%s'", e.message, expected);
    json_decref(config);
}

static void bad_configurations(void **state)
{
    (void)state;
    json_t *c = branches();
    json_object_set_new(json_array_get(json_object_get(json_object_get(c, "config"), "layers"), 2),
                        "class_name", json_string("Frob"));
    refused(c, "'act1': unsupported layer class Frob");
    c = branches();
    json_t *layers = json_object_get(json_object_get(c, "config"), "layers");
    json_array_remove(layers, 2);
    refused(c, "refers to a layer");
    c = branches();
    layers = json_object_get(json_object_get(c, "config"), "layers");
    json_object_set_new(json_array_get(layers, 1), "inbound_nodes",
                        json_pack("[[[s,i,i,{}]]]", "act1", 0, 0));
    refused(c, "depend on its own output");
    refused(
        json_pack("{s:s, s:{s:s, s:[]}}", "class_name", "Sequential", "config", "name", "empty", "layers"),
        "no list of layers");
    refused(json_object(), "neither a Functional nor a Sequential");
}

static void memory_limit(void **state)
{
    (void)state;
    mr_graph *g;
    mr_team *t;
    mr_plan *p;
    mr_error e = {0};
    json_t *c = branches();
    assert_int_equal(mr_graph_create(&g, c, NULL, &e), 0);
    assert_int_equal(mr_team_create(&t, 1, &e), 0);
    mr_plan_options o = {.kind = MR_PLAN_TRAINING, .batch = 512, .memory_limit = 1 << 20};
    assert_int_equal(mr_plan_create(&p, g, t, o, &e), MR_ELIMIT);
    assert_non_null(strstr(e.hint, "--batch-size"));
    mr_team_destroy(t);
    mr_graph_free(g);
    json_decref(c);
}

/* Inference needs less memory than training: nothing is kept for a backward pass. */
static void inference_is_smaller(void **state)
{
    (void)state;
    mr_graph *g;
    mr_team *t;
    mr_plan *train, *infer;
    json_t *c = branches();
    assert_int_equal(mr_graph_create(&g, c, NULL, NULL), 0);
    assert_int_equal(mr_team_create(&t, 1, NULL), 0);
    assert_int_equal(
        mr_plan_create(&train, g, t, (mr_plan_options){.kind = MR_PLAN_TRAINING, .batch = 8}, NULL), 0);
    assert_int_equal(
        mr_plan_create(&infer, g, t, (mr_plan_options){.kind = MR_PLAN_INFERENCE, .batch = 8}, NULL), 0);
    assert_true(mr_plan_memory(infer) < mr_plan_memory(train));
    mr_plan_free(train);
    mr_plan_free(infer);
    mr_team_destroy(t);
    mr_graph_free(g);
    json_decref(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_of_regularized_outputs), cmocka_unit_test(gradients_of_calls_in_inference),
        cmocka_unit_test(gradients_of_networks), cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(bad_configurations),    cmocka_unit_test(memory_limit),
        cmocka_unit_test(inference_is_smaller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
