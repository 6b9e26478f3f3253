/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels in mixed precision, of every instruction set that this processor has, against plain loops in
 * double precision on the same rounded numbers. */
#include "tests/shared.h"

#include "nn/kernels/reference.h"
#include "nn/kernels/table.h"
#include "base/random.h"

#include <math.h>

static const struct mr_mixed_table *const tables[] = {
    &mr_mixed_portable,
#if defined __x86_64__
    &mr_mixed_avx2,
    &mr_mixed_avx512,
    &mr_mixed_amx,
#endif
};
enum { TABLES = sizeof tables / sizeof *tables };

static mr_philox draws;

static float rounded(float f)
{
    return mr_from_bf16(mr_to_bf16(f));
}

/* Numbers that bf16 holds exactly. */
static float *numbers(size_t count)
{
    float *p = malloc((count + 1) * sizeof *p);
    for (size_t i = 0; i < count; i++)
        p[i] = rounded((float)mr_philox_normal(&draws));
    return p;
}

/* Factors with which scale*x + shift is exact in float. */
static float *factors(size_t count, bool scale)
{
    float *p = malloc((count + 1) * sizeof *p);
    for (size_t i = 0; i < count; i++) {
        double u = mr_philox_double(&draws);
        p[i] = scale ? (u < .3 ? -.5f : u < .6 ? 1 : 2) : (float)(floor(u * 16) - 8) / 8;
    }
    return p;
}

/* P as a tensor of its own; what lies behind its end is poison. */
static mr_numbers tensor(const float *p, size_t count, bool half)
{
    mr_numbers n = {aligned_alloc(64, (count * sizeof *p + 4096 + 63) / 64 * 64), half};
    memset(n.at, 0xff, count * sizeof *p + 4096);
    for (size_t i = 0; i < count; i++)
        if (half)
            ((mr_bf16 *)n.at)[i] = mr_to_bf16(p[i]);
        else
            ((float *)n.at)[i] = p[i];
    return n;
}

static float number(mr_numbers n, size_t i)
{
    return n.half ? mr_from_bf16(((mr_bf16 *)n.at)[i]) : ((float *)n.at)[i];
}

static void *scratch_of(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
    memset(p, 0xff, bytes); /* NaNs */
    return p;
}

/* Float noise of DEPTH products of unit size, and half a unit of bf16's last place where GOT is rounded. */
static void assert_close(mr_numbers got, const float *want, size_t count, size_t depth, const char *what)
{
    double noise = 4e-6 * sqrt((double)depth) + 4e-6, place = got.half ? 1.0 / 256 : 0;
    for (size_t i = 0; i < count; i++) {
        double g = (double)number(got, i), w = (double)want[i];
        if (!(fabs(g - w) <= noise * (1 + fabs(w)) + place * fabs(w)))
            fail_msg("%s[%zu]: %.9g, not %.9g (%s)", what, i, g, w, mr_mixed_kernels()->isa.name);
    }
}

static void assert_sums(const double *got, mr_numbers y, size_t count, int c)
{
    for (int k = 0; k < c; k++) {
        double sum = 0, squares = 0, size = 1;
        for (size_t i = (size_t)k; i < count; i += (size_t)c) {
            double v = (double)number(y, i);
            sum += v;
            squares += v * v;
            size += fabs(v);
        }
        if (!(fabs(got[k] - sum) <= 1e-5 * size) || !(fabs(got[c + k] - squares) <= 1e-5 * (1 + squares)))
            fail_msg("sums of channel %d: %g, %g, not %g, %g", k, got[k], got[c + k], sum, squares);
    }
}

static mr_conv shape(int n, int h, int w, int c, int k, int kernel, int stride, bool same, int dilation)
{
    mr_conv d = {n, h, w, c, 0, 0, k, kernel, kernel, stride, stride, dilation, dilation, 0, 0, true};
    int extent = (kernel - 1) * dilation + 1;
    d.p = same ? (h + stride - 1) / stride : (h - extent) / stride + 1;
    d.q = same ? (w + stride - 1) / stride : (w - extent) / stride + 1;
    int down = (d.p - 1) * stride + extent - h, right = (d.q - 1) * stride + extent - w;
    d.pad_top = same && down > 0 ? down / 2 : 0;
    d.pad_left = same && right > 0 ? right / 2 : 0;
    return d;
}

