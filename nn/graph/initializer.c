/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/graph/initializer.h"

#include "base/json_read.h"
#include <string.h>
#include <strings.h>

/* Scaled forms: variance = scale / fan. Glorot & Bengio 2010 (average of the fans), He et al. 2015, LeCun
 * 1998 (fan in). */
static const struct named {
    const char *name, *class_name, *mode;
    double scale;
    bool uniform;
} scaled[] = {
    {"glorot_uniform", "GlorotUniform", "fan_avg", 1, true},
    {"glorot_normal", "GlorotNormal", "fan_avg", 1, false},
    {"he_uniform", "HeUniform", "fan_in", 2, true},
    {"he_normal", "HeNormal", "fan_in", 2, false},
    {"lecun_uniform", "LecunUniform", "fan_in", 1, true},
    {"lecun_normal", "LecunNormal", "fan_in", 1, false},
};

/* Keras's compute_fans: the last two dimensions are in and out, those before them the receptive field. */
static void fans(const mr_shape *s, double *in, double *out)
{
    double field = 1;
    for (int i = 0; i + 2 < s->rank; i++)
        field *= (double)s->dim[i];
    if (s->rank < 1)
        *in = *out = 1;
    else if (s->rank == 1)
        *in = *out = (double)s->dim[0];
    else {
        *in = field * (double)s->dim[s->rank - 2];
        *out = field * (double)s->dim[s->rank - 1];
    }
}

static void fill_uniform(mr_philox *g, mr_real *out, size_t n, double low, double high)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (mr_real)mr_philox_uniform(g, low, high);
}

/* Truncated: drawn again outside of two standard deviations, as Keras does. */
static void fill_normal(mr_philox *g, mr_real *out, size_t n, double mean, double deviation, bool truncated)
{
    for (size_t i = 0; i < n; i++) {
        double z = mr_philox_normal(g);
        while (truncated && fabs(z) > 2)
            z = mr_philox_normal(g);
        out[i] = (mr_real)(mean + deviation * z);
    }
}

static void fill_scaled(const mr_param *p, mr_philox *g, mr_real *out, double scale, const char *mode,
                        bool uniform, bool truncated)
{
    double in, fan_out;
    fans(&p->shape, &in, &fan_out);
    double fan = !strcmp(mode, "fan_in") ? in : !strcmp(mode, "fan_out") ? fan_out : (in + fan_out) / 2;
    double variance = scale / (fan > 1 ? fan : 1);
    if (uniform)
        fill_uniform(g, out, p->count, -sqrt(3 * variance), sqrt(3 * variance));
    else /* 0.8796…: the deviation that truncation at two deviations leaves */
        fill_normal(g, out, p->count, 0, truncated ? sqrt(variance) / .87962566103423978 : sqrt(variance),
                    truncated);
}

static double number(const json_t *config, const char *key, double fallback)
{
    const json_t *v = json_object_get(config, key);
    return json_is_number(v) ? json_number_value(v) : fallback;
}

static bool is(const char *name, const char *snake, const char *camel)
{
    return !strcasecmp(name, snake) || !strcmp(name, camel);
}

static int from_variance_scaling(const mr_param *p, const json_t *config, mr_philox *g, mr_real *out)
{
    const char *mode = mr_json_text(config, "mode");
    const char *kind = mr_json_text(config, "distribution");
    bool uniform = kind && !strcmp(kind, "uniform");
    bool truncated = !kind || strcmp(kind, "untruncated_normal") != 0;
    fill_scaled(p, g, out, number(config, "scale", 1), mode ? mode : "fan_in", uniform, truncated);
    return 0;
}

/* As in Keras, of matrices alone. */
static int fill_identity(const mr_param *p, double gain, mr_real *out, mr_error *e)
{
    if (p->shape.rank != 2)
        return mr_layer_refuse(p->layer, e, "initializer 'Identity' of %s: not a matrix", p->kind);
    size_t columns = (size_t)p->shape.dim[1];
    for (size_t i = 0; i < p->count; i++)
        out[i] = i / columns == i % columns ? (mr_real)gain : 0;
    return 0;
}

static int fill_named(const mr_param *p, const char *name, const json_t *c, mr_philox *g, mr_real *out,
                      mr_error *e)
{
    for (size_t i = 0; i < sizeof scaled / sizeof *scaled; i++)
        if (is(name, scaled[i].name, scaled[i].class_name)) {
            fill_scaled(p, g, out, scaled[i].scale, scaled[i].mode, scaled[i].uniform, true);
            return 0;
        }
    if (is(name, "zeros", "Zeros") || is(name, "zero", "Zero"))
        fill_uniform(g, out, p->count, 0, 0);
    else if (is(name, "ones", "Ones") || is(name, "one", "One"))
        fill_uniform(g, out, p->count, 1, 1);
    else if (is(name, "constant", "Constant"))
        fill_uniform(g, out, p->count, number(c, "value", 0), number(c, "value", 0));
    else if (is(name, "random_uniform", "RandomUniform") || is(name, "uniform", "Uniform"))
        fill_uniform(g, out, p->count, number(c, "minval", -.05), number(c, "maxval", .05));
    else if (is(name, "random_normal", "RandomNormal") || is(name, "normal", "Normal"))
        fill_normal(g, out, p->count, number(c, "mean", 0), number(c, "stddev", .05), false);
    else if (is(name, "truncated_normal", "TruncatedNormal"))
        fill_normal(g, out, p->count, number(c, "mean", 0), number(c, "stddev", .05), true);
    else if (is(name, "variance_scaling", "VarianceScaling"))
        return from_variance_scaling(p, c, g, out);
    else if (is(name, "identity", "Identity") || is(name, "identity", "IdentityInitializer"))
        return fill_identity(p, number(c, "gain", 1), out, e);
    else
        return mr_layer_refuse(p->layer, e,
                               "unsupported initializer '%s' of %s: train from a file with weights", name,
                               p->kind);
    return 0;
}

int mr_initialize(const mr_param *p, mr_philox *g, mr_real *out, mr_error *e)
{
    const json_t *c = p->initializer;
    if (!c || json_is_null(c))
        return fill_named(p, p->default_initializer ? p->default_initializer : "zeros", NULL, g, out, e);
    if (json_is_string(c))
        return fill_named(p, json_string_value(c), NULL, g, out, e);
    const char *name = mr_json_text(c, "class_name");
    return fill_named(p, name ? name : "(none)", json_object_get(c, "config"), g, out, e);
}
