/* SPDX-License-Identifier: Apache-2.0 */
/* What a model file holds besides Keras's content: the attributes that millrace adds (preprocessing, class
 * names, provenance, held-out images), and other attributes of the root, which are kept. */
#ifndef MR_IO_KERAS_METADATA_H
#define MR_IO_KERAS_METADATA_H

#include "io/hdf5/hdf5.h"
#include "io/model/model.h"

/* Fills M's contract from the attributes of ROOT. Before the graph is made: it says the size of inputs that
 * the configuration leaves open. */
int mr_metadata_read_contract(mr_model *m, hid_t root, mr_error *e);
/* Likewise M's class names, provenance, the version of its writer, and extra. */
int mr_metadata_read(mr_model *m, hid_t root, mr_error *e);
/* The provenance at ROOT, *OUT NULL where there is none. */
int mr_metadata_read_provenance(json_t **out, hid_t root, mr_error *e);

/* Writes them into FILE. */
int mr_metadata_write(hid_t file, const mr_model *m, mr_error *e);

/* The contract as JSON and back: {"color_mode": "rgb", "height": …}. json: a new reference. */
json_t *mr_preprocess_json(const mr_preprocess *p);
int mr_preprocess_from_json(mr_preprocess *p, const json_t *v, mr_error *e);

#endif
