/* SPDX-License-Identifier: Apache-2.0 */
/* The update rules, each as Keras 3's update_step (keras/src/optimizers/NAME.py). Numbers that do not depend
 * on the element are made once a step in prepare(), in double, and rounded once. */
#include "nn/learn/optimizer.h"

#include <string.h>

static mr_real root(mr_real x)
{
    return MR_REAL(sqrt)(x);
}

/* --- SGD: with momentum, velocity = momentum*velocity - rate*g; Nesterov looks ahead
 * ------------------------- */

static int sgd_slots(const mr_optimizer *o, const char *name[MR_MAX_SLOTS])
{
    name[0] = "momentum";
    return o->momentum != 0;
}

static void sgd_update(const mr_optimizer *o, const mr_update *u)
{
    const mr_real rate = (mr_real)u->rate, m = (mr_real)o->momentum;
    const mr_real *w = u->w, *g = u->g, *velocity = u->slot[0];
    mr_real *out = u->w_out, *velocity_out = u->slot_out[0];
    if (m == 0)
        for (size_t i = 0; i < u->count; i++)
            out[i] = w[i] - rate * g[i];
    else if (o->nesterov)
        for (size_t i = 0; i < u->count; i++) {
            mr_real step = rate * g[i], v = m * velocity[i] - step;
            velocity_out[i] = v;
            out[i] = w[i] + (m * v - step);
        }
    else
        for (size_t i = 0; i < u->count; i++) {
            mr_real v = m * velocity[i] - rate * g[i];
            velocity_out[i] = v;
            out[i] = w[i] + v;
        }
}

/* --- Adam and AdamW (Kingma & Ba 2015; Loshchilov & Hutter 2019; AMSGrad: Reddi et al. 2018)
 * ------------------ */

static int adam_slots(const mr_optimizer *o, const char *name[MR_MAX_SLOTS])
{
    name[0] = "momentum";
    name[1] = "velocity";
    name[2] = "velocity_hat";
    return o->amsgrad ? 3 : 2;
}

static void adam_prepare(const mr_optimizer *o, int64_t iterations, double rate, double *scalar, double *c)
{
    (void)scalar;
    double t = (double)iterations + 1;
    c[0] = rate * sqrt(1 - pow(o->beta_2, t)) / (1 - pow(o->beta_1, t));
}

static void adam_update(const mr_optimizer *o, const mr_update *u)
{
    const mr_real alpha = (mr_real)u->coefficient[0], b1 = (mr_real)(1 - o->beta_1),
                  b2 = (mr_real)(1 - o->beta_2);
    const mr_real epsilon = (mr_real)o->epsilon;
    for (size_t i = 0; i < u->count; i++) {
        mr_real g = u->g[i], m = u->slot[0][i], v = u->slot[1][i];
        m += (g - m) * b1;
        v += (g * g - v) * b2;
        u->slot_out[0][i] = m;
        u->slot_out[1][i] = v;
        if (o->amsgrad) {
            v = u->slot[2][i] > v ? u->slot[2][i] : v;
            u->slot_out[2][i] = v;
        }
        u->w_out[i] = u->w[i] - m * alpha / (root(v) + epsilon);
    }
}

/* --- RMSprop (Tieleman & Hinton 2012; Graves 2013 for the centered form)
 * -------------------------------------- */

static int rmsprop_slots(const mr_optimizer *o, const char *name[MR_MAX_SLOTS])
{
    int n = 0;
    name[n++] = "velocity";
    if (o->momentum > 0)
        name[n++] = "momentum";
    if (o->centered)
        name[n++] = "average_gradient";
    return n;
}

static void rmsprop_update(const mr_optimizer *o, const mr_update *u)
{
    const mr_real rate = (mr_real)u->rate, rho = (mr_real)o->rho, rest = (mr_real)(1 - o->rho),
                  epsilon = (mr_real)o->epsilon;
    const mr_real momentum = (mr_real)o->momentum;
    int average = o->momentum > 0 ? 2 : 1;
    for (size_t i = 0; i < u->count; i++) {
        mr_real g = u->g[i], v = rho * u->slot[0][i] + rest * g * g, denominator = v + epsilon;
        u->slot_out[0][i] = v;
        if (o->centered) {
            mr_real a = rho * u->slot[average][i] + rest * g;
            u->slot_out[average][i] = a;
            denominator -= a * a;
        }
        mr_real step = rate * g / root(denominator);
        if (momentum > 0) {
            step += momentum * u->slot[1][i];
            u->slot_out[1][i] = step;
        }
        u->w_out[i] = u->w[i] - step;
    }
}

