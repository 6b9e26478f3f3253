/* SPDX-License-Identifier: Apache-2.0 */
/* Losses as Keras computes them (reduction sum_over_batch_size, from probabilities with its clipping by 1e-7). */
#ifndef MR_NN_LOSS_H
#define MR_NN_LOSS_H

#include "nn/layer.h"

typedef struct mr_loss mr_loss;

typedef struct mr_loss_class {
    const char *name;     /* snake case: "categorical_crossentropy" */
    const char *class_name; /* "CategoricalCrossentropy" */
    bool sparse;          /* targets are class indices, one per row of predictions */
    /* For ROWS rows of WIDTH predictions: the loss of each row (mean over the row where Keras takes it) into VALUE, its
     * gradient by the predictions into D (may be NULL). TARGET: [rows][width], or [rows][1] for sparse losses. */
    void (*rows)(const mr_loss *l, const mr_real *target, const mr_real *prediction, size_t rows, size_t width, mr_real *value,
                 mr_real *d);
} mr_loss_class;

struct mr_loss {
    const mr_loss_class *class;
    double label_smoothing;
    bool from_logits;
    double delta;         /* Huber; Keras 1.0 */
    double alpha, gamma;  /* focal losses; Keras 0.25, 2.0 */
    bool apply_class_balancing;
};

const mr_loss_class *mr_loss_class_find(const char *name); /* either of the names, and Keras's short aliases ("mse") */

/* From the training configuration's value: a string, or {"class_name","config"}. MR_EUNSUPPORTED names what is unknown. */
int mr_loss_configure(mr_loss *out, const json_t *config, mr_error *e);
json_t *mr_loss_config(const mr_loss *l); /* a string where nothing but defaults, else {"class_name","config"}; new reference */

/* Mean loss over a batch of BATCH samples of shape OUT (dim[0] ignored), weighted by WEIGHT [batch] (NULL: ones; Keras
 * divides by the number of samples, not by the sum of weights), and the gradient into D (NULL: not wanted).
 * ROW_VALUE: scratch of batch * rows-per-sample reals. */
double mr_loss_batch(const mr_loss *l, const mr_shape *out, int batch, const mr_real *target, const mr_real *prediction,
                     const mr_real *weight, mr_real *row_value, mr_real *d);

/* How many predictions of the batch are right, as Keras's "accuracy" means it for this shape and loss: arg max for
 * categorical and sparse targets, > 0.5 for one sigmoid output. Per sample (rows of rank > 2 outputs are averaged). */
double mr_accuracy_batch(const mr_loss *l, const mr_shape *out, int batch, const mr_real *target, const mr_real *prediction);

#endif
