/* SPDX-License-Identifier: Apache-2.0 */
/* A graph compiled for a batch size and a purpose: steps in order, one arena with every activation, gradient
 * and scratch buffer at a fixed place (buffers whose lifetimes do not overlap share memory). Nothing is allocated
 * afterwards. */
#ifndef MR_NN_PLAN_PLAN_H
#define MR_NN_PLAN_PLAN_H

#include "nn/graph/graph.h"

typedef enum mr_plan_kind { MR_PLAN_INFERENCE, MR_PLAN_TRAINING } mr_plan_kind;
typedef struct mr_plan mr_plan;

typedef struct mr_plan_options {
    mr_plan_kind kind;
    int batch;            /* the most samples of a run */
    size_t memory_limit;  /* bytes of the arena; 0: none. Over it: MR_ELIMIT, saying what batch would fit */
    bool input_gradients; /* also compute the gradient by the model's inputs (tests) */
    const mr_peers *peers; /* training: see nn/compute/peers.h; outlives the plan. NULL: one process alone */
    bool plain;           /* layer by layer, nothing fused: what the fused plan is tested against */
    bool constant_weights; /* inference: the state does not change while the plan lives, so weights are brought into
                              the kernels' order once, not in every run */
    const int
        *extra; /* [extras] nodes whose outputs are wanted beside the model's own (feature extraction) */
    int extras;
} mr_plan_options;

int mr_plan_create(mr_plan **out, mr_graph *g, mr_team *team, mr_plan_options options, mr_error *e);
void mr_plan_free(mr_plan *p);
size_t mr_plan_memory(const mr_plan *p); /* bytes of the arena */

/* Runs BATCH samples forward. X: one pointer per model input, [batch, …] (read, not kept after the call in
 * inference; in training it must stay until mr_plan_backward is done). BATCH 0 (only with peers): nothing is
 * computed, but what the other processes wait for is sent, here and in backward. */
void mr_plan_forward(mr_plan *p, const mr_real *const *x, int batch, uint64_t step);
/* Output number I of the last forward, [batch, …]; valid until the next forward. Numbers from graph->outputs
 * on are the extra ones. */
const mr_real *mr_plan_output(const mr_plan *p, int i);

/* Training: where the loss's gradient by output I (an extra one too) goes, [batch, …]; fill it after forward,
 * before backward. NULL where nothing that is trained depends on it. Several may be one buffer: an output that is
 * another one under a new shape. */
mr_real *mr_plan_output_gradient(mr_plan *p, int i);
/* Computes all weight gradients (of the loss alone: regularizers are the optimizer's). */
void mr_plan_backward(mr_plan *p);
/* Gradient of a trainable variable after backward, [count]; NULL for others. The gradients of all lie in one
 * block. */
mr_real *mr_plan_gradient(const mr_plan *p, const mr_param *param);
/* The whole block, laid out as the state. */
mr_real *mr_plan_gradients(mr_plan *p);
const mr_real *mr_plan_input_gradient(const mr_plan *p, int i); /* with input_gradients */
/* The new moving statistics of this step into STATE_OUT (a whole state; may be the graph's own state). */
void mr_plan_update_statistics(mr_plan *p, mr_real *state_out);

#endif