/* --- Adagrad (Duchi et al. 2011)
 * ------------------------------------------------------------------------------ */

static int adagrad_slots(const mr_optimizer *o, const char *name[MR_MAX_SLOTS])
{
    (void)o;
    name[0] = "accumulator";
    return 1;
}

static double adagrad_initial(const mr_optimizer *o, int slot)
{
    (void)slot;
    return o->initial_accumulator;
}

static void adagrad_update(const mr_optimizer *o, const mr_update *u)
{
    const mr_real rate = (mr_real)u->rate, epsilon = (mr_real)o->epsilon;
    for (size_t i = 0; i < u->count; i++) {
        mr_real g = u->g[i], a = u->slot[0][i] + g * g;
        u->slot_out[0][i] = a;
        u->w_out[i] = u->w[i] - rate * g / root(a + epsilon);
    }
}

/* --- Adadelta (Zeiler 2012)
 * ----------------------------------------------------------------------------------- */

static int adadelta_slots(const mr_optimizer *o, const char *name[MR_MAX_SLOTS])
{
    (void)o;
    name[0] = "accumulated_grad";
    name[1] = "accumulated_delta_var";
    return 2;
}

static void adadelta_update(const mr_optimizer *o, const mr_update *u)
{
    const mr_real rate = (mr_real)u->rate, rho = (mr_real)o->rho, rest = (mr_real)(1 - o->rho),
                  epsilon = (mr_real)o->epsilon;
    for (size_t i = 0; i < u->count; i++) {
        mr_real g = u->g[i], a = rho * u->slot[0][i] + rest * g * g, d = u->slot[1][i];
        mr_real delta = -root(d + epsilon) * g / root(a + epsilon);
        u->slot_out[0][i] = a;
        u->slot_out[1][i] = rho * d + rest * delta * delta;
        u->w_out[i] = u->w[i] + rate * delta;
    }
}

/* --- Adamax (Kingma & Ba 2015, section 7)
 * --------------------------------------------------------------------- */

static int adamax_slots(const mr_optimizer *o, const char *name[MR_MAX_SLOTS])
{
    (void)o;
    name[0] = "momentum";
    name[1] = "norm";
    return 2;
}

static void adamax_prepare(const mr_optimizer *o, int64_t iterations, double rate, double *scalar, double *c)
{
    (void)scalar;
    c[0] = rate / (1 - pow(o->beta_1, (double)iterations + 1));
}

static void adamax_update(const mr_optimizer *o, const mr_update *u)
{
    const mr_real rate = (mr_real)u->coefficient[0], b1 = (mr_real)(1 - o->beta_1),
                  beta_2 = (mr_real)o->beta_2;
    const mr_real epsilon = (mr_real)o->epsilon;
    for (size_t i = 0; i < u->count; i++) {
        mr_real g = u->g[i], m = u->slot[0][i], norm = beta_2 * u->slot[1][i], size = MR_REAL(fabs)(g);
        m += (g - m) * b1;
        norm = norm > size ? norm : size;
        u->slot_out[0][i] = m;
        u->slot_out[1][i] = norm;
        u->w_out[i] = u->w[i] - rate * m / (norm + epsilon);
    }
}

/* --- Nadam (Dozat 2016), with the momentum schedule 1 - 0.5*0.96^t; the scalar is the product of the momenta
 * --- */

static void nadam_prepare(const mr_optimizer *o, int64_t iterations, double rate, double *scalar, double *c)
{
    double t = (double)iterations + 1;
    double now = o->beta_1 * (1 - .5 * pow(.96, t)), next = o->beta_1 * (1 - .5 * pow(.96, t + 1));
    *scalar *= now;
    c[0] = rate * next / (1 - *scalar * next); /* of the momentum */
    c[1] = rate * (1 - now) / (1 - *scalar);   /* of the gradient */
    c[2] = 1 / (1 - pow(o->beta_2, t));
}

