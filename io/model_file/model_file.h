/* SPDX-License-Identifier: Apache-2.0 */
/* A Keras model file, read and written: architecture, weights, training configuration, optimizer state, and, in
 * attributes of our own which Keras ignores, the preprocessing contract and the class names. */
#ifndef MR_IO_MODEL_FILE_H
#define MR_IO_MODEL_FILE_H

#include "io/model/model.h"

/* Reads FILE (.h5 or .keras: the content decides). Every weight of the file lands somewhere, or the load fails and names
 * the entry, layer, expected and found shape. One HDF5 user at a time in the process: an internal lock sees to it. */
int mr_model_load(mr_model **out, const char *file, mr_error *e);
/* The same, with INPUT ([batch ignored], H, W, C) in the place of sizes that the model leaves open (null): fully convolutional
 * models. NULL: such a model is MR_EINVAL. */
int mr_model_load_sized(mr_model **out, const char *file, const mr_shape *input, mr_error *e);
/* The same from SIZE bytes in memory, which may be changed; WHAT names them in errors. */
int mr_model_load_memory(mr_model **out, void *bytes, size_t size, const char *what, mr_error *e);
/* An architecture alone (Keras's to_json(), any dialect), from JSON text in a file. Weights are zero. */
int mr_model_from_json_file(mr_model **out, const char *file, mr_error *e);
int mr_model_from_json_file_sized(mr_model **out, const char *file, const mr_shape *input, mr_error *e);
/* Takes over CONFIG (canonical; a reference is stolen) as a new model without weights. */
int mr_model_from_config(mr_model **out, json_t *config, mr_error *e);
/* Loads weights by Keras's rules (whole-model or weights-only .h5, .weights.h5, .keras) into a model that is there. */
int mr_model_load_weights(mr_model *m, const char *file, mr_error *e);

/* The provenance that FILE carries, without loading its model: a new reference, *OUT NULL where there is none. */
int mr_model_read_provenance(json_t **out, const char *file, mr_error *e);

/* Writes FILE, format by the ending of its name (.keras: zip; everything else: .h5), for Keras 3.3 to 3.15
 * unless OPTIONS say otherwise. Written beside its name, fsynced, renamed, the folder fsynced (base/durable.h).
 * OPTIONS may be NULL. With checksums and a self-test (io/hdf5/seal.h, io/hdf5/checksum.h, io/model/self_test.h), which
 * runs the model once on one thread. Reads the model and STATE only: safe while another thread trains on
 * another state buffer. */
int mr_model_save(const mr_model *m, const char *file, const mr_save_options *options, mr_error *e);
/* Whether PATH ends in .keras, in whatever case. */
bool mr_model_is_named_keras(const char *path);

#endif
