/* SPDX-License-Identifier: Apache-2.0 */
/* The .keras: metadata.json, config.json, model.weights.h5. What Keras does not know stands among the
 * attributes of the HDF5 file's root, which it does not look at. */
#include "io/keras/internal.h"
#include "io/keras/layout.h"
#include "io/keras/metadata.h"
#include "io/keras/slots.h"
#include "io/keras/store.h"
#include "io/keras/training.h"
#include "io/keras/weights.h"
#include "io/keras/write.h"
#include "io/keras/zip.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* --- model.weights.h5 ----------------------------------------------------- */

struct store {
    hid_t root;
    const mr_keras_output *o;
    mr_error *e;
};

/* Makes GROUP/vars, noting NAME in it as Keras does. */
static int make_vars(hid_t *vars, const struct store *s, const char *group, const char *name)
{
    char *path = NULL;
    *vars = -1;
    if (asprintf(&path, "%s%svars", group, *group ? "/" : "") < 0)
        return mr_no_memory(s->e, "a model's configuration or weights");
    int status = mr_hdf5_make_group(vars, s->root, path, s->e);
    if (!status)
        status = mr_hdf5_write_text(*vars, "name", name, true, s->e);
    free(path);
    return status;
}

static int write_layer(const struct store *s, const char *group, const char *path, const char *name)
{
    const mr_layer *l = mr_graph_layer(s->o->model->graph, path);
    char number[16];
    hid_t vars;
    int status = make_vars(&vars, s, group, name);
    for (int i = 0; l && i < l->params && !status; i++) {
        snprintf(number, sizeof number, "%d", i);
        status = mr_keras_write_param(vars, number, &l->param[i], s->o->state + l->param[i].offset,
                                      mr_keras_written_layouts(s->o->model->graph), s->e);
    }
    mr_hdf5_release(vars);
    return status;
}

static int write_model(const struct store *s, const mr_tree *model, const char *group);

static int write_entry(const struct store *s, mr_keras_counter *c, const mr_tree_entry *entry, const char *container)
{
    char name[120], *group = NULL;
    if (mr_keras_counter_next(c, entry->class, 1, name, sizeof name) < 0 ||
        asprintf(&group, "%s/%s", container, name) < 0)
        return mr_no_memory(s->e, "a model's configuration or weights");
    int status = entry->model ? write_model(s, entry->model, group) : write_layer(s, group, entry->path, entry->name);
    free(group);
    return status;
}

/* Keras does not count the InputLayer among a Sequential's layers. */
static int write_model(const struct store *s, const mr_tree *model, const char *group)
{
    mr_keras_counter counter = {0};
    char *container = NULL;
    hid_t vars;
    int status = make_vars(&vars, s, group, model->name);
    mr_hdf5_release(vars);
    if (!status && asprintf(&container, "%s%slayers", group, *group ? "/" : "") < 0) {
        container = NULL;
        status = mr_no_memory(s->e, "a model's configuration or weights");
    }
    for (int i = model->sequential; i < model->entries && !status; i++)
        status = write_entry(s, &counter, &model->entry[i], container);
    mr_keras_counter_free(&counter);
    free(container);
    return status;
}

static int write_weights(const char *path, const mr_keras_output *o, const mr_save_options *options,
                         mr_error *e)
{
    hid_t file = -1;
    int status = mr_hdf5_create(&file, path, e);
    struct store s = {file, o, e};
    if (!status)
        status = write_model(&s, o->tree, "");
    if (!status && o->optimizer)
        status = mr_keras_write_slots_zip(file, o, e);
    if (!status)
        status = mr_metadata_write(file, o->model, e);
    if (!status)
        status = mr_keras_write_last(file, o, options, e);
    int closed = mr_hdf5_close(file, path, status ? NULL : e);
    return status ? status : closed;
}

/* --- the JSON members ----------------------------------------------------- */

static int config_text(char **text, const mr_keras_output *o, mr_error *e)
{
    json_t *config;
    int status = mr_keras_config_zip(&config, o, e);
    *text = NULL;
    if (status)
        return status;
    bool compiled = o->optimizer && o->model->training;
    json_t *compile = compiled ? mr_keras_training_zip(o->model->training) : json_object();
    if (!compile || json_object_set_new(config, "compile_config", compile) || !(*text = mr_json_dump(config)))
        status = mr_no_memory(e, "a model's configuration or weights");
    json_decref(config);
    return status;
}

static int metadata_text(char **text, const mr_keras_output *o, mr_error *e)
{
    char date[40];
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(date, sizeof date, "%Y-%m-%d@%H:%M:%S", &utc);
    if (asprintf(text, "{\"keras_version\": \"%s\", \"date_saved\": \"%s\"}", mr_keras_version_of(o), date) <
        0) {
        *text = NULL;
        return mr_no_memory(e, "a model's configuration or weights");
    }
    return 0;
}

/* The HDF5 file is made beside PATH, which saves holding it in memory, and goes when it is packed. */
int mr_keras_write_zip(const char *path, const mr_keras_output *o, const mr_save_options *options,
                       mr_error *e)
{
    char *metadata = NULL, *config = NULL, *weights = NULL;
    int status = metadata_text(&metadata, o, e);
    if (!status)
        status = config_text(&config, o, e);
    if (!status && asprintf(&weights, "%s.weights", path) < 0) {
        weights = NULL;
        status = mr_no_memory(e, "a model's configuration or weights");
    }
    if (!status)
        status = write_weights(weights, o, options, e);
    if (!status) {
        mr_keras_member members[] = {{"metadata.json", metadata, NULL},
                                     {"config.json", config, NULL},
                                     {"model.weights.h5", NULL, weights}};
        status = mr_keras_zip_write(path, members, 3, e);
    }
    if (weights)
        unlink(weights);
    free(weights);
    free(config);
    free(metadata);
    return status;
}
