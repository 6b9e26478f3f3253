/* SPDX-License-Identifier: Apache-2.0 */
/* Keras 3's own layout of weights (model.weights.h5, *.weights.h5): a group per layer, named after its class
 * and counted in the order of the model's layers, "layers/conv2d_1/vars/0"; nested models hold the same
 * again. Seen besides: tf.keras 2.12 to 2.15 have "_layer_checkpoint_dependencies" for "layers", and up to
 * 2.13.1 count layers with weights twice; tf.keras on Windows joins with a backslash instead of '/'. */
#ifndef MR_IO_KERAS_STORE_H
#define MR_IO_KERAS_STORE_H

#include <stdbool.h>
#include <stddef.h>

/* Keras's to_snake_case: "MaxPooling2D" → "max_pooling2d", "PReLU" → "p_re_lu". */
void mr_keras_snake_case(char *out, size_t size, const char *class);

/* Counts names: "conv2d", then "conv2d_1", …. */
typedef struct mr_keras_counter {
    struct mr_keras_count {
        char name[80];
        int used;
    } * count;
    size_t counts;
} mr_keras_counter;

/* The number that the next layer of CLASS has, which takes STEP of them: 0, 1, …; -1 when out of memory. NAME
 * gets the group's name. */
int mr_keras_counter_next(mr_keras_counter *c, const char *class, int step, char *name, size_t size);
void mr_keras_counter_free(mr_keras_counter *c);

#endif
