/* SPDX-License-Identifier: Apache-2.0 */
#include "io/model/self_test.h"

#include "nn/plan/plan.h"
#include "base/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ARRAYS = 64, MAX_ELEMENTS = 16 << 20, WAVES = 3 };

static void clear_arrays(mr_self_test_array *a, int count)
{
    for (int i = 0; a && i < count; i++)
        free(a[i].values);
    free(a);
}

void mr_self_test_clear(mr_self_test *t)
{
    clear_arrays(t->input, t->inputs);
    clear_arrays(t->output, t->outputs);
    *t = (mr_self_test){0};
}

/* --- making ------------------------------------------------------------------- */

static int allocate(mr_self_test_array *a, const mr_shape *shape, mr_error *e)
{
    a->shape = *shape;
    if (a->shape.rank)
        a->shape.dim[0] = 1;
    a->values = calloc(mr_shape_count(&a->shape) + 1, sizeof *a->values);
    return a->values ? 0 : mr_no_memory(e, "the self-test");
}

static int allocate_nodes(mr_self_test_array **out, int count, const mr_graph *g, const int *node,
                          mr_error *e)
{
    *out = calloc((size_t)count + 1, sizeof **out);
    int status = *out ? 0 : mr_no_memory(e, "the self-test");
    for (int i = 0; i < count && !status; i++)
        status = allocate(&(*out)[i], &g->node[node[i]].shape, e);
    return status;
}

static bool has_known_size(const mr_shape *s)
{
    size_t elements = 1;
    for (int i = 1; i < s->rank; i++) {
        if (s->dim[i] < 1 || (uint64_t)s->dim[i] > MAX_ELEMENTS / elements)
            return false;
        elements *= (size_t)s->dim[i];
    }
    return s->rank > 0;
}

static bool can_be_tested(const mr_graph *g)
{
    bool can = g->inputs > 0 && g->inputs <= MAX_ARRAYS && g->outputs > 0 && g->outputs <= MAX_ARRAYS;
    for (int i = 0; i < g->inputs && can; i++)
        can = has_known_size(&g->node[g->input[i]].shape);
    for (int i = 0; i < g->outputs && can; i++)
        can = has_known_size(&g->node[g->output[i]].shape);
    return can;
}

/* Between 0 and 1: a few plane waves, drawn for each channel. */
static void draw_waves(float *out, const mr_shape *s, mr_philox *random)
{
    int64_t height = s->dim[1], width = s->dim[2], channels = s->dim[3];
    for (int64_t c = 0; c < channels; c++) {
        double fy[WAVES], fx[WAVES], phase[WAVES];
        for (int k = 0; k < WAVES; k++) {
            fy[k] = mr_philox_uniform(random, -3, 3) / (double)height;
            fx[k] = mr_philox_uniform(random, -3, 3) / (double)width;
            phase[k] = mr_philox_double(random);
        }
        for (int64_t y = 0; y < height; y++)
            for (int64_t x = 0; x < width; x++) {
                double sum = 0;
                for (int k = 0; k < WAVES; k++)
                    sum += cos(2 * M_PI * (fy[k] * (double)y + fx[k] * (double)x + phase[k]));
                out[(y * width + x) * channels + c] = (float)(.5 + .5 * sum / WAVES);
            }
    }
}

static void draw_input(mr_self_test_array *a, int number, const mr_preprocess *contract)
{
    mr_philox random;
    size_t count = mr_shape_count(&a->shape);
    double scale = contract ? 255 * contract->rescale : 1, offset = contract ? contract->offset : 0;
    mr_philox_init(&random, 0, MR_DRAW_TEST, 0, (uint64_t)number);
    if (a->shape.rank == 4)
        draw_waves(a->values, &a->shape, &random);
    else
        for (size_t i = 0; i < count; i++)
            a->values[i] = (float)mr_philox_double(&random);
    for (size_t i = 0; i < count; i++)
        a->values[i] = (float)(a->values[i] * scale + offset);
}

/* --- running ------------------------------------------------------------------ */

static void copy_outputs(const mr_plan *plan, mr_self_test_array *output, int count)
{
    for (int i = 0; i < count; i++)
        memcpy(output[i].values, mr_plan_output(plan, i), mr_shape_count(&output[i].shape) * sizeof(float));
}

/* OUTPUT has the shapes of G's outputs. */
static int run(const mr_graph *g, const mr_self_test *t, mr_self_test_array *output, mr_error *e)
{
    const mr_plan_options options = {.kind = MR_PLAN_INFERENCE, .batch = 1};
    const float *x[MAX_ARRAYS];
    mr_graph view = *g; /* a plan wants to be able to swap the state; this one never does */
    view.mixed = false; /* bf16 products differ from one kind of processor to the next */
    mr_team *team = NULL;
    mr_plan *plan = NULL;
    int status = mr_team_create(&team, 1, e);
    if (!status)
        status = mr_plan_create(&plan, &view, team, options, e);
    if (!status) {
        for (int i = 0; i < t->inputs; i++)
            x[i] = t->input[i].values;
        mr_plan_forward(plan, x, 1, 0);
        copy_outputs(plan, output, t->outputs);
    }
    mr_plan_free(plan);
    mr_team_destroy(team);
    return status;
}

