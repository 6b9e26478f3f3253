/* SPDX-License-Identifier: Apache-2.0 */
/* Reading models out of the two containers, from files or from memory. Callers hold mr_hdf5_lock(). */
#ifndef MR_IO_MODEL_READ_H
#define MR_IO_MODEL_READ_H

#include "io/keras/canonical.h"
#include "io/model/model.h"

typedef struct mr_model_source {
    const char *name; /* the file's path, or what to call the bytes in errors */
    void *bytes;      /* the file's content, or NULL: read the file */
    size_t size;
    const mr_shape *input; /* for sizes that the model leaves open, or NULL */
} mr_model_source;

/* Builds M's graph from CONFIG (canonical; borrowed) and keeps how weight files of ORIGIN's lie. */
int mr_model_adopt(mr_model *m, json_t *config, const mr_keras_origin *origin, const mr_shape *input,
                   mr_error *e);

/* Says what was found wrong inside the file NAME with its name. Returns STATUS. */
int mr_model_name_source(int status, const char *name, mr_error *e);

/* Fill M, which is empty, from a whole model. */
int mr_model_read_h5(mr_model *m, const mr_model_source *s, mr_error *e);
int mr_model_read_zip(mr_model *m, const mr_model_source *s, mr_error *e);
/* Fill the weights of M's graph. */
int mr_model_read_weights_h5(mr_model *m, const mr_model_source *s, mr_error *e);
int mr_model_read_weights_zip(mr_model *m, const mr_model_source *s, mr_error *e);
/* The provenance alone: a new reference, NULL where there is none. */
int mr_model_read_provenance_h5(json_t **out, const mr_model_source *s, mr_error *e);
int mr_model_read_provenance_zip(json_t **out, const mr_model_source *s, mr_error *e);

#endif