static mr_conv conv_shape(int i)
{
    switch (i) {
    case 0:
        return shape(2, 8, 8, 16, 16, 3, 1, true, 1);
    case 1:
        return shape(2, 9, 7, 64, 64, 3, 1, true, 1);
    case 2:
        return shape(2, 8, 8, 32, 32, 3, 2, true, 1);
    case 3:
        return shape(2, 9, 9, 17, 33, 3, 2, true, 1);
    case 4:
        return shape(3, 5, 6, 64, 16, 1, 1, false, 1);
    case 5:
        return shape(3, 8, 8, 16, 128, 1, 2, false, 1);
    case 6:
        return shape(2, 9, 8, 24, 40, 1, 2, true, 1);
    case 7:
        return shape(2, 12, 12, 3, 32, 5, 1, true, 1); /* the tutorial's first */
    case 8:
        return shape(1, 23, 21, 3, 64, 7, 2, true, 1); /* ResNet50's first */
    case 9:
        return shape(1, 10, 11, 5, 7, 4, 3, false, 1);
    case 10:
        return shape(1, 11, 12, 8, 20, 3, 1, true, 2);
    case 11:
        return shape(2, 13, 12, 19, 3, 3, 1, false, 3);
    case 12:
        return shape(1, 4, 4, 3, 5, 7, 1, true, 1); /* kernel larger than the image */
    case 13:
        return shape(1, 1, 1, 100, 48, 1, 1, true, 1);
    case 14:
        return shape(2, 40, 40, 16, 16, 3, 1, true, 1); /* several blocks of rows */
    case 15:
        return shape(1, 33, 30, 64, 80, 3, 2, true, 1);
    case 16:
        return shape(4, 20, 20, 96, 24, 1, 1, true, 1); /* read in place */
    case 17:
        return shape(3, 4, 4, 130, 100, 3, 1, true, 1); /* several images in a block */
    case 18:
        return shape(2, 7, 9, 2, 1, 3, 4, true, 1); /* stride beyond the kernel */
    case 19:
        return shape(1, 9, 3, 6, 18, 3, 2, false, 1);
    case 20:
        return shape(2, 22, 22, 64, 64, 1, 1, true, 1);
    case 21:
        return shape(1, 14, 14, 256, 256, 3, 1, true, 1); /* large weights */
    default:
        return (mr_conv){0};
    }
}

struct sizes {
    size_t in, out, weights, depth;
};

/* The reference takes minutes under a sanitizer where it has many products to make: those shapes are for plain builds. */
static bool too_slow(const mr_conv *d)
{
#ifdef MR_SANITIZED
    return (double)d->n * d->p * d->q * d->k * d->c * d->r * d->s > 1e6;
#else
    (void)d;
    return false;
#endif
}

static struct sizes sizes_of(const mr_conv *d)
{
    size_t depth = (size_t)d->r * (size_t)d->s * (size_t)d->c;
    return (struct sizes){(size_t)d->n * (size_t)d->h * (size_t)d->w * (size_t)d->c,
                          (size_t)d->n * (size_t)d->p * (size_t)d->q * (size_t)d->k, depth * (size_t)d->k,
                          depth};
}

enum { AFFINE = 1, RELU6 = 2, BIAS = 4, ADD = 8, CLAMP = 16, SUMS = 32, ADD_IS_Y = 64, HALF_X = 128, HALF_Y = 256 };

/* X as a product reads it. */
static float *read_through(const float *x, size_t count, int c, const mr_conv_input *in)
{
    float *y = malloc((count + 1) * sizeof *y);
    for (size_t i = 0; i < count; i++) {
        float v = in->scale ? x[i] * in->scale[i % (size_t)c] + in->shift[i % (size_t)c] : x[i];
        y[i] = rounded(v < in->low ? in->low : v > in->high ? in->high : v);
    }
    return y;
}

