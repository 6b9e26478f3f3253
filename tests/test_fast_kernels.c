/* SPDX-License-Identifier: Apache-2.0 */
/* The fast kernels of every instruction set that this processor has, against plain loops, over many shapes.
 */
#include "tests/shared.h"

#include "nn/kernels/conv.h"
#include "nn/kernels/pool.h"
#include "nn/kernels/reference.h"
#include "nn/kernels/table.h"
#include "base/random.h"

#include <math.h>

static const struct mr_kernel_table *const tables[] = {
    &mr_table_portable,
#if defined __x86_64__
    &mr_table_avx2,
    &mr_table_avx512,
#endif
};
enum { TABLES = sizeof tables / sizeof *tables };

static mr_philox draws;

static float *numbers(size_t count)
{
    /* The floats behind the end are poison: a kernel that uses them spoils its result. */
    float *p = aligned_alloc(64, (count + 64) * sizeof *p / 64 * 64 + 64);
    for (size_t i = 0; i < count; i++)
        p[i] = (float)mr_philox_normal(&draws);
    for (size_t i = count; i < count + 64; i++)
        p[i] = NAN;
    return p;
}

static float *copy_of(const float *p, size_t count)
{
    float *q = aligned_alloc(64, (count * sizeof *q + 63) / 64 * 64 + 64);
    memcpy(q, p, count * sizeof *q);
    return q;
}

/* A sum of DEPTH products of unit size, in float: errors grow as its square root. */
static void assert_close(const float *got, const float *want, size_t count, size_t depth, const char *what)
{
    double limit = 4e-6 * sqrt((double)depth) + 4e-6;
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)got[i] - (double)want[i]) <= limit * (1 + fabs((double)want[i]))))
            fail_msg("%s[%zu]: %.9g, not %.9g", what, i, (double)got[i], (double)want[i]);
}

static void assert_sums(const double *got, const double *want, int count, double scale, const char *what)
{
    for (int i = 0; i < count; i++)
        if (!(fabs(got[i] - want[i]) <= 2e-5 * (scale + fabs(want[i]))))
            fail_msg("%s[%d]: %.9g, not %.9g", what, i, got[i], want[i]);
}

static mr_conv shape(int n, int h, int w, int c, int k, int kernel, int stride, bool same)
{
    mr_conv d = {.n = n,
                 .h = h,
                 .w = w,
                 .c = c,
                 .k = k,
                 .r = kernel,
                 .s = kernel,
                 .stride_h = stride,
                 .stride_w = stride,
                 .dilation_h = 1,
                 .dilation_w = 1};
    if (same) { /* TensorFlow's padding: what is odd goes to the end */
        d.p = (h + stride - 1) / stride;
        d.q = (w + stride - 1) / stride;
        int down = (d.p - 1) * stride + kernel - h, right = (d.q - 1) * stride + kernel - w;
        d.pad_top = down > 0 ? down / 2 : 0;
        d.pad_left = right > 0 ? right / 2 : 0;
    } else {
        d.p = (h - kernel) / stride + 1;
        d.q = (w - kernel) / stride + 1;
    }
    return d;
}

static mr_conv dilated(mr_conv d, int by, bool same)
{
    d.dilation_h = d.dilation_w = by;
    int extent = (d.r - 1) * by + 1;
    d.p = same ? d.h : d.h - extent + 1;
    d.q = same ? d.w : d.w - extent + 1;
    d.pad_top = d.pad_left = same ? extent / 2 : 0;
    return d;
}

struct sizes {
    size_t in, out, weights;
};

static struct sizes sizes_of(const mr_conv *d)
{
    return (struct sizes){(size_t)d->n * (size_t)d->h * (size_t)d->w * (size_t)d->c,
                          (size_t)d->n * (size_t)d->p * (size_t)d->q * (size_t)d->k,
                          (size_t)d->r * (size_t)d->s * (size_t)d->c * (size_t)d->k};
}

enum { AFFINE = 1, RELU6 = 2, BIAS = 4, ADD = 8, CLAMP = 16, SUMS = 32, ADD_IS_Y = 64 };

