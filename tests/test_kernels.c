/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels of nn/layers/ in float against their plain forms, over random shapes that reach every way of
 * cutting the work; and that any number of threads gives the same bytes. */
#include "nn/layers/channels.h"
#include "nn/layers/convolution.h"
#include "nn/layers/depthwise.h"
#include "nn/layers/draw.h"
#include "nn/layers/resample.h"
#include "base/random.h"
#include "nn/compute/vector_math.h"
#include "tests/call.h"
#include "tests/reference.h"
#include "tests/shared.h"

#include <math.h>

#ifdef MR_SANITIZED
enum { ROUNDS = 15 };
#else
enum { ROUNDS = 60 };
#endif

static mr_team *one, *three;

static void *room(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 64) / 64 * 64);
    assert_non_null(p);
    memset(p, 0xff, bytes);
    return p;
}

static mr_real *drawn(uint64_t seed, uint64_t stream, size_t count)
{
    mr_real *p = room(count * sizeof *p);
    draw_reals(seed, stream, -1, 1, p, count);
    return p;
}

/* TERMS products of size 1 were summed in float32: the sum and its rounding errors grow with the root of
 * their count. */
static void check_close(const char *what, const mr_real *is, const double *should, size_t count, size_t terms)
{
    double tolerance = 1.5e-6 * (1 + sqrt((double)terms));
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)is[i] - should[i]) <= tolerance))
            fail_msg("%s: number %zu of %zu is %.9g, not %.9g (within %g)", what, i, count, (double)is[i],
                     should[i], tolerance);
}

static unsigned between(mr_philox *g, unsigned low, unsigned high)
{
    return low + mr_philox_below(g, high - low + 1);
}

/* Every fourth with many channels, every fourth with many pixels, and small ones of all kinds. */
static mr_convolution draw_convolution(mr_philox *g, int round)
{
    bool many_channels = round % 4 == 1, many_pixels = round % 4 == 2, pointwise = round % 5 == 3;
    unsigned group_in = between(g, 1, many_channels ? 90 : 6),
             group_out = between(g, 1, many_channels ? 160 : 6);
    mr_convolution c = {.n = between(g, 1, 3),
                        .groups = between(g, 1, 3),
                        .kh = between(g, 1, 4),
                        .kw = between(g, 1, 4),
                        .sh = between(g, 1, 3),
                        .sw = between(g, 1, 3),
                        .dh = between(g, 1, 2),
                        .dw = between(g, 1, 2)};
    if (pointwise)
        c.kh = c.kw = c.sh = c.sw = 1;
    c.groups = pointwise && round % 2 ? 1 : c.groups;
    c.cin = group_in * c.groups;
    c.cout = group_out * c.groups;
    size_t kh = (c.kh - 1) * (size_t)c.dh + 1, kw = (c.kw - 1) * (size_t)c.dw + 1;
    c.ih = kh + between(g, 0, many_pixels ? 50 : 6);
    c.iw = kw + between(g, 0, many_pixels ? 50 : 6);
    bool same = between(g, 0, 1);
    c.oh = (size_t)mr_conv_output_length((int64_t)c.ih, (int64_t)kh, c.sh, same, &c.top);
    c.ow = (size_t)mr_conv_output_length((int64_t)c.iw, (int64_t)kw, c.sw, same, &c.left);
    return c;
}

struct convolution {
    mr_convolution g;
    size_t in, out, kernel, window; /* counts; products per output number */
    mr_real *x, *w, *dy, *bias;
    double *should;
};

static struct convolution make_convolution(mr_convolution g, uint64_t seed)
{
    struct convolution c = {.g = g, .in = g.n * g.ih * g.iw * g.cin, .out = g.n * g.oh * g.ow * g.cout};
    c.window = g.kh * g.kw * (g.cin / g.groups);
    c.kernel = c.window * g.cout;
    c.x = drawn(seed, 1, c.in);
    c.w = drawn(seed, 2, c.kernel);
    c.dy = drawn(seed, 3, c.out);
    c.bias = drawn(seed, 4, g.cout);
    c.should = room((c.in + c.out + c.kernel) * sizeof *c.should);
    return c;
}

static void free_convolution(struct convolution *c)
{
    free(c->x);
    free(c->w);
    free(c->dy);
    free(c->bias);
    free(c->should);
}

static void run_forward(const struct convolution *c, mr_team *t, mr_real *y)
{
    void *scratch = room(mr_convolution_forward_scratch(&c->g, mr_team_size(t)));
    mr_convolution_forward(&c->g, t, c->x, c->w, y, (mr_convolution_end){.bias = c->bias}, scratch);
    free(scratch);
}

