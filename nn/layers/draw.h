/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers of a call: a function of (seed, node, step) and of the place in the tensor, so a backward
 * pass draws again what forward drew, and nothing needs to be kept. */
#ifndef MR_NN_LAYERS_DRAW_H
#define MR_NN_LAYERS_DRAW_H

#include "nn/graph/layer.h"
#include "base/random.h"

/* Words 4*FIRST … 4*(FIRST+BLOCKS) of the call's stream. One word per element: element i has word i. */
void mr_draw_words(const mr_call *c, uint64_t first, size_t blocks, uint32_t *out);
/* Standard normals, one per element: number 4*FIRST on, 4*BLOCKS of them (Box-Muller on 32-bit uniforms). */
void mr_draw_normals(const mr_call *c, uint64_t first, size_t blocks, mr_real *out);
/* A stream of its own for one sample of the batch (up to 16384 numbers; batches up to 2^20). */
void mr_draw_sample(const mr_call *c, size_t sample, mr_philox *g);

#endif
