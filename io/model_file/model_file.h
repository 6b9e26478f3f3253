/* SPDX-License-Identifier: Apache-2.0 */
/* A Keras model file, read and written: architecture, weights, training configuration, optimizer state, and, in
 * attributes of our own which Keras ignores, the preprocessing contract and the class names. */
#ifndef MR_IO_MODEL_FILE_H
#define MR_IO_MODEL_FILE_H

#include "io/image/preprocess.h"
#include "nn/graph/graph.h"
#include "nn/learn/optimizer.h"

typedef struct mr_model {
    mr_graph *graph;
    json_t *training;         /* canonical training configuration, or NULL where the file has none:
                                 {"optimizer_config": {"class_name","config":{… Keras 3 keys, learning_rate a number or a schedule object}},
                                  "loss": …, "metrics": …, "loss_weights": …} as in /@training_config, values kept as they are */
    /* Optimizer state. Room for it is in graph->state (mr_graph_extend_state). has_optimizer_state: the slots hold what
     * the file had, or what training left; without it they are not written. */
    bool has_optimizer_state;
    bool dropped_state; /* the file has optimizer state, but not such as this model can hold */
    int slots;
    mr_slot *slot;
    int64_t iterations;       /* finished updates */
    /* Contract. */
    bool has_preprocess;
    mr_preprocess preprocess;
    int classes;
    char **class_names;       /* NULL where unknown; UTF-8 (io/files/class_name.h) */
    json_t *held_out;         /* images that the training left out (io/files/held_out.h), or NULL */
    /* Attributes of the file's root that are neither Keras's nor ours, kept to be written again: name → value, encoded by
     * the reader (opaque to others). */
    json_t *extra;
    json_t *layouts;          /* where the architecture came from a channels_first one: how its own weight files lie (opaque) */
    char *keras_version;      /* of the writer, or NULL; of a file that millrace wrote: the format's */
    char *backend;
    char *millrace_version;   /* of the millrace that wrote the file, or NULL: another program did */
    json_t *provenance;       /* how the model was trained, an object for people (cli/setup/provenance.h), or NULL */
} mr_model;

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
void mr_model_free(mr_model *m);

/* The provenance that FILE carries, without loading its model: a new reference, *OUT NULL where there is none. */
int mr_model_read_provenance(json_t **out, const char *file, mr_error *e);

enum { MR_DIALECT_KERAS_3, MR_DIALECT_KERAS_2 };

typedef struct mr_save_options {
    bool no_optimizer;        /* leave the training state out */
    const mr_real *state;     /* the numbers to write, laid out as graph->state; NULL: graph->state itself */
    int64_t iterations;       /* goes with STATE; < 0: the model's own */
    /* Additional content at the root, in attributes/datasets that Keras ignores: called with the open HDF5 file (hid_t as
     * int64_t). NULL: nothing. Used by checkpoints. */
    int (*extra)(void *context, int64_t file, mr_error *e);
    void *extra_context;
    int dialect;              /* of an .h5: MR_DIALECT_… (a .keras is Keras 3's) */
    bool finite;              /* MR_EINVAL instead of a file where the model's output for the self-test is no number */
} mr_save_options;

/* Writes FILE, format by the ending of its name (.keras: zip; everything else: .h5), for Keras 3.3 to 3.15
 * unless OPTIONS say otherwise. Written beside its name, fsynced, renamed, the folder fsynced (base/durable.h).
 * OPTIONS may be NULL. With checksums and a self-test (io/hdf5/seal.h, io/hdf5/checksum.h, io/model/self_test.h), which
 * runs the model once on one thread. Reads the model and STATE only: safe while another thread trains on
 * another state buffer. */
int mr_model_save(const mr_model *m, const char *file, const mr_save_options *options, mr_error *e);
/* Whether PATH ends in .keras, in whatever case. */
bool mr_model_is_named_keras(const char *path);

#endif
