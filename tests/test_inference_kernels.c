/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels that inference alone uses, of every instruction set that this processor has, against plain
 * loops. */
#include "tests/shared.h"

#include "nn/kernels/depthwise.h"
#include "nn/kernels/reference.h"
#include "nn/kernels/table.h"
#include "nn/kernels/winograd.h"
#include "base/random.h"

#include <math.h>

static const struct mr_kernel_table *const tables[] = {
    &mr_table_portable,
#if defined __x86_64__
    &mr_table_avx2,
    &mr_table_avx512,
#endif
};
enum { TABLES = sizeof tables / sizeof *tables, OPTIONS = 8 };

static mr_philox draws;

static float *numbers(size_t count)
{
    float *p = malloc(count * sizeof *p);
    for (size_t i = 0; i < count; i++)
        p[i] = (float)mr_philox_normal(&draws);
    return p;
}

static void assert_close(const float *got, const float *want, size_t count, double limit)
{
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)got[i] - (double)want[i]) <= limit * (1 + fabs((double)want[i]))))
            fail_msg("[%zu]: %.9g, not %.9g", i, (double)got[i], (double)want[i]);
}

/* OPTIONS: 1 normalisation in front, 2 bias, 4 residual and activation. */
struct problem {
    mr_conv d;
    mr_conv_input in;
    mr_conv_output out;
    size_t inputs, outputs;
    float *x, *factors, *bias, *add, *want;
};

static void set_up(struct problem *p, const mr_conv *d, int options)
{
    *p = (struct problem){.d = *d};
    p->inputs = (size_t)d->n * (size_t)d->h * (size_t)d->w * (size_t)d->c;
    p->outputs = (size_t)d->n * (size_t)d->p * (size_t)d->q * (size_t)d->k;
    p->x = numbers(p->inputs);
    p->factors = numbers(2 * (size_t)d->c);
    p->bias = numbers((size_t)d->k);
    p->add = numbers(p->outputs);
    p->want = numbers(p->outputs);
    p->in = (mr_conv_input){.x = mr_floats(p->x), .low = -INFINITY, .high = INFINITY};
    if (options & 1)
        p->in = (mr_conv_input){mr_floats(p->x), p->factors, p->factors + d->c, 0, 6};
    p->out = (mr_conv_output){.y = mr_floats(p->want), .low = -INFINITY, .high = INFINITY};
    if (options & 2)
        p->out.bias = p->bias;
    if (options & 4) {
        p->out.add = mr_floats(p->add);
        p->out.low = 0;
    }
}

static void tear_down(struct problem *p)
{
    free(p->x), free(p->factors), free(p->bias), free(p->add), free(p->want);
}

static mr_conv shape(int n, int h, int w, int c, int k, int kernel, int stride, int dilation)
{
    int reach = (kernel - 1) * dilation, p = (h + stride - 1) / stride, q = (w + stride - 1) / stride;
    return (mr_conv){n,      h,      w,      c,        p,        q,         k,        kernel,
                     kernel, stride, stride, dilation, dilation, reach / 2, reach / 2, false};
}

static void check_depthwise(const mr_conv *d, int options, mr_team *team)
{
    struct problem p;
    set_up(&p, d, options);
    size_t taps = (size_t)d->r * (size_t)d->s, c = (size_t)d->c;
    float *w = numbers(taps * c), *full = calloc(taps * c * c, sizeof *full), *got = numbers(p.outputs);
    for (size_t t = 0; t < taps; t++)
        for (size_t i = 0; i < c; i++)
            full[(t * c + i) * c + i] = w[t * c + i];
    mr_conv_reference_forward(d, &p.in, full, &p.out);
    size_t bytes = mr_depthwise_scratch(d, mr_team_size(team));
    void *scratch = aligned_alloc(64, (bytes + 127) / 64 * 64);
    p.out.y = mr_floats(got);
    mr_depthwise_run(d, team, &p.in, w, NULL, NULL, &p.out, scratch);
    assert_close(got, p.want, p.outputs, 1e-5);
    free(w), free(full), free(got), free(scratch);
    tear_down(&p);
}

static void depthwise_equals_reference(void **state)
{
    const mr_conv shapes[] = {shape(2, 9, 12, 16, 16, 3, 1, 1),  shape(1, 12, 9, 37, 37, 3, 2, 1),
                              shape(1, 7, 7, 5, 5, 3, 1, 1),     shape(1, 2, 2, 20, 20, 3, 1, 1),
                              shape(1, 1, 1, 16, 16, 3, 2, 1),   shape(2, 11, 10, 18, 18, 5, 1, 1),
                              shape(1, 10, 11, 16, 16, 3, 1, 2), shape(1, 13, 8, 33, 33, 2, 3, 1)};
    for (int t = 0; t < TABLES; t++)
        for (size_t i = 0; mr_kernels_use(tables[t]) && i < sizeof shapes / sizeof *shapes; i++)
            for (int options = 0; options < OPTIONS; options++)
                check_depthwise(&shapes[i], options, *state);
}

static void check_winograd(const mr_conv *d, int options, mr_team *team)
{
    struct problem p;
    set_up(&p, d, options);
    float *w = numbers(9 * (size_t)d->c * (size_t)d->k), *got = numbers(p.outputs);
    void *packed = aligned_alloc(64, (mr_winograd_packed(d) + 127) / 64 * 64);
    void *scratch = aligned_alloc(64, (mr_winograd_scratch(d, mr_team_size(team)) + 127) / 64 * 64);
    mr_conv_reference_forward(d, &p.in, w, &p.out);
    p.out.y = mr_floats(got);
    mr_winograd_pack(d, team, w, NULL, packed);
    mr_winograd_run(d, team, &p.in, packed, &p.out, scratch);
    assert_close(got, p.want, p.outputs, 1e-6 * sqrt(9. * d->c));
    free(w), free(got), free(packed), free(scratch);
    tear_down(&p);
}

static void winograd_equals_reference(void **state)
{
    const mr_conv shapes[] = {shape(2, 7, 7, 64, 64, 3, 1, 1), shape(1, 14, 13, 80, 70, 3, 1, 1),
                              shape(1, 24, 25, 64, 128, 3, 1, 1)};
    mr_conv valid = shapes[0];
    valid.p = valid.q = 5;
    valid.pad_top = valid.pad_left = 0;
    for (int t = 0; t < TABLES; t++)
        for (int options = 0; mr_kernels_use(tables[t]) && options < OPTIONS; options += 2) {
            for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
                assert_true(mr_winograd_pays(&shapes[i]));
                check_winograd(&shapes[i], options, *state);
            }
            check_winograd(&valid, options, *state);
        }
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
        cmocka_unit_test(depthwise_equals_reference),
        cmocka_unit_test(winograd_equals_reference),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
