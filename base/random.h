/* SPDX-License-Identifier: Apache-2.0 */
/* Counter-based randomness: every draw is a function of (seed, purpose, epoch, sample, index), never of a
 * thread or of what was drawn before. Philox4x32-10: Salmon et al., "Parallel random numbers: as easy as 1,
 * 2, 3", SC11. */
#ifndef MR_NN_RANDOM_H
#define MR_NN_RANDOM_H

#include <stdint.h>

/* What a draw is for; part of the counter, so that purposes never share numbers. Values are part of the
 * checkpoint's meaning: append, never renumber. */
typedef enum mr_purpose {
    MR_DRAW_INITIALIZE = 1, /* epoch: layer index, sample: weight index */
    MR_DRAW_SHUFFLE = 2,    /* epoch: epoch */
    MR_DRAW_AUGMENT = 3,    /* epoch, sample */
    MR_DRAW_DROPOUT = 4,    /* epoch: node index, sample: global step */
    MR_DRAW_SPLIT = 5,      /* validation split; epoch: class index */
    MR_DRAW_SAMPLE = 6,     /* drawing of sample images, montage choice */
    MR_DRAW_TEST = 7
} mr_purpose;

typedef struct mr_philox {
    uint32_t key[2];
    uint32_t counter[4];
    uint32_t out[4];
    int used; /* words of out already given */
} mr_philox;

/* One block: out = Philox4x32-10(counter, key). */
void mr_philox_block(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* Starts the stream of (seed, purpose, epoch, sample). Two streams with different arguments share no block.
 * epoch < 2^24, sample < 2^40; the stream is 2^32 blocks long. */
void mr_philox_init(mr_philox *g, uint64_t seed, mr_purpose purpose, uint32_t epoch, uint64_t sample);

uint32_t mr_philox_u32(mr_philox *g);
/* Uniform in [0, 1), 53 bits. */
double mr_philox_double(mr_philox *g);
/* Uniform in [low, high). */
double mr_philox_uniform(mr_philox *g, double low, double high);
/* Uniform in 0 … bound-1 without bias (Lemire's method). bound > 0. */
uint32_t mr_philox_below(mr_philox *g, uint32_t bound);
/* Standard normal (Box-Muller on two doubles). */
double mr_philox_normal(mr_philox *g);

/* A permutation of 0 … n-1 for (seed, purpose, epoch), by Fisher and Yates. p holds n entries. */
void mr_philox_permutation(uint32_t *p, uint32_t n, uint64_t seed, mr_purpose purpose, uint32_t epoch);

#endif
