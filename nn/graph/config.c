/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/graph/config.h"

#include "base/json_read.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* --- numbers --------------------------------------------------------------- */

static const json_t *value_of(const json_t *c, const char *key)
{
    const json_t *v = json_object_get(c, key);
    return json_is_null(v) ? NULL : v;
}

/* Integers also come as 2.0 from some writers. */
static bool integer_of(const json_t *v, int64_t *out)
{
    if (json_is_integer(v)) {
        *out = json_integer_value(v);
        return true;
    }
    double d = json_is_real(v) ? json_real_value(v) : 0.5;
    if (!(fabs(d) < 9e15) || d != floor(d))
        return false;
    *out = (int64_t)d;
    return true;
}

static int check_range(const mr_layer *l, const char *key, int64_t v, int64_t low, int64_t high, mr_error *e)
{
    if (v >= low && v <= high)
        return 0;
    return mr_layer_invalid(l, e, "\"%s\" %lld is out of range (%lld to %lld)", key, (long long)v, (long long)low,
                            (long long)high);
}

int mr_config_int(const mr_layer *l, const json_t *c, const char *key, int64_t low, int64_t high,
                  int64_t fallback, int64_t *out, mr_error *e)
{
    const json_t *v = value_of(c, key);
    *out = fallback;
    if (!v)
        return 0;
    if (!integer_of(v, out))
        return mr_layer_invalid(l, e, "\"%s\" must be an integer", key);
    return check_range(l, key, *out, low, high, e);
}

int mr_config_real(const mr_layer *l, const json_t *c, const char *key, double fallback, double *out,
                   mr_error *e)
{
    const json_t *v = value_of(c, key);
    *out = fallback;
    if (!v)
        return 0;
    if (!json_is_number(v))
        return mr_layer_invalid(l, e, "\"%s\" must be a number", key);
    *out = json_number_value(v);
    return isnan(*out) ? mr_layer_invalid(l, e, "\"%s\" must be a number", key) : 0;
}

int mr_config_bool(const mr_layer *l, const json_t *c, const char *key, bool fallback, bool *out, mr_error *e)
{
    const json_t *v = value_of(c, key);
    *out = v ? json_is_true(v) : fallback;
    return !v || json_is_boolean(v) ? 0 : mr_layer_invalid(l, e, "\"%s\" must be true or false", key);
}

int mr_config_sizes(const mr_layer *l, const json_t *c, const char *key, int count, int64_t low, int64_t high,
                    int64_t fallback, int64_t *out, mr_error *e)
{
    const json_t *v = value_of(c, key);
    bool list = json_is_array(v);
    for (int i = 0; i < count; i++)
        out[i] = fallback;
    if (!v)
        return 0;
    if (list && json_array_size(v) != (size_t)count)
        return mr_layer_invalid(l, e, "\"%s\" has %zu entries, not %d", key, json_array_size(v), count);
    for (int i = 0; i < count; i++) {
        if (!integer_of(list ? json_array_get(v, (size_t)i) : v, &out[i]))
            return mr_layer_invalid(l, e, "\"%s\" must be an integer or a list of %d integers", key,
                                    count);
        int status = check_range(l, key, out[i], low, high, e);
        if (status)
            return status;
    }
    return 0;
}

int mr_config_pair(const mr_layer *l, const json_t *c, const char *key, int64_t low, int64_t high,
                   int64_t fallback, int64_t out[2], mr_error *e)
{
    return mr_config_sizes(l, c, key, 2, low, high, fallback, out, e);
}

/* --- words ----------------------------------------------------------------- */

int mr_config_choice(const mr_layer *l, const json_t *c, const char *key, const char *const *names,
                     int fallback, int *out, mr_error *e)
{
    const json_t *v = value_of(c, key);
    *out = fallback;
    if (!v)
        return 0;
    if (!json_is_string(v))
        return mr_layer_invalid(l, e, "\"%s\" must be a string", key);
    for (int i = 0; names[i]; i++)
        if (!strcasecmp(names[i], json_string_value(v))) {
            *out = i;
            return 0;
        }
    return mr_layer_refuse(l, e, "\"%s\": unsupported value \"%s\"", key,
                           json_string_value(v));
}

int mr_config_channels_last(const mr_layer *l, const json_t *c, mr_error *e)
{
    static const char *const names[] = {"channels_last", NULL};
    int only;
    return mr_config_choice(l, c, "data_format", names, 0, &only, e);
}

/* --- rows -------------------------------------------------------------------- */

static int check_there(const mr_layer *l, const mr_config_field *f, mr_error *e)
{
    return f->required && !value_of(l->config, f->key) ? mr_layer_invalid(l, e, "\"%s\" is missing", f->key) : 0;
}

