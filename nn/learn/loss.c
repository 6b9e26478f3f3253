/* SPDX-License-Identifier: Apache-2.0 */
/* Each loss is a function on one row of predictions: its value, and its gradient by them. Formulas and
 * clipping as in keras/src/losses/losses.py and backend/torch/nn.py (epsilon 1e-7). Rows are small: computed
 * in double. */
#include "nn/learn/loss.h"

#include "base/json_read.h"
#include <string.h>
#include <strings.h>

static const double epsilon = 1e-7;

static double clip(double x)
{
    return x < epsilon ? epsilon : x > 1 - epsilon ? 1 - epsilon : x;
}
static bool inside(double x)
{
    return x >= epsilon && x <= 1 - epsilon;
}

static double log_sum_exp(const mr_real *z, size_t n)
{
    double most = (double)z[0], sum = 0;
    for (size_t i = 1; i < n; i++)
        most = (double)z[i] > most ? (double)z[i] : most;
    for (size_t i = 0; i < n; i++)
        sum += exp((double)z[i] - most);
    return most + log(sum);
}

static double sum_of(const mr_real *p, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)p[i];
    return sum;
}

/* q = p / sum(p), clipped: what Keras makes of probabilities. Turns the gradient by q in D into that by p. */
static void through_normalisation(const mr_real *p, double sum, size_t n, double *d)
{
    double dot = 0;
    for (size_t i = 0; i < n; i++)
        dot += d[i] * (double)p[i] / sum;
    for (size_t i = 0; i < n; i++)
        d[i] = (d[i] - dot) / sum;
}

static double smoothed(const mr_loss *l, double t, size_t width)
{
    return l->label_smoothing > 0 ? t * (1 - l->label_smoothing) + l->label_smoothing / (double)width : t;
}

static double categorical_crossentropy(const mr_loss *l, const mr_real *t, const mr_real *p, size_t n,
                                       double *d)
{
    double value = 0, total = 0;
    double sum = l->from_logits ? log_sum_exp(p, n) : sum_of(p, n);
    for (size_t i = 0; i < n; i++)
        total += smoothed(l, (double)t[i], n);
    for (size_t i = 0; i < n; i++) {
        double target = smoothed(l, (double)t[i], n);
        if (l->from_logits) {
            value -= target * ((double)p[i] - sum);
            d[i] = total * exp((double)p[i] - sum) - target;
            continue;
        }
        double q = (double)p[i] / sum;
        value -= target * log(clip(q));
        d[i] = inside(q) ? -target / q : 0;
    }
    if (!l->from_logits)
        through_normalisation(p, sum, n, d);
    return value;
}

static double sparse_categorical_crossentropy(const mr_loss *l, const mr_real *t, const mr_real *p, size_t n,
                                              double *d)
{
    size_t k = (size_t)t[0]; /* the caller has checked that labels are 0 … n-1 */
    if (l->from_logits) {
        double sum = log_sum_exp(p, n);
        for (size_t i = 0; i < n; i++)
            d[i] = exp((double)p[i] - sum) - (i == k);
        return sum - (double)p[k];
    }
    double sum = sum_of(p, n), q = (double)p[k] / sum;
    d[k] = inside(q) ? -1 / q : 0;
    through_normalisation(p, sum, n, d);
    return -log(clip(q));
}

static double binary_target(const mr_loss *l, mr_real t)
{
    return l->label_smoothing > 0 ? (double)t * (1 - l->label_smoothing) + .5 * l->label_smoothing
                                  : (double)t;
}

static double binary_crossentropy(const mr_loss *l, const mr_real *target, const mr_real *p, size_t n,
                                  double *d)
{
    double value = 0;
    for (size_t i = 0; i < n; i++) {
        double t = binary_target(l, target[i]), x = (double)p[i];
        if (l->from_logits) {
            value += (x > 0 ? x : 0) - x * t + log1p(exp(-fabs(x)));
            d[i] = (1 / (1 + exp(-x)) - t) / (double)n;
        } else {
            double q = clip(x);
            value -= t * log(q) + (1 - t) * log(1 - q);
            d[i] = inside(x) ? (q - t) / (q * (1 - q)) / (double)n : 0;
        }
    }
    return value / (double)n;
}

