/* SPDX-License-Identifier: Apache-2.0 */
/* A model's way in and out of files; which of the two containers, tells the content. The layouts inside:
 * io/model_read_*.c and io/keras_weights_*.c for reading, io/keras_write_*.c for writing. */
#include "io/model_file/model_file.h"

#include "base/durable.h"
#include "io/hdf5/hdf5.h"
#include "base/json_read.h"
#include "io/keras/canonical.h"
#include "io/keras/layout.h"
#include "io/keras/write.h"
#include "io/keras/zip.h"
#include "io/model_file/read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

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
    json_decref(m->held_out);
    json_decref(m->extra);
    json_decref(m->layouts);
    free(m->keras_version);
    free(m->backend);
    free(m->millrace_version);
    json_decref(m->provenance);
    free(m);
}

static int model_create(mr_model **out, mr_error *e)
{
    *out = calloc(1, sizeof **out);
    return *out ? 0 : mr_no_memory(e, "a model");
}

int mr_model_adopt(mr_model *m, json_t *config, const mr_keras_origin *origin, const mr_shape *input,
                   mr_error *e)
{
    const mr_preprocess *p = &m->preprocess;
    const mr_shape trained = {4, {0, p->height, p->width, (int)p->color_mode}};
    int status = mr_graph_create(&m->graph, config, !input && m->has_preprocess ? &trained : input, e);
    m->layouts = json_incref(origin->layouts);
    if (!status)
        status = mr_keras_layout_shapes(m->layouts, m->graph, e);
    return status ? status : mr_keras_keep_layouts(m->graph->config, m->layouts, e);
}

/* Hands M over where all went well. */
static int finish(mr_model **out, mr_model *m, int status)
{
    *out = status ? NULL : m;
    if (status)
        mr_model_free(m);
    return status;
}

int mr_model_from_config(mr_model **out, json_t *config, mr_error *e)
{
    mr_model *m = NULL;
    int status = model_create(&m, e);
    if (!status)
        status = mr_keras_sort_layers(config, e);
    if (!status)
        status = mr_graph_create(&m->graph, config, NULL, e);
    json_decref(config);
    return finish(out, m, status);
}

/* --- text files ----------------------------------------------------------- */

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
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK), status = 0;
    *text = NULL;
    if (fd < 0)
        return mr_fail_errno(e, errno, "cannot open '%s'", file);
    if (fstat(fd, &info))
        status = mr_fail_errno(e, errno, "cannot read '%s'", file);
    else if (!S_ISREG(info.st_mode))
        status = mr_fail(e, MR_EINVAL, "'%s' is not a regular file", file);
    else if (info.st_size > MR_JSON_MAX_BYTES)
        status = mr_fail(e, MR_ELIMIT, "'%s': %lld bytes, too many for an architecture", file,
                         (long long)info.st_size);
    if (!status) {
        *size = (size_t)info.st_size;
        *text = malloc(*size + 1);
        status = *text ? read_all(fd, *text, *size, file, e)
                       : mr_no_memory(e, "'%s'", file);
    }
    close(fd);
    return status;
}

int mr_model_from_json_file_sized(mr_model **out, const char *file, const mr_shape *input, mr_error *e)
{
    mr_keras_origin origin = {0};
    mr_model *m = NULL;
    json_t *config = NULL;
    char *text = NULL;
    size_t size = 0;
    int status = model_create(&m, e);
    if (!status)
        status = read_text(&text, &size, file, e);
    if (!status)
        status = mr_keras_parse_config(&config, &origin, text, size, file, e);
    if (!status)
        status = mr_model_adopt(m, config, &origin, input, e);
    json_decref(config);
    mr_keras_origin_clear(&origin);
    free(text);
    return finish(out, m, status);
}

int mr_model_from_json_file(mr_model **out, const char *file, mr_error *e)
{
    return mr_model_from_json_file_sized(out, file, NULL, e);
}

/* --- reading -------------------------------------------------------------- */

/* 1, 0, or an error. */
static int is_zip(const mr_model_source *s, mr_error *e)
{
    return s->bytes ? s->size >= 4 && !memcmp(s->bytes, "PK\3\4", 4) : mr_keras_is_zip(s->name, e);
}

/* What was found wrong inside a file is said with the file's name. */
static int name_source(int status, const char *name, mr_error *e)
{
    if (!status || !e || strstr(e->message, name))
        return status;
    mr_error inner = *e;
    mr_error_clear(e);
    mr_fail(e, inner.code, "'%s': %s", name, inner.message);
    if (*inner.hint)
        mr_hint(e, inner.code, "%s", inner.hint);
    return status;
}

static int load(mr_model **out, const mr_model_source *s, mr_error *e)
{
    mr_model *m = NULL;
    int status = model_create(&m, e), zip = status ? status : is_zip(s, e);
    mr_hdf5_lock();
    if (zip < 0)
        status = zip;
    else
        status = zip ? mr_model_read_zip(m, s, e) : mr_model_read_h5(m, s, e);
    mr_hdf5_unlock();
    return finish(out, m, name_source(status, s->name, e));
}

int mr_model_load_sized(mr_model **out, const char *file, const mr_shape *input, mr_error *e)
{
    return load(out, &(mr_model_source){.name = file, .input = input}, e);
}

int mr_model_load(mr_model **out, const char *file, mr_error *e)
{
    return mr_model_load_sized(out, file, NULL, e);
}

int mr_model_load_memory(mr_model **out, void *bytes, size_t size, const char *what, mr_error *e)
{
    return load(out, &(mr_model_source){.name = what, .bytes = bytes, .size = size}, e);
}

int mr_model_read_provenance(json_t **out, const char *file, mr_error *e)
{
    mr_model_source s = {.name = file};
    *out = NULL;
    int status = is_zip(&s, e);
    mr_hdf5_lock();
    if (status >= 0)
        status = status ? mr_model_read_provenance_zip(out, &s, e) : mr_model_read_provenance_h5(out, &s, e);
    mr_hdf5_unlock();
    return name_source(status, file, e);
}

int mr_model_load_weights(mr_model *m, const char *file, mr_error *e)
{
    mr_model_source s = {.name = file};
    int status = is_zip(&s, e);
    mr_hdf5_lock();
    if (status >= 0)
        status = status ? mr_model_read_weights_zip(m, &s, e) : mr_model_read_weights_h5(m, &s, e);
    mr_hdf5_unlock();
    return name_source(status, file, e);
}

/* --- saving --------------------------------------------------------------- */

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
    if (!status)
        status = mr_keras_write_last(file, &s->output, s->options, e);
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

bool mr_model_is_named_keras(const char *path)
{
    size_t n = strlen(path);
    return n >= 6 && !strcasecmp(path + n - 6, ".keras");
}

static int make_self_test(mr_self_test *out, const struct saving *s, mr_error *e)
{
    const mr_model *m = s->output.model;
    mr_graph view = *m->graph;
    view.state = (mr_real *)s->output.state; /* only read */
    return mr_self_test_make(out, &view, m->has_preprocess ? &m->preprocess : NULL, e);
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
    s.output.dialect = s.options->dialect;
    mr_self_test test;
    int status = make_self_test(&test, &s, e);
    if (!status && s.options->finite && !mr_self_test_is_finite(&test))
        status = mr_fail(e, MR_EINVAL, "writing '%s': the model's output is not a number any more", path);
    s.output.self_test = &test;
    if (!status)
        status = mr_durable_write(path, mr_model_is_named_keras(path) ? write_zip : write_h5, &s, e);
    mr_self_test_clear(&test);
    return name_source(status, path, e);
}
