/* SPDX-License-Identifier: Apache-2.0 */
#include "io/keras/metadata.h"

#include "base/number.h"
#include "io/files/class_name.h"
#include "io/files/held_out.h"
#include "base/json_read.h"
#include "io/keras/write.h"
#include "io/hdf5/seal.h"

#include <stdlib.h>
#include <string.h>

static json_t *to_hex(const void *bytes, size_t size)
{
    char *text = mr_hex_encode(bytes, size);
    json_t *v = text ? json_string(text) : NULL;
    free(text);
    return v;
}

/* --- the contract --------------------------------------------------------- */

json_t *mr_preprocess_json(const mr_preprocess *p)
{
    return json_pack("{s:s, s:i, s:i, s:s, s:f, s:f, s:b}", "color_mode", mr_color_mode_name(p->color_mode),
                     "height", p->height, "width", p->width, "interpolation",
                     mr_interpolation_name(p->interpolation), "rescale", p->rescale, "offset", p->offset,
                     "dct_scaling", p->dct_scaling);
}

static int broken_contract(mr_error *e, const char *key)
{
    return mr_fail(e, MR_EFORMAT, "millrace_preprocessing: '%s' is missing or wrong", key);
}

static bool take_size(int *out, const json_t *v)
{
    if (!json_is_integer(v) || json_integer_value(v) < 1 || json_integer_value(v) > 1 << 20)
        return false;
    *out = (int)json_integer_value(v);
    return true;
}

int mr_preprocess_from_json(mr_preprocess *p, const json_t *v, mr_error *e)
{
    const char *color = mr_json_text(v, "color_mode"), *interpolation = mr_json_text(v, "interpolation");
    const json_t *rescale = json_object_get(v, "rescale"), *offset = json_object_get(v, "offset");
    int mode = color ? mr_color_mode_by_name(color) : -1,
        kind = interpolation ? mr_interpolation_by_name(interpolation) : -1;
    if (mode < 0)
        return broken_contract(e, "color_mode");
    if (kind < 0)
        return broken_contract(e, "interpolation");
    if (!take_size(&p->height, json_object_get(v, "height")))
        return broken_contract(e, "height");
    if (!take_size(&p->width, json_object_get(v, "width")))
        return broken_contract(e, "width");
    if (!json_is_number(rescale) || !json_is_number(offset))
        return broken_contract(e, "rescale or offset");
    p->color_mode = (mr_color_mode)mode;
    p->interpolation = (mr_interpolation)kind;
    p->rescale = json_number_value(rescale);
    p->offset = json_number_value(offset);
    p->dct_scaling = json_is_true(json_object_get(v, "dct_scaling"));
    return 0;
}

static int read_json(json_t **out, hid_t root, const char *name, mr_error *e)
{
    char *text;
    size_t size = 0;
    *out = NULL;
    int status = mr_hdf5_find_text(&text, &size, root, name, e);
    if (!status && text)
        status = mr_json_parse(out, text, size, name, e);
    free(text);
    return status;
}

int mr_metadata_read_contract(mr_model *m, hid_t root, mr_error *e)
{
    json_t *v;
    int status = read_json(&v, root, "millrace_preprocessing", e);
    if (!status && v) {
        status = mr_preprocess_from_json(&m->preprocess, v, e);
        m->has_preprocess = !status;
    }
    json_decref(v);
    return status;
}

/* Up to version 0.1 a name that is not UTF-8 was written as its bytes in hexadecimal: {"hex": "…"}. */
static char *class_name(const json_t *v)
{
    if (json_is_string(v))
        return strdup(json_string_value(v));
    char *bytes = json_is_object(v) ? mr_hex_decode(mr_json_text(v, "hex"), NULL) : NULL;
    char *name = bytes ? mr_class_name_of(bytes) : NULL;
    free(bytes);
    return name;
}

static int take_class_names(mr_model *m, const json_t *list, mr_error *e)
{
    size_t n = json_array_size(list);
    if (n == 0 || n > 1 << 20)
        return mr_fail(e, MR_EFORMAT, "millrace_class_names: not a list of names");
    m->class_names = calloc(n, sizeof *m->class_names);
    if (!m->class_names)
        return mr_no_memory(e, "class names");
    m->classes = (int)n;
    for (size_t i = 0; i < n; i++) {
        m->class_names[i] = class_name(json_array_get(list, i));
        if (!m->class_names[i])
            return mr_fail(e, MR_EFORMAT, "millrace_class_names: not a list of names");
    }
    return 0;
}

static int read_class_names(mr_model *m, hid_t root, mr_error *e)
{
    json_t *v;
    int status = read_json(&v, root, "millrace_class_names", e);
    if (!status && v)
        status = take_class_names(m, v, e);
    json_decref(v);
    return status;
}

static int read_held_out(mr_model *m, hid_t root, mr_error *e)
{
    int status = read_json(&m->held_out, root, "millrace_held_out", e);
    return !status && m->held_out ? mr_held_out_check(m->held_out, e) : status;
}