static double binary_focal_crossentropy(const mr_loss *l, const mr_real *target, const mr_real *p, size_t n,
                                        double *d)
{
    double value = 0;
    for (size_t i = 0; i < n; i++) {
        double t = binary_target(l, target[i]), x = (double)p[i];
        double s = l->from_logits ? 1 / (1 + exp(-x)) : x, q = clip(s);
        double right = t * s + (1 - t) * (1 - s), left = 1 - right; /* the focal factor is not clipped */
        double bce = -(t * log(q) + (1 - t) * log(1 - q));
        double focal = pow(left, l->gamma),
               alpha = l->apply_class_balancing ? t * l->alpha + (1 - t) * (1 - l->alpha) : 1;
        double d_focal = left > 0 ? l->gamma * pow(left, l->gamma - 1) * (1 - 2 * t) : 0;
        double d_bce = inside(s) ? (q - t) / (q * (1 - q)) : 0;
        value += alpha * focal * bce;
        d[i] = alpha * (d_focal * bce + focal * d_bce) * (l->from_logits ? s * (1 - s) : 1) / (double)n;
    }
    return value / (double)n;
}

static double categorical_focal_crossentropy(const mr_loss *l, const mr_real *t, const mr_real *p, size_t n,
                                             double *d)
{
    double value = 0, lse = l->from_logits ? log_sum_exp(p, n) : 0, sum = l->from_logits ? 1 : sum_of(p, n),
           dot = 0;
    for (size_t i = 0; i < n; i++) {
        double raw = l->from_logits ? exp((double)p[i] - lse) : (double)p[i] / sum, q = clip(raw);
        double target = smoothed(l, (double)t[i], n);
        value -= l->alpha * pow(1 - q, l->gamma) * target * log(q);
        d[i] = inside(raw) ? l->alpha * target *
                                 (l->gamma * pow(1 - q, l->gamma - 1) * log(q) - pow(1 - q, l->gamma) / q)
                           : 0;
        dot += d[i] * raw;
    }
    if (!l->from_logits)
        through_normalisation(p, sum, n, d);
    else
        for (size_t i = 0; i < n; i++)
            d[i] = exp((double)p[i] - lse) * (d[i] - dot);
    return value;
}

static double mean_squared_error(const mr_loss *l, const mr_real *t, const mr_real *p, size_t n, double *d)
{
    (void)l;
    double value = 0;
    for (size_t i = 0; i < n; i++) {
        double x = (double)p[i] - (double)t[i];
        value += x * x;
        d[i] = 2 * x / (double)n;
    }
    return value / (double)n;
}

static double mean_absolute_error(const mr_loss *l, const mr_real *t, const mr_real *p, size_t n, double *d)
{
    (void)l;
    double value = 0;
    for (size_t i = 0; i < n; i++) {
        double x = (double)p[i] - (double)t[i];
        value += fabs(x);
        d[i] = ((x > 0) - (x < 0)) / (double)n;
    }
    return value / (double)n;
}

static double mean_absolute_percentage_error(const mr_loss *l, const mr_real *t, const mr_real *p, size_t n,
                                             double *d)
{
    (void)l;
    double value = 0;
    for (size_t i = 0; i < n; i++) {
        double scale = fabs((double)t[i]) > epsilon ? fabs((double)t[i]) : epsilon,
               x = (double)p[i] - (double)t[i];
        value += 100 * fabs(x) / scale;
        d[i] = 100 * ((x > 0) - (x < 0)) / scale / (double)n;
    }
    return value / (double)n;
}

