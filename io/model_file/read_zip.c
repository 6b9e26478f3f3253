/* SPDX-License-Identifier: Apache-2.0 */
/* Whole models and weights from a .keras. */
#include "io/hdf5/hdf5.h"
#include "base/json_read.h"
#include "io/keras/layout.h"
#include "io/keras/metadata.h"
#include "io/keras/slots.h"
#include "io/keras/training.h"
#include "io/keras/weights.h"
#include "io/keras/zip.h"
#include "io/model_file/read.h"
#include "io/hdf5/seal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of the weights inside, which are unpacked into memory: eight times the largest weight that we take. */
#define MAX_WEIGHT_BYTES ((size_t)64 << 30)

/* metadata.json: who wrote it. Missing or odd, it changes nothing but the era, which the configuration tells
 * too. */
static int read_metadata(mr_model *m, mr_keras_zip *zip, mr_error *e)
{
    char *text;
    size_t size;
    json_t *v = NULL;
    mr_error why = {0};
    int status = mr_keras_zip_read(&text, &size, zip, "metadata.json", 1 << 20, &why);
    if (status)
        return status == MR_ENOMEM || status == MR_EIO ? mr_fail_as(e, &why) : 0;
    if (!mr_json_parse(&v, text, size, "metadata.json", NULL) && mr_json_text(v, "keras_version"))
        m->keras_version = strdup(mr_json_text(v, "keras_version"));
    json_decref(v);
    free(text);
    return 0;
}

static int read_config(mr_model *m, mr_keras_origin *origin, mr_keras_zip *zip, const mr_model_source *s,
                       mr_error *e)
{
    char *text, what[512];
    size_t size = 0;
    json_t *root = NULL, *config = NULL;
    snprintf(what, sizeof what, "config.json of '%s'", s->name);
    int status = mr_keras_zip_read(&text, &size, zip, "config.json", MR_JSON_MAX_BYTES, e);
    if (!status)
        status = mr_json_parse(&root, text, size, what, e);
    if (!status)
        status = mr_keras_canonical(&config, origin, root, e);
    if (!status)
        status = mr_model_adopt(m, config, origin, s->input, e);
    if (!status)
        m->training = mr_keras_training(json_object_get(root, "compile_config"), origin->era);
    json_decref(config);
    json_decref(root);
    free(text);
    return status;
}

/* Opens model.weights.h5 in memory. *BYTES is freed after the file is closed. */
static int open_weights(hid_t *file, char **bytes, mr_keras_zip *zip, const char *name, mr_error *e)
{
    size_t size = 0;
    int status = mr_keras_zip_read(bytes, &size, zip, "model.weights.h5", MAX_WEIGHT_BYTES, e);
    if (!status)
        status = mr_hdf5_open_image(file, *bytes, size, name, e);
    return status ? status : mr_seal_check(*file, e);
}

int mr_model_read_zip(mr_model *m, const mr_model_source *s, mr_error *e)
{
    mr_keras_origin origin = {0};
    mr_keras_zip *zip = NULL;
    hid_t file = -1;
    char *bytes = NULL;
    int status = mr_keras_zip_open(&zip, s->name, s->bytes, s->size, e);
    if (!status)
        status = read_metadata(m, zip, e);
    if (!status) {
        origin.era = mr_keras_era(m->keras_version);
        origin.lists = mr_keras_version_from(m->keras_version, 3, 12);
        origin.crops = mr_keras_crops_at_inference(m->keras_version);
        status = open_weights(&file, &bytes, zip, s->name, e);
    }
    if (!status)
        status = mr_metadata_read_contract(m, file, e);
    if (!status)
        status = read_config(m, &origin, zip, s, e);
    if (!status)
        status = mr_keras_read_weights_zip(m->graph, file, &origin, e);
    if (!status)
        status = mr_keras_read_slots_zip(m, file, &origin, e);
    if (!status)
        status = mr_metadata_read(m, file, e);
    mr_hdf5_close(file, s->name, NULL);
    free(bytes);
    mr_keras_zip_close(zip);
    mr_keras_origin_clear(&origin);
    return status;
}

int mr_model_read_provenance_zip(json_t **out, const mr_model_source *s, mr_error *e)
{
    mr_keras_zip *zip = NULL;
    hid_t file = -1;
    char *bytes = NULL;
    int status = mr_keras_zip_open(&zip, s->name, s->bytes, s->size, e);
    if (!status)
        status = open_weights(&file, &bytes, zip, s->name, e);
    if (!status)
        status = mr_metadata_read_provenance(out, file, e);
    mr_hdf5_close(file, s->name, NULL);
    free(bytes);
    mr_keras_zip_close(zip);
    return status;
}

/* For an architecture that came as channels_first: a file of such a model has its weights laid out as that
 * says. */
static void find_layouts(mr_keras_origin *origin, const mr_model *m, mr_keras_zip *zip)
{
    char *text = NULL;
    size_t size;
    if (mr_keras_zip_read(&text, &size, zip, "config.json", MR_JSON_MAX_BYTES, NULL))
        return;
    if (strstr(text, "\"channels_first\""))
        origin->layouts = mr_keras_later_layouts(m->layouts);
    free(text);
}

int mr_model_read_weights_zip(mr_model *m, const mr_model_source *s, mr_error *e)
{
    mr_keras_origin origin = {.era = 3};
    mr_keras_zip *zip = NULL;
    hid_t file = -1;
    char *bytes = NULL;
    int status = mr_keras_zip_open(&zip, s->name, s->bytes, s->size, e);
    if (!status)
        status = open_weights(&file, &bytes, zip, s->name, e);
    if (!status)
        find_layouts(&origin, m, zip);
    if (!status)
        status = mr_keras_read_weights_zip(m->graph, file, &origin, e);
    mr_hdf5_close(file, s->name, NULL);
    free(bytes);
    mr_keras_zip_close(zip);
    mr_keras_origin_clear(&origin);
    return status;
}