static void check_forward(const mr_conv *d, int options, mr_team *team)
{
    struct sizes z = sizes_of(d);
    bool half = options & HALF_Y;
    float *x = numbers(z.in), *w = numbers(z.weights), *scale = factors((size_t)d->c, true),
          *shift = factors((size_t)d->c, false);
    float *bias = numbers((size_t)d->k), *add = numbers(z.out), *want = numbers(z.out);
    double *sums = calloc(2 * (size_t)d->k, sizeof *sums);
    mr_numbers x_tensor = tensor(x, z.in, options & HALF_X), y = tensor(add, z.out, half),
               more = tensor(add, z.out, half);
    mr_conv_input in = {.x = x_tensor, .low = -INFINITY, .high = INFINITY};
    mr_conv_output out = {.y = y, .low = -INFINITY, .high = INFINITY};
    if (options & AFFINE)
        in.scale = scale, in.shift = shift, in.low = 0;
    if (options & RELU6)
        in.high = 0.75f, in.low = 0;
    out.bias = options & BIAS ? bias : NULL;
    out.add = options & ADD ? more : options & ADD_IS_Y ? y : out.add;
    if (options & CLAMP)
        out.low = 0, out.high = 6;
    out.sums = options & SUMS ? sums : NULL;
    float *read = read_through(x, z.in, d->c, &in);
    mr_conv_input plain = {.x = mr_floats(read), .low = -INFINITY, .high = INFINITY};
    mr_conv_output expected = {.y = mr_floats(want),
                               .bias = out.bias,
                               .add = mr_floats(options & (ADD | ADD_IS_Y) ? add : NULL),
                               .low = out.low,
                               .high = out.high};
    mr_conv_reference_forward(d, &plain, w, &expected);
    void *packed = scratch_of(mr_conv_packed(d));
    void *scratch = scratch_of(mr_conv_scratch(d, mr_team_size(team)));
    mr_conv_pack(d, team, w, NULL, packed);
    mr_conv_forward(d, team, &in, packed, &out, scratch);
    assert_close(y, want, z.out, z.depth, "y");
    if (out.sums)
        assert_sums(sums, y, z.out, d->k);
    free(x), free(w), free(scale), free(shift), free(bias), free(add), free(want), free(sums), free(read);
    free(x_tensor.at), free(y.at), free(more.at), free(packed), free(scratch);
}

static void forward_equals_reference(void **state)
{
    static const int options[] = {HALF_X, AFFINE | SUMS | HALF_X | HALF_Y, BIAS | ADD | CLAMP | HALF_Y,
                                  RELU6 | ADD_IS_Y | SUMS | HALF_Y | HALF_X, AFFINE | ADD | SUMS,
                                  HALF_X | HALF_Y | BIAS};
    for (int t = 0; t < TABLES; t++) {
        if (!mr_mixed_kernels_use(tables[t]))
            continue;
        mr_conv d;
        for (int i = 0; (d = conv_shape(i)).n; i++)
            for (size_t k = 0; k < sizeof options / sizeof *options; k++)
                if (!too_slow(&d) && (t > 1 || k < 3 || i == 3)) /* the plain ones are slow */
                    check_forward(&d, options[k], *state);
    }
}

enum { NORM_BEHIND = 1, NORM_BEFORE = 2, ADD_DX = 4, ADD_DY = 8, STORE = 16, NO_DX = 32, NO_DW = 64, BIAS_GRADIENT = 128,
       HALF = 256 };

/* The gradient by the output as a product reads it. */
static float *gradient_as_read(const float *dy, const float *x, const float *add, const mr_conv_gradient *g,
                               size_t count, int k)
{
    float *out = malloc((count + 1) * sizeof *out);
    for (size_t i = 0; i < count; i++) {
        size_t c = i % (size_t)k;
        out[i] = rounded((g->a ? g->a[c] * dy[i] + (g->b[c] * x[i] + g->c[c]) : dy[i]) + (g->add.at ? add[i] : 0));
    }
    return out;
}

static void check_dx_sums(const double *got, const double *want, int count, size_t numbers)
{
    for (int i = 0; i < count; i++)
        if (!(fabs(got[i] - want[i]) <= 2e-5 * (30 * sqrt((double)numbers) + fabs(want[i]))))
            fail_msg("dx sums[%d]: %.9g, not %.9g", i, got[i], want[i]);
}

/* A normalisation and a ReLU in front of the convolution, for the kernel and for the reference. */
static void normalise_before(mr_conv_input *in, mr_conv_input_gradient *out, mr_conv_input_gradient *want,
                             const float *scale, const float *shift)
{
    in->scale = out->scale = want->scale = scale;
    in->shift = out->shift = want->shift = shift;
    in->low = out->low = want->low = 0;
}