static double mean_squared_logarithmic_error(const mr_loss *l, const mr_real *t, const mr_real *p, size_t n,
                                             double *d)
{
    (void)l;
    double value = 0;
    for (size_t i = 0; i < n; i++) {
        double q = (double)p[i] > epsilon ? (double)p[i] : epsilon,
               u = (double)t[i] > epsilon ? (double)t[i] : epsilon;
        double x = log(q + 1) - log(u + 1);
        value += x * x;
        d[i] = (double)p[i] >= epsilon ? 2 * x / (q + 1) / (double)n : 0;
    }
    return value / (double)n;
}

static double huber(const mr_loss *l, const mr_real *t, const mr_real *p, size_t n, double *d)
{
    double value = 0;
    for (size_t i = 0; i < n; i++) {
        double x = (double)p[i] - (double)t[i], size = fabs(x);
        value += size <= l->delta ? .5 * x * x : l->delta * size - .5 * l->delta * l->delta;
        d[i] = (size <= l->delta ? x : l->delta * ((x > 0) - (x < 0))) / (double)n;
    }
    return value / (double)n;
}

static double log_cosh(const mr_loss *l, const mr_real *t, const mr_real *p, size_t n, double *d)
{
    (void)l;
    double value = 0;
    for (size_t i = 0; i < n; i++) {
        double x = (double)p[i] - (double)t[i];
        value += fabs(x) + log1p(exp(-2 * fabs(x))) - log(2);
        d[i] = tanh(x) / (double)n;
    }
    return value / (double)n;
}

static double poisson(const mr_loss *l, const mr_real *t, const mr_real *p, size_t n, double *d)
{
    (void)l;
    double value = 0;
    for (size_t i = 0; i < n; i++) {
        value += (double)p[i] - (double)t[i] * log((double)p[i] + epsilon);
        d[i] = (1 - (double)t[i] / ((double)p[i] + epsilon)) / (double)n;
    }
    return value / (double)n;
}

static double kl_divergence(const mr_loss *l, const mr_real *t, const mr_real *p, size_t n, double *d)
{
    (void)l;
    double value = 0;
    for (size_t i = 0; i < n; i++) {
        double u = (double)t[i] < epsilon ? epsilon : (double)t[i] > 1 ? 1 : (double)t[i];
        double q = (double)p[i] < epsilon ? epsilon : (double)p[i] > 1 ? 1 : (double)p[i];
        value += u * log(u / q);
        d[i] = (double)p[i] >= epsilon && (double)p[i] <= 1 ? -u / q : 0;
    }
    return value;
}

/* Keras turns targets 0/1 into -1/1 for the hinge losses when all of them are 0 or 1; per row here. */
static bool zero_one(const mr_real *t, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (t[i] != 0 && t[i] != 1)
            return false;
    return true;
}

static double hinge_power(const mr_real *t, const mr_real *p, size_t n, double *d, bool squared)
{
    bool convert = zero_one(t, n);
    double value = 0;
    for (size_t i = 0; i < n; i++) {
        double u = convert ? 2 * (double)t[i] - 1 : (double)t[i], x = 1 - u * (double)p[i];
        if (x <= 0)
            continue;
        value += squared ? x * x : x;
        d[i] = (squared ? -2 * x * u : -u) / (double)n;
    }
    return value / (double)n;
}

static double hinge(const mr_loss *l, const mr_real *t, const mr_real *p, size_t n, double *d)
{
    (void)l;
    return hinge_power(t, p, n, d, false);
}

static double squared_hinge(const mr_loss *l, const mr_real *t, const mr_real *p, size_t n, double *d)
{
    (void)l;
    return hinge_power(t, p, n, d, true);
}