static void check_forward(const mr_conv *d, int options, mr_team *team)
{
    struct sizes z = sizes_of(d);
    float *x = numbers(z.in), *w = numbers(z.weights), *scale = numbers((size_t)d->c),
          *shift = numbers((size_t)d->c);
    float *bias = numbers((size_t)d->k), *add = numbers(z.out), *want = numbers(z.out), *got = numbers(z.out);
    double *sums = calloc(2 * (size_t)d->k, sizeof *sums),
           *want_sums = calloc(2 * (size_t)d->k, sizeof *sums);
    mr_conv_input in = {.x = mr_floats(x), .low = -INFINITY, .high = INFINITY};
    mr_conv_output out = {.y = mr_floats(want), .low = -INFINITY, .high = INFINITY};
    if (options & AFFINE) {
        in.scale = scale;
        in.shift = shift;
        in.low = 0;
    }
    if (options & RELU6)
        in.high = 0.75f, in.low = 0;
    if (options & BIAS)
        out.bias = bias;
    if (options & ADD)
        out.add = mr_floats(add);
    if (options & CLAMP)
        out.low = 0, out.high = 6;
    if (options & SUMS)
        out.sums = want_sums;
    if (options & ADD_IS_Y) {
        memcpy(want, add, z.out * sizeof *want);
        memcpy(got, add, z.out * sizeof *want);
        out.add = mr_floats(want);
    }
    mr_conv_reference_forward(d, &in, w, &out);
    float *packed = numbers(mr_conv_packed(d) / sizeof(float));
    void *scratch = numbers(mr_conv_scratch(d, mr_team_size(team)) / sizeof(float));
    mr_conv_pack(d, team, w, NULL, packed);
    out.y = mr_floats(got);
    out.sums = out.sums ? sums : NULL;
    out.add = options & ADD_IS_Y ? mr_floats(got) : out.add;
    mr_conv_forward(d, team, &in, packed, &out, scratch);
    size_t depth = (size_t)d->r * (size_t)d->s * (size_t)d->c;
    assert_close(got, want, z.out, depth, "y");
    if (out.sums)
        assert_sums(sums, want_sums, 2 * d->k, sqrt((double)depth * (double)z.out / d->k) + 1, "sums");
    free(x), free(w), free(scale), free(shift), free(bias), free(add), free(want), free(got);
    free(sums), free(want_sums), free(packed), free(scratch);
}

enum {
    NORM_BEHIND = 1,
    NORM_BEFORE = 2,
    ADD_DX = 4,
    ADD_DY = 8,
    STORE = 16,
    NO_DX = 32,
    NO_DW = 64,
    BIAS_GRADIENT = 128
};

static void check_backward(const mr_conv *d, int options, mr_team *team)
{
    struct sizes z = sizes_of(d);
    float *x = numbers(z.in), *w = numbers(z.weights), *y = numbers(z.out), *dy = numbers(z.out),
          *add = numbers(z.out);
    float *scale = numbers((size_t)d->c), *shift = numbers((size_t)d->c), *mean = numbers((size_t)d->c);
    float *a = numbers((size_t)d->k), *b = numbers((size_t)d->k), *c = numbers((size_t)d->k);
    float *dw = numbers(z.weights), *want_dw = copy_of(dw, z.weights);
    float *db = numbers((size_t)d->k), *want_db = copy_of(db, (size_t)d->k);
    float *dx = numbers(z.in), *want_dx = copy_of(dx, z.in), *store = numbers(z.out),
          *want_store = numbers(z.out);
    double *sums = calloc(2 * (size_t)d->c, sizeof *sums),
           *want_sums = calloc(2 * (size_t)d->c, sizeof *sums);
    mr_conv_input in = {.x = mr_floats(x), .low = -INFINITY, .high = INFINITY};
    mr_conv_gradient g = {.dy = mr_floats(dy)};
    mr_conv_input_gradient out = {.dx = mr_floats(want_dx), .low = -INFINITY, .high = INFINITY};
    if (options & NORM_BEHIND)
        g.x = mr_floats(y), g.a = a, g.b = b, g.c = c;
    if (options & ADD_DY)
        g.add = mr_floats(add);
    if (options & STORE)
        g.store = mr_floats(want_store);
    if (options & NORM_BEFORE) {
        in.scale = out.scale = scale;
        in.shift = out.shift = shift;
        in.low = out.low = 0;
        out.x = mr_floats(x);
        out.mean = mean;
        out.sums = want_sums;
    }
    if (options & ADD_DX)
        out.add = mr_floats(want_dx);
    mr_conv_reference_backward(d, &g, &in, w, options & NO_DW ? NULL : want_dw,
                               options & BIAS_GRADIENT ? want_db : NULL, options & NO_DX ? NULL : &out);
    float *packed = numbers(mr_conv_packed_backward(d) / sizeof(float));
    void *scratch = numbers(mr_conv_backward_scratch(d, mr_team_size(team)) / sizeof(float));
    mr_conv_pack_backward(d, team, w, packed);
    out.dx = mr_floats(dx);
    out.add = mr_floats(options & ADD_DX ? dx : NULL);
    out.sums = out.sums ? sums : NULL;
    g.store = mr_floats(options & STORE ? store : NULL);
    mr_conv_backward(d, team, &g, &in, packed, options & NO_DW ? NULL : dw,
                     options & BIAS_GRADIENT ? db : NULL, options & NO_DX ? NULL : &out, scratch);
    assert_close(dw, want_dw, z.weights, 16 * z.out / (size_t)d->k, "dw");
    assert_close(db, want_db, (size_t)d->k, 16 * z.out / (size_t)d->k, "db");
    assert_close(dx, want_dx, z.in, 16 * (size_t)d->r * (size_t)d->s * (size_t)d->k, "dx");
    if (options & STORE)
        assert_close(store, want_store, z.out, 1, "store");
    if (out.sums && !(options & NO_DX))
        assert_sums(sums, want_sums, 2 * d->c, 30 * sqrt((double)z.in), "dx sums");
    free(x), free(w), free(y), free(dy), free(add), free(scale), free(shift), free(mean), free(a), free(b),
        free(c);
    free(dw), free(want_dw), free(dx), free(want_dx), free(store), free(want_store), free(sums),
        free(want_sums);
    free(packed), free(scratch), free(db), free(want_db);
}