static void check_backward(const mr_conv *d, int options, mr_team *team)
{
    struct sizes z = sizes_of(d);
    size_t c = (size_t)d->c, k = (size_t)d->k;
    bool half = options & HALF;
    float *x = numbers(z.in), *w = numbers(z.weights), *y = numbers(z.out), *dy = numbers(z.out),
          *add = numbers(z.out), *old_dx = numbers(z.in);
    float *scale = factors(c, true), *shift = factors(c, false), *mean = factors(c, false);
    float *factor[3] = {factors(k, true), factors(k, true), factors(k, false)};
    float *dw[2] = {calloc(z.weights, sizeof(float)), calloc(z.weights, sizeof(float))};
    float *db[2] = {calloc(k, sizeof(float)), calloc(k, sizeof(float))};
    double *sums[2] = {calloc(2 * c, sizeof(double)), calloc(2 * c, sizeof(double))};
    mr_numbers t[] = {tensor(x, z.in, half),    tensor(y, z.out, half),     tensor(dy, z.out, half),
                      tensor(add, z.out, half), tensor(old_dx, z.in, half), tensor(dy, z.out, half)};
    mr_conv_input in = {.x = t[0], .low = -INFINITY, .high = INFINITY};
    mr_conv_gradient g = {.dy = t[2]};
    mr_conv_input_gradient out = {.dx = t[4], .low = -INFINITY, .high = INFINITY};
    mr_conv_input_gradient want = {.dx = mr_floats(old_dx), .low = -INFINITY, .high = INFINITY};
    if (options & NORM_BEHIND)
        g.x = t[1], g.a = factor[0], g.b = factor[1], g.c = factor[2];
    if (options & ADD_DY)
        g.add = t[3];
    if (options & STORE)
        g.store = t[5];
    if (options & NORM_BEFORE) {
        normalise_before(&in, &out, &want, scale, shift);
        out.x = t[0], want.x = mr_floats(x);
        out.mean = want.mean = mean;
        out.sums = sums[0], want.sums = sums[1];
    }
    if (options & ADD_DX)
        out.add = t[4], want.add = mr_floats(old_dx);
    bool no_dx = options & NO_DX, no_dw = options & NO_DW, bias = options & BIAS_GRADIENT;
    float *read = read_through(x, z.in, d->c, &in), *whole = gradient_as_read(dy, y, add, &g, z.out, d->k);
    mr_conv_input plain = {.x = mr_floats(read), .low = -INFINITY, .high = INFINITY};
    mr_conv_gradient plain_g = {.dy = mr_floats(whole)};
    mr_conv_reference_backward(d, &plain_g, &plain, w, no_dw ? NULL : dw[1], bias ? db[1] : NULL,
                               no_dx ? NULL : &want);
    void *packed = scratch_of(mr_conv_packed_backward(d));
    void *scratch = scratch_of(mr_conv_backward_scratch(d, mr_team_size(team)));
    mr_conv_pack_backward(d, team, w, packed);
    mr_conv_backward(d, team, &g, &in, packed, no_dw ? NULL : dw[0], bias ? db[0] : NULL, no_dx ? NULL : &out,
                      scratch);
    assert_close((mr_numbers){dw[0], false}, dw[1], z.weights, 16 * z.out / k, "dw");
    assert_close((mr_numbers){db[0], false}, db[1], k, 16 * z.out / k, "db");
    if (!no_dx)
        assert_close(t[4], old_dx, z.in, 16 * (size_t)d->r * (size_t)d->s * k, "dx");
    if (options & STORE)
        assert_close(t[5], whole, z.out, 1, "store");
    if (out.sums && !no_dx)
        check_dx_sums(sums[0], sums[1], 2 * d->c, z.in);
    free(x), free(w), free(y), free(dy), free(add), free(old_dx), free(scale), free(shift), free(mean);
    for (int i = 0; i < 2; i++)
        free(dw[i]), free(db[i]), free(sums[i]);
    for (int i = 0; i < 3; i++)
        free(factor[i]);
    for (int i = 0; i < 6; i++)
        free(t[i].at);
    free(read), free(whole), free(packed), free(scratch);
}