static double categorical_hinge(const mr_loss *l, const mr_real *t, const mr_real *p, size_t n, double *d)
{
    (void)l;
    double right = 0, most = -HUGE_VAL;
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        right += (double)t[i] * (double)p[i];
        if ((1 - (double)t[i]) * (double)p[i] > most) {
            most = (1 - (double)t[i]) * (double)p[i];
            at = i;
        }
    }
    if (most - right + 1 <= 0)
        return 0;
    for (size_t i = 0; i < n; i++)
        d[i] = -(double)t[i];
    d[at] += 1 - (double)t[at];
    return most - right + 1;
}

static double cosine_similarity(const mr_loss *l, const mr_real *t, const mr_real *p, size_t n, double *d)
{
    (void)l;
    double tt = 0, pp = 0, dot = 0;
    for (size_t i = 0; i < n; i++) {
        tt += (double)t[i] * (double)t[i];
        pp += (double)p[i] * (double)p[i];
        dot += (double)t[i] * (double)p[i];
    }
    double a = sqrt(tt > 1e-12 ? tt : 1e-12), b = sqrt(pp > 1e-12 ? pp : 1e-12), value = -dot / (a * b);
    for (size_t i = 0; i < n; i++)
        d[i] = -(double)t[i] / (a * b) + (pp > 1e-12 ? dot / (a * b * b * b) * (double)p[i] : 0);
    return value;
}

static const mr_loss_class classes[] = {
    {"categorical_crossentropy", "CategoricalCrossentropy", NULL, false, MR_LOSS_OF_ONE_CLASS, categorical_crossentropy},
    {"sparse_categorical_crossentropy", "SparseCategoricalCrossentropy", NULL, true, MR_LOSS_OF_ONE_CLASS, sparse_categorical_crossentropy},
    {"binary_crossentropy", "BinaryCrossentropy", "bce", false, MR_LOSS_OF_LABELS, binary_crossentropy},
    {"categorical_focal_crossentropy", "CategoricalFocalCrossentropy", NULL, false, MR_LOSS_OF_ONE_CLASS, categorical_focal_crossentropy},
    {"binary_focal_crossentropy", "BinaryFocalCrossentropy", NULL, false, MR_LOSS_OF_LABELS, binary_focal_crossentropy},
    {"mean_squared_error", "MeanSquaredError", "mse", false, MR_LOSS_OF_NUMBERS, mean_squared_error},
    {"mean_absolute_error", "MeanAbsoluteError", "mae", false, MR_LOSS_OF_NUMBERS, mean_absolute_error},
    {"mean_absolute_percentage_error", "MeanAbsolutePercentageError", "mape", false, MR_LOSS_OF_NUMBERS, mean_absolute_percentage_error},
    {"mean_squared_logarithmic_error", "MeanSquaredLogarithmicError", "msle", false, MR_LOSS_OF_NUMBERS, mean_squared_logarithmic_error},
    {"huber", "Huber", "huber_loss", false, MR_LOSS_OF_NUMBERS, huber},
    {"log_cosh", "LogCosh", "logcosh", false, MR_LOSS_OF_NUMBERS, log_cosh},
    {"poisson", "Poisson", NULL, false, MR_LOSS_OF_NUMBERS, poisson},
    {"kl_divergence", "KLDivergence", "kullback_leibler_divergence", false, MR_LOSS_OF_ONE_CLASS, kl_divergence},
    {"hinge", "Hinge", NULL, false, MR_LOSS_OF_A_MARGIN, hinge},
    {"squared_hinge", "SquaredHinge", NULL, false, MR_LOSS_OF_A_MARGIN, squared_hinge},
    {"categorical_hinge", "CategoricalHinge", NULL, false, MR_LOSS_OF_ONE_CLASS, categorical_hinge},
    {"cosine_similarity", "CosineSimilarity", NULL, false, MR_LOSS_OF_NUMBERS, cosine_similarity},
};
enum { CLASSES = sizeof classes / sizeof *classes };

const mr_loss_class *mr_loss_class_at(int i)
{
    return i < CLASSES ? &classes[i] : NULL;
}

