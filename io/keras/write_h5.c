/* SPDX-License-Identifier: Apache-2.0 */
/* The whole-model .h5: /@model_config, /model_weights, /optimizer_weights. */
#include "io/keras/internal.h"
#include "io/keras/layout.h"
#include "io/keras/metadata.h"
#include "io/keras/slots.h"
#include "io/keras/training.h"
#include "io/keras/weights.h"
#include "io/keras/write.h"

#include <stdio.h>
#include <stdlib.h>

static int write_json(hid_t file, const char *name, const json_t *value, mr_error *e)
{
    char *text = mr_json_dump(value);
    int status =
        text ? mr_hdf5_write_text(file, name, text, false, e) : mr_no_memory(e, "%s", name);
    free(text);
    return status;
}

/* A RandomCrop that passes images unchanged at inference. */
static bool passes_crops(const mr_graph *g)
{
    for (int i = 0; i < g->layers; i++)
        if (json_is_true(json_object_get(g->layer[i]->config, "passes_at_inference")))
            return true;
    return false;
}

const char *mr_keras_version_of(const mr_keras_output *o)
{
    if (o->dialect == MR_DIALECT_KERAS_2)
        return MR_KERAS_2_VERSION;
    if (mr_keras_keeps_lists(o->tree))
        return MR_KERAS_VERSION_OF_LISTS;
    return passes_crops(o->model->graph) ? MR_KERAS_VERSION_OF_CROPS : MR_KERAS_VERSION;
}

static int write_writer(hid_t group, const mr_keras_output *o, mr_error *e)
{
    int status = mr_hdf5_write_text(group, "keras_version", mr_keras_version_of(o), false, e);
    return status ? status : mr_hdf5_write_text(group, "backend", MR_KERAS_BACKEND, false, e);
}

/* --- /model_weights ------------------------------------------------------- */

/* "conv1/kernel:0"; inside a nested model the path of the layer below it. malloc'ed. */
static char *array_name(const char *entry, const mr_keras_target *t)
{
    char *name = NULL;
    return asprintf(&name, "%s/%s:0", *t->path ? t->path : entry, t->param->kind) < 0 ? NULL : name;
}

static int write_entry(hid_t weights, const mr_keras_output *o, const mr_tree_entry *entry, mr_error *e)
{
    const char *name = entry->name;
    mr_keras_targets targets = {0};
    mr_names names = {0};
    hid_t group = -1;
    int status = mr_hdf5_make_group(&group, weights, name, e);
    if (!status)
        status = mr_keras_targets_of(&targets, o->model->graph, entry, e);
    for (size_t i = 0; i < targets.count && !status; i++) {
        const mr_param *p = targets.target[i].param;
        char *array = array_name(name, &targets.target[i]);
        status = array ? mr_names_add(&names, array, e) : mr_no_memory(e, "weights of '%s'", name);
        if (!status)
            status = mr_keras_write_param(group, array, p, o->state + p->offset,
                                          mr_keras_written_layouts(o->model->graph), e);
        free(array);
    }
    if (!status)
        status = mr_hdf5_write_names(group, "weight_names", &names, e);
    mr_hdf5_release(group);
    mr_keras_targets_free(&targets);
    mr_names_free(&names);
    return status;
}

/* Where Keras 3 and tf.keras keep variables of the model itself: there are none. */
static int write_top_level(hid_t weights, mr_error *e)
{
    mr_names none = {0};
    hid_t group;
    int status = mr_hdf5_make_group(&group, weights, "top_level_model_weights", e);
    if (!status)
        status = mr_hdf5_write_names(group, "weight_names", &none, e);
    mr_hdf5_release(group);
    return status;
}

/* Keras does not count the InputLayer among a Sequential's layers. */
static int write_weights(hid_t file, const mr_keras_output *o, mr_error *e)
{
    mr_names layers = {0};
    hid_t weights = -1;
    int status = mr_hdf5_make_group(&weights, file, "model_weights", e);
    for (int i = o->tree->sequential; i < o->tree->entries && !status; i++) {
        status = mr_names_add(&layers, o->tree->entry[i].name, e);
        if (!status)
            status = write_entry(weights, o, &o->tree->entry[i], e);
    }
    if (!status)
        status = mr_hdf5_write_names(weights, "layer_names", &layers, e);
    if (!status)
        status = write_writer(weights, o, e);
    if (!status)
        status = write_top_level(weights, e);
    mr_hdf5_release(weights);
    mr_names_free(&layers);
    return status;
}

/* --- the whole ------------------------------------------------------------ */

static int write_config(hid_t file, const mr_keras_output *o, mr_error *e)
{
    json_t *config;
    int status = mr_keras_config_h5(&config, o, e);
    if (!status)
        status = write_json(file, "model_config", config, e);
    json_decref(config);
    return status;
}

static int write_training(hid_t file, const mr_model *m, mr_error *e)
{
    json_t *training = mr_keras_training_h5(m->training);
    int status = training ? write_json(file, "training_config", training, e) : 0;
    json_decref(training);
    return status;
}

int mr_keras_write_h5(hid_t file, const mr_keras_output *o, mr_error *e)
{
    int status = write_writer(file, o, e);
    if (!status)
        status = write_config(file, o, e);
    if (!status && o->optimizer && o->model->training)
        status = write_training(file, o->model, e);
    if (!status)
        status = write_weights(file, o, e);
    if (!status && o->optimizer)
        status = mr_keras_write_slots_h5(file, o, e);
    return status ? status : mr_metadata_write(file, o->model, e);
}
