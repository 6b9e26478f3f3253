/* SPDX-License-Identifier: Apache-2.0 */
/* Whole models and weights from an .h5. */
#include "io/hdf5/hdf5.h"
#include "base/json_read.h"
#include "io/keras/layout.h"
#include "io/keras/metadata.h"
#include "io/keras/slots.h"
#include "io/keras/training.h"
#include "io/keras/weights.h"
#include "io/model_file/read.h"
#include "io/hdf5/seal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int open_file(hid_t *file, const mr_model_source *s, mr_error *e)
{
    int status =
        s->bytes ? mr_hdf5_open_image(file, s->bytes, s->size, s->name, e) : mr_hdf5_open(file, s->name, e);
    if (!status)
        status = mr_seal_check(*file, e);
    if (status) {
        mr_hdf5_close(*file, s->name, NULL);
        *file = -1;
    }
    return status;
}

static int weights_alone(const char *path, mr_error *e)
{
    return mr_hint(e, mr_fail(e, MR_EFORMAT, "'%s' contains only weights, no architecture", path),
                   "give --arch FILE.json and --weights %s", path);
}

/* The group with @layer_names, whose version and backend count: /model_weights, or / itself. */
static int open_weights(hid_t *weights, hid_t file, const char *path, mr_error *e)
{
    *weights = -1;
    int listed = mr_hdf5_has_names(file, "layer_names", e);
    if (listed < 0)
        return listed;
    if (!listed && mr_hdf5_is_group(file, "model_weights"))
        return mr_hdf5_open_group(weights, file, "model_weights", e);
    int store = listed ? 0 : mr_keras_has_store(file, e);
    if (store)
        return store < 0 ? store : weights_alone(path, e);
    if (!listed && mr_hdf5_is_external_link(file, "model_weights"))
        return mr_hint(e,
                       mr_fail(e, MR_EUNSUPPORTED, "'%s': 'model_weights' is a link into another file, which is not followed",
                               path),
                       "copy the weights into the file itself");
    if (!listed)
        return mr_fail(e, MR_EFORMAT, "no Keras weights in '%s' (an HDF5 file without layer_names)",
                       path);
    H5Iinc_ref(file);
    *weights = file;
    return 0;
}

static int read_origin(mr_keras_origin *origin, mr_model *m, hid_t file, hid_t weights, mr_error *e)
{
    int status = mr_hdf5_find_text(&m->keras_version, NULL, file, "keras_version", e);
    if (!status && !m->keras_version)
        status = mr_hdf5_find_text(&m->keras_version, NULL, weights, "keras_version", e);
    if (!status)
        status = mr_hdf5_find_text(&m->backend, NULL, weights, "backend", e);
    if (!status && !m->backend)
        status = mr_hdf5_find_text(&m->backend, NULL, file, "backend", e);
    origin->era = mr_keras_era(m->keras_version);
    origin->lists = mr_keras_version_from(m->keras_version, 3, 12);
    origin->crops = mr_keras_crops_at_inference(m->keras_version);
    int listed = status || m->keras_version ? 0 : mr_hdf5_has_names(weights, "layer_names", e);
    if (listed == 1)
        origin->era = 1; /* the first versions wrote none */
    else if (listed)
        status = listed;
    origin->sorted = origin->era == 1 || (m->keras_version && !strncmp(m->keras_version, "2.0.", 4));
    origin->names = json_object();
    if (status)
        return status;
    int theano =
        m->backend && !strcmp(m->backend, "theano") ? 1 : mr_keras_weights_by_theano(weights, origin->era, e);
    origin->theano = theano == 1;
    return theano < 0 ? theano : 0;
}

static int read_config(mr_model *m, mr_keras_origin *origin, hid_t file, const mr_model_source *s,
                       mr_error *e)
{
    char *text = NULL, what[512];
    size_t size = 0;
    json_t *config = NULL;
    snprintf(what, sizeof what, "model_config of '%s'", s->name);
    int status = mr_hdf5_find_text(&text, &size, file, "model_config", e);
    if (!status && !text)
        status = weights_alone(s->name, e);
    if (!status)
        status = mr_keras_parse_config(&config, origin, text, size, what, e);
    if (!status)
        status = mr_model_adopt(m, config, origin, s->input, e);
    json_decref(config);
    free(text);
    return status;
}

