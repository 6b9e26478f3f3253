/* SPDX-License-Identifier: Apache-2.0 */
/* A plan's graph as fused operations (float alone). Chains of layers become one operation that passes over
 * memory once: a normalisation and an activation are done by whoever reads them (a lazy value), biases,
 * residual sums, activations and the statistics of the next normalisation by whoever writes. Backward
 * likewise: the gradient by a normalisation's input is formed by the operation that reads it (a pending
 * gradient).
 *
 * Build: roles.c decides what each node becomes, operations.c makes it, gradients.c who gives gradients to
 * whom, program.c when every buffer lives. Run: program.c; the operations are in *_op.c. What is not
 * recognised runs as the plain layer.
 *
 * Time: operation i runs forward at time i, backward at 2*ops - i, updates its statistics at 2*ops + 1. */
#ifndef MR_NN_FUSED_PROGRAM_H
#define MR_NN_FUSED_PROGRAM_H

#include "nn/plan_internal.h"

typedef struct mr_program mr_program;

#ifdef MR_REAL_DOUBLE

/* The network in double is there to be compared with: it has the plain plan alone. */
static inline int mr_program_create(mr_program **out, const mr_plan *p, mr_error *e)
{
    (void)p, (void)e;
    *out = NULL;
    return 0;
}
static inline void mr_program_free(mr_program *p)
{
    (void)p;
}
static inline size_t mr_program_memory(const mr_program *p)
{
    return (void)p, 0;
}
static inline void mr_program_forward(mr_program *p, const mr_real *const *x, int batch, uint64_t step)
{
    (void)p, (void)x, (void)batch, (void)step;
}
static inline const mr_real *mr_program_output(const mr_program *p, int i)
{
    return (void)p, (void)i, NULL;
}
static inline mr_real *mr_program_output_gradient(mr_program *p, int i)
{
    return (void)p, (void)i, NULL;
}
static inline void mr_program_backward(mr_program *p)
{
    (void)p;
}
static inline const mr_real *mr_program_input_gradient(const mr_program *p, int i)
{
    return (void)p, (void)i, NULL;
}
static inline void mr_program_update_statistics(mr_program *p, mr_real *state_out)
{
    (void)p, (void)state_out;
}

#else

/* The functions of nn/plan.h for a plan that is fused. P gives graph, team, options, outputs and gradients.
 */
int mr_program_create(mr_program **out, const mr_plan *p, mr_error *e);
void mr_program_free(mr_program *p);
size_t mr_program_memory(const mr_program *p);
void mr_program_forward(mr_program *p, const mr_real *const *x, int batch, uint64_t step);
const mr_real *mr_program_output(const mr_program *p, int i);
mr_real *mr_program_output_gradient(mr_program *p, int i);
void mr_program_backward(mr_program *p);
const mr_real *mr_program_input_gradient(const mr_program *p, int i);
void mr_program_update_statistics(mr_program *p, mr_real *state_out);

#endif
#endif
