/* SPDX-License-Identifier: Apache-2.0 */
/* Keras's activation functions: a table by name, used by Activation, by the activation argument of other layers, and
 * by the activation layers. */
#ifndef MR_NN_ACTIVATION_H
#define MR_NN_ACTIVATION_H

#include "nn/layer.h"

typedef struct mr_activation mr_activation;
struct mr_activation {
    const char *name;      /* Keras's: "relu", "silu" (alias "swish"), … */
    /* y[i] = f(x[i]) over COUNT elements; ROW is the length of the last axis (softmax works on rows). y may be x. */
    void (*forward)(const mr_real *x, mr_real *y, size_t count, size_t row);
    /* dx[i] = dy[i] * f'(x[i]), from y where that is enough. dx may be dy. */
    void (*backward)(const mr_real *x, const mr_real *y, const mr_real *dy, mr_real *dx, size_t count, size_t row);
    bool needs_x, needs_y; /* what backward reads */
};

/* NULL where there is none of that name. */
const mr_activation *mr_activation_find(const char *name);

/* Reads CONFIG[key]: null or missing → linear; a string; or a serialised object {"class_name": …, "config": …}.
 * An unknown or custom one is refused, naming the layer and the activation. */
int mr_config_activation(const mr_layer *l, const json_t *config, const char *key, const mr_activation **out, mr_error *e);

#endif