static mr_conv conv_shapes(int i)
{
    switch (i) {
    case 0:
        return shape(2, 8, 8, 16, 16, 3, 1, true);
    case 1:
        return shape(2, 9, 7, 64, 64, 3, 1, true);
    case 2:
        return shape(2, 8, 8, 32, 32, 3, 2, true); /* pad 0 in front, 1 behind */
    case 3:
        return shape(2, 9, 9, 17, 33, 3, 2, true);
    case 4:
        return shape(3, 5, 6, 64, 16, 1, 1, false);
    case 5:
        return shape(3, 8, 8, 16, 128, 1, 2, false);
    case 6:
        return shape(2, 9, 8, 24, 40, 1, 2, true);
    case 7:
        return shape(2, 12, 12, 3, 32, 5, 1, true); /* the tutorial's first */
    case 8:
        return shape(1, 23, 21, 3, 64, 7, 2, true); /* ResNet50's first */
    case 9:
        return shape(1, 10, 11, 5, 7, 4, 3, false);
    case 10:
        return dilated(shape(1, 11, 12, 8, 20, 3, 1, false), 2, true);
    case 11:
        return dilated(shape(2, 13, 12, 19, 3, 3, 1, false), 3, false);
    case 12:
        return shape(1, 4, 4, 3, 5, 7, 1, true); /* kernel larger than the image */
    case 13:
        return shape(1, 1, 1, 100, 48, 1, 1, true);
    case 14:
        return shape(2, 40, 40, 16, 16, 3, 1, true); /* several blocks of rows */
    case 15:
        return shape(1, 33, 30, 64, 80, 3, 2, true);
    case 16:
        return shape(4, 20, 20, 96, 24, 1, 1, true);
    case 17:
        return shape(3, 4, 4, 130, 100, 3, 1, true); /* several images in a block */
    case 18:
        return shape(2, 7, 9, 2, 1, 3, 4, true); /* stride beyond the kernel */
    case 19:
        return shape(1, 9, 3, 6, 18, 3, 2, false);
    default:
        return (mr_conv){0};
    }
}

static void forward_equals_reference(void **state)
{
    mr_team *team = *state;
    for (int t = 0; t < TABLES; t++) {
        if (!mr_kernels_use(tables[t]))
            continue;
        mr_conv d;
        for (int i = 0; (d = conv_shapes(i)).n; i++)
            for (int k = 0; k < 4; k++) {
                static const int options[] = {0, AFFINE | SUMS, BIAS | ADD | CLAMP, RELU6 | ADD_IS_Y | SUMS};
                check_forward(&d, options[k], team);
            }
    }
}

