/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of Keras's files share: running a model on the inputs of a golden .io.h5, and comparing
 * models. */
#ifndef MR_TESTS_KERAS_H
#define MR_TESTS_KERAS_H

#include "tests/shared.h"

#include "io/hdf5/hdf5.h"
#include "base/json_read.h"
#include "io/model_file/model_file.h"
#include "nn/plan/plan.h"

#include <math.h>

typedef struct keras_io {
    int inputs, outputs;
    float *input[8], *output[8];
    mr_shape input_shape[8], output_shape[8];
    int batch;
} keras_io;

/* Reads FILE; frees with keras_io_free. */
void keras_io_read(keras_io *io, const char *file);
void keras_io_free(keras_io *io);
/* Inputs and outputs of a channels_first model, as ours has them. */
void keras_io_channels_last(keras_io *io);

/* Whether M gives IO's outputs: within 1e-4 of the largest, or, where the model itself turns one unit in the
 * last place of its inputs into much, within sixteen times what it makes of it. Says why not. */
bool keras_agrees(mr_model *m, const keras_io *io, const char *name);

/* NULL, or what differs between two models: configuration, weights, state, training … */
const char *keras_difference(const mr_model *a, const mr_model *b);

/* "DIR/name" of a temporary folder for this test program (static buffers in turn); it is removed at exit. */
const char *keras_temporary(const char *name);
/* Removes all files in there. */
void keras_temporary_clear(void);

/* A model from PATH, and M to PATH; what goes wrong fails the test. */
mr_model *keras_load(const char *path);
void keras_save(const mr_model *m, const char *path, const mr_save_options *options);
/* A copy of the file SHARED below ../shared, as a temporary file NAME. */
const char *keras_copy(const char *shared, const char *name);

/* An HDF5 file made anew, or opened to be changed: holds libhdf5's lock until keras_close_file. */
hid_t keras_new_file(const char *path);
hid_t keras_open_to_write(const char *path);
void keras_close_file(hid_t file);
/* Takes SPACE over; VALUE may be NULL. */
void keras_write_attribute(hid_t object, const char *name, hid_t type, hid_t space, const void *value);
/* SIZE may be H5T_VARIABLE. To be closed with H5Tclose. */
hid_t keras_string_type(size_t size, H5T_str_t padding, H5T_cset_t set);

#endif
