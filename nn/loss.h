/* SPDX-License-Identifier: Apache-2.0 */
/* Losses as Keras computes them (reduction sum_over_batch_size, from probabilities with its clipping by
 * 1e-7). */
#ifndef MR_NN_LOSS_H
#define MR_NN_LOSS_H

#include "nn/layer.h"

typedef struct mr_loss mr_loss;

typedef struct mr_loss_class {
    const char *name;       /* snake case: "categorical_crossentropy" */
    const char *class_name; /* "CategoricalCrossentropy" */
    const char *alias;      /* Keras's short name, or NULL */
    bool sparse;            /* targets are class indices, one per row of predictions */
    /* The loss of one row of WIDTH predictions; its gradient by them into D, which is zero before. */
    double (*row)(const mr_loss *l, const mr_real *target, const mr_real *prediction, size_t width,
                  double *d);
} mr_loss_class;

struct mr_loss {
    const mr_loss_class *class;
    double label_smoothing;
    bool from_logits;
    double delta;        /* Huber; Keras 1.0 */
    double alpha, gamma; /* focal losses; Keras 0.25, 2.0 */
    bool apply_class_balancing;
};

/* By snake-case name, class name or Keras's short alias ("mse"); NULL where there is none. */
const mr_loss_class *mr_loss_class_find(const char *name);

/* From a training configuration's value: a string, or {"class_name","config"}. MR_EUNSUPPORTED names what is
 * unknown. */
int mr_loss_configure(mr_loss *out, const json_t *config, mr_error *e);
/* The other way: a string where all is default, else {"class_name","config"}. A new reference. */
json_t *mr_loss_config(const mr_loss *l);

/* Mean loss over BATCH samples of shape OUT (dim[0] ignored), weighted by WEIGHT [batch] (NULL: ones; as in
 * Keras the divisor is the number of rows, not the sum of weights), and the gradient by the predictions into
 * D [batch, …] (NULL: not wanted). TARGET: [batch, …] as the predictions, or one class index per row for
 * sparse losses, each below the width. SCRATCH: as many doubles as the last dimension of OUT. */
double mr_loss_batch(const mr_loss *l, const mr_shape *out, int batch, const mr_real *target,
                     const mr_real *prediction, const mr_real *weight, double *scratch, mr_real *d);

/* How many samples of the batch are right, as Keras's "accuracy" means it: arg max for more than one output,
 * > 0.5 for one; over the rows of a sample the mean. */
double mr_accuracy_batch(const mr_loss *l, const mr_shape *out, int batch, const mr_real *target,
                         const mr_real *prediction);

/* How many have a true class whose prediction is among the K largest, as Keras's top_k_categorical_accuracy
 * (equal predictions share a place); over the rows of a sample the mean. For one output it is the accuracy.
 */
double mr_top_k_batch(const mr_loss *l, const mr_shape *out, int batch, const mr_real *target,
                      const mr_real *prediction, int k);

#endif
