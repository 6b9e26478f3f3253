/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/option/run_options.h"

#include "base/json_read.h"
#include "base/number.h"
#include "cli/option/keep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- values ------------------------------------------------------------------- */

/* Arguments need not be UTF-8, JSON must be: other bytes go as {"hex": …}. */
json_t *mr_cli_text_json(const char *text)
{
    json_t *v = json_string(text);
    if (v)
        return v;
    char *hex = mr_hex_encode(text, strlen(text));
    v = hex ? json_pack("{s:s}", "hex", hex) : NULL;
    free(hex);
    return v;
}

static json_t *list_json(const mr_list *list)
{
    json_t *v = json_array();
    for (int i = 0; i < list->count; i++)
        json_array_append_new(v, mr_cli_text_json(list->item[i]));
    return v;
}

static json_t *value_json(const mr_cli *c, const mr_option *o)
{
    const void *field = (const char *)c + o->field;
    const char *text;
    switch (o->type) {
    case MR_FLAG:
        return json_boolean(*(const bool *)field);
    case MR_TEXT:
        text = *(const char *const *)field;
        return text ? mr_cli_text_json(text) : json_null();
    case MR_INT:
        return json_integer(*(const int *)field);
    case MR_INT64:
        return json_integer(*(const int64_t *)field);
    case MR_NUMBER:
        return json_real(*(const double *)field);
    case MR_LIST:
        return list_json(field);
    }
    return NULL;
}

json_t *mr_cli_settings(const mr_cli *c)
{
    json_t *all = json_object();
    for (int i = 0; all && i < mr_option_count; i++)
        if (c->given[i] && json_object_set_new(all, mr_options[i].name, value_json(c, &mr_options[i]))) {
            json_decref(all);
            all = NULL;
        }
    return all;
}

/* --- taking over -------------------------------------------------------------- */

static const char *restored_text(const json_t *v, mr_strings *memory)
{
    if (json_is_string(v))
        return mr_strings_join(memory, NULL, json_string_value(v));
    char *bytes = mr_hex_decode(mr_json_text(v, "hex"), NULL);
    const char *text = bytes ? mr_strings_join(memory, NULL, bytes) : NULL;
    free(bytes);
    return text;
}

static bool restore_list(mr_list *list, const json_t *v, mr_strings *memory)
{
    char number[32];
    list->count = 0;
    if (json_is_integer(v)) { /* --keep took one number once */
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(v));
        list->item[list->count++] = mr_strings_join(memory, NULL, number);
        return list->item[0] != NULL;
    }
    for (size_t i = 0; i < json_array_size(v) && i < MR_CLI_LIST; i++) {
        list->item[i] = restored_text(json_array_get(v, i), memory);
        if (!list->item[i])
            return false;
        list->count++;
    }
    return json_is_array(v);
}

static bool restore_value(mr_cli *c, const mr_option *o, const json_t *v, mr_strings *memory)
{
    void *field = (char *)c + o->field;
    switch (o->type) {
    case MR_FLAG:
        *(bool *)field = json_is_true(v);
        return json_is_boolean(v);
    case MR_TEXT:
        return (*(const char **)field = restored_text(v, memory)) != NULL;
    case MR_INT:
        *(int *)field = (int)json_integer_value(v);
        return json_is_integer(v);
    case MR_INT64:
        *(int64_t *)field = json_integer_value(v);
        return json_is_integer(v);
    case MR_NUMBER:
        *(double *)field = json_number_value(v);
        return json_is_number(v);
    case MR_LIST:
        return restore_list(field, v, memory);
    }
    return false;
}

/* --- comparing ---------------------------------------------------------------- */

static int differs(const mr_option *o, const json_t *then, const json_t *now, mr_error *e)
{
    char *before = then ? json_dumps(then, JSON_ENCODE_ANY | JSON_REAL_PRECISION(10)) : NULL;
    char *given = json_dumps(now, JSON_ENCODE_ANY | JSON_REAL_PRECISION(10));
    int status = before ? mr_fail(e, MR_EUSAGE, "--%s %s: the run that is resumed has %s", o->name,
                                  given ? given : "", before)
                        : mr_fail(e, MR_EUSAGE, "--%s %s: the run that is resumed began without it", o->name,
                                  given ? given : "");
    free(before);
    free(given);
    return mr_hint(e, status, "leave it out to continue as before, or start another run with --from");
}

/* Given now: must be what it was, or what it was by default. */
static int compare(const mr_cli *c, const mr_option *o, const json_t *then, mr_error *e)
{
    mr_cli usual;
    mr_cli_default(&usual);
    json_t *now = value_json(c, o), *fallback = value_json(&usual, o);
    int status = json_equal(now, then ? then : fallback) ? 0 : differs(o, then, now, e);
    json_decref(now);
    json_decref(fallback);
    return status;
}

static int restore_option(mr_cli *c, int i, const json_t *then, mr_strings *memory, mr_error *e)
{
    const mr_option *o = &mr_options[i];
    if (c->given[i])
        return o->traits & MR_CHANGES ? 0 : compare(c, o, then, e);
    if (!then || o->traits & MR_OF_START)
        return 0;
    if (!restore_value(c, o, then, memory))
        return mr_fail(e, MR_EFORMAT, "the checkpoint's options: '%s' cannot be understood", o->name);
    c->given[i] = 1;
    return 0;
}

/* --keep says two things, and one of them is the run's. */
static int restore_keep(mr_cli *c, const json_t *then, mr_strings *memory, mr_error *e)
{
    mr_list before = {0};
    if (then && !restore_list(&before, then, memory))
        return mr_fail(e, MR_EFORMAT, "the checkpoint's options: 'keep' cannot be understood");
    return mr_cli_keep_check_resumed(c, &before, e);
}

int mr_cli_restore(mr_cli *c, const json_t *settings, mr_strings *memory, mr_error *e)
{
    int status = 0;
    if (mr_cli_given(c, "keep"))
        status = restore_keep(c, json_object_get(settings, "keep"), memory, e);
    for (int i = 0; i < mr_option_count && !status; i++)
        if (mr_options[i].traits & MR_FOR_TRAIN)
            status = restore_option(c, i, json_object_get(settings, mr_options[i].name), memory, e);
    return status;
}