static void run_input_gradient(const struct convolution *c, mr_team *t, mr_real *dx, bool add)
{
    void *scratch = room(mr_convolution_input_scratch(&c->g, mr_team_size(t)));
    mr_convolution_input_gradient(&c->g, t, c->dy, c->w, dx, add, scratch);
    free(scratch);
}

static void run_weight_gradient(const struct convolution *c, mr_team *t, mr_real *dw)
{
    void *scratch = room(mr_convolution_weight_scratch(&c->g, mr_team_size(t)));
    mr_convolution_weight_gradient(&c->g, t, c->x, c->dy, dw, scratch);
    free(scratch);
}

static void check_forward(const struct convolution *c)
{
    mr_real *y = room(c->out * sizeof *y), *again = room(c->out * sizeof *y);
    run_forward(c, three, y);
    run_forward(c, one, again);
    assert_memory_equal(y, again, c->out * sizeof *y);
    reference_convolution(&c->g, c->x, c->w, c->should);
    for (size_t i = 0; i < c->out; i++)
        c->should[i] += (double)c->bias[i % c->g.cout];
    check_close("convolution", y, c->should, c->out, c->window);
    free(y);
    free(again);
}

static void check_input_gradient(const struct convolution *c)
{
    mr_real *dx = room(c->in * sizeof *dx), *again = drawn(9, 9, c->in), *before = drawn(9, 9, c->in);
    size_t terms = c->g.kh * c->g.kw * (c->g.cout / c->g.groups);
    run_input_gradient(c, three, dx, false);
    run_input_gradient(c, one, again, true);
    reference_input_gradient(&c->g, c->dy, c->w, c->should);
    check_close("gradient by the input", dx, c->should, c->in, terms);
    for (size_t i = 0; i < c->in; i++)
        c->should[i] += (double)before[i];
    check_close("gradient by the input, added", again, c->should, c->in, terms);
    run_input_gradient(c, one, again, false);
    assert_memory_equal(dx, again, c->in * sizeof *dx);
    free(dx);
    free(again);
    free(before);
}

static void check_weight_gradient(const struct convolution *c)
{
    mr_real *dw = drawn(8, 8, c->kernel), *again = drawn(8, 8, c->kernel), *before = drawn(8, 8, c->kernel);
    run_weight_gradient(c, three, dw);
    run_weight_gradient(c, one, again);
    assert_memory_equal(dw, again, c->kernel * sizeof *dw);
    reference_weight_gradient(&c->g, c->x, c->dy, c->should);
    for (size_t i = 0; i < c->kernel; i++)
        c->should[i] += (double)before[i];
    check_close("gradient by the kernel", dw, c->should, c->kernel, c->g.n * c->g.oh * c->g.ow);
    free(dw);
    free(again);
    free(before);
}

static void convolutions(void **state)
{
    (void)state;
    mr_philox g;
    mr_philox_init(&g, 21, MR_DRAW_TEST, 0, 0);
    for (int i = 0; i < ROUNDS; i++) {
        struct convolution c = make_convolution(draw_convolution(&g, i), 1000 + (uint64_t)i);
        check_forward(&c);
        check_input_gradient(&c);
        check_weight_gradient(&c);
        free_convolution(&c);
    }
}

/* Few rows and many columns, as in Dense: the work is cut along the columns too. */
static void wide_products(void **state)
{
    (void)state;
    static const size_t sizes[][3] = {{2, 700, 900}, {1, 3, 2000}, {33, 300, 65}, {130, 1500, 10}, {1, 1, 1}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        mr_convolution g = {.n = sizes[i][0],
                            .ih = 1,
                            .iw = 1,
                            .cin = sizes[i][1],
                            .oh = 1,
                            .ow = 1,
                            .cout = sizes[i][2],
                            .kh = 1,
                            .kw = 1,
                            .groups = 1,
                            .sh = 1,
                            .sw = 1,
                            .dh = 1,
                            .dw = 1};
        struct convolution c = make_convolution(g, i);
        check_forward(&c);
        check_input_gradient(&c);
        check_weight_gradient(&c);
        free_convolution(&c);
    }
}

