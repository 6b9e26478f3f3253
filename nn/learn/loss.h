/* SPDX-License-Identifier: Apache-2.0 */
/* Losses as Keras computes them (reduction sum_over_batch_size, from probabilities with its clipping by
 * 1e-7). */
#ifndef MR_NN_LOSS_H
#define MR_NN_LOSS_H

#include "nn/graph/layer.h"

typedef struct mr_loss mr_loss;

/* What a model that is trained with it gives. */
typedef enum mr_loss_meaning {
    MR_LOSS_OF_NUMBERS,
    MR_LOSS_OF_ONE_CLASS, /* of as many as there are numbers */
    MR_LOSS_OF_LABELS,    /* each number a yes or no; a single one tells two classes apart */
    MR_LOSS_OF_A_MARGIN,  /* the same, of numbers around 0 */
} mr_loss_meaning;

typedef struct mr_loss_class {
    const char *name;       /* snake case: "categorical_crossentropy" */
    const char *class_name; /* "CategoricalCrossentropy" */
    const char *alias;      /* Keras's short name, or NULL */
    bool sparse;            /* targets are class indices, one per row of predictions */
    mr_loss_meaning meaning;
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
/* The Ith of them all; NULL behind the last. */
const mr_loss_class *mr_loss_class_at(int i);

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

#endif
