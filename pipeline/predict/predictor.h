/* SPDX-License-Identifier: Apache-2.0 */
/* Files through a model: the loader, then a thread that computes, then the consumer of the results, each a
 * few batches ahead of the next:
 *
 *     source → loader → compute thread ─(done)→ consumer
 *                             ↑                     │
 *                             └────── (free) ←──────┘
 *
 * Results come in the order of the source. A file that cannot be used is a result with an error. */
#ifndef MR_PIPELINE_PREDICTOR_H
#define MR_PIPELINE_PREDICTOR_H

#include "nn/plan/plan.h"
#include "pipeline/load/loader.h"

typedef struct mr_prediction {
    const char *path;    /* as the source gave it; a copy */
    uint64_t id;         /* the same */
    int error;           /* 0, or why there is none: a negative MR_E… code */
    const char *message; /* the reason in words where error is set */
    int row;             /* of the outputs; -1 where error is set */
} mr_prediction;

/* Of one batch. The predictor's until mr_predictor_next gives it out, the consumer's until it is released. */
typedef struct mr_predictions {
    int count;           /* inputs, unusable ones too */
    mr_prediction *item; /* [count], in input order */
    int rows;            /* usable ones */
    int outputs;
    float *const
        *output; /* [outputs] → [rows, size of a sample]; the model's own, then the layers asked for */
} mr_predictions;

typedef struct mr_predictor_options {
    mr_loader_options loader; /* batch size, decode threads, preprocessing */
    int threads;              /* that compute; >= 1 */
    size_t memory_limit;      /* bytes of activations; 0: none */
    const int *node;          /* [nodes] graph nodes whose outputs are wanted too; borrowed for the call */
    int nodes;
} mr_predictor_options;

typedef struct mr_predictor mr_predictor;

/* Do the model and OPTIONS go together? MR_EINVAL where not. (mr_predictor_open asks it too.) */
int mr_predictor_check(const mr_graph *graph, const mr_predictor_options *options, mr_error *e);
/* Starts the threads. GRAPH and what SOURCE refers to must outlive the predictor; the graph must not
 * change. */
int mr_predictor_open(mr_predictor **out, mr_graph *graph, mr_source source,
                      const mr_predictor_options *options, mr_error *e);
/* 1 and the next batch, 0 at the end, negative on failure. One consumer thread. */
int mr_predictor_next(mr_predictor *p, mr_predictions **out, mr_error *e);
void mr_predictor_release(mr_predictor *p, mr_predictions *predictions);
/* Ends all waiting with MR_ECANCELED (any thread). A source that waits must be woken by its owner. */
void mr_predictor_stop(mr_predictor *p);
/* Stops, joins, frees. NULL is fine. */
void mr_predictor_close(mr_predictor *p);

/* The loader's stages and "predict". Thread safe. */
int mr_predictor_stats(const mr_predictor *p, mr_stage_stats *out, int max);
const char *mr_predictor_reader_kind(const mr_predictor *p);

#endif
