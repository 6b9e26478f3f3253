/* SPDX-License-Identifier: Apache-2.0 */
/* Keras's initializers: zeros, ones, constant, random_uniform/normal, truncated_normal, variance_scaling with
 * its named forms (Glorot, He, LeCun), orthogonal is refused, identity. */
#ifndef MR_NN_INITIALIZER_H
#define MR_NN_INITIALIZER_H

#include "nn/graph/layer.h"
#include "base/random.h"

/* Fills OUT[p->count] from p's initializer, drawing from G. Errors name layer and initializer. */
int mr_initialize(const mr_param *p, mr_philox *g, mr_real *out, mr_error *e);

#endif
