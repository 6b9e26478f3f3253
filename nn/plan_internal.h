/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of a plan: shared by plan.c (running), plan_build.c (who needs what, when) and plan_memory.c (where
 * it lies).
 *
 * Time: step i runs forward at time i; the losses at `steps`; step i runs backward at 2*steps - i; the
 * statistics are updated at 2*steps + 1. A buffer lives from its first to its last time, both included. */
#ifndef MR_NN_PLAN_INTERNAL_H
#define MR_NN_PLAN_INTERNAL_H

#include "nn/plan.h"

typedef struct mr_buffer {
    size_t bytes;    /* 0: not in the arena (a model input: the caller's memory) */
    int first, last; /* times; first > last: not used */
    size_t offset;   /* in the arena */
} mr_buffer;

typedef struct mr_step {         /* one call of a layer; node i is step i, inputs are steps that do nothing */
    const mr_layer_class *class; /* NULL: nothing to run (model inputs, aliases) */
    mr_call call;
    mr_shape *in;                         /* [inputs] */
    const mr_real **x;                    /* [inputs] */
    mr_real **dx;                         /* [inputs] */
    bool *add_dx;                         /* [inputs] */
    int value;                            /* buffer of the output */
    int gradient;                         /* buffer of the gradient by the output; -1: none is needed */
    int saved, scratch, backward_scratch; /* buffers; -1: none */
    int *spare;    /* [inputs] buffer for a gradient that the layer cannot add itself; -1: none */
    bool backward; /* runs backward */
} mr_step;

struct mr_plan {
    struct mr_program *program; /* runs instead of the steps, which then are not there; NULL: a plain plan */
    mr_graph *graph;
    mr_team *team;
    mr_plan_options options;
    int steps;
    mr_step *step; /* [graph->nodes] */
    int buffers, buffer_capacity;
    mr_buffer *buffer;
    int outputs; /* of the graph, then the extra ones */
    int *output; /* [outputs] nodes */
    char *arena;
    size_t arena_bytes;
    mr_real *gradients;    /* [graph->weights], laid out as the state; training plans only */
    const mr_real **input; /* [graph->inputs] of the run at hand */
    int batch;             /* of the run at hand */
    uint64_t step_number;
};

enum { MR_BUFFER_ALIGNMENT = 64 };

/* Places every buffer: largest first, each at the lowest offset that is free for its whole life. *BYTES: of the
 * arena that holds them all. MR_ENOMEM when the bookkeeping itself finds no memory. */
int mr_place_buffers(mr_buffer *buffer, int buffers, size_t *bytes, mr_error *e);
/* An arena of BYTES, on huge pages where possible; free() it. MR_ELIMIT over the limit in OPTIONS. */
int mr_arena_allocate(char **arena, size_t bytes, const mr_plan_options *options, mr_error *e);
/* In builds with AddressSanitizer buffers lie apart: poisons what is between them; takes it back before the arena goes. */
void mr_poison_gaps(char *arena, size_t bytes, const mr_buffer *buffer, int buffers);
void mr_unpoison(char *arena, size_t bytes);

/* With peers, a batch of 0 runs the layers alone whose sums the others wait for. */
static inline bool mr_plan_runs(const mr_plan_options *o, const mr_layer_class *class, int batch)
{
    return batch > 0 || (class->sums_over_peers && mr_peers_share(o->peers));
}
/* The gradients of L are whole. */
static inline void mr_plan_tell_done(const mr_plan_options *o, const mr_layer *l)
{
    if (l && o->peers && o->peers->layer_done)
        o->peers->layer_done(o->peers->context, l);
}

/* Decides sharing, gradients, lives and sizes of all buffers. */
int mr_plan_analyse(mr_plan *p, mr_error *e);

#endif
