/* SPDX-License-Identifier: Apache-2.0 */
/* Regularizers on what layers put out: `activity_regularizer` of any layer, and the layer
 * ActivityRegularization. As in Keras 3 each call adds l1 * sum |y| + l2 * sum y² over the whole batch to the
 * loss, in training and in evaluation, whether the layer is trainable or not (tf.keras 2 divided it by the
 * batch size). */
#ifndef MR_NN_ACTIVITY_H
#define MR_NN_ACTIVITY_H

#include "nn/plan/plan.h"

typedef struct mr_activity_term {
    double l1, l2;
} mr_activity_term;

typedef struct mr_activity {
    int terms; /* 0: the graph has none */
    mr_activity_term *term;
    int *node; /* [terms] whose outputs they are: the `extra` ones of a plan that they are used with */
    double *partial;
} mr_activity;

/* Finds those of G. Errors: MR_EUNSUPPORTED, a regularizer that is not known; the layer is named. Free it
 * with mr_activity_clear, after a failure too. */
int mr_activity_find(mr_activity *out, const mr_graph *g, mr_error *e);
void mr_activity_clear(mr_activity *a);

/* After a forward pass of P, whose extras are A's nodes, over BATCH samples: what they add to the loss. With
 * GRADIENTS also adds theirs to what P's backward pass begins with: to be called when the gradient by the
 * outputs has been written. The sum's order depends on the shapes alone. */
double mr_activity_loss(const mr_activity *a, const mr_graph *g, mr_plan *p, mr_team *team, int batch,
                        bool gradients);

#endif
