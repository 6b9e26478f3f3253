/* SPDX-License-Identifier: Apache-2.0 */
/* Optimizers as Keras 3 computes them: one row per optimizer in nn/learn/optimizers.c. An update reads one state
 * and writes another (or the same), which is what lets a checkpoint keep the old one without a copy. */
#ifndef MR_NN_OPTIMIZER_H
#define MR_NN_OPTIMIZER_H

#include "nn/graph/graph.h"
#include "nn/learn/schedule.h"

enum { MR_MAX_SLOTS = 4, MR_MAX_COEFFICIENTS = 6 };

/* One array of optimizer state, in the terms of Keras 3. */
typedef struct mr_slot {
    const char *name; /* "momentum", "velocity" (Adam's second moment), "accumulator", … (static string) */
    const mr_param *param; /* whose slot; NULL for a scalar of the optimizer itself */
    size_t offset;         /* where it lies in the graph's state (param->count reals, or 1) */
} mr_slot;

typedef struct mr_optimizer mr_optimizer;

/* A range of one variable. Out may be the same memory as in. */
typedef struct mr_update {
    size_t count;
    const mr_real *w, *g; /* values; gradients, regularized and clipped */
    mr_real *w_out;
    const mr_real *slot[MR_MAX_SLOTS];
    mr_real *slot_out[MR_MAX_SLOTS];
    double rate;               /* learning rate of this step */
    const double *coefficient; /* from prepare() */
} mr_update;

typedef struct mr_optimizer_class {
    const char *name;       /* "sgd": on the command line */
    const char *class_name; /* "SGD" */
    const char *keras_name; /* Keras's default `name`: "sgd", "rm_sprop" */
    /* Its own parameters and their defaults as Keras 3 has them, JSON: "{\"momentum\": 0.0, \"nesterov\":
     * false}". */
    const char *defaults;
    double weight_decay;  /* Keras's default; 0: none */
    double learning_rate; /* Keras's default */
    /* Names of the slots per variable, in Keras 3's order; returns how many. */
    int (*slots)(const mr_optimizer *o, const char *name[MR_MAX_SLOTS]);
    double (*slot_initial)(const mr_optimizer *o, int slot); /* NULL: zeros */
    const char *scalar; /* name of one number kept in the state, or NULL; it starts as 1 */
    bool interleaved;   /* Keras 3 files list the first two slots variable by variable, not slot by slot */
    /* Numbers of this step. SCALAR: the state's, to be replaced by its new value. NULL: none. */
    void (*prepare)(const mr_optimizer *o, int64_t iterations, double rate, double *scalar,
                    double *coefficient);
    void (*update)(const mr_optimizer *o, const mr_update *u);
} mr_optimizer_class;

struct mr_optimizer {
    const mr_optimizer_class *class;
    json_t *config; /* all of Keras 3's keys but learning_rate */
    mr_schedule *schedule;
    int64_t iterations;                                        /* finished updates */
    double weight_decay, clipnorm, global_clipnorm, clipvalue; /* 0: none */
    /* Parameters as numbers; what a class does not have is 0. */
    double momentum, beta_1, beta_2, rho, epsilon, initial_accumulator;
    bool nesterov, amsgrad, centered;
    int slots; /* of all variables, in Keras 3's order of files, the scalar last */
    mr_slot *slot;
    struct mr_update_work *work; /* partition of the variables, nn/learn/optimizer.c */
};

const mr_optimizer_class *
mr_optimizer_class_find(const char *name);                     /* "sgd" or "SGD"; NULL where there is none */
extern const mr_optimizer_class *const mr_optimizer_classes[]; /* ended by NULL */

/* CONFIG: {"class_name", "config": {"learning_rate", …}} in Keras 3's keys; missing ones get Keras's
 * defaults, unknown ones and features that would change the numbers (use_ema, gradient accumulation) are
 * refused by name. */
int mr_optimizer_create(mr_optimizer **out, const json_t *config, mr_error *e);
void mr_optimizer_free(mr_optimizer *o);
/* The configuration back, complete. A new reference, which shares nothing: another thread may write it to a file. */
json_t *mr_optimizer_config(const mr_optimizer *o);

/* Gives every trainable variable of G its slots in G's state. Those in FOUND (COUNT of them, by name and
 * variable) are used where they lie, with their values; others are made and initialised. *RESTORED (may be
 * NULL): all were found. */
int mr_optimizer_attach(mr_optimizer *o, mr_graph *g, const mr_slot *found, int count, bool *restored,
                        mr_error *e);

/* One update from GRADIENTS (laid out as G's state, of the data loss alone; changed by regularizers and
 * clipping) and G's state into STATE_OUT, a whole state: G's own, or another buffer, then everything that
 * does not change is copied. Adds one to iterations. Does not touch the moving statistics
 * (mr_plan_update_statistics, afterwards). */
void mr_optimizer_step(mr_optimizer *o, mr_graph *g, mr_team *team, mr_real *gradients, mr_real *state_out);

/* Sum over the trainable variables' regularizers of l1*|w| + l2*w² : what Keras adds to the loss. */
double mr_regularization(const mr_graph *g);

/* The rate that the next update will use. */
double mr_optimizer_rate(const mr_optimizer *o);

#endif
