/* SPDX-License-Identifier: Apache-2.0 */
/* Loading models: the content of a file, not its name, tells which of the two containers it is. The layouts
 * inside: io/model_file/read_*.c and io/keras/weights_*.c. */
#include "io/model_file/model_file.h"

#include "io/hdf5/hdf5.h"
#include "base/json_read.h"
#include "io/keras/canonical.h"
#include "io/keras/layout.h"
#include "io/keras/zip.h"
#include "io/model_file/read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
            return mr_fail(e, MR_EIO, "'%s' was truncated while being read", file);
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
        status = mr_fail(e, MR_ELIMIT, "'%s': %lld bytes is too large for an architecture", file,
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

int mr_model_name_source(int status, const char *name, mr_error *e)
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

/* 1, 0, or an error. */
static int is_zip(const mr_model_source *s, mr_error *e)
{
    return s->bytes ? s->size >= 4 && !memcmp(s->bytes, "PK\3\4", 4) : mr_keras_is_zip(s->name, e);
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
    return finish(out, m, mr_model_name_source(status, s->name, e));
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
    return mr_model_name_source(status, file, e);
}

int mr_model_load_weights(mr_model *m, const char *file, mr_error *e)
{
    mr_model_source s = {.name = file};
    int status = is_zip(&s, e);
    mr_hdf5_lock();
    if (status >= 0)
        status = status ? mr_model_read_weights_zip(m, &s, e) : mr_model_read_weights_h5(m, &s, e);
    mr_hdf5_unlock();
    return mr_model_name_source(status, file, e);
}
