/* SPDX-License-Identifier: Apache-2.0 */
/* Built-in architectures: each a function that writes a canonical configuration (nn/graph/graph.h), and a row in
 * the table. */
#ifndef MR_NN_ARCH_ARCH_H
#define MR_NN_ARCH_ARCH_H

#include "nn/graph/graph.h"

enum { MR_ARCH_LIST = 16, MR_ARCH_LEAST_SIDE = 32 /* that every architecture takes with its defaults */ };

typedef struct mr_arch_options {
    int height, width, channels;             /* of the input */
    int classes;                             /* outputs of the softmax at the end */
    int stages[MR_ARCH_LIST], stage_count;   /* resnet: blocks per stage; cnn: convolutions per block */
    int filters[MR_ARCH_LIST], filter_count; /* resnet: the stem's, then one per stage; cnn: one per block */
    bool stages_given, filters_given;         /* set by the caller; else the architecture's own apply */
    double regularization; /* resnet: L2 of the stem and the classifier; < 0: the architecture's own */
    double alpha;          /* mobilenet_v2: width multiplier; <= 0: 1 */
    double dropout;        /* cnn: rate in front of the classifier; < 0: the architecture's own */
} mr_arch_options;

/* The tutorial's: 64x64x3, 2 classes, stages 2,2,3, filters 32,64,128,256, L2 0.0005. */
mr_arch_options mr_arch_options_default(void);

/* How a network of this architecture is trained by default. */
typedef struct mr_arch_training {
    const char *optimizer;
    double learning_rate;
    double momentum; /* sgd's */
    double decay;    /* inverse time decay over the whole run: each step adds decay / epochs to the divisor, 1; 0: none */
    const char *schedule; /* a name of cli's --schedule that needs no parameters; NULL: none */
} mr_arch_training;

typedef struct mr_arch {
    const char *name;
    const char *description; /* one line for --help */
    int default_size;        /* side of the input where nothing else is said */
    mr_arch_training training;
    /* A new canonical configuration, or NULL and E. */
    json_t *(*config)(const mr_arch_options *o, mr_error *e);
} mr_arch;

const mr_arch *mr_arch_find(const char *name);
extern const mr_arch *const mr_archs[]; /* ended by NULL */
/* Its rows, one per file. */
extern const mr_arch mr_arch_resnet, mr_arch_cnn, mr_arch_mobilenet_v2, mr_arch_resnet50;

/* MR_EINVAL with the way out unless the input's sides are at least LEAST pixels. */
int mr_arch_check_size(const mr_arch_options *o, const char *name, int least, mr_error *e);

#endif
