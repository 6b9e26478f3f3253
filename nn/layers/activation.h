/* SPDX-License-Identifier: Apache-2.0 */
/* Keras's activation functions: a table by name, used by Activation, by the activation argument of other layers, and
 * by the activation layers. */
#ifndef MR_NN_LAYERS_ACTIVATION_H
#define MR_NN_LAYERS_ACTIVATION_H

#include "nn/graph/layer.h"

typedef struct mr_activation mr_activation;
struct mr_activation {
    const char *name;      /* Keras's: "relu", "silu" (alias "swish"), … */
    /* y[i] = f(x[i]) over COUNT elements; ROW is the length of the last axis (softmax works on rows). y may be x. */
    void (*forward)(const mr_activation *a, const mr_real *x, mr_real *y, size_t count, size_t row);
    /* dx[i] = dy[i] * f'(x[i]), from y where that is enough. dx may be dy. */
    void (*backward)(const mr_activation *a, const mr_real *x, const mr_real *y, const mr_real *dy, mr_real *dx,
                     size_t count, size_t row);
    bool needs_x, needs_y; /* what backward reads */
    bool by_rows;          /* works on whole rows: ranges must not cut them */
    double slope;          /* negative_slope of the ReLU kind, alpha of the ELU kind */
    double maximum;        /* max_value of ReLU; INFINITY: none */
    double threshold;
};

/* activation_functions.c: all activations that have a name, ended by a NULL name. */
extern const mr_activation mr_activations[];
/* ReLU with slope, maximum and threshold, as in Keras's ReLU layer. */
extern const mr_activation mr_general_relu;
void mr_linear_forward(const mr_activation *a, const mr_real *x, mr_real *y, size_t count, size_t row);

/* NULL: no activation of that name. Its parameters are the function's defaults. */
const mr_activation *mr_activation_find(const char *name);

/* Reads CONFIG[key]: null or missing → linear; a string; or a serialised object {"class_name": …, "config": …} of a
 * function or of an activation layer (LeakyReLU, ReLU, ELU, Softmax). An unknown or custom one is refused, naming the
 * layer and the activation. */
int mr_config_activation(const mr_layer *l, const json_t *config, const char *key, mr_activation *out, mr_error *e);
/* The activation that the layer class NAME with CONFIG is ("LeakyReLU", …). Returns MR_ENOTFOUND, without filling E,
 * if NAME is not an activation layer. */
int mr_activation_of_class(const mr_layer *l, const char *name, const json_t *config, mr_activation *out, mr_error *e);
/* The reader of a row (nn/graph/config.h) that stores an mr_activation. */
int mr_field_activation(const mr_layer *l, const mr_config_field *f, void *at, mr_error *e);
bool mr_activation_is_linear(const mr_activation *a);
/* Whether A is min(high, max(low, x)): linear (-INFINITY, INFINITY), relu, relu6. */
bool mr_activation_is_clamp(const mr_activation *a, float *low, float *high);

/* The same over a whole tensor with all threads. */
void mr_activation_forward(mr_team *t, const mr_activation *a, const mr_real *x, mr_real *y, size_t count, size_t row);
void mr_activation_backward(mr_team *t, const mr_activation *a, const mr_real *x, const mr_real *y, const mr_real *dy,
                            mr_real *dx, size_t count, size_t row);

/* ---- the activation argument of a layer */

/* What backward must find in call->saved: the sum before the activation, where the gradient is not known from
 * y. */
size_t mr_activated_saved(const mr_activation *a, const mr_call *c);
/* call->y holds the sum: keeps it in call->saved where that is needed, then activates it in place. */
void mr_activated_forward(const mr_activation *a, const mr_call *c);
/* The gradient by the sum: call->dy itself for a linear layer, else in SCRATCH (as large as the output). */
size_t mr_activated_scratch(const mr_activation *a, const mr_call *c);
const mr_real *mr_activated_gradient(const mr_activation *a, const mr_call *c, mr_real *scratch);

#endif
