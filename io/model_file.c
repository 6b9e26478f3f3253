/* SPDX-License-Identifier: Apache-2.0 */
/* A model's way in and out of files; which of the two containers, tells the content. The layouts inside:
 * io/keras_weights*.c and io/keras_write*.c for the .h5, io/keras_zip*.c for the .keras. */
#include "io/model_file.h"

#include "io/durable.h"
#include "io/hdf5.h"
#include "io/json_tree.h"
#include "io/keras_dialect.h"
#include "io/keras_layout.h"
#include "io/keras_own.h"
#include "io/keras_slots.h"
#include "io/keras_training.h"
#include "io/keras_weights.h"
#include "io/keras_write.h"
#include "io/keras_zip.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of the weights inside a .keras, which are unpacked into memory: eight times the largest weight that we
 * take. */
#define MAX_WEIGHT_BYTES ((size_t)64 << 30)

void mr_model_free(mr_model *m)
{
    if (!m)
        return;
    mr_graph_free(m->graph);
    json_decref(m->training);
    free(m->slot);
    for (int i = 0; m->class_names && i < m->classes; i++)
        free(m->class_names[i]);
    free(m->class_names);
    json_decref(m->extra);
    json_decref(m->layouts);
    free(m->keras_version);
    free(m->backend);
    free(m);
}

static int model_create(mr_model **out, mr_error *e)
{
    *out = calloc(1, sizeof **out);
    return *out ? 0 : mr_fail(e, MR_ENOMEM, "out of memory for a model");
}

int mr_model_from_config(mr_model **out, json_t *config, mr_error *e)
{
    mr_model *m = NULL;
    int status = model_create(&m, e);
    *out = NULL;
    if (!status)
        status = mr_keras_sort_layers(config, e);
    if (!status)
        status = mr_graph_create(&m->graph, config, NULL, e);
    json_decref(config);
    if (status)
        mr_model_free(m);
    else
        *out = m;
    return status;
}

/* --- text files --------------------------------------------------------------------------------- */

static int read_all(int fd, char *text, size_t size, const char *file, mr_error *e)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = read(fd, text + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return mr_fail_errno(e, errno, "cannot read '%s'", file);
        if (n == 0)
            return mr_fail(e, MR_EIO, "'%s' became shorter while it was read", file);
        done += (size_t)n;
    }
    return 0;
}

static int read_text(char **text, size_t *size, const char *file, mr_error *e)
{
    struct stat info;
    int fd = open(file, O_RDONLY | O_CLOEXEC), status = 0;
    *text = NULL;
    if (fd < 0)
        return mr_fail_errno(e, errno, "cannot open '%s'", file);
    if (fstat(fd, &info))
        status = mr_fail_errno(e, errno, "cannot read '%s'", file);
    else if (!S_ISREG(info.st_mode))
        status = mr_fail(e, MR_EINVAL, "'%s' is not a file", file);
    else if (info.st_size > MR_JSON_MAX_BYTES)
        status = mr_fail(e, MR_ELIMIT, "'%s': %lld bytes, too many for an architecture", file,
                         (long long)info.st_size);
    if (!status) {
        *size = (size_t)info.st_size;
        *text = malloc(*size + 1);
        status = *text ? read_all(fd, *text, *size, file, e)
                       : mr_fail(e, MR_ENOMEM, "out of memory for '%s'", file);
    }
    close(fd);
    return status;
}

/* Weights for this architecture lie in their files as ORIGIN says. */
static int keep_layouts(mr_model *m, const mr_keras_origin *origin, mr_error *e)
{
    m->layouts = json_incref(origin->layouts);
    return mr_keras_layout_shapes(m->layouts, m->graph, e);
}

int mr_model_from_json_file(mr_model **out, const char *file, mr_error *e)
{
    mr_keras_origin origin = {0};
    json_t *config = NULL;
    char *text;
    size_t size = 0;
    *out = NULL;
    int status = read_text(&text, &size, file, e);
    if (!status)
        status = mr_keras_parse_config(&config, &origin, text, size, file, e);
    if (!status)
        status = mr_model_from_config(out, config, e);
    if (!status)
        status = keep_layouts(*out, &origin, e);
    if (status) {
        mr_model_free(*out);
        *out = NULL;
    }
    mr_keras_origin_clear(&origin);
    free(text);
    return status;
}

/* --- .h5 ------------------------------------------------------------------------------------------- */