static void backward_equals_reference(void **state)
{
    for (int t = 0; t < TABLES; t++) {
        if (!mr_mixed_kernels_use(tables[t]))
            continue;
        mr_conv d;
        for (int i = 0; (d = conv_shape(i)).n; i++) {
            bool plain = d.r == 1 && d.s == 1 && d.stride_h == 1;
            if ((t < 2 && i > 12) || too_slow(&d))
                continue; /* the plain ones are slow */
            check_backward(&d, HALF, *state);
            check_backward(&d, NORM_BEHIND | NORM_BEFORE | BIAS_GRADIENT | HALF, *state);
            check_backward(&d, NORM_BEFORE | ADD_DX | ADD_DY | HALF | (plain ? STORE : 0), *state);
            check_backward(&d, NORM_BEHIND | NO_DX, *state);
            check_backward(&d, NORM_BEHIND | NO_DW | ADD_DX | BIAS_GRADIENT, *state);
        }
    }
}

/* The bytes must not depend on the number of threads. */
static void same_bytes_for_any_team(void **state)
{
    (void)state;
    mr_conv d = shape(6, 24, 24, 16, 32, 3, 1, true, 1);
    struct sizes z = sizes_of(&d);
    float *x = numbers(z.in), *w = numbers(z.weights), *dy = numbers(z.out), *dw[2];
    float *scale = factors(16, true), *shift = factors(16, false);
    mr_numbers y[2], dx[2], x_tensor = tensor(x, z.in, true), dy_tensor = tensor(dy, z.out, true);
    double sums[2][64];
    for (int i = 0; i < 2; i++) {
        mr_team *team;
        assert_int_equal(mr_team_create(&team, i ? 3 : 1, NULL), 0);
        y[i] = tensor(dy, z.out, true), dx[i] = tensor(x, z.in, true), dw[i] = calloc(z.weights, sizeof(float));
        void *packed = scratch_of(mr_conv_packed(&d)), *back = scratch_of(mr_conv_packed_backward(&d));
        void *scratch = scratch_of(mr_conv_scratch(&d, 3)), *more = scratch_of(mr_conv_backward_scratch(&d, 3));
        mr_conv_input in = {x_tensor, scale, shift, 0, INFINITY};
        mr_conv_output out = {.y = y[i], .low = -INFINITY, .high = INFINITY, .sums = sums[i]};
        mr_conv_input_gradient g = {.dx = dx[i]};
        mr_conv_pack(&d, team, w, NULL, packed);
        mr_conv_pack_backward(&d, team, w, back);
        mr_conv_forward(&d, team, &in, packed, &out, scratch);
        mr_conv_backward(&d, team, &(mr_conv_gradient){.dy = dy_tensor}, &in, back, dw[i], NULL, &g, more);
        mr_team_destroy(team);
        free(packed), free(back), free(scratch), free(more);
    }
    assert_memory_equal(y[0].at, y[1].at, z.out * sizeof(mr_bf16));
    assert_memory_equal(dw[0], dw[1], z.weights * sizeof(float));
    assert_memory_equal(dx[0].at, dx[1].at, z.in * sizeof(mr_bf16));
    assert_memory_equal(sums[0], sums[1], sizeof sums[0]);
    for (int i = 0; i < 2; i++)
        free(y[i].at), free(dw[i]), free(dx[i].at);
    free(x), free(w), free(dy), free(scale), free(shift), free(x_tensor.at), free(dy_tensor.at);
}

static void check_pool_backward(const mr_pool *p, const mr_conv_input *in, const mr_conv_input *plain,
                                const uint8_t *places, mr_team *team, void *scratch)
{
    struct sizes z = sizes_of(&p->window);
    size_t c = (size_t)p->window.c;
    float *dy = numbers(z.out), *dx = numbers(z.in), *mean = factors(c, false);
    double *sums = calloc(2 * c, sizeof *sums), *want_sums = calloc(2 * c, sizeof *sums);
    mr_numbers dy_tensor = tensor(dy, z.out, true), dx_tensor = tensor(dx, z.in, true);
    mr_conv_gradient g = {.dy = dy_tensor};
    mr_conv_gradient plain_g = {.dy = mr_floats(dy)};
    mr_conv_input_gradient out = {.dx = dx_tensor, .add = dx_tensor, .low = -INFINITY, .high = INFINITY};
    mr_conv_input_gradient want = {.dx = mr_floats(dx), .add = mr_floats(dx), .low = -INFINITY, .high = INFINITY};
    if (in->scale) {
        out = (mr_conv_input_gradient){dx_tensor, dx_tensor, in->x, in->scale, in->shift, 0, INFINITY, mean, sums};
        want = (mr_conv_input_gradient){mr_floats(dx), mr_floats(dx), plain->x, in->scale, in->shift, 0, INFINITY, mean, want_sums};
    }
    mr_pool_reference_backward(p, &plain_g, plain, &want);
    mr_pool_backward(p, team, &g, p->mean ? NULL : places, &out, scratch);
    assert_close(dx_tensor, dx, z.in, 4, "pooled dx");
    check_dx_sums(sums, want_sums, 2 * (int)c, z.in);
    free(dy), free(dx), free(mean), free(sums), free(want_sums), free(dy_tensor.at), free(dx_tensor.at);
}

