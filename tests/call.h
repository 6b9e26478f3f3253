/* SPDX-License-Identifier: Apache-2.0 */
/* One layer alone, without graph and plan: built from a JSON configuration and input shapes, with memory of
 * exactly the sizes it asks for (so that AddressSanitizer sees an overrun), poisoned with NaN before every
 * call. */
#ifndef MR_TESTS_CALL_H
#define MR_TESTS_CALL_H

#include "nn/graph/layer.h"

enum { MOST_INPUTS = 8 };

typedef struct tested {
    mr_layer layer;
    mr_call call;
    mr_shape in[MOST_INPUTS];
    int batch, planned; /* samples of a call; samples that memory is sized for (at least as many) */
    /* What the test sets and reads; owned here. */
    mr_real *x[MOST_INPUTS], *y, *dy, *dx[MOST_INPUTS];
    mr_real *w[MR_MAX_PARAMS], *dw[MR_MAX_PARAMS];
    bool add_dx[MOST_INPUTS];
    void *saved, *scratch;
    size_t saved_bytes, scratch_bytes;
} tested;

/* SHAPES: samples without the batch, "8,8,3" or, for several inputs, "8,8,3;1,1,3". Inputs, weights and dy
 * are drawn from SEED in -1 to 1 (variances 0.3 to 2). TRAINING as in mr_call. Errors are those of the layer.
 */
int tested_create(tested *t, mr_team *team, const char *class, const char *config, const char *shapes,
                  int batch, int planned, bool training, bool trainable, uint64_t seed, mr_error *e);
void tested_free(tested *t);

/* Poisons y, saved and scratch, then calls forward. */
void tested_forward(tested *t);
/* Poisons scratch and every dx that is not added to, then calls backward. */
void tested_backward(tested *t);

size_t tested_in_count(const tested *t, int i); /* reals of x[i] */
size_t tested_out_count(const tested *t);
double tested_loss(const tested *t); /* sum of y*dy */

/* Fills COUNT numbers between LOW and HIGH from (seed, stream). */
void draw_reals(uint64_t seed, uint64_t stream, double low, double high, mr_real *out, size_t count);

#endif