int mr_field_int(const mr_layer *l, const mr_config_field *f, void *at, mr_error *e)
{
    int status = check_there(l, f, e);
    return status ? status
                  : mr_config_int(l, l->config, f->key, (int64_t)f->low, (int64_t)f->high, (int64_t)f->fallback, at,
                                  e);
}

int mr_field_real(const mr_layer *l, const mr_config_field *f, void *at, mr_error *e)
{
    const double *v = at;
    int status = mr_config_real(l, l->config, f->key, f->fallback, at, e);
    if (!status && (f->low != 0 || f->high != 0) && !(*v >= f->low && *v <= f->high))
        status = mr_layer_invalid(l, e, "\"%s\" %g is out of range (%g to %g)", f->key, *v, f->low, f->high);
    return status;
}

int mr_field_bool(const mr_layer *l, const mr_config_field *f, void *at, mr_error *e)
{
    return mr_config_bool(l, l->config, f->key, f->fallback != 0, at, e);
}

int mr_field_choice(const mr_layer *l, const mr_config_field *f, void *at, mr_error *e)
{
    return mr_config_choice(l, l->config, f->key, f->names, (int)f->fallback, at, e);
}

int mr_field_pair(const mr_layer *l, const mr_config_field *f, void *at, mr_error *e)
{
    return mr_config_pair(l, l->config, f->key, (int64_t)f->low, (int64_t)f->high, (int64_t)f->fallback, at, e);
}

int mr_field_channels_last(const mr_layer *l, const mr_config_field *f, void *at, mr_error *e)
{
    (void)f, (void)at;
    return mr_config_channels_last(l, l->config, e);
}

int mr_field_unsupported(const mr_layer *l, const mr_config_field *f, void *at, mr_error *e)
{
    const json_t *v = value_of(l->config, f->key);
    (void)at;
    return v && !json_is_false(v) ? mr_layer_refuse(l, e, "\"%s\" is not supported", f->key) : 0;
}

const mr_config_field *mr_layer_field(const mr_layer_class *class, const char *key)
{
    for (const mr_config_field *f = class->fields; f && f->key; f++)
        if (!strcmp(f->key, key))
            return f;
    return NULL;
}

int mr_layer_configure(mr_layer *l, mr_error *e)
{
    int status = 0;
    for (const mr_config_field *f = l->class->fields; f && f->key && !status; f++)
        if (f->read)
            status = f->read(l, f, (char *)l->impl + f->offset, e);
    return !status && l->class->configure ? l->class->configure(l, l->config, e) : status;
}

/* --- variables ------------------------------------------------------------- */

static bool named(const char *name, const char *snake, const char *camel)
{
    return !strcmp(name, snake) || !strcmp(name, camel);
}

/* Keras's default for a bare name is 0.01. KEY may be NULL: none. */
int mr_config_regularizer(const mr_layer *l, const char *key, double *l1, double *l2, mr_error *e)
{
    const json_t *v = key ? value_of(l->config, key) : NULL;
    const json_t *config = json_object_get(v, "config");
    const char *name =
        json_is_string(v) ? json_string_value(v) : mr_json_text(v, "class_name");
    *l1 = *l2 = 0;
    if (!v)
        return 0;
    if (!name)
        return mr_layer_invalid(l, e, "\"%s\" is not a regularizer", key);
    bool both = named(name, "l1_l2", "L1L2"), bare = json_is_string(v);
    bool has_l1 = both || named(name, "l1", "L1"), has_l2 = both || named(name, "l2", "L2");
    if (!has_l1 && !has_l2)
        return mr_layer_refuse(l, e, "\"%s\": unsupported regularizer %s", key, name);
    double fallback = both && !bare ? 0 : 0.01;
    int status = has_l1 ? mr_config_real(l, config, "l1", fallback, l1, e) : 0;
    return !status && has_l2 ? mr_config_real(l, config, "l2", fallback, l2, e) : status;
}

int mr_layer_add_param(mr_layer *l, const char *kind, mr_shape shape, bool statistic,
                       const char *initializer_key, const char *default_initializer,
                       const char *regularizer_key, mr_error *e)
{
    char what[256];
    snprintf(what, sizeof what, "layer '%s' (%s): %s", l->name, l->class->name, kind);
    int status = mr_shape_check(&shape, 0, MR_MAX_ELEMENTS, what, e);
    if (status)
        return status;
    if (l->params == MR_MAX_PARAMS)
        return mr_layer_refuse(l, e, "more than %d variables", MR_MAX_PARAMS);
    mr_param p = {.kind = kind,
                  .shape = shape,
                  .statistic = statistic,
                  .default_initializer = default_initializer,
                  .trainable = !statistic && l->trainable,
                  .count = mr_shape_count(&shape),
                  .layer = l};
    p.initializer = initializer_key ? value_of(l->config, initializer_key) : NULL;
    status = mr_config_regularizer(l, regularizer_key, &p.l1, &p.l2, e);
    if (!status)
        l->param[l->params++] = p;
    return status;
}
