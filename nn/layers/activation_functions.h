/* SPDX-License-Identifier: Apache-2.0 */
/* The activation functions behind nn/layers/activation.h. */
#ifndef MR_NN_ACTIVATION_FUNCTIONS_H
#define MR_NN_ACTIVATION_FUNCTIONS_H

#include "nn/layers/activation.h"

/* All activations that have a name, ended by a NULL name. */
extern const mr_activation mr_activations[];
/* ReLU with slope, maximum and threshold, as in Keras's ReLU layer. */
extern const mr_activation mr_general_relu;

void mr_linear_forward(const mr_activation *a, const mr_real *x, mr_real *y, size_t count, size_t row);

#endif