const mr_loss_class *mr_loss_class_find(const char *name)
{
    for (int i = 0; i < CLASSES; i++)
        if (!strcasecmp(name, classes[i].name) || !strcmp(name, classes[i].class_name) ||
            (classes[i].alias && !strcasecmp(name, classes[i].alias)))
            return &classes[i];
    return NULL;
}

static double number(const json_t *config, const char *key, double fallback)
{
    const json_t *v = json_object_get(config, key);
    return json_is_number(v) ? json_number_value(v) : fallback;
}

int mr_loss_configure(mr_loss *out, const json_t *json, mr_error *e)
{
    const json_t *config = json_object_get(json, "config");
    const char *name = json_is_string(json) ? json_string_value(json)
                                            : mr_json_text(json, "class_name");
    if (name && !strcmp(name, "function")) /* a serialised function: its name is the config */
        name = json_string_value(config);
    memset(out, 0, sizeof *out);
    out->class = name ? mr_loss_class_find(name) : NULL;
    if (!out->class)
        return mr_hint(e, mr_fail(e, MR_EUNSUPPORTED, "loss '%s' is not known", name ? name : "(not a name)"),
                       "--loss categorical_crossentropy, binary_crossentropy, "
                       "sparse_categorical_crossentropy, mse … are");
    out->label_smoothing = number(config, "label_smoothing", 0);
    out->from_logits = json_is_true(json_object_get(config, "from_logits"));
    out->delta = number(config, "delta", 1);
    out->alpha = number(config, "alpha", .25);
    out->gamma = number(config, "gamma", 2);
    out->apply_class_balancing = json_is_true(json_object_get(config, "apply_class_balancing"));
    if (out->label_smoothing < 0 || out->label_smoothing > 1)
        return mr_fail(e, MR_EINVAL, "label smoothing %g: 0 to 1 are possible", out->label_smoothing);
    return 0;
}

json_t *mr_loss_config(const mr_loss *l)
{
    if (l->label_smoothing == 0 && !l->from_logits && l->delta == 1 && l->alpha == .25 && l->gamma == 2 &&
        !l->apply_class_balancing)
        return json_string(l->class->name);
    json_t *config = json_pack("{s:s, s:s, s:b}", "name", l->class->name, "reduction", "sum_over_batch_size",
                               "from_logits", l->from_logits);
    if (!strcmp(l->class->name, "huber"))
        json_object_set_new(config, "delta", json_real(l->delta));
    else if (!l->class->sparse)
        json_object_set_new(config, "label_smoothing", json_real(l->label_smoothing));
    if (strstr(l->class->name, "focal")) {
        json_object_set_new(config, "alpha", json_real(l->alpha));
        json_object_set_new(config, "gamma", json_real(l->gamma));
    }
    return json_pack("{s:s, s:s, s:o, s:n}", "module", "keras.losses", "class_name", l->class->class_name,
                     "config", config, "registered_name");
}

/* The rows of predictions in one sample, and their width. */
static void rows_of(const mr_shape *out, size_t *rows, size_t *width)
{
    *width = out->rank > 1 ? (size_t)out->dim[out->rank - 1] : 1;
    *rows = mr_shape_sample(out) / *width;
}

double mr_loss_batch(const mr_loss *l, const mr_shape *out, int batch, const mr_real *target,
                     const mr_real *prediction, const mr_real *weight, double *scratch, mr_real *d)
{
    size_t rows, width;
    rows_of(out, &rows, &width);
    size_t target_width = l->class->sparse ? 1 : width, count = (size_t)batch * rows;
    double total = 0;
    for (size_t r = 0; r < count; r++) {
        double w = weight ? (double)weight[r / rows] : 1;
        memset(scratch, 0, width * sizeof *scratch);
        total += w * l->class->row(l, target + r * target_width, prediction + r * width, width, scratch);
        for (size_t i = 0; d && i < width; i++)
            d[r * width + i] = (mr_real)(w * scratch[i] / (double)count);
    }
    return total / (double)count;
}