/* The group with @layer_names, whose version and backend count: /model_weights, or / itself. */
static int open_weights(hid_t *weights, hid_t file, const char *path, mr_error *e)
{
    *weights = -1;
    if (!mr_hdf5_has_names(file, "layer_names") && mr_hdf5_is_group(file, "model_weights"))
        return mr_hdf5_open_group(weights, file, "model_weights", e);
    if (!mr_hdf5_has_names(file, "layer_names"))
        return mr_fail(e, MR_EFORMAT, "'%s' is an HDF5 file, but holds no Keras weights (no layer_names)",
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
    if (!m->keras_version && mr_hdf5_has_names(weights, "layer_names"))
        origin->era = 1; /* the first versions wrote none */
    if (!status)
        origin->theano =
            (m->backend && !strcmp(m->backend, "theano")) || mr_keras_weights_by_theano(weights, origin->era);
    return status;
}

static int make_graph(mr_model *m, json_t *config, mr_keras_origin *origin, mr_error *e)
{
    int status = mr_graph_create(&m->graph, config, NULL, e);
    return status ? status : keep_layouts(m, origin, e);
}

static int read_config(mr_model *m, mr_keras_origin *origin, hid_t file, const char *path, mr_error *e)
{
    char *text, what[512];
    size_t size = 0;
    json_t *config = NULL;
    snprintf(what, sizeof what, "model_config of '%s'", path);
    if (!mr_hdf5_has_attribute(file, "model_config"))
        return mr_hint(e, mr_fail(e, MR_EFORMAT, "'%s' holds weights alone, without an architecture", path),
                       "give --arch FILE.json and --weights %s", path);
    int status = mr_hdf5_read_text(&text, &size, file, "model_config", e);
    if (!status)
        status = mr_keras_parse_config(&config, origin, text, size, what, e);
    if (!status)
        status = make_graph(m, config, origin, e);
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

static int read_h5(mr_model *m, hid_t file, const char *path, mr_error *e)
{
    mr_keras_origin origin = {0};
    hid_t weights = -1;
    int status = open_weights(&weights, file, path, e);
    if (!status)
        status = read_origin(&origin, m, file, weights, e);
    if (!status)
        status = read_config(m, &origin, file, path, e);
    if (!status)
        status = mr_keras_read_weights_h5(m->graph, weights, &origin, false, e);
    if (!status)
        status = read_training(m, origin.era, file, e);
    if (!status)
        status = mr_keras_read_slots_h5(m, file, &origin, e);
    if (!status)
        status = mr_keras_read_own(m, file, e);
    mr_hdf5_release(weights);
    mr_keras_origin_clear(&origin);
    return status;
}

/* --- .keras ------------------------------------------------------------------------------------------- */

/* metadata.json: who wrote it. Missing or odd, it changes nothing but the era, which the configuration tells
 * too. */
static void read_metadata(mr_model *m, mr_keras_zip *zip)
{
    char *text;
    size_t size;
    json_t *v = NULL;
    if (mr_keras_zip_read(&text, &size, zip, "metadata.json", 1 << 20, NULL))
        return;
    if (!mr_json_parse(&v, text, size, "metadata.json", NULL) && mr_json_text(v, "keras_version"))
        m->keras_version = strdup(mr_json_text(v, "keras_version"));
    json_decref(v);
    free(text);
}

static int read_zip_config(mr_model *m, mr_keras_origin *origin, mr_keras_zip *zip, const char *path,
                           mr_error *e)
{
    char *text, what[512];
    size_t size = 0;
    json_t *root = NULL, *config = NULL;
    snprintf(what, sizeof what, "config.json of '%s'", path);
    int status = mr_keras_zip_read(&text, &size, zip, "config.json", MR_JSON_MAX_BYTES, e);
    if (!status)
        status = mr_json_parse(&root, text, size, what, e);
    if (!status)
        status = mr_keras_canonical(&config, origin, root, e);
    if (!status)
        status = make_graph(m, config, origin, e);
    if (!status)
        m->training = mr_keras_training(json_object_get(root, "compile_config"), origin->era);
    json_decref(config);
    json_decref(root);
    free(text);
    return status;
}

/* Opens model.weights.h5 in memory. *BYTES is freed after the file is closed. */
static int open_zip_weights(hid_t *file, char **bytes, mr_keras_zip *zip, const char *path, mr_error *e)
{
    size_t size = 0;
    int status = mr_keras_zip_read(bytes, &size, zip, "model.weights.h5", MAX_WEIGHT_BYTES, e);
    return status ? status : mr_hdf5_open_image(file, *bytes, size, path, e);
}

static int read_zip(mr_model *m, const char *path, mr_error *e)
{
    mr_keras_origin origin = {0};
    mr_keras_zip *zip = NULL;
    hid_t file = -1;
    char *bytes = NULL;
    int status = mr_keras_zip_open(&zip, path, e);
    if (!status) {
        read_metadata(m, zip);
        origin.era = mr_keras_era(m->keras_version);
        status = read_zip_config(m, &origin, zip, path, e);
    }
    if (!status)
        status = open_zip_weights(&file, &bytes, zip, path, e);
    if (!status)
        status = mr_keras_read_weights_zip(m->graph, file, &origin, e);
    if (!status)
        status = mr_keras_read_slots_zip(m, file, &origin, e);
    if (!status)
        status = mr_keras_read_own(m, file, e);
    mr_hdf5_close(file, path, NULL);
    free(bytes);
    mr_keras_zip_close(zip);
    mr_keras_origin_clear(&origin);
    return status;
}

/* --- whole models -----------------------------------------------------------------------------------------
 */

static int read_hdf5(mr_model *m, const char *path, mr_error *e)
{
    hid_t file;
    int status = mr_hdf5_open(&file, path, e);
    if (!status)
        status = read_h5(m, file, path, e);
    mr_hdf5_close(file, path, NULL);
    return status;
}

/* What was found wrong inside a file is said with the file's name. */
static int name_file(int status, const char *path, mr_error *e)
{
    if (!status || !e || strstr(e->message, path))
        return status;
    mr_error inner = *e;
    mr_error_clear(e);
    mr_fail(e, inner.code, "'%s': %s", path, inner.message);
    if (*inner.hint)
        mr_hint(e, inner.code, "%s", inner.hint);
    return status;
}

int mr_model_load(mr_model **out, const char *path, mr_error *e)
{
    mr_model *m = NULL;
    *out = NULL;
    int status = model_create(&m, e);
    mr_hdf5_lock();
    if (!status)
        status = mr_keras_is_zip(path) ? read_zip(m, path, e) : read_hdf5(m, path, e);
    mr_hdf5_unlock();
    if (status)
        mr_model_free(m);
    else
        *out = m;
    return name_file(status, path, e);
}

/* Weights of either layout, into a model that is there. */
static int load_weights_h5(mr_model *m, hid_t file, const char *path, mr_error *e)
{
    mr_model versions = {0};
    mr_keras_origin origin = {0};
    hid_t weights = -1;
    int status;
    if (mr_hdf5_is_group(file, "layers") || mr_hdf5_is_group(file, "_layer_checkpoint_dependencies")) {
        origin.era = 3;
        status = mr_keras_read_weights_zip(m->graph, file, &origin, e);
    } else {
        status = open_weights(&weights, file, path, e);
        if (!status)
            status = read_origin(&origin, &versions, file, weights, e);
        if (!status)
            status = mr_keras_read_weights_h5(m->graph, weights, &origin, true, e);
    }
    mr_hdf5_release(weights);
    mr_keras_origin_clear(&origin);
    free(versions.keras_version);
    free(versions.backend);
    return status;
}

static int load_weights_zip(mr_model *m, const char *path, mr_error *e)
{
    mr_keras_origin origin = {.era = 3};
    mr_keras_zip *zip;
    hid_t file = -1;
    char *bytes = NULL;
    int status = mr_keras_zip_open(&zip, path, e);
    if (!status)
        status = open_zip_weights(&file, &bytes, zip, path, e);
    if (!status)
        status = mr_keras_read_weights_zip(m->graph, file, &origin, e);
    mr_hdf5_close(file, path, NULL);
    free(bytes);
    mr_keras_zip_close(zip);
    return status;
}

int mr_model_load_weights(mr_model *m, const char *path, mr_error *e)
{
    hid_t file = -1;
    mr_hdf5_lock();
    int status;
    if (mr_keras_is_zip(path)) {
        status = load_weights_zip(m, path, e);
    } else {
        status = mr_hdf5_open(&file, path, e);
        if (!status)
            status = load_weights_h5(m, file, path, e);
        mr_hdf5_close(file, path, NULL);
    }
    mr_hdf5_unlock();
    return name_file(status, path, e);
}

/* --- saving ---------------------------------------------------------------------------------------- */

struct saving {
    mr_keras_output output;
    const mr_save_options *options;
};

static int write_h5(void *context, const char *temporary, mr_error *e)
{
    const struct saving *s = context;
    hid_t file = -1;
    mr_hdf5_lock();
    int status = mr_hdf5_create(&file, temporary, e);
    if (!status)
        status = mr_keras_write_h5(file, &s->output, e);
    if (!status && s->options->extra)
        status = s->options->extra(s->options->extra_context, (int64_t)file, e);
    int closed = mr_hdf5_close(file, temporary, status ? NULL : e);
    mr_hdf5_unlock();
    return status ? status : closed;
}

static int write_zip(void *context, const char *temporary, mr_error *e)
{
    const struct saving *s = context;
    mr_hdf5_lock();
    int status = mr_keras_write_zip(temporary, &s->output, s->options, e);
    mr_hdf5_unlock();
    return status;
}

static bool named_keras(const char *path)
{
    size_t n = strlen(path);
    return n >= 6 && !strcasecmp(path + n - 6, ".keras");
}

int mr_model_save(const mr_model *m, const char *path, const mr_save_options *options, mr_error *e)
{
    static const mr_save_options plain = {.iterations = -1};
    struct saving s = {.options = options ? options : &plain};
    s.output.model = m;
    s.output.state = s.options->state ? s.options->state : m->graph->state;
    s.output.iterations =
        s.options->state && s.options->iterations >= 0 ? s.options->iterations : m->iterations;
    s.output.optimizer = !s.options->no_optimizer;
    return mr_durable_write(path, named_keras(path) ? write_zip : write_h5, &s, e);
}