static void depthwise(void **state)
{
    (void)state;
    mr_philox p;
    mr_philox_init(&p, 22, MR_DRAW_TEST, 0, 0);
    for (int i = 0; i < ROUNDS; i++) {
        mr_convolution g = draw_convolution(&p, i % 4 == 1 ? 0 : i);
        g.cin = between(&p, 1, 40);
        g.groups = g.cin;
        g.cout = g.cin * (i % 3 == 0 ? between(&p, 1, 3) : 1);
        struct convolution c = make_convolution(g, 2000 + (uint64_t)i);
        mr_real *y = room(c.out * sizeof *y), *dx = room(c.in * sizeof *dx),
                *dw = room(c.kernel * sizeof *dw);
        void *scratch = room(mr_depthwise_weight_scratch(&g));
        memset(dw, 0, c.kernel * sizeof *dw);
        mr_depthwise_forward(&g, three, c.x, c.w, NULL, y);
        mr_depthwise_input_gradient(&g, three, c.dy, c.w, dx, false);
        mr_depthwise_weight_gradient(&g, three, c.x, c.dy, dw, scratch);
        reference_convolution(&g, c.x, c.w, c.should);
        check_close("depthwise", y, c.should, c.out, c.window);
        reference_input_gradient(&g, c.dy, c.w, c.should);
        check_close("depthwise by the input", dx, c.should, c.in, c.window * (g.cout / g.cin));
        reference_weight_gradient(&g, c.x, c.dy, c.should);
        check_close("depthwise by the kernel", dw, c.should, c.kernel, g.n * g.oh * g.ow);
        free(y);
        free(dx);
        free(dw);
        free(scratch);
        free_convolution(&c);
    }
}

static void column_sums(void **state)
{
    (void)state;
    static const size_t sizes[][2] = {{1, 1},    {7, 3},      {100000, 3}, {5000, 16}, {999, 17},
                                      {3, 4000}, {20000, 24}, {15, 16},    {400, 100}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t rows = sizes[i][0], columns = sizes[i][1];
        mr_real *a = drawn(i, 1, rows * columns), *b = drawn(i, 2, rows * columns);
        double *sums = room(4 * columns * sizeof *sums), *should = sums + 2 * columns;
        void *scratch = room(mr_column_sums_scratch(rows, columns));
        mr_column_sums(three, a, b, rows, columns, sums, sums + columns, scratch);
        reference_column_sums(a, b, rows, columns, should, should + columns);
        for (size_t c = 0; c < 2 * columns; c++)
            assert_true(fabs(sums[c] - should[c]) < 1e-9);
        mr_column_sums(one, a, NULL, rows, columns, sums + columns, NULL, scratch);
        assert_memory_equal(sums, sums + columns, columns * sizeof *sums);
        free(a);
        free(b);
        free(sums);
        free(scratch);
    }
}

static void check_pooling(const char *class, const mr_convolution *g, bool same, uint64_t seed)
{
    char config[256], shapes[64];
    tested t;
    mr_error e = {0};
    snprintf(config, sizeof config, "{\"pool_size\":[%zu,%zu],\"strides\":[%d,%d],\"padding\":\"%s\"}", g->kh,
             g->kw, (int)g->sh, (int)g->sw, same ? "same" : "valid");
    snprintf(shapes, sizeof shapes, "%zu,%zu,%zu", g->ih, g->iw, g->cin);
    assert_int_equal(
        tested_create(&t, three, class, config, shapes, (int)g->n, (int)g->n, true, true, seed, &e), 0);
    double *should = room(tested_out_count(&t) * sizeof *should);
    assert_int_equal(tested_out_count(&t), g->n * g->oh * g->ow * g->cin);
    tested_forward(&t);
    reference_pooling(g, class[0] == 'M', t.x[0], should);
    check_close(class, t.y, should, tested_out_count(&t), class[0] == 'M' ? 0 : g->kh * g->kw);
    t.call.training = false; /* which keeps no places of maxima */
    tested_forward(&t);
    check_close(class, t.y, should, tested_out_count(&t), class[0] == 'M' ? 0 : g->kh * g->kw);
    free(should);
    tested_free(&t);
}

static void pooling(void **state)
{
    (void)state;
    mr_philox p;
    mr_philox_init(&p, 23, MR_DRAW_TEST, 0, 0);
    for (int i = 0; i < ROUNDS; i++) {
        mr_convolution g = {.n = 2,
                            .ih = between(&p, 1, 12),
                            .iw = between(&p, 1, 12),
                            .kh = between(&p, 1, 4),
                            .kw = between(&p, 1, 4),
                            .sh = between(&p, 1, 3),
                            .sw = between(&p, 1, 3),
                            .cin = between(&p, 1, 20)};
        bool same = i % 2 || g.ih < g.kh || g.iw < g.kw;
        g.oh = (size_t)mr_conv_output_length((int64_t)g.ih, (int64_t)g.kh, g.sh, same, &g.top);
        g.ow = (size_t)mr_conv_output_length((int64_t)g.iw, (int64_t)g.kw, g.sw, same, &g.left);
        check_pooling("MaxPooling2D", &g, same, 5 + (uint64_t)i);
        check_pooling("AveragePooling2D", &g, same, 5 + (uint64_t)i);
    }
}

