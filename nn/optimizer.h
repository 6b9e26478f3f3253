/* SPDX-License-Identifier: Apache-2.0 */
/* Optimizers as Keras 3 updates: one row per optimizer. An update reads one state and writes another (or the same), which
 * is what lets a checkpoint keep the old one without a copy. */
#ifndef MR_NN_OPTIMIZER_H
#define MR_NN_OPTIMIZER_H

#include "nn/graph.h"

typedef struct mr_optimizer mr_optimizer;

/* One variable's update, over a range of its elements. All pointers may be the same in and out. */
typedef struct mr_update {
    size_t count;
    const mr_real *w;
    mr_real *w_out;
    const mr_real *g;            /* gradient, regularized and clipped */
    const mr_real *slot[4];
    mr_real *slot_out[4];
    double learning_rate;        /* of this step */
    const double *coefficient;   /* what prepare() computed */
} mr_update;

enum { MR_MAX_COEFFICIENTS = 8, MR_MAX_SLOTS = 4 };

typedef struct mr_optimizer_class {
    const char *name;            /* "sgd": the command line's and Keras's snake case */
    const char *class_name;      /* "SGD" */
    const char *config_keys;     /* Keras 3's keys of it, space separated, with defaults: "momentum=0.0 nesterov=false" */
    /* Slots per variable in Keras 3's order (names as in its files), given the configuration. Returns how many. */
    int (*slots)(const mr_optimizer *o, const char *name[MR_MAX_SLOTS]);
    /* Scalars of this step (bias corrections), from o->iterations (finished updates) and the learning rate. May be NULL. */
    void (*prepare)(const mr_optimizer *o, double learning_rate, double coefficient[MR_MAX_COEFFICIENTS]);
    void (*update)(const mr_optimizer *o, const mr_update *u);
    /* Initial value of slot I (Adagrad); NULL: zeros. */
    double (*slot_initial)(const mr_optimizer *o, int i);
    const char *scalar;          /* name of a scalar kept in the state ("u_product" of Nadam), or NULL */
} mr_optimizer_class;

typedef struct mr_schedule mr_schedule; /* nn/schedule.h */

#endif