static void backward_equals_reference(void **state)
{
    mr_team *team = *state;
    for (int t = 0; t < TABLES; t++) {
        if (!mr_kernels_use(tables[t]))
            continue;
        mr_conv d;
        for (int i = 0; (d = conv_shapes(i)).n; i++) {
            bool plain = d.r == 1 && d.s == 1 && d.stride_h == 1;
            check_backward(&d, 0, team);
            check_backward(&d, NORM_BEHIND | NORM_BEFORE | BIAS_GRADIENT, team);
            check_backward(&d, NORM_BEFORE | ADD_DX | ADD_DY | (plain ? STORE : 0), team);
            check_backward(&d, NORM_BEHIND | NO_DX, team);
            check_backward(&d, NORM_BEHIND | NO_DW | ADD_DX | BIAS_GRADIENT, team);
        }
    }
}

static void check_pool(const mr_pool *p, bool norm, mr_team *team)
{
    const mr_conv *d = &p->window;
    struct sizes z = sizes_of(d);
    size_t c = (size_t)d->c;
    float *x = numbers(z.in), *scale = numbers(c), *shift = numbers(c), *mean = numbers(c),
          *dy = numbers(z.out);
    float *got = numbers(z.out), *want = numbers(z.out), *dx = numbers(z.in), *want_dx = copy_of(dx, z.in);
    float *a = numbers(c), *b = numbers(c), *shift_dy = numbers(c);
    double *sums = calloc(2 * c, sizeof *sums), *want_sums = calloc(2 * c, sizeof *sums);
    uint8_t *places = malloc(z.out);
    void *scratch = numbers(mr_pool_scratch(p, mr_team_size(team)) / sizeof(float));
    mr_conv_input in = {mr_floats(x), NULL, NULL, -INFINITY, INFINITY};
    if (norm)
        in = (mr_conv_input){mr_floats(x), scale, shift, 0, INFINITY};
    mr_pool_reference_forward(p, &in, want, want_sums);
    mr_pool_forward(p, team, &in, mr_floats(got), p->mean ? NULL : places, sums, scratch);
    assert_close(got, want, z.out, 1, "pooled");
    assert_sums(sums, want_sums, 2 * d->c, sqrt((double)z.out), "sums");
    mr_conv_gradient g = {.dy = mr_floats(dy), .x = mr_floats(got), .a = a, .b = b, .c = shift_dy};
    mr_conv_input_gradient out = {
        .dx = mr_floats(want_dx), .low = -INFINITY, .high = INFINITY, .add = mr_floats(norm ? want_dx : NULL)};
    if (norm) {
        out = (mr_conv_input_gradient){mr_floats(want_dx), mr_floats(want_dx), mr_floats(x), scale, shift, 0, INFINITY, mean, want_sums};
    }
    mr_pool_reference_backward(p, &g, &in, &out);
    out.dx = mr_floats(dx);
    out.add = mr_floats(norm ? dx : NULL);
    out.sums = norm ? sums : NULL;
    mr_pool_backward(p, team, &g, p->mean ? NULL : places, &out, scratch);
    assert_close(dx, want_dx, z.in, 4, "pooled dx");
    assert_sums(sums, want_sums, 2 * d->c, 30 * sqrt((double)z.in), "pooled dx sums");
    free(x), free(scale), free(shift), free(mean), free(dy), free(got), free(want), free(dx), free(want_dx);
    free(a), free(b), free(shift_dy), free(sums), free(want_sums), free(places), free(scratch);
}

static void pooling_equals_reference(void **state)
{
    for (int t = 0; t < TABLES; t++) {
        if (!mr_kernels_use(tables[t]))
            continue;
        for (int norm = 0; norm < 2; norm++)
            for (int c = 3; c <= 48; c += 15) {
                mr_pool p = {.window = shape(2, 12, 11, c, c, 3, 2, true), .zeros = norm};
                check_pool(&p, norm, *state);
                p = (mr_pool){.window = shape(3, 8, 8, c, c, 8, 8, false), .mean = true};
                check_pool(&p, norm, *state);
                p = (mr_pool){.window = shape(1, 9, 10, c, c, 3, 1, true), .mean = true, .zeros = true};
                check_pool(&p, norm, *state);
                p = (mr_pool){.window = shape(2, 7, 7, c, c, 2, 3, false)};
                check_pool(&p, norm, *state);
            }
    }
}