static void resampling(void **state)
{
    (void)state;
    mr_philox p;
    mr_philox_init(&p, 24, MR_DRAW_TEST, 0, 0);
    for (int i = 0; i < ROUNDS; i++) {
        mr_convolution g = {.n = 2,
                            .ih = between(&p, 1, 9),
                            .iw = between(&p, 1, 9),
                            .oh = between(&p, 1, 20),
                            .ow = between(&p, 1, 20),
                            .cin = between(&p, 1, 5)};
        mr_image_size in = {g.n, g.ih, g.iw, g.cin}, out = {g.n, g.oh, g.ow, g.cin};
        size_t count = g.n * g.oh * g.ow * g.cin;
        mr_real *x = drawn(1, (uint64_t)i, g.n * g.ih * g.iw * g.cin), *y = room(count * sizeof *y);
        double *should = room(count * sizeof *should);
        void *scratch = room(mr_resample_scratch(&out));
        mr_resample(three, MR_BILINEAR, x, &in, (mr_extent){0, in.h}, (mr_extent){0, in.w}, y, &out, scratch);
        reference_bilinear(&g, x, should);
        for (size_t k = 0; k < count; k++) /* places are rounded to float32 */
            assert_true(fabs((double)y[k] - should[k]) < 1e-5);
        free(x);
        free(y);
        free(should);
        free(scratch);
    }
}

/* The words drawn side by side are those of the plain generator. */
static void draws(void **state)
{
    (void)state;
    mr_call c = {.seed = 0x123456789abcdefull, .node = 77, .step = 123456789012ull};
    enum { BLOCKS = 37, FIRST = 5 };
    uint32_t words[4 * BLOCKS];
    mr_philox g;
    mr_draw_words(&c, FIRST, BLOCKS, words);
    mr_philox_init(&g, c.seed, MR_DRAW_DROPOUT, c.node, c.step);
    for (int i = 0; i < 4 * FIRST; i++)
        mr_philox_u32(&g);
    for (int i = 0; i < 4 * BLOCKS; i++)
        assert_int_equal(words[i], mr_philox_u32(&g));
    enum { NORMALS = 40000 };
    mr_real *normals = room(NORMALS * sizeof *normals);
    double sum = 0, squares = 0;
    mr_draw_normals(&c, 0, NORMALS / 4, normals);
    for (int i = 0; i < NORMALS; i++) {
        sum += (double)normals[i];
        squares += (double)normals[i] * (double)normals[i];
    }
    assert_true(fabs(sum / NORMALS) < 0.02);
    assert_true(fabs(squares / NORMALS - 1) < 0.03);
    free(normals);
}

static double worst_error(mr_real (*f)(mr_real), double (*exact)(double), double low, double high)
{
    double worst = 0;
    for (int i = 0; i <= 200000; i++) {
        mr_real x = (mr_real)(low + (high - low) * i / 200000);
        double should = exact((double)x), error = fabs((double)f(x) - should) / fabs(should);
        worst = should != 0 && error > worst ? error : worst;
    }
    return worst;
}

static mr_real exp_negative(mr_real x)
{
    return mr_exp_negative(x);
}
static mr_real hyperbolic_tangent(mr_real x)
{
    return mr_tanh(x);
}
static mr_real sigmoid(mr_real x)
{
    return mr_sigmoid(x);
}
static double exact_sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static void vector_functions(void **state)
{
    (void)state;
    assert_true(worst_error(exp_negative, exp, -87, 0) < 2.5e-7);
    assert_true(worst_error(hyperbolic_tangent, tanh, -12, 12) < 3e-7);
    assert_true(worst_error(hyperbolic_tangent, tanh, -0.7, 0.7) < 3e-7);
    assert_true(worst_error(sigmoid, exact_sigmoid, -80, 20) < 4e-7);
    assert_true(isnan(mr_exp_negative((mr_real)NAN)) && isnan(mr_tanh((mr_real)NAN)) &&
                isnan(mr_sigmoid((mr_real)NAN)));
    assert_true(mr_tanh(100) == 1 && mr_tanh(-(mr_real)INFINITY) == -1 && mr_sigmoid((mr_real)INFINITY) == 1);
    assert_true(mr_exp_negative(0) == 1 && mr_exp_negative(-1000) < 2e-38f);
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
        cmocka_unit_test(convolutions), cmocka_unit_test(wide_products),    cmocka_unit_test(depthwise),
        cmocka_unit_test(column_sums),  cmocka_unit_test(pooling),          cmocka_unit_test(resampling),
        cmocka_unit_test(draws),        cmocka_unit_test(vector_functions),
    };
    return cmocka_run_group_tests(tests, create_teams, destroy_teams);
}