int mr_self_test_make(mr_self_test *out, const mr_graph *g, const mr_preprocess *contract, mr_error *e)
{
    *out = (mr_self_test){0};
    if (!can_be_tested(g))
        return 0;
    out->inputs = g->inputs;
    out->outputs = g->outputs;
    int status = allocate_nodes(&out->input, g->inputs, g, g->input, e);
    if (!status)
        status = allocate_nodes(&out->output, g->outputs, g, g->output, e);
    for (int i = 0; i < g->inputs && !status; i++)
        draw_input(&out->input[i], i, contract);
    if (!status)
        status = run(g, out, out->output, e);
    if (status)
        mr_self_test_clear(out);
    return status;
}

bool mr_self_test_is_finite(const mr_self_test *t)
{
    for (int i = 0; i < t->outputs; i++)
        for (size_t k = 0; k < mr_shape_count(&t->output[i].shape); k++)
            if (!isfinite(t->output[i].values[k]))
                return false;
    return true;
}

/* --- comparing ---------------------------------------------------------------- */

static bool fits(const mr_self_test_array *a, const mr_shape *shape)
{
    mr_shape one = *shape;
    if (one.rank)
        one.dim[0] = 1;
    return mr_shape_equal(&a->shape, &one);
}

static bool fits_graph(const mr_self_test *t, const mr_graph *g)
{
    bool fit = t->inputs == g->inputs && t->outputs == g->outputs;
    for (int i = 0; i < t->inputs && fit; i++)
        fit = fits(&t->input[i], &g->node[g->input[i]].shape);
    for (int i = 0; i < t->outputs && fit; i++)
        fit = fits(&t->output[i], &g->node[g->output[i]].shape);
    return fit;
}

/* Infinite where one has a number and the other none. */
static double difference_of(const mr_self_test_array *expected, const mr_self_test_array *got)
{
    double most = 0, size = 1;
    size_t count = mr_shape_count(&expected->shape);
    if (memcmp(expected->values, got->values, count * sizeof *got->values) == 0)
        return 0;
    for (size_t i = 0; i < count; i++) {
        double a = expected->values[i], b = got->values[i], d = fabs(a - b);
        bool same = a == b || (isnan(a) && isnan(b));
        size = isfinite(a) ? fmax(size, fabs(a)) : size;
        most = same ? most : isnan(d) ? INFINITY : fmax(most, d);
    }
    return most / size;
}

int mr_self_test_run(const mr_self_test *t, const mr_graph *g, double *difference, mr_error *e)
{
    mr_self_test_array *got = NULL;
    *difference = 0;
    if (!fits_graph(t, g))
        return mr_fail(e, MR_EFORMAT,
                       "the self-test in the file does not fit the model's inputs and outputs");
    int status = allocate_nodes(&got, t->outputs, g, g->output, e);
    if (!status)
        status = run(g, t, got, e);
    for (int i = 0; i < t->outputs && !status; i++)
        *difference = fmax(*difference, difference_of(&t->output[i], &got[i]));
    clear_arrays(got, t->outputs);
    if (!status && !(*difference <= MR_SELF_TEST_TOLERANCE))
        status = mr_fail(e, MR_EFORMAT,
                         "the self-test fails: the model's output differs by %.3g from the one in the file",
                         *difference);
    return status;
}

/* --- in the file -------------------------------------------------------------- */

static const char *name_of(char *text, size_t size, const char *kind, int i)
{
    snprintf(text, size, MR_SELF_TEST_GROUP "/%s_%d", kind, i);
    return text;
}

static int write_arrays(hid_t file, const char *kind, const mr_self_test_array *a, int count, mr_error *e)
{
    char name[64];
    int status = 0;
    for (int i = 0; i < count && !status; i++)
        status = mr_hdf5_write_floats(file, name_of(name, sizeof name, kind, i), &a[i].shape, a[i].values, e);
    return status;
}

int mr_self_test_write(hid_t file, const mr_self_test *t, mr_error *e)
{
    int status = write_arrays(file, "input", t->input, t->inputs, e);
    return status ? status : write_arrays(file, "output", t->output, t->outputs, e);
}

static int read_array(mr_self_test_array *a, hid_t file, const char *name, mr_error *e)
{
    mr_shape shape;
    int status = mr_hdf5_shape(&shape, file, name, e);
    if (!status && (shape.rank < 1 || shape.dim[0] != 1 || !has_known_size(&shape)))
        status = mr_fail(e, MR_EFORMAT, "dataset '%s': not a self-test array", name);
    if (!status)
        status = allocate(a, &shape, e);
    return status ? status : mr_hdf5_read_floats(a->values, mr_shape_count(&shape), file, name, e);
}

static int read_arrays(mr_self_test_array **out, int *count, hid_t file, const char *kind, mr_error *e)
{
    char name[64];
    int there = 0, status = 0;
    while (there < MAX_ARRAYS && mr_hdf5_exists(file, name_of(name, sizeof name, kind, there)))
        there++;
    *out = calloc((size_t)there + 1, sizeof **out);
    if (!*out)
        return mr_no_memory(e, "the self-test");
    for (*count = 0; *count < there && !status; (*count)++)
        status = read_array(&(*out)[*count], file, name_of(name, sizeof name, kind, *count), e);
    return status;
}

int mr_self_test_read(mr_self_test *out, hid_t file, mr_error *e)
{
    *out = (mr_self_test){0};
    if (!mr_hdf5_is_group(file, MR_SELF_TEST_GROUP))
        return 0;
    int status = read_arrays(&out->input, &out->inputs, file, "input", e);
    if (!status)
        status = read_arrays(&out->output, &out->outputs, file, "output", e);
    if (!status && (!out->inputs || !out->outputs))
        status = mr_fail(e, MR_EFORMAT, "the self-test in the file is incomplete");
    if (status)
        mr_self_test_clear(out);
    return status;
}
