/* SPDX-License-Identifier: Apache-2.0 */
/* A model in memory: its graph, how it was trained, and what its file says beside Keras's content. */
#ifndef MR_IO_MODEL_MODEL_H
#define MR_IO_MODEL_MODEL_H

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

void mr_model_free(mr_model *m);

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
    bool finite;              /* MR_EINVAL instead of a file where the model's output for the self-test is not finite */
} mr_save_options;

#endif