static int read_training(mr_model *m, int era, hid_t file, mr_error *e)
{
    char *text = NULL;
    size_t size = 0;
    json_t *found = NULL;
    int status = mr_hdf5_find_text(&text, &size, file, "training_config", e);
    if (!status && text)
        status = mr_json_parse(&found, text, size, "training_config", e);
    if (!status)
        m->training = mr_keras_training(found, era);
    json_decref(found);
    free(text);
    return status;
}

static int read_all(mr_model *m, hid_t file, hid_t weights, const mr_model_source *s, mr_error *e)
{
    mr_keras_origin origin = {0};
    int status = read_origin(&origin, m, file, weights, e);
    if (!status)
        status = mr_metadata_read_contract(m, file, e);
    if (!status)
        status = read_config(m, &origin, file, s, e);
    if (!status)
        status = mr_keras_read_weights_h5(m->graph, weights, &origin, false, e);
    if (!status)
        status = read_training(m, origin.era, file, e);
    if (!status)
        status = mr_keras_read_slots_h5(m, file, &origin, e);
    if (!status)
        status = mr_metadata_read(m, file, e);
    mr_keras_origin_clear(&origin);
    return status;
}

int mr_model_read_h5(mr_model *m, const mr_model_source *s, mr_error *e)
{
    hid_t file = -1, weights = -1;
    int status = open_file(&file, s, e);
    if (!status)
        status = open_weights(&weights, file, s->name, e);
    if (!status)
        status = read_all(m, file, weights, s, e);
    mr_hdf5_release(weights);
    mr_hdf5_close(file, s->name, NULL);
    return status;
}

int mr_model_read_provenance_h5(json_t **out, const mr_model_source *s, mr_error *e)
{
    hid_t file = -1;
    int status = open_file(&file, s, e);
    if (!status)
        status = mr_metadata_read_provenance(out, file, e);
    mr_hdf5_close(file, s->name, NULL);
    return status;
}

/* --- weights alone -------------------------------------------------------- */

static bool says_channels_first(hid_t file)
{
    char *text = NULL;
    int status = mr_hdf5_find_text(&text, NULL, file, "model_config", NULL);
    bool says = !status && text && strstr(text, "\"channels_first\"");
    free(text);
    return says;
}

/* Weights in the old layout, for an architecture that may have come as channels_first: then files of other
 * writers lie as that says, and ours where their own configuration is channels_first. */
static int read_listed(mr_model *m, hid_t file, const mr_model_source *s, mr_error *e)
{
    mr_model writer = {0};
    mr_keras_origin origin = {0};
    hid_t weights = -1;
    int status = open_weights(&weights, file, s->name, e);
    if (!status)
        status = read_origin(&origin, &writer, file, weights, e);
    int ours = status ? status : mr_hdf5_has_attribute(file, "millrace_version", e);
    if (ours == 0)
        origin.layouts = json_incref(m->layouts);
    else if (ours > 0 && says_channels_first(file))
        origin.layouts = mr_keras_later_layouts(m->layouts);
    if (ours < 0)
        status = ours;
    if (!status)
        status = mr_keras_read_weights_h5(m->graph, weights, &origin, true, e);
    mr_hdf5_release(weights);
    mr_keras_origin_clear(&origin);
    free(writer.keras_version);
    free(writer.backend);
    return status;
}

int mr_model_read_weights_h5(mr_model *m, const mr_model_source *s, mr_error *e)
{
    mr_keras_origin plain = {.era = 3, .layouts = mr_keras_later_layouts(m->layouts)};
    hid_t file = -1;
    int status = open_file(&file, s, e);
    int store = status ? status : mr_keras_has_store(file, e);
    if (store < 0)
        status = store;
    else if (store)
        status = mr_keras_read_weights_zip(m->graph, file, &plain, e);
    else
        status = read_listed(m, file, s, e);
    mr_hdf5_close(file, s->name, NULL);
    mr_keras_origin_clear(&plain);
    return status;
}
