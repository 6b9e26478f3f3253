/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/call.h"
#include "nn/graph/config.h"

#include "base/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void draw_reals(uint64_t seed, uint64_t stream, double low, double high, mr_real *out, size_t count)
{
    mr_philox g;
    mr_philox_init(&g, seed, MR_DRAW_TEST, 0, stream);
    for (size_t i = 0; i < count; i++)
        out[i] = (mr_real)mr_philox_uniform(&g, low, high);
}

static mr_real *reals(size_t count)
{
    size_t bytes = (count * sizeof(mr_real) + 63) / 64 * 64;
    mr_real *p = aligned_alloc(64, bytes ? bytes : 64);
    memset(p, 0xff, bytes); /* NaN */
    return p;
}

static void *bytes_of(size_t size)
{
    void *p = aligned_alloc(64, size ? size : 64);
    memset(p, 0xff, size);
    return p;
}

static int read_shapes(tested *t, const char *text)
{
    int inputs = 0;
    for (const char *p = text; *p; inputs++) {
        mr_shape *s = &t->in[inputs];
        *s = (mr_shape){.rank = 1};
        while (*p && *p != ';') {
            char *end;
            s->dim[s->rank++] = strtol(p, &end, 10);
            p = *end == ',' ? end + 1 : end;
        }
        p += *p == ';';
    }
    return inputs;
}

static int make_layer(tested *t, const char *class, const char *config, bool trainable, mr_error *e)
{
    mr_layer *l = &t->layer;
    l->class = mr_layer_class_find(class);
    if (!l->class)
        return mr_fail(e, MR_EUNSUPPORTED, "no class %s", class);
    l->name = strdup("tested");
    l->local_name = l->name;
    l->config = json_loads(config, 0, NULL);
    l->trainable = trainable;
    l->impl = calloc(1, l->class->size ? l->class->size : 1);
    if (!l->config)
        return mr_fail(e, MR_EINVAL, "not JSON: %s", config);
    return mr_layer_configure(l, e);
}

static void make_weights(tested *t, uint64_t seed)
{
    for (int i = 0; i < t->layer.params; i++) {
        const mr_param *p = &t->layer.param[i];
        bool positive = strstr(p->kind, "variance") != NULL;
        t->w[i] = reals(p->count);
        draw_reals(seed, 100 + (uint64_t)i, positive ? 0.3 : -1, positive ? 2 : 1, t->w[i], p->count);
        if (p->trainable) {
            t->dw[i] = reals(p->count);
            draw_reals(seed, 200 + (uint64_t)i, -1, 1, t->dw[i], p->count);
        }
        t->call.w[i] = t->w[i];
        t->call.dw[i] = t->dw[i];
    }
}

static void set_batch(tested *t, int batch)
{
    t->call.batch = batch;
    t->call.out.dim[0] = batch;
    for (int i = 0; i < t->call.inputs; i++)
        t->in[i].dim[0] = batch;
}

static void make_memory(tested *t, uint64_t seed)
{
    const mr_layer_class *class = t->layer.class;
    set_batch(t, t->planned);
    t->saved_bytes = class->saved_size ? class->saved_size(&t->call) : 0;
    t->scratch_bytes = class->scratch_size ? class->scratch_size(&t->call) : 0;
    t->saved = bytes_of(t->saved_bytes);
    t->scratch = bytes_of(t->scratch_bytes);
    set_batch(t, t->batch);
    for (int i = 0; i < t->call.inputs; i++) {
        t->x[i] = reals(tested_in_count(t, i));
        t->dx[i] = reals(tested_in_count(t, i));
        draw_reals(seed, (uint64_t)i, -1, 1, t->x[i], tested_in_count(t, i));
    }
    t->y = reals(tested_out_count(t));
    t->dy = reals(tested_out_count(t));
    draw_reals(seed, 50, -1, 1, t->dy, tested_out_count(t));
}

int tested_create(tested *t, mr_team *team, const char *class, const char *config, const char *shapes,
                  int batch, int planned, bool training, bool trainable, uint64_t seed, mr_error *e)
{
    memset(t, 0, sizeof *t);
    int inputs = read_shapes(t, shapes);
    int status = make_layer(t, class, config, trainable, e);
    if (!status)
        status = t->layer.class->output_shape(&t->layer, t->in, inputs, &t->call.out, e);
    if (!status && t->layer.class->build)
        status = t->layer.class->build(&t->layer, t->in, inputs, e);
    if (status) {
        tested_free(t);
        return status;
    }
    t->batch = batch;
    t->planned = planned;
    t->call = (mr_call){.layer = &t->layer,
                        .team = team,
                        .training = training,
                        .inputs = inputs,
                        .in = t->in,
                        .out = t->call.out,
                        .add_dx = t->add_dx,
                        .seed = seed,
                        .step = 7,
                        .node = 3};
    make_weights(t, seed);
    make_memory(t, seed);
    t->call.x = (const mr_real *const *)t->x;
    t->call.y = t->y;
    t->call.dy = t->dy;
    t->call.dx = t->dx;
    t->call.saved = t->saved;
    t->call.scratch = t->scratch;
    return 0;
}

void tested_free(tested *t)
{
    if (t->layer.class && t->layer.class->destroy && t->layer.impl)
        t->layer.class->destroy(&t->layer);
    json_decref(t->layer.config);
    free(t->layer.impl);
    free(t->layer.name);
    for (int i = 0; i < MOST_INPUTS; i++) {
        free(t->x[i]);
        free(t->dx[i]);
    }
    for (int i = 0; i < MR_MAX_PARAMS; i++) {
        free(t->w[i]);
        free(t->dw[i]);
    }
    free(t->y);
    free(t->dy);
    free(t->saved);
    free(t->scratch);
    memset(t, 0, sizeof *t);
}

size_t tested_in_count(const tested *t, int i)
{
    return (size_t)t->in[i].dim[0] * mr_shape_sample(&t->in[i]);
}
size_t tested_out_count(const tested *t)
{
    return (size_t)t->call.out.dim[0] * mr_shape_sample(&t->call.out);
}

void tested_forward(tested *t)
{
    memset(t->saved, 0xff, t->saved_bytes);
    memset(t->scratch, 0xff, t->scratch_bytes);
    if (t->call.y == t->y)
        memset(t->y, 0xff, tested_out_count(t) * sizeof *t->y);
    if (t->layer.class->alias)
        memcpy(t->y, t->x[0], tested_out_count(t) * sizeof *t->y);
    else
        t->layer.class->forward(&t->call);
}

void tested_backward(tested *t)
{
    memset(t->scratch, 0xff, t->scratch_bytes);
    for (int i = 0; i < t->call.inputs; i++)
        if (t->call.dx[i] && t->call.dx[i] != t->call.dy && !t->add_dx[i])
            memset(t->dx[i], 0xff, tested_in_count(t, i) * sizeof *t->dx[i]);
    t->layer.class->backward(&t->call);
}

double tested_loss(const tested *t)
{
    double sum = 0;
    for (size_t i = 0; i < tested_out_count(t); i++)
        sum += (double)t->y[i] * (double)t->dy[i];
    return sum;
}
