/* SPDX-License-Identifier: Apache-2.0 */
/* What a model file holds beside Keras's content: our preprocessing contract and class names, and whatever
 * else the writer had put among the root's attributes, which is kept. */
#ifndef MR_IO_KERAS_OWN_H
#define MR_IO_KERAS_OWN_H

#include "io/hdf5/hdf5.h"
#include "io/model_file/model_file.h"

/* Fills M's contract from the attributes of ROOT. Before the graph is made: it says the size of inputs that
 * the configuration leaves open. */
int mr_keras_read_contract(mr_model *m, hid_t root, mr_error *e);
/* Likewise M's class names, provenance, the version of its writer, and extra. */
int mr_keras_read_own(mr_model *m, hid_t root, mr_error *e);
/* The provenance at ROOT, *OUT NULL where there is none. */
int mr_keras_read_provenance(json_t **out, hid_t root, mr_error *e);

/* The contract as JSON and back: {"color_mode": "rgb", "height": …}. json: a new reference. */
json_t *mr_preprocess_json(const mr_preprocess *p);
int mr_preprocess_from_json(mr_preprocess *p, const json_t *v, mr_error *e);

#endif