/* --- attributes of others -------------------------------------------------
 * Kept as bytes: {"type", "space", "data"} in hexadecimal, as H5Tencode, H5Sencode and H5Aread give them.
 * Strings of variable length have pointers for data; they are kept as {"text": [hexadecimal…], "scalar",
 * "utf8"}. */

enum { MAX_EXTRA_BYTES = 1 << 20 }; /* of one attribute; larger ones are no notes */

static json_t *encode(hid_t id, herr_t (*encoder)(hid_t id, void *buffer, size_t *size))
{
    size_t size = 0;
    void *buffer = encoder(id, NULL, &size) >= 0 && size && size <= MAX_EXTRA_BYTES ? malloc(size) : NULL;
    json_t *v = buffer && encoder(id, buffer, &size) >= 0 ? to_hex(buffer, size) : NULL;
    free(buffer);
    return v;
}

static herr_t encode_space(hid_t id, void *buffer, size_t *size)
{
    return H5Sencode(id, buffer, size);
}

static json_t *keep_strings(hid_t root, const char *name, hid_t type, hid_t space)
{
    mr_names texts;
    if (mr_hdf5_read_names(&texts, root, name, NULL))
        return NULL;
    json_t *list = json_array();
    for (size_t i = 0; i < texts.count; i++)
        json_array_append_new(list, to_hex(texts.name[i], strlen(texts.name[i])));
    mr_names_free(&texts);
    return json_pack("{s:o, s:b, s:b}", "text", list, "scalar",
                     H5Sget_simple_extent_type(space) == H5S_SCALAR, "utf8",
                     H5Tget_cset(type) == H5T_CSET_UTF8);
}

static json_t *keep_bytes(hid_t attribute, hid_t type, hid_t space)
{
    hssize_t count = H5Sget_simple_extent_npoints(space);
    size_t size = H5Tget_size(type);
    if (count < 0 || size == 0 || (count && size > MAX_EXTRA_BYTES / (size_t)count))
        return NULL;
    size *= (size_t)count;
    void *data = malloc(size + 1);
    json_t *v = NULL;
    if (data && (size == 0 || H5Aread(attribute, type, data) >= 0))
        v = json_pack("{s:o, s:o, s:o}", "type", encode(type, H5Tencode), "space",
                      encode(space, encode_space), "data", to_hex(data, size));
    free(data);
    return v;
}

/* References and sequences point into the file that they come from: such are not kept. */
static bool is_plain(hid_t type)
{
    H5T_class_t class = H5Tget_class(type);
    return class == H5T_INTEGER || class == H5T_FLOAT || class == H5T_ENUM || class == H5T_OPAQUE ||
           class == H5T_BITFIELD || (class == H5T_STRING && H5Tis_variable_str(type) == 0);
}

static void keep_attribute(json_t *extra, hid_t root, const char *name)
{
    hid_t attribute = H5Aopen(root, name, H5P_DEFAULT);
    hid_t type = attribute < 0 ? -1 : H5Aget_type(attribute),
          space = attribute < 0 ? -1 : H5Aget_space(attribute);
    json_t *v = NULL;
    if (type >= 0 && space >= 0 && H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) > 0)
        v = keep_strings(root, name, type, space);
    else if (type >= 0 && space >= 0 && is_plain(type))
        v = keep_bytes(attribute, type, space);
    if (v)
        json_object_set_new(extra, name, v);
    mr_hdf5_release(space);
    mr_hdf5_release(type);
    mr_hdf5_release(attribute);
    H5Eclear2(H5E_DEFAULT);
}

static bool starts_with(const char *text, const char *start)
{
    return !strncmp(text, start, strlen(start));
}

/* Keras's own attributes, and ours: they are written anew. */
static bool is_known(const char *name)
{
    static const char *const known[] = {"keras_version", "backend", "model_config", "training_config"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(name, known[i]))
            return true;
    return starts_with(name, "millrace_") || starts_with(name, "layer_names") ||
           starts_with(name, "weight_names");
}

static int read_extra(mr_model *m, hid_t root, mr_error *e)
{
    mr_names names;
    int status = mr_hdf5_attributes(&names, root, e);
    if (status)
        return status;
    m->extra = json_object();
    for (size_t i = 0; i < names.count; i++)
        if (!is_known(names.name[i]))
            keep_attribute(m->extra, root, names.name[i]);
    mr_names_free(&names);
    return m->extra ? 0 : mr_no_memory(e, "a model's configuration or weights");
}

int mr_metadata_read_provenance(json_t **out, hid_t root, mr_error *e)
{
    int status = read_json(out, root, "millrace_provenance", e);
    if (!status && *out && !json_is_object(*out)) {
        json_decref(*out);
        *out = NULL;
        status = mr_fail(e, MR_EFORMAT, "millrace_provenance: not an object");
    }
    return status;
}