static void nadam_update(const mr_optimizer *o, const mr_update *u)
{
    const mr_real cm = (mr_real)u->coefficient[0], cg = (mr_real)u->coefficient[1],
                  cv = (mr_real)u->coefficient[2];
    const mr_real b1 = (mr_real)(1 - o->beta_1), b2 = (mr_real)(1 - o->beta_2), epsilon = (mr_real)o->epsilon;
    for (size_t i = 0; i < u->count; i++) {
        mr_real g = u->g[i], m = u->slot[0][i], v = u->slot[1][i];
        m += (g - m) * b1;
        v += (g * g - v) * b2;
        u->slot_out[0][i] = m;
        u->slot_out[1][i] = v;
        u->w_out[i] = u->w[i] - (cm * m + cg * g) / (root(v * cv) + epsilon);
    }
}

/* --- the table
 * ------------------------------------------------------------------------------------------------ */

#define ADAM_DEFAULTS "{\"beta_1\": 0.9, \"beta_2\": 0.999, \"epsilon\": 1e-07, \"amsgrad\": false}"
#define BETAS "{\"beta_1\": 0.9, \"beta_2\": 0.999, \"epsilon\": 1e-07}"

static const mr_optimizer_class sgd = {.name = "sgd",
                                       .class_name = "SGD",
                                       .keras_name = "sgd",
                                       .defaults = "{\"momentum\": 0.0, \"nesterov\": false}",
                                       .learning_rate = .01,
                                       .slots = sgd_slots,
                                       .update = sgd_update};
static const mr_optimizer_class adam = {.name = "adam",
                                        .class_name = "Adam",
                                        .keras_name = "adam",
                                        .defaults = ADAM_DEFAULTS,
                                        .learning_rate = .001,
                                        .slots = adam_slots,
                                        .interleaved = true,
                                        .prepare = adam_prepare,
                                        .update = adam_update};
static const mr_optimizer_class adamw = {.name = "adamw",
                                         .class_name = "AdamW",
                                         .keras_name = "adam_w",
                                         .defaults = ADAM_DEFAULTS,
                                         .weight_decay = .004,
                                         .learning_rate = .001,
                                         .slots = adam_slots,
                                         .interleaved = true,
                                         .prepare = adam_prepare,
                                         .update = adam_update};
static const mr_optimizer_class rmsprop = {
    .name = "rmsprop",
    .class_name = "RMSprop",
    .keras_name = "rm_sprop",
    .defaults = "{\"rho\": 0.9, \"momentum\": 0.0, \"epsilon\": 1e-07, \"centered\": false}",
    .learning_rate = .001,
    .slots = rmsprop_slots,
    .update = rmsprop_update};
static const mr_optimizer_class adagrad = {.name = "adagrad",
                                           .class_name = "Adagrad",
                                           .keras_name = "adagrad",
                                           .defaults =
                                               "{\"initial_accumulator_value\": 0.1, \"epsilon\": 1e-07}",
                                           .learning_rate = .001,
                                           .slots = adagrad_slots,
                                           .slot_initial = adagrad_initial,
                                           .update = adagrad_update};
static const mr_optimizer_class adadelta = {.name = "adadelta",
                                            .class_name = "Adadelta",
                                            .keras_name = "adadelta",
                                            .defaults = "{\"rho\": 0.95, \"epsilon\": 1e-07}",
                                            .learning_rate = .001,
                                            .slots = adadelta_slots,
                                            .interleaved = true,
                                            .update = adadelta_update};
static const mr_optimizer_class adamax = {.name = "adamax",
                                          .class_name = "Adamax",
                                          .keras_name = "adamax",
                                          .defaults = BETAS,
                                          .learning_rate = .001,
                                          .slots = adamax_slots,
                                          .interleaved = true,
                                          .prepare = adamax_prepare,
                                          .update = adamax_update};
static const mr_optimizer_class nadam = {.name = "nadam",
                                         .class_name = "Nadam",
                                         .keras_name = "nadam",
                                         .defaults = BETAS,
                                         .learning_rate = .001,
                                         .slots = adam_slots,
                                         .scalar = "u_product",
                                         .interleaved = true,
                                         .prepare = nadam_prepare,
                                         .update = nadam_update};

const mr_optimizer_class *const mr_optimizer_classes[] = {&sgd,      &adam,   &adamw, &rmsprop, &adagrad,
                                                          &adadelta, &adamax, &nadam, NULL};

const mr_optimizer_class *mr_optimizer_class_find(const char *name)
{
    for (int i = 0; mr_optimizer_classes[i]; i++)
        if (!strcmp(mr_optimizer_classes[i]->name, name) ||
            !strcmp(mr_optimizer_classes[i]->class_name, name))
            return mr_optimizer_classes[i];
    return NULL;
}
