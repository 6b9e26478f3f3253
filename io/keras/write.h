/* SPDX-License-Identifier: Apache-2.0 */
/* Writing models as Keras reads them. Callers hold mr_hdf5_lock(). Nothing here changes the model.
 *
 * What opens where. The .h5 has class "Model" or Sequential with an explicit InputLayer, Keras 2's
 * inbound_nodes and keys, initializers and regularizers by the names that Keras 2 has too, fixed-length ASCII
 * lists of names. It comes in two dialects, which differ where no one form serves both:
 * - MR_DIALECT_KERAS_3 (3.3 to 3.15; a Sequential without Functional models inside opens in Keras 2 too):
 *   input_layers and output_layers have the form that the model was made with, ["x", 0, 0] for a tensor
 * alone; calls of nested models count from 0;
 * - MR_DIALECT_KERAS_2 (2.2.4, 2.3.1, tf.keras): they are lists of references, calls of nested models count
 * from
 *   1. What Keras 2 computes otherwise is refused ("hard_sigmoid"), and what it does not have: activations.
 * Further:
 * - layers and options that only Keras 3 has (GroupNormalization, groups != 1, …) are written as Keras 3 has
 *   them, and so want it;
 * - Keras 2.2.4 wants "lr" where later ones want "learning_rate": it opens the model with compile=False only.
 * Optimizer state in the .h5 is in the order of Keras 2.2 and 2.3 (see io/keras/slots.h): of all readers of
 * .h5 they, and tf.keras up to 2.10, are those that restore it; Keras 3 takes the iterations and drops slots
 * whatever their order, and restores them from the .keras. */
#ifndef MR_IO_KERAS_WRITE_H
#define MR_IO_KERAS_WRITE_H

#include "io/hdf5/hdf5.h"
#include "io/model/model.h"
#include "io/model/self_test.h"

/* What is said as the writer's version: the oldest Keras 3 that opens what we write. Readers (ours too) take
 * from it that words mean what they mean in Keras 3. */
#define MR_KERAS_VERSION "3.3.0"
#define MR_KERAS_VERSION_OF_LISTS                                                                            \
    "3.12.0" /* from which on a list of one tensor is another thing than the tensor */
#define MR_KERAS_VERSION_OF_CROPS "3.8.0" /* from which on RandomCrop does nothing at inference */
#define MR_KERAS_2_VERSION "2.3.1"
#define MR_KERAS_BACKEND "tensorflow" /* kernels are laid out as in TensorFlow: readers flip nothing */

typedef struct mr_keras_output {
    const mr_model *model;
    const mr_tree *tree;  /* of the configuration that is written (mr_keras_written_config) */
    const mr_real *state; /* the numbers, laid out as graph->state */
    int64_t iterations;
    bool optimizer; /* write training configuration and state, where there are any */
    int dialect;    /* MR_DIALECT_… */
    const mr_self_test *self_test;
} mr_keras_output;

/* Everything of an .h5 into FILE, an empty HDF5 file: the content of the model, and our own attributes. */
int mr_keras_write_h5(hid_t file, const mr_keras_output *o, mr_error *e);
/* The .keras at PATH: a zip with metadata.json, config.json, model.weights.h5 and millrace.json. EXTRA as in
 * mr_save_options; gets the HDF5 file inside. */
int mr_keras_write_zip(const char *path, const mr_keras_output *o, const mr_save_options *options,
                       mr_error *e);

/* The configuration as the .h5 has it, and as config.json has it (without compile_config). New references. */
int mr_keras_config_h5(json_t **out, const mr_keras_output *o, mr_error *e);
int mr_keras_config_zip(json_t **out, const mr_keras_output *o, mr_error *e);

/* The version that O's file says: of those above. */
const char *mr_keras_version_of(const mr_keras_output *o);

/* What comes last into the HDF5 file of either container: the self-test, what OPTIONS adds, the seal. */
int mr_keras_write_last(hid_t file, const mr_keras_output *o, const mr_save_options *options, mr_error *e);

#endif
