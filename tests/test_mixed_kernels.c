/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels in mixed precision, of every instruction set that this processor has, against plain loops in
 * double precision on the same rounded numbers. */
#include "tests/shared.h"

#include "nn/kernels/mixed.h"
#include "nn/kernels/mixed_table.h"
#include "nn/kernels/reference.h"
#include "nn/random.h"

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
            fail_msg("%s[%zu]: %.9g, not %.9g (%s)", what, i, g, w, mr_mixed_kernels()->name);
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
    mr_conv d = {n, h, w, c, 0, 0, k, kernel, kernel, stride, stride, dilation, dilation, 0, 0};
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

static struct sizes sizes_of(const mr_conv *d)
{
    size_t depth = (size_t)d->r * (size_t)d->s * (size_t)d->c;
    return (struct sizes){(size_t)d->n * (size_t)d->h * (size_t)d->w * (size_t)d->c,
                          (size_t)d->n * (size_t)d->p * (size_t)d->q * (size_t)d->k, depth * (size_t)d->k,
                          depth};
}

enum { AFFINE = 1, RELU6 = 2, BIAS = 4, ADD = 8, CLAMP = 16, SUMS = 32, ADD_IS_Y = 64, HALF_X = 128, HALF_Y = 256 };

/* X as a product reads it. */
static float *read_through(const float *x, size_t count, int c, const mr_mixed_input *in)
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
    mr_mixed_input in = {.x = x_tensor, .low = -INFINITY, .high = INFINITY};
    mr_mixed_output out = {.y = y, .low = -INFINITY, .high = INFINITY};
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
    mr_conv_input plain = {.x = read, .low = -INFINITY, .high = INFINITY};
    mr_conv_output expected = {.y = want,
                               .bias = out.bias,
                               .add = options & (ADD | ADD_IS_Y) ? add : NULL,
                               .low = out.low,
                               .high = out.high};
    mr_conv_reference_forward(d, &plain, w, &expected);
    mr_bf16 *packed = scratch_of(mr_mixed_packed(d) * sizeof *packed);
    void *scratch = scratch_of(mr_mixed_scratch(d, mr_team_size(team)));
    mr_mixed_pack(d, w, NULL, packed);
    mr_mixed_forward(d, team, &in, packed, &out, scratch);
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
                if (t > 1 || k < 3 || i == 3) /* the plain ones are slow */
                    check_forward(&d, options[k], *state);
    }
}

static void check_pool(const mr_pool *p, bool norm, mr_team *team)
{
    const mr_conv *d = &p->window;
    struct sizes z = sizes_of(d);
    size_t c = (size_t)d->c;
    float *x = numbers(z.in), *scale = factors(c, true), *shift = factors(c, false), *want = numbers(z.out);
    double *sums = calloc(2 * c, sizeof *sums), *unused = calloc(2 * c, sizeof *sums);
    mr_numbers x_tensor = tensor(x, z.in, true), y = tensor(want, z.out, norm);
    void *scratch = scratch_of(mr_mixed_pool_scratch(p, mr_team_size(team)));
    mr_mixed_input in = {.x = x_tensor, .low = -INFINITY, .high = INFINITY};
    mr_conv_input plain = {x, NULL, NULL, -INFINITY, INFINITY};
    if (norm) {
        in = (mr_mixed_input){x_tensor, scale, shift, 0, INFINITY};
        plain = (mr_conv_input){x, scale, shift, 0, INFINITY};
    }
    mr_pool_reference_forward(p, &plain, want, unused);
    mr_mixed_pool_forward(p, team, &in, y, NULL, sums, scratch);
    assert_close(y, want, z.out, 1, "pooled");
    assert_sums(sums, y, z.out, d->c);
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
        cmocka_unit_test(pooling_equals_reference),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
