/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a Functional configuration layer by layer. Each function adds a layer called NAME on INPUT and
 * returns NAME, for the next one to take. Out of memory is reported once, by mr_builder_finish. */
#ifndef MR_NN_ARCH_BUILDER_H
#define MR_NN_ARCH_BUILDER_H

#include "nn/arch/arch.h"

typedef struct mr_builder {
    const char *name; /* of the model */
    json_t *layers;
    char input[64]; /* name of the input layer */
} mr_builder;

typedef struct mr_conv_spec {
    int filters, kernel, stride;
    bool same, bias;
    const char *activation;  /* NULL: linear */
    double l2;               /* of the kernel; 0: none */
    const char *initializer; /* NULL: GlorotUniform */
} mr_conv_spec;

void mr_builder_start(mr_builder *b, const char *name);
const char *mr_builder_input(mr_builder *b, const char *name, int height, int width, int channels);
const char *mr_builder_conv(mr_builder *b, const char *name, const char *input, mr_conv_spec c);
const char *mr_builder_depthwise(mr_builder *b, const char *name, const char *input, int kernel, int stride,
                                 bool same, bool bias);
const char *mr_builder_batchnorm(mr_builder *b, const char *name, const char *input, double momentum,
                                 double epsilon);
const char *mr_builder_activation(mr_builder *b, const char *name, const char *input, const char *activation);
/* A ReLU layer with an upper bound (6 in MobileNet); 0: none. */
const char *mr_builder_relu(mr_builder *b, const char *name, const char *input, double max_value);
const char *mr_builder_zero_padding(mr_builder *b, const char *name, const char *input, int top, int bottom,
                                    int left, int right);
const char *mr_builder_max_pool(mr_builder *b, const char *name, const char *input, int size, int stride,
                                bool same);
/* Windows of HEIGHTxWIDTH side by side. */
const char *mr_builder_average_pool(mr_builder *b, const char *name, const char *input, int height, int width);
const char *mr_builder_global_average(mr_builder *b, const char *name, const char *input);
const char *mr_builder_flatten(mr_builder *b, const char *name, const char *input);
const char *mr_builder_dropout(mr_builder *b, const char *name, const char *input, double rate);
const char *mr_builder_dense(mr_builder *b, const char *name, const char *input, int units,
                             const char *activation, double l2);
const char *mr_builder_add(mr_builder *b, const char *name, const char *first, const char *second);
/* The whole configuration with OUTPUT as its output; takes the builder's layers. NULL when memory ran out. */
json_t *mr_builder_finish(mr_builder *b, const char *output);

#endif