/* A NaN at (H, W) of channel 1 comes out of each window that holds it, and of no other. */
static void check_nan_at(const mr_conv *d, int h, int w, bool places, mr_team *team)
{
    mr_pool p = {.window = *d};
    struct sizes z = sizes_of(d);
    float *x = numbers(z.in), *y = numbers(z.out);
    uint8_t *place = malloc(z.out);
    void *scratch = numbers(mr_pool_scratch(&p, mr_team_size(team)) / sizeof(float));
    mr_conv_input in = {mr_floats(x), NULL, NULL, -INFINITY, INFINITY};
    x[(h * d->w + w) * d->c + 1] = NAN;
    mr_pool_forward(&p, team, &in, mr_floats(y), places ? place : NULL, NULL, scratch);
    for (int i = 0; i < d->p; i++)
        for (int j = 0; j < d->q; j++)
            for (int c = 0; c < d->c; c++) {
                int row = h - i * d->stride_h + d->pad_top, column = w - j * d->stride_w + d->pad_left;
                bool inside = row >= 0 && row < d->r && column >= 0 && column < d->s;
                size_t at = (size_t)((i * d->q + j) * d->c + c);
                assert_int_equal(!!isnan(y[at]), inside && c == 1);
                if (inside && c == 1 && places)
                    assert_int_equal(place[at], row * d->s + column);
            }
    free(x), free(y), free(place), free(scratch);
}

static void maxima_pass_nan_on(void **state)
{
    for (int t = 0; t < TABLES; t++) {
        if (!mr_kernels_use(tables[t]))
            continue;
        for (int c = 3; c <= 19; c += 16) {
            mr_conv same = shape(1, 7, 6, c, c, 3, 2, true), valid = shape(1, 7, 6, c, c, 2, 1, false);
            for (int i = 0; i < 7 * 6; i++) {
                check_nan_at(&same, i / 6, i % 6, i % 2, *state);
                check_nan_at(&valid, i / 6, i % 6, i % 3 == 0, *state);
            }
        }
    }
}

/* The bytes must not depend on the number of threads. */
static void same_bytes_for_any_team(void **state)
{
    (void)state;
    mr_conv d = shape(6, 24, 24, 16, 32, 3, 1, true);
    struct sizes z = sizes_of(&d);
    float *x = numbers(z.in), *w = numbers(z.weights), *dy = numbers(z.out), *y[2], *dw[2], *dx[2];
    float *scale = numbers(16), *shift = numbers(16);
    double sums[2][64];
    for (int i = 0; i < 2; i++) {
        mr_team *team;
        assert_int_equal(mr_team_create(&team, i ? 3 : 1, NULL), 0);
        y[i] = numbers(z.out), dw[i] = calloc(z.weights, sizeof(float)), dx[i] = numbers(z.in);
        float *packed = numbers(mr_conv_packed(&d) / 4), *back = numbers(mr_conv_packed_backward(&d) / 4);
        void *scratch = numbers(mr_conv_scratch(&d, 3) / 4),
             *more = numbers(mr_conv_backward_scratch(&d, 3) / 4);
        mr_conv_input in = {mr_floats(x), scale, shift, 0, INFINITY};
        mr_conv_output out = {.y = mr_floats(y[i]), .low = -INFINITY, .high = INFINITY, .sums = sums[i]};
        mr_conv_input_gradient g = {.dx = mr_floats(dx[i])};
        mr_conv_pack(&d, team, w, NULL, packed);
        mr_conv_pack_backward(&d, team, w, back);
        mr_conv_forward(&d, team, &in, packed, &out, scratch);
        mr_conv_backward(&d, team, &(mr_conv_gradient){.dy = mr_floats(dy)}, &in, back, dw[i], NULL, &g, more);
        mr_team_destroy(team);
        free(packed), free(back), free(scratch), free(more);
    }
    assert_memory_equal(y[0], y[1], z.out * sizeof(float));
    assert_memory_equal(dw[0], dw[1], z.weights * sizeof(float));
    assert_memory_equal(dx[0], dx[1], z.in * sizeof(float));
    assert_memory_equal(sums[0], sums[1], sizeof sums[0]);
    for (int i = 0; i < 2; i++)
        free(y[i]), free(dw[i]), free(dx[i]);
    free(x), free(w), free(dy), free(scale), free(shift);
}

static int start(void **state)
{
    mr_philox_init(&draws, 7, MR_DRAW_TEST, 0, 0);
    return mr_team_create((mr_team **)state, 2, NULL);
}

static int stop(void **state)
{
    mr_kernels_use(NULL);
    mr_team_destroy(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_equals_reference), cmocka_unit_test(backward_equals_reference),
        cmocka_unit_test(pooling_equals_reference), cmocka_unit_test(maxima_pass_nan_on),
        cmocka_unit_test(same_bytes_for_any_team),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