static void check_pool(const mr_pool *p, bool norm, mr_team *team)
{
    const mr_conv *d = &p->window;
    struct sizes z = sizes_of(d);
    size_t c = (size_t)d->c;
    float *x = numbers(z.in), *scale = factors(c, true), *shift = factors(c, false), *want = numbers(z.out);
    double *sums = calloc(2 * c, sizeof *sums), *unused = calloc(2 * c, sizeof *sums);
    mr_numbers x_tensor = tensor(x, z.in, true), y = tensor(want, z.out, norm);
    void *scratch = scratch_of(mr_pool_scratch(p, mr_team_size(team)));
    mr_conv_input in = {.x = x_tensor, .low = -INFINITY, .high = INFINITY};
    mr_conv_input plain = {mr_floats(x), NULL, NULL, -INFINITY, INFINITY};
    if (norm) {
        in = (mr_conv_input){x_tensor, scale, shift, 0, INFINITY};
        plain = (mr_conv_input){mr_floats(x), scale, shift, 0, INFINITY};
    }
    mr_pool_reference_forward(p, &plain, want, unused);
    uint8_t *places = malloc(z.out);
    mr_pool_forward(p, team, &in, y, p->mean ? NULL : places, sums, scratch);
    assert_close(y, want, z.out, 1, "pooled");
    assert_sums(sums, y, z.out, d->c);
    check_pool_backward(p, &in, &plain, places, team, scratch);
    free(places);
    free(x), free(scale), free(shift), free(want), free(sums), free(unused), free(x_tensor.at), free(y.at),
        free(scratch);
}

static void pooling_equals_reference(void **state)
{
    for (int t = 0; t < TABLES; t++) {
        if (!mr_mixed_kernels_use(tables[t]))
            continue;
        for (int norm = 0; norm < 2; norm++)
            for (int c = 3; c <= 48; c += 15) {
                mr_pool p = {.window = shape(2, 12, 11, c, c, 3, 2, true, 1), .zeros = norm};
                check_pool(&p, norm, *state);
                p = (mr_pool){.window = shape(3, 8, 8, c, c, 8, 8, false, 1), .mean = true};
                check_pool(&p, norm, *state);
                p = (mr_pool){.window = shape(2, 7, 7, c, c, 2, 3, false, 1)};
                check_pool(&p, norm, *state);
            }
    }
}

static void rounds_to_nearest_even(void **state)
{
    (void)state;
    assert_int_equal(mr_to_bf16(1.0f), 0x3f80);
    assert_int_equal(mr_to_bf16(1.00390625f), 0x3f80); /* a tie: to even */
    assert_int_equal(mr_to_bf16(1.01171875f), 0x3f82);
    assert_int_equal(mr_to_bf16(-INFINITY), 0xff80);
    assert_int_equal(mr_to_bf16(3.4e38f), 0x7f80); /* beyond the largest */
    assert_true(isnan(mr_from_bf16(mr_to_bf16(NAN))));
}

static int start(void **state)
{
    mr_philox_init(&draws, 7, MR_DRAW_TEST, 0, 0);
    return mr_team_create((mr_team **)state, 2, NULL);
}

static int stop(void **state)
{
    mr_mixed_kernels_use(NULL);
    mr_team_destroy(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounds_to_nearest_even),
        cmocka_unit_test(forward_equals_reference),
        cmocka_unit_test(backward_equals_reference),
        cmocka_unit_test(pooling_equals_reference),
        cmocka_unit_test(same_bytes_for_any_team),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