int mr_metadata_read(mr_model *m, hid_t root, mr_error *e)
{
    size_t size = 0;
    int status = read_class_names(m, root, e);
    if (!status)
        status = mr_metadata_read_provenance(&m->provenance, root, e);
    if (!status)
        status = mr_hdf5_find_text(&m->millrace_version, &size, root, "millrace_version", e);
    if (!status)
        status = read_held_out(m, root, e);
    return status ? status : read_extra(m, root, e);
}

/* --- writing -------------------------------------------------------------- */

static hid_t decode(const json_t *v, hid_t (*decoder)(const void *buffer))
{
    char *bytes = mr_hex_decode(json_string_value(v), NULL);
    hid_t id = bytes ? decoder(bytes) : -1;
    free(bytes);
    return id;
}

static int write_attribute(hid_t root, const char *name, hid_t type, hid_t space, const void *data,
                           mr_error *e)
{
    hid_t a = type < 0 || space < 0 ? -1 : H5Acreate2(root, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    int status = a < 0 || H5Awrite(a, type, data) < 0
                     ? mr_hdf5_fail(e, MR_EIO, "cannot write attribute '%s'", name)
                     : 0;
    mr_hdf5_release(a);
    return status;
}

static int write_strings(hid_t root, const char *name, const json_t *v, mr_error *e)
{
    const json_t *list = json_object_get(v, "text");
    hsize_t count = json_array_size(list);
    char **texts = calloc(count + 1, sizeof *texts);
    int status = texts ? 0 : mr_no_memory(e, "a model's configuration or weights");
    for (size_t i = 0; i < count && !status; i++) {
        texts[i] = mr_hex_decode(json_string_value(json_array_get(list, i)), NULL);
        status = texts[i] ? 0 : mr_no_memory(e, "a model's configuration or weights");
    }
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, json_is_true(json_object_get(v, "utf8")) ? H5T_CSET_UTF8 : H5T_CSET_ASCII);
    hid_t space = json_is_true(json_object_get(v, "scalar")) ? H5Screate(H5S_SCALAR)
                                                             : H5Screate_simple(1, &count, NULL);
    if (!status)
        status = write_attribute(root, name, type, space, texts, e);
    mr_hdf5_release(space);
    mr_hdf5_release(type);
    for (size_t i = 0; texts && i < count; i++)
        free(texts[i]);
    free(texts);
    return status;
}

static int write_bytes(hid_t root, const char *name, const json_t *v, mr_error *e)
{
    hid_t type = decode(json_object_get(v, "type"), H5Tdecode),
          space = decode(json_object_get(v, "space"), H5Sdecode);
    char *data = mr_hex_decode(mr_json_text(v, "data"), NULL);
    int status =
        data ? write_attribute(root, name, type, space, data, e) : mr_no_memory(e, "a model's configuration or weights");
    free(data);
    mr_hdf5_release(space);
    mr_hdf5_release(type);
    return status;
}

static int write_extra(hid_t root, const json_t *extra, mr_error *e)
{
    const char *name;
    json_t *v;
    int status = 0;
    json_object_foreach ((json_t *)extra, name, v)
        if (!status)
            status =
                json_object_get(v, "text") ? write_strings(root, name, v, e) : write_bytes(root, name, v, e);
    return status;
}

static json_t *class_names_json(const mr_model *m)
{
    json_t *list = json_array();
    bool complete = list != NULL;
    for (int i = 0; complete && i < m->classes; i++) {
        char *name = mr_class_name_of(m->class_names[i]); /* one left out would shift the others */
        complete = name && json_array_append_new(list, json_string(name)) == 0;
        free(name);
    }
    if (complete)
        return list;
    json_decref(list);
    return NULL;
}

/* VALUE is taken over. */
static int write_json(hid_t root, const char *name, json_t *value, mr_error *e)
{
    char *text = value ? mr_json_dump(value) : NULL;
    int status = text ? mr_hdf5_write_text(root, name, text, false, e)
                      : mr_no_memory(e, "%s", name);
    free(text);
    json_decref(value);
    return status;
}

int mr_metadata_write(hid_t file, const mr_model *m, mr_error *e)
{
    int status = mr_hdf5_write_text(file, "millrace_version", MR_VERSION_STRING, false, e);
    if (!status && m->has_preprocess)
        status = write_json(file, "millrace_preprocessing", mr_preprocess_json(&m->preprocess), e);
    if (!status && m->class_names)
        status = write_json(file, "millrace_class_names", class_names_json(m), e);
    if (!status && m->provenance)
        status = write_json(file, "millrace_provenance", json_incref(m->provenance), e);
    if (!status && json_array_size(m->held_out))
        status = write_json(file, "millrace_held_out", json_incref(m->held_out), e);
    return status ? status : write_extra(file, m->extra, e);
}

int mr_keras_write_last(hid_t file, const mr_keras_output *o, const mr_save_options *options, mr_error *e)
{
    int status = o->self_test->inputs ? mr_self_test_write(file, o->self_test, e) : 0;
    if (!status && options->extra)
        status = options->extra(options->extra_context, (int64_t)file, e);
    return status ? status : mr_seal_write(file, e);
}
